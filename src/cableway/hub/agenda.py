"""When each wish next has to be looked at."""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cableway.hub.wish import Wish


class Agenda:
    """Wishes by their due times. A wish has one time at most; setting it anew replaces it."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Wish]] = []
        self._order = count()

    def put(self, wish: Wish, due: float | None) -> None:
        """Have *wish* come up at *due*; ``None`` takes it off."""
        wish.due = due
        if due is not None:
            heappush(self._heap, (due, next(self._order), wish))

    @property
    def next(self) -> float | None:
        """The earliest time, ``None`` if nothing is due."""
        while self._heap and self._heap[0][2].due != self._heap[0][0]:
            heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take(self, now: float) -> Wish | None:
        """Remove and return the most overdue wish whose time has come, ``None`` if there is none.

        One at a time, because what is done about one may change the times of others.
        """
        due = self.next
        if due is None or due > now:
            return None
        wish = heappop(self._heap)[2]
        wish.due = None
        return wish
