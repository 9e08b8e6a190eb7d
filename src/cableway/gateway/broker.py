"""What was published, for a while: the rules of AnyCable's memory broker, to the letter.

Times are whole Unix seconds, as there. A stream that is idle for ten times the life of its messages is forgotten, and
begins anew with offset 1 in the same era.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from cableway.wire.positions import Position

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cableway.wire.positions import HistoryQuery

IDLE_LIVES = 10
"""Lives of a message after which an idle stream is forgotten."""


class OutOfReach(LookupError):
    """What was asked for cannot be had, or not in full."""


@frozen
class Kept:
    """A message that was published."""

    stream: str
    position: Position
    at: int
    text: bytes
    """The message as JSON."""


@define
class _Stream:
    entries: deque[Kept] = field(factory=deque)
    low: int = 0
    """The lowest offset that is kept; 0: none is."""
    last: int = 0
    deadline: int = 0


class MemoryBroker:
    """Keeps the last messages of each stream."""

    def __init__(self, epoch: str, *, limit: int, life: float) -> None:
        self.epoch: str = epoch
        """The era: another one with each start."""
        self._limit = limit
        self._life = life
        self._streams: dict[str, _Stream] = {}

    def add(self, name: str, text: bytes, now: float) -> Position:
        """Keep a message, and tell its place."""
        stream = self._streams.setdefault(name, _Stream())
        stream.last += 1
        position = Position(self.epoch, stream.last)
        stream.entries.append(Kept(name, position, int(now), text))
        if len(stream.entries) > self._limit:
            stream.entries.popleft()
            stream.low = stream.entries[0].position.offset if stream.entries else 0
        if stream.low == 0 and stream.entries:
            stream.low = stream.entries[0].position.offset
        stream.deadline = int(now + self._life * IDLE_LIVES)
        return position

    def expire(self, now: float) -> None:
        """Forget what is too old. Called once a second."""
        second = int(now)
        for name, stream in list(self._streams.items()):
            while stream.entries and stream.entries[0].at < second - self._life:
                stream.entries.popleft()
            stream.low = stream.entries[0].position.offset if stream.entries else 0
            if stream.deadline < second:
                del self._streams[name]

    def recall(self, streams: Iterable[str], query: HistoryQuery) -> list[Kept]:
        """Return what *query* asks of *streams*, by offset within each.

        Raises:
            OutOfReach: One of them does not reach back that far: nothing is told then.
        """
        found: list[Kept] = []
        for name in streams:
            position = query.streams.get(name)
            if position is not None:
                found += self.after(name, position)
            elif query.since is not None:
                found += self.since(name, query.since)
        return found

    def after(self, name: str, position: Position) -> list[Kept]:
        """Return what came after *position*.

        Raises:
            OutOfReach: The era is another, or what came before and with it is not kept any more. That holds also for a
                stream all of whose messages have grown too old, and right before the oldest one that is kept.
        """
        stream = self._streams.get(name)
        offset = position.offset
        if position.epoch != self.epoch or stream is None or not 0 < stream.low <= offset <= stream.last:
            raise OutOfReach(name)
        return [kept for kept in stream.entries if kept.position.offset > offset]

    def since(self, name: str, second: int) -> list[Kept]:
        """Return what was published at *second* or later, and is still kept."""
        stream = self._streams.get(name)
        return [] if stream is None else [kept for kept in stream.entries if kept.at >= second]
