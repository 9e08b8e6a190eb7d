"""What one holder of a subscription has acknowledged: a message, and all before it in its stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cableway.wire.positions import Position


class Acks:
    """The last acknowledged position of each stream."""

    def __init__(self) -> None:
        self._done: dict[str, Position] = {}
        self._eras: dict[str, list[str]] = {}

    def ack(self, stream: str, position: Position) -> bool:
        """Take an acknowledgement; tell whether it is news, and not of something older than what was acknowledged."""
        done = self._done.get(stream)
        eras = self._eras.setdefault(stream, [])
        if position.epoch not in eras:
            eras.append(position.epoch)
        if done is not None:
            older = eras.index(position.epoch) < eras.index(done.epoch)
            if older or (done.epoch == position.epoch and position.offset <= done.offset):
                return False
        self._done[stream] = position
        return True

    def at(self, stream: str) -> Position | None:
        """Return what was acknowledged last of *stream*."""
        return self._done.get(stream)

    def lowest(self, stream: str, holders: Iterable[Acks]) -> Position | None:
        """Return how far all of *holders* have come in *stream*; ``None`` while one has acknowledged nothing of it."""
        eras = self._eras.get(stream, [])
        found: list[tuple[int, int, Position]] = []
        for holder in holders:
            done = holder.at(stream)
            if done is None:
                return None
            found.append((eras.index(done.epoch) if done.epoch in eras else -1, done.offset, done))
        return min(found, key=lambda one: one[:2])[2] if found else None
