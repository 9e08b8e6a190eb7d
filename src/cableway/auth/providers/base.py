"""What a source of tokens is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from cableway.auth.token import Token


class TokenProvider(Protocol):
    """A source of tokens. Any object with these members is one."""

    @property
    def renewable(self) -> bool:
        """Whether asking again can give another token."""
        ...

    @property
    def label(self) -> str:
        """What to call it in events and errors: one line, without secrets."""
        ...

    async def fetch(self) -> Token | str:
        """Return a token. Called for one asker at a time; cancelled, it leaves nothing behind.

        Raises:
            TokenUnavailable: There is none now; trying again later can help.
        """
        ...
