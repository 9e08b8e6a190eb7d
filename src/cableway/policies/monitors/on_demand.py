"""A line that is up only while somebody needs it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from cableway.policies.monitors.base import LineFacts, Look
from cableway.policies.monitors.persistent import PersistentMonitor
from cableway.types import Seconds, to_seconds

if TYPE_CHECKING:
    from cableway.policies.monitors.base import Check

HOUR = 3600.0

SLIVER = 0.001
"""Seconds of a budget that count as none: a shorter spell would be over before the clock can tell."""


class OnDemandMonitor(PersistentMonitor):
    """Has the line up only while somebody needs it, and lets it go after that: for devices that live on a battery.

    Demand is: ``async with cable.awake(reason)``, ``cable.wake()``, a ``perform`` while the line is dormant, and the
    schedule. Subscribing, iterating and waiting for a confirmation are none: they wait for the next time the line is
    up. While it is up it is watched as :class:`PersistentMonitor` does.

    Args:
        linger: Seconds that the line stays after the last demand, so that several share one wake of the radio. A demand
            made without a line waits until one is up, and has its linger from then.
        every: Seconds between wakes that come by themselves, such as a sign of life; ``None``: none do.
        minimum_on: Seconds that a line stays up at least.
        minimum_off: Seconds that the schedule leaves between two lines. A demand is never delayed by it.
        budget: Seconds an hour that the line may be up. When they are spent, only ``cable.awake()`` and commands still
            have it.
        beat: Seconds between beats to ask the server for.
        missed_beats: Beats that may be missing.
        grace: Seconds on top, for a slow network.

    Raises:
        ValueError: A value is out of its range; the text names it.
    """

    def __init__(
        self,
        *,
        linger: Seconds = 5.0,
        every: Seconds | None = None,
        minimum_on: Seconds = 0.0,
        minimum_off: Seconds = 0.0,
        budget: Seconds | None = None,
        beat: Seconds | None = None,
        missed_beats: float = 2,
        grace: Seconds = 3.0,
    ) -> None:
        super().__init__(beat=beat, missed_beats=missed_beats, grace=grace)
        self._linger = to_seconds(linger, "linger")
        self._every = None if every is None else to_seconds(every, "every")
        if self._every == 0:
            msg = "every=0 would never let the line go: give more than 0 seconds, or use PersistentMonitor"
            raise ValueError(msg)
        self._minimum_on = to_seconds(minimum_on, "minimum_on")
        self._minimum_off = to_seconds(minimum_off, "minimum_off")
        self._budget = None if budget is None else to_seconds(budget, "budget")
        self._holds = 0
        self._waiting = False
        self._until = float("-inf")
        self._next_wake: float | None = None
        self._up_since: float | None = None
        self._down_since = float("-inf")
        self._spells: deque[tuple[float, float]] = deque()

    @property
    def dials_at_once(self) -> bool:
        """False: ``cable.open()`` returns at once, and demand dials."""
        return False

    @property
    def perform_wakes(self) -> bool:
        """True: a command wakes the line, and waits for it."""
        return True

    def look(self, now: float) -> Look:
        """The line should be up while it is held, waited for, lingers, or owes its minimum."""
        self._keep_schedule(now)
        check, judged = self.judge(now)
        if self._holds:
            return self._look(now, check, judged, up=True)
        until = self._until
        if self._up_since is not None:
            until = max(until, self._up_since + self._minimum_on)
        free = self._budget_free_at(now)
        if free > now:
            # Spent: what nobody holds waits until the hour has moved on, and is not forgotten.
            return self._look(now, check, judged, free if self._waiting or self._until > now else None, up=False)
        up = self._waiting or now < until
        return self._look(now, check, judged, until, self._budget_spent_at(now) if up else None, up=up)

    def _look(self, now: float, check: Check, *times: float | None, up: bool) -> Look:
        due = [time for time in (*times, self._next_wake) if time is not None and now < time < float("inf")]
        return Look(up, check, min(due, default=None))

    def _keep_schedule(self, now: float) -> None:
        if self._every is None:
            return
        if self._next_wake is None:
            self._next_wake = now + self._every
        elif now >= self._next_wake:
            if self._up_since is None and now < self._down_since + self._minimum_off:
                self._next_wake = self._down_since + self._minimum_off
            else:
                self._next_wake = now + self._every
                self.demand(now)

    def demand(self, now: float, *, hold: bool = False) -> None:
        """Have the line up, and for *linger* after it is needed no more."""
        if hold:
            self._holds += 1
        elif self._up_since is None:
            self._waiting = True
        self._until = max(self._until, now + self._linger)

    def release(self, now: float) -> None:
        """One hold less; the line lingers."""
        self._holds = max(0, self._holds - 1)
        self._until = max(self._until, now + self._linger)

    def rest(self, now: float) -> None:
        """Cut the linger short, and wait for no line."""
        self._waiting = False
        self._until = min(self._until, now)

    def line_up(self, facts: LineFacts, now: float) -> None:
        """Begin to watch a line; a demand that waited for it gets its linger from now."""
        super().line_up(facts, now)
        if self._waiting:
            self._waiting = False
            self._until = max(self._until, now + self._linger)
        self._up_since = now

    def line_down(self, now: float) -> None:
        """Stop watching, and enter the spell in the books."""
        super().line_down(now)
        if self._up_since is not None:
            if self._budget is not None:
                self._spells.append((self._up_since, now))
            self._up_since = None
            self._down_since = now

    def _used(self, now: float) -> float:
        start = now - HOUR
        while self._spells and self._spells[0][1] <= start:
            self._spells.popleft()
        used = sum(end - max(begin, start) for begin, end in self._spells)
        return used + (now - max(self._up_since, start) if self._up_since is not None else 0.0)

    def _budget_free_at(self, now: float) -> float:
        if self._budget is None:
            return float("-inf")
        if self._budget <= SLIVER:
            return float("inf")
        used = self._used(now)
        if used < self._budget - SLIVER:
            return float("-inf")
        # Free once what is over has left the hour, and a second more (or all) so that the next wake is worth it.
        leaving = min(used - self._budget + 1.0, used)
        current = [] if self._up_since is None else [(self._up_since, now)]
        for begin, end in [*self._spells, *current]:
            counted = max(begin, now - HOUR)
            if leaving <= end - counted:
                return counted + leaving + HOUR
            leaving -= end - counted
        return now + HOUR

    def _budget_spent_at(self, now: float) -> float:
        if self._budget is None or self._up_since is None:
            return float("inf")
        return now + self._budget - self._used(now)
