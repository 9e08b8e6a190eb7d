"""What may be given as a token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cableway.auth.providers.file import FileToken
from cableway.auth.providers.function import CallableToken
from cableway.auth.providers.given import as_provider
from cableway.auth.providers.static import StaticToken
from cableway.auth.token import Token
from cableway.errors import UsageError

if TYPE_CHECKING:
    from cableway.auth.providers.base import TokenProvider

MARK = "s3cr3t"


class Own:
    """A provider of a user's."""

    renewable = True
    label = "mine"

    async def fetch(self) -> str:
        return "abc"

    def __call__(self) -> str:
        raise AssertionError


async def test_a_token() -> None:
    """As text or as a Token, it is for good."""
    for given in ("abc", Token("abc", 5)):
        provider = as_provider(given)
        assert isinstance(provider, StaticToken)
        assert await provider.fetch() == Token("abc")


async def test_a_function() -> None:
    """It is asked for each token."""
    provider = as_provider(lambda: "abc")
    assert isinstance(provider, CallableToken)
    assert await provider.fetch() == Token("abc")


def test_a_provider() -> None:
    """It stays what it is, so that cables can share it; even one that could be called."""
    own: TokenProvider = Own()
    assert as_provider(own) is own
    file = FileToken("x")
    assert as_provider(file) is file


@pytest.mark.parametrize("given", [None, 5, MARK.encode(), [MARK], Own])
def test_what_is_none_of_them(given: Any) -> None:
    """Its kind is told, not what it is."""
    if given is Own:
        # A class is a function that makes one: what it makes is no token, and that shows when it is asked.
        assert isinstance(as_provider(given), CallableToken)
        return
    with pytest.raises(UsageError, match=f"token= is {type(given).__name__}") as caught:
        as_provider(given)
    assert MARK not in str(caught.value)


def test_an_empty_token() -> None:
    """It is refused before anything is dialled."""
    with pytest.raises(UsageError, match="empty"):
        as_provider("")
