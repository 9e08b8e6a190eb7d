"""What user code has acknowledged: up to where a stream may be called done.

An acknowledgement speaks for its message and for all that were handed over before it of the same stream. What came
before is told by the order of delivery, not by the numbers: the server's era may change, and AnyCable's memory broker
begins a stream that was idle for long again at 1 within one era.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from attrs import define

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cableway.wire.positions import Position

MOST_RUNS: Final = 64
"""Runs remembered a stream; only a server that changes its era all the time makes more. The oldest are given up."""


@define
class _Run:
    """Messages handed over and not acknowledged, of one era, in rising order."""

    epoch: str
    first: int
    last: int

    def holds(self, position: Position) -> bool:
        """Tell whether *position* is one of them."""
        return self.epoch == position.epoch and self.first <= position.offset <= self.last


class Acks:
    """The acknowledgements of one handle."""

    def __init__(self) -> None:
        self._open: dict[str, deque[_Run]] = {}

    def delivered(self, stream: str, position: Position) -> None:
        """Note that a message was handed to user code, in the order in which that happens."""
        runs = self._open.setdefault(stream, deque(maxlen=MOST_RUNS))
        if runs and runs[-1].epoch == position.epoch and runs[-1].last < position.offset:
            runs[-1].last = position.offset
        else:
            runs.append(_Run(position.epoch, position.offset, position.offset))

    def ack(self, stream: str, position: Position) -> dict[str, Position]:
        """Return what is to be saved now: the position, or nothing if it was acknowledged before.

        Where a stream began again, and two open messages have the same position, the earlier one is meant: a message
        may then come twice after a restart, but none is lost.
        """
        runs = self._open.get(stream, deque())
        if not any(run.holds(position) for run in runs):
            return {}
        while not runs[0].holds(position):
            runs.popleft()
        runs[0].first = position.offset + 1
        if runs[0].first > runs[0].last:
            runs.popleft()
        return {stream: position}


def lowest(positions: Iterable[Position | None]) -> Position | None:
    """Return up to where all handles of a subscription are done with one stream, or ``None`` if that cannot be said.

    It cannot where one has acknowledged nothing yet (``None``), and while they are in different eras: what was saved
    before stays right then. Numbers of before and after a stream began again within an era cannot be told apart here;
    who knows of such a moment must not mix them.
    """
    found = list(positions)
    known = [position for position in found if position is not None]
    if not known or len(known) < len(found) or len({position.epoch for position in known}) > 1:
        return None
    return min(known, key=lambda position: position.offset)
