"""When each of many things next has to be looked at."""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import count
from typing import Generic, Protocol, TypeVar


class Dated(Protocol):
    """What can be put on an agenda."""

    due: float | None
    """When it comes up, kept by the agenda."""


D = TypeVar("D", bound=Dated)


class Agenda(Generic[D]):
    """Things by their due times. Each has one time at most; setting it anew replaces it."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, D]] = []
        self._order = count()

    def put(self, item: D, due: float | None) -> None:
        """Have *item* come up at *due*; ``None`` takes it off."""
        if due == item.due:
            return
        item.due = due
        if due is not None:
            heappush(self._heap, (due, next(self._order), item))

    @property
    def next(self) -> float | None:
        """The earliest time, ``None`` if nothing is due."""
        while self._heap and self._heap[0][2].due != self._heap[0][0]:
            heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take(self, now: float) -> D | None:
        """Remove and return the most overdue one whose time has come, ``None`` if there is none.

        One at a time, because what is done about one may change the times of others.
        """
        due = self.next
        if due is None or due > now:
            return None
        item = heappop(self._heap)[2]
        item.due = None
        return item
