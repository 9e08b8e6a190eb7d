"""A token that never changes."""

from __future__ import annotations

from cableway.auth.token import Token


class StaticToken:
    """One token, for good: when a server refuses it, that is final.

    Args:
        token: The token.

    Raises:
        UsageError: It cannot be sent.
    """

    renewable: bool = False
    label: str = "the fixed token"

    def __init__(self, token: str | Token) -> None:
        self._token = token if isinstance(token, Token) else Token(token)

    def __repr__(self) -> str:
        return f"StaticToken({self._token!r})"

    async def fetch(self) -> Token:
        """Return the token."""
        return self._token
