"""Where one subscription is in one stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import define, field

from cableway.wire.positions import Position

if TYPE_CHECKING:
    from cableway.wire.message import Message

Arrival: TypeAlias = "tuple[Message[Any], int]"
"""A message that has come, and the bytes it counts for."""

Place: TypeAlias = tuple[str, int]
"""Epoch and offset."""


@define(eq=False)
class Book:
    """What is known of one stream: up to where its messages were delivered, and what came ahead of its turn."""

    stream: str
    epoch: str = ""
    last: int | None = None
    """The offset up to which all was delivered, or is known to be lost; ``None``: nothing was, so far."""
    heard: float = float("inf")
    """When something last came by it; never, so far, is no long time ago, and of a refused place it is for ever."""
    first: int = 0
    """Where it began; nothing before that was ever delivered."""
    begun_at: float = float("inf")
    """When something last came by it before it began there."""
    mark: int | None = None
    """Where it was when the present recovery began."""
    quiet_from: float = float("inf")
    """When something had last come by it before all that was missed is asked for."""
    refused: bool = False
    """Whether the server will not go on from its place: what comes now may be of a new beginning."""
    kept: frozenset[Place] = frozenset()
    """What was held already when the present recovery began."""
    asked_at: float = float("-inf")
    """When the missing part of it was last asked for."""
    hole_at: float | None = None
    """When a hole was met that is still open."""
    tail: bytes = b""
    """How its frames end, up to the offset; learned from one that was read in full."""
    held: dict[Place, Arrival] = field(factory=dict)
    """What came ahead of its turn."""
    replays: set[int] = field(factory=set)
    """Offsets that came out of the past last time: their live copies may still be under way."""

    @property
    def position(self) -> Position | None:
        """From where to go on; ``None`` before the first message."""
        return None if self.last is None else Position(self.epoch, self.last)

    floor: int = 0
    """Up to where all of its epoch was delivered before its place was forgotten, if that may still come again."""

    def forget(self, *, refused: bool) -> None:
        """Its place is of no more use: begin with whatever comes next.

        What a server *refused* to go on from it has no more, or has begun anew: what comes below that is new. Of one
        that did not answer the old may still come.
        """
        self.floor = 0 if refused else self.last or 0
        self.last = self.mark = self.hole_at = None

    def begin_recovery(self, *, again: bool) -> None:
        """Take down where it is; *again* if the last recovery was cut short: it may have brought some already."""
        self.mark = self.last
        self.kept = frozenset(self.held)
        self.refused = False
        if not again:
            self.quiet_from = self.heard

    def ahead(self) -> list[int]:
        """Return the offsets, in order, that are held of its own epoch and still have their turn to come."""
        after = -1 if self.last is None else self.last
        return sorted(offset for epoch, offset in self.held if epoch == self.epoch and offset > after)

    def behind(self) -> list[int]:
        """Return the offsets, in order, that are held of its own epoch and had their turn already, it seemed."""
        after = -1 if self.last is None else self.last
        return sorted(offset for epoch, offset in self.held if epoch == self.epoch and offset <= after)

    def foreign(self) -> str | None:
        """Return the epoch of the newest arrival that is held and of another epoch; ``None`` if there is none."""
        return next((epoch for epoch, _ in reversed(self.held) if epoch != self.epoch), None)

    def next(self) -> Arrival | None:
        """Take what is held and has its turn now; ``None`` if that has not come."""
        if not self.held or self.last is None:
            return None
        arrival = self.held.pop((self.epoch, self.last + 1), None)
        if arrival is not None:
            self.last += 1
        return arrival
