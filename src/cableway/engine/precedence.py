"""Who speaks first, after a line took over from another one: commands of a subscription go in the order of the calls.

The line before may have some still that the server has not taken. Until it has, those that come later are kept, and
all that a server could understand only after them.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cableway.wire.commands import Join, Leave, Perform, Subscribe, Unsubscribe, Whisper

if TYPE_CHECKING:
    from collections.abc import Callable

    from cableway.engine.carrier import Carrier
    from cableway.wire.commands import Command

ROOM = 1024 * 1024
"""Bytes that are kept before those who send have to wait."""


class Precedence:
    """What is kept for one line."""

    def __init__(self) -> None:
        self._frames: list[bytes] = []
        self._size = 0
        self._waiting: set[str] = set()
        self._over = asyncio.Event()

    @property
    def pending(self) -> bool:
        """Whether something is kept."""
        return bool(self._frames)

    def keep(self, command: Command, encode: Callable[[Command], bytes]) -> bool:
        """Keep *command* if it is not its turn yet; tell whether that is so."""
        if self._over.is_set():
            return False
        match command:
            case Perform(identifier) | Whisper(identifier):
                self._waiting.add(identifier)
            case Subscribe(identifier) | Unsubscribe(identifier) | Join(identifier) | Leave(identifier):
                if identifier not in self._waiting:
                    return False
            case _:
                return False
        self._frames.append(encode(command))
        self._size += len(self._frames[-1])
        return True

    def end(self) -> list[bytes]:
        """Return what was kept; nothing is any more."""
        frames, self._frames = self._frames, []
        self._size = 0
        self._over.set()
        return frames

    async def room(self) -> None:
        """Wait until more can be kept, or it is over."""
        if self._size > ROOM:
            await self._over.wait()

    async def over(self) -> None:
        """Wait until it is over."""
        await self._over.wait()


def speak(carrier: Carrier, now: float) -> None:
    """Have *carrier* write what was kept for it: the line before has had its say."""
    precedence, carrier.precedence = carrier.precedence, None
    frames = [] if precedence is None else precedence.end()
    if frames:
        carrier.last_command = now
    for frame in frames:
        carrier.connection.send(frame)
