"""The messages of one subscription while two lines bring them: none is lost, and what both bring counts once.

The one line has some that the other never gets, from before it was subscribed there; and either may be behind. So the
old line is heard until the end, and what only the new one has brought by then is delivered after it. Without positions
in the messages, two are the same if their frames are.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypeAlias

from attrs import define, field

if TYPE_CHECKING:
    from cableway.wire.frames import Data

Arrival: TypeAlias = "tuple[Data, bytes, float]"
"""A message, its frame, and when it came."""


@define
class Seam:
    """What each of two lines has brought."""

    size: int = field(default=0, init=False)
    """Messages that are remembered."""
    _only_old: Counter[bytes] = field(factory=Counter, init=False)
    _only_new: Counter[bytes] = field(factory=Counter, init=False)
    _held: list[Arrival] = field(factory=list, init=False)

    def from_old(self, raw: bytes) -> None:
        """The old line brought a message, which was delivered."""
        self._count(raw, other=self._only_new, own=self._only_old)

    def from_new(self, arrival: Arrival) -> None:
        """The new line brought one, which was not delivered so far."""
        if self._count(arrival[1], other=self._only_old, own=self._only_new):
            self._held.append(arrival)

    def left(self) -> list[Arrival]:
        """Return what only the new line has brought, in order."""
        # Of equal ones the last are left: the old line brings them in order, too.
        left = []
        for arrival in reversed(self._held):
            if self._only_new[arrival[1]] > 0:
                self._only_new[arrival[1]] -= 1
                left.append(arrival)
        return left[::-1]

    def _count(self, raw: bytes, *, other: Counter[bytes], own: Counter[bytes]) -> bool:
        if other[raw] > 0:
            other[raw] -= 1
            self.size -= 1
            return False
        own[raw] += 1
        self.size += 1
        return True
