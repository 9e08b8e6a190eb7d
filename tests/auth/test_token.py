"""A token is checked when it is made, and never shown."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cableway.auth.token import LARGEST, LATEST, Token
from cableway.errors import UsageError

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
MARK = "s3cr3t"


def test_its_end_is_kept_in_unix_seconds() -> None:
    """A datetime of any zone and Unix seconds say the same."""
    zoned = NOON.astimezone(timezone(timedelta(hours=5)))
    for moment in (NOON, zoned, NOON.timestamp(), int(NOON.timestamp())):
        token = Token("abc", moment)
        assert token.expires_unix == NOON.timestamp()
        assert token.expires_at == NOON
    assert Token("abc").expires_unix is None
    assert Token("abc").expires_at is None


def test_its_life_is_kept_in_seconds() -> None:
    """A timedelta and a number say the same."""
    assert Token("abc", life=60).life == Token("abc", life=timedelta(minutes=1)).life == 60.0
    assert Token("abc").life is None


def test_it_shows_only_its_end() -> None:
    """Whichever way it is turned into text."""
    token = Token(MARK, NOON, life=30)
    assert repr(token) == "Token(…, expires 2030-01-01 12:00:00Z, life 30 s)"
    assert repr(Token(MARK)) == "Token(…)"
    for shown in (str(token), f"{token}", f"{token!r}", f"{[token]}", "%s" % token, repr({"a": token})):  # noqa: UP031
        assert MARK not in shown


def test_equal_by_value() -> None:
    """What is said of its end does not make it another token."""
    assert Token("abc", NOON) == Token("abc", life=5)
    assert hash(Token("abc", NOON)) == hash(Token("abc"))
    assert Token("abc") != Token("abd")
    assert copy.deepcopy(Token("abc", NOON)).expires_unix == NOON.timestamp()
    assert pickle.loads(pickle.dumps(Token("abc", NOON))).value == "abc"  # noqa: S301 - our own


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("", "empty"),
        (None, "NoneType"),
        (MARK.encode(), "bytes"),
        (f"{MARK}\n", "line end"),
        (f" {MARK}", "space at an end"),
        (f"{MARK}\r\nx: y", "header cannot carry"),
        (f"{MARK}\x00", "header cannot carry"),
        (f"{MARK}é", "beyond ASCII"),
        (MARK + "x" * LARGEST, f"the limit is {LARGEST}"),
    ],
)
def test_what_cannot_be_sent_is_refused(value: Any, rule: str) -> None:
    """The text names the rule, never the value."""
    with pytest.raises(UsageError, match=rule) as caught:
        Token(value)
    assert MARK not in str(caught.value)


def test_the_largest_one_fits() -> None:
    """The limit itself is allowed."""
    assert len(Token("x" * LARGEST).value) == LARGEST


@pytest.mark.parametrize(
    ("moment", "rule"),
    [
        (datetime(2030, 1, 1), "time zone"),  # noqa: DTZ001 - that is the point
        ("2030-01-01", "str"),
        (True, "bool"),
        (-1, "Unix time"),
        (float("nan"), "Unix time"),
        (float("inf"), "Unix time"),
        (NOON.timestamp() * 1000, "milliseconds"),
        (10**400, "milliseconds"),
    ],
)
def test_an_end_that_is_no_time_is_refused(moment: Any, rule: str) -> None:
    """Milliseconds, above all, are told from seconds."""
    with pytest.raises(UsageError, match=rule):
        Token("abc", moment)


@pytest.mark.parametrize("life", [-1, float("nan"), float("inf"), True, "60", timedelta(seconds=-1)])
def test_a_life_that_is_no_duration_is_refused(life: Any) -> None:
    """It must be finite, and not negative."""
    with pytest.raises(UsageError, match="life is"):
        Token("abc", life=life)


@given(st.floats(0, LATEST))
def test_each_end_can_be_shown(moment: float) -> None:
    """No moment that is let in breaks a log line later."""
    assert repr(Token("abc", moment)).startswith("Token(…, expires ")
