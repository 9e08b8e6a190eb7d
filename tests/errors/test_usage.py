"""Errors of the caller's side, and what each one says."""

from __future__ import annotations

import pytest

from cableway.errors import (
    CableError,
    InvalidHeader,
    InvalidIdentifier,
    InvalidPayload,
    InvalidURL,
    MessageTooLarge,
    MissingExtra,
    UsageError,
    WrongLoop,
)
from tests.errors.texts import SHOWN, URL, check_text, defined_in, names

# Each error, its whole text, and whether trying again can help.
CASES: list[tuple[CableError, str, bool]] = [
    (UsageError("the call is wrong"), "the call is wrong", False),
    (
        InvalidURL("ftp://user:sesame@h/", "it must begin with ws://"),
        "cannot dial 'ftp://***@h/': it must begin with ws://; for example wss://example.com/cable",
        False,
    ),
    (
        InvalidURL(7, "an address is a string"),
        "cannot dial 'int': an address is a string; for example wss://example.com/cable",
        False,
    ),
    (InvalidIdentifier("no channel"), "no channel", False),
    (InvalidPayload("no object"), "no object", False),
    (
        MessageTooLarge(70_000, 65_536),
        (
            "the command is 70000 bytes and the limit is 65536: AnyCable closes a line on which more arrives. "
            "Send less at once, or raise max_command_size= (long polling: max_request_size=) if your server allows it"
        ),
        False,
    ),
    (InvalidHeader("a line break"), "a line break", False),
    (
        MissingExtra("the gateway", "gateway"),
        "the gateway needs an optional dependency: pip install 'cableway[gateway]'",
        False,
    ),
    (WrongLoop("another loop"), "another loop", False),
]


def test_each_error_is_pinned_here() -> None:
    """A new error needs a text in this file."""
    assert {type(error) for error, _, _ in CASES} == set(defined_in("usage"))


@pytest.mark.parametrize(("error", "text", "retryable"), CASES, ids=names(CASES))
def test_texts(error: CableError, text: str, retryable: bool) -> None:  # noqa: FBT001
    """What happened, where, and what to try; on one line, with no secret in it."""
    check_text(error, text, retryable=retryable)


@pytest.mark.parametrize(
    ("error", "builtin"),
    [(InvalidURL("x", "y"), ValueError), (MissingExtra("x", "y"), ImportError), (WrongLoop("x"), RuntimeError)],
)
def test_relatives_among_the_builtin_errors(error: CableError, builtin: type[Exception]) -> None:
    """Who catches the builtin one catches ours."""
    assert isinstance(error, builtin)


def test_facts_are_fields() -> None:
    """Programs read fields, not texts."""
    invalid = InvalidURL(URL, "a rule")
    assert (invalid.url, invalid.rule) == (SHOWN, "a rule")
    large = MessageTooLarge(5, 4)
    assert (large.size, large.limit) == (5, 4)
    missing = MissingExtra("the gateway", "gateway")
    assert (missing.feature, missing.extra) == ("the gateway", "gateway")
