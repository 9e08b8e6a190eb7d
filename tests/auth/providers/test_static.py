"""A token that never changes."""

from __future__ import annotations

import pytest

from cableway.auth.providers.static import StaticToken
from cableway.auth.token import Token
from cableway.errors import UsageError

MARK = "s3cr3t"


async def test_it_gives_the_same_again() -> None:
    """A str becomes a Token, a Token stays what it is."""
    token = Token(MARK, 5)
    assert await StaticToken(token).fetch() is token
    assert await StaticToken(MARK).fetch() == token


def test_it_cannot_be_renewed() -> None:
    """So a refusal of it is final."""
    assert StaticToken(MARK).renewable is False


def test_it_shows_no_secret() -> None:
    """Neither in its text nor in that of its errors."""
    assert repr(StaticToken(MARK)) == "StaticToken(Token(…))"
    assert MARK not in StaticToken(MARK).label
    with pytest.raises(UsageError) as caught:
        StaticToken(f"{MARK}\n")
    assert MARK not in str(caught.value)
