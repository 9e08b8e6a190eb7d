"""The messages of one subscription while two lines bring them: none is lost, and what both bring counts once.

The one line has some that the other never gets, from before it was subscribed there; and either may be behind. So the
old line is heard until the end, and what only the new one has brought by then is delivered after it; what only the old
one had brought shortly before may still come on the new one, and is a double then. Messages are the same if their
places are; without places, if their frames are.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, TypeAlias

from attrs import define, field

if TYPE_CHECKING:
    from cableway.wire.frames import Data

Arrival: TypeAlias = "tuple[Data, bytes, float]"
"""A message, its frame, and when it came."""

Place: TypeAlias = "tuple[str, str, int]"
"""Stream, epoch and offset, for messages that have them."""


RECENT = 10_000
"""Messages of the old line that are remembered by their time."""


@define
class Seam:
    """What each of two lines has brought."""

    size: int = field(default=0, init=False)
    """Messages that are remembered."""
    _only_old: Counter[bytes] = field(factory=Counter, init=False)
    _only_new: Counter[bytes] = field(factory=Counter, init=False)
    _held: deque[tuple[Place | None, Arrival]] = field(factory=deque, init=False)
    _came: deque[tuple[float, bytes]] = field(factory=lambda: deque(maxlen=RECENT), init=False)
    _reached: dict[tuple[str, str], int] = field(factory=dict, init=False)

    def from_old(self, place: Place | None, raw: bytes, now: float) -> None:
        """The old line brought a message, which was delivered."""
        if place is None:
            if self._count(raw, other=self._only_new, own=self._only_old):
                self._came.append((now, raw))
            return
        stream, epoch, offset = place
        self._reached[stream, epoch] = max(offset, self._reached.get((stream, epoch), 0))
        while self._held and self._is_known(self._held[0][0]):
            self._held.popleft()
            self.size -= 1

    def from_new(self, place: Place | None, arrival: Arrival) -> None:
        """The new line brought one. It is held: the old one may have others before it still."""
        if place is None:
            if self._count(arrival[1], other=self._only_old, own=self._only_new):
                self._held.append((None, arrival))
        elif not self._is_known(place):
            self._held.append((place, arrival))
            self.size += 1

    def left(self) -> list[Arrival]:
        """Return what only the new line has brought, in order."""
        # Of equal ones the last are left: the old line brings them in order, too.
        left = []
        for place, arrival in reversed(self._held):
            if place is not None:
                if not self._is_known(place):
                    left.append(arrival)
            elif self._only_new[arrival[1]] > 0:
                self._only_new[arrival[1]] -= 1
                left.append(arrival)
        return left[::-1]

    def late(self, since: float) -> Counter[bytes]:
        """Return what only the old line has brought after *since*, and the new one may still bring."""
        # Of equal ones the first are settled: the new line brings them in order, too.
        late: Counter[bytes] = Counter()
        for came, raw in reversed(self._came):
            if came > since and late[raw] < self._only_old[raw]:
                late[raw] += 1
        return +late

    def _is_known(self, place: Place | None) -> bool:
        """Tell whether the old line has come so far: what it left out on the way is for its own recovery."""
        return place is not None and place[2] <= self._reached.get(place[:2], 0)

    def _count(self, raw: bytes, *, other: Counter[bytes], own: Counter[bytes]) -> bool:
        if other[raw] > 0:
            other[raw] -= 1
            self.size -= 1
            return False
        own[raw] += 1
        self.size += 1
        return True
