"""What is shown of what a program complained."""

from __future__ import annotations

import base64
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cableway.auth.providers.complaint import LONGEST, shown_complaint

MARK = "s3cr3t"


@pytest.mark.parametrize(
    ("complaint", "shown"),
    [
        (b"", ""),
        (b"fatal: not logged in\n", "fatal: not logged in"),
        (b"error: HTTP 401 (unauthorised), can't go on.\n", "error: HTTP 401 (unauthorised), can't go on."),
        (b"see https://u:p@h.example/x?t=1 now", "see https://***@h.example/x?t=*** now"),
        (b"token: hunter expired", "token: *** expired"),
        (b"password=hunter", "***"),
        (b"Authorization: Bearer hunter", "Authorization: *** ***"),
        (b"the token expired", "the token expired"),
        (b"\x1b[31mred\x1b[0m \x07 text", "*** *** text"),
        (b"\xff\xfe no text", "*** no text"),
    ],
)
def test_words_of_a_sentence_are_shown(complaint: bytes, shown: str) -> None:
    """All else is cut out, and on one line."""
    assert shown_complaint(complaint, []) == shown


def test_what_is_known_to_be_secret() -> None:
    """However harmless it looks, and whatever stands around it."""
    assert shown_complaint(b"bad hunter, 'hunter' hunters", ["the hunter\n", ""]) == "bad *** *** hunters"


def test_it_is_cut() -> None:
    """A program may write a novel."""
    assert len(shown_complaint(b"word " * 10_000, [])) == LONGEST


@pytest.mark.parametrize("form", ["{}", "token={}", "'{}'", "<{}>", '{{"token":"{}"}}', "a\n{}\nb", "x {}."])
def test_tokens_are_cut_out(form: str) -> None:
    """In the forms that programs write them."""
    for token in (MARK, f"{MARK}.{MARK}.{MARK}", base64.b64encode(MARK.encode()).decode(), secrets.token_urlsafe(32)):
        assert token not in shown_complaint(form.format(token).encode(), [])


@given(st.binary(max_size=500), st.lists(st.text(max_size=20)))
def test_it_never_raises(complaint: bytes, known: list[str]) -> None:
    """And what it gives can be shown."""
    assert shown_complaint(complaint, known).isprintable()
