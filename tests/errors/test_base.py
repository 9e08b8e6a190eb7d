"""The root of the tree."""

from __future__ import annotations

import pytest

from cableway.errors import CableError
from tests.errors.texts import check_text, defined_in, names

# Each error, its whole text, and whether trying again can help.
CASES: list[tuple[CableError, str, bool]] = [
    (CableError("anything"), "anything", False),
]


def test_each_error_is_pinned_here() -> None:
    """A new error needs a text in this file."""
    assert {type(error) for error, _, _ in CASES} == set(defined_in("base"))


@pytest.mark.parametrize(("error", "text", "retryable"), CASES, ids=names(CASES))
def test_texts(error: CableError, text: str, retryable: bool) -> None:  # noqa: FBT001
    """What happened, where, and what to try; on one line, with no secret in it."""
    check_text(error, text, retryable=retryable)


def test_every_error_has_one_root() -> None:
    """Who catches it catches all; unless it says so, trying again does not help."""
    assert issubclass(CableError, Exception)
    assert CableError("x").retryable is False
