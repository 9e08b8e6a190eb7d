"""Errors of policies that are fetched from a server."""

from __future__ import annotations

import pytest

from cableway.errors import BadPolicy, CableError, PolicyFailed
from tests.errors.texts import SHOWN, URL, check_text, defined_in, names

# Each error, its whole text, and whether trying again can help.
CASES: list[tuple[CableError, str, bool]] = [
    (BadPolicy("backoff.jitter=0 is out of bounds"), "backoff.jitter=0 is out of bounds", False),
    (PolicyFailed(URL, "HTTP 503", status=503), f"no policy from {SHOWN}: HTTP 503", True),
    (
        PolicyFailed(URL, "backoff.jitter=0 is out of bounds", retryable=False),
        f"no policy from {SHOWN}: backoff.jitter=0 is out of bounds",
        False,
    ),
]


def test_each_error_is_pinned_here() -> None:
    """A new error needs a text in this file."""
    assert {type(error) for error, _, _ in CASES} == set(defined_in("policy"))


@pytest.mark.parametrize(("error", "text", "retryable"), CASES, ids=names(CASES))
def test_texts(error: CableError, text: str, retryable: bool) -> None:  # noqa: FBT001
    """What happened, where, and what to try; on one line, with no secret in it."""
    check_text(error, text, retryable=retryable)


def test_a_bad_policy_is_a_value_error() -> None:
    """Who catches the builtin one catches ours."""
    assert isinstance(BadPolicy("x"), ValueError)


def test_facts_are_fields() -> None:
    """Programs read fields, not texts."""
    failed = PolicyFailed(URL, "HTTP 429", status=429, retry_after=7.0)
    assert (failed.url, failed.status, failed.retry_after) == (SHOWN, 429, 7.0)
