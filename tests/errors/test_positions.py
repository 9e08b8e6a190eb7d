"""The error of positions that could not be kept."""

from __future__ import annotations

import pytest

from cableway.errors import CableError, PositionsFailed
from tests.errors.texts import HOSTILE, check_text, defined_in, names

# Each error, its whole text, and whether trying again can help.
CASES: list[tuple[CableError, str, bool]] = [
    (
        PositionsFailed("/var/p.db", "save", "the disk is full", hint="Free some space", retryable=True),
        "cannot save positions in /var/p.db: the disk is full. Free some space",
        True,
    ),
    (PositionsFailed("/p\n.db", "load", "it is a folder"), "cannot load positions in /p .db: it is a folder", False),
]


def test_each_error_is_pinned_here() -> None:
    """A new error needs a text in this file."""
    assert {type(error) for error, _, _ in CASES} == set(defined_in("positions"))


@pytest.mark.parametrize(("error", "text", "retryable"), CASES, ids=names(CASES))
def test_texts(error: CableError, text: str, retryable: bool) -> None:  # noqa: FBT001
    """What happened, where, and what to try; on one line, with no secret in it."""
    check_text(error, text, retryable=retryable)


def test_facts_are_fields() -> None:
    """Programs read fields, not texts."""
    error = PositionsFailed("/p.db", "save", "odd", hint="Do this", retryable=True)
    assert (error.path, error.task, error.what, error.hint, error.retryable) == (
        "/p.db",
        "save",
        "odd",
        "Do this",
        True,
    )


def test_the_text_cannot_upset_a_terminal() -> None:
    """A path and a reason are shown on one line, cut to a length, without control characters."""
    error = PositionsFailed(HOSTILE, "load", HOSTILE)
    assert len(str(error)) < 500
    assert str(error).isprintable()
