"""A limit on new connections: a crowd of lines in one process must not be a storm of its own.

A token bucket: *burst* dials at once, then *rate* a second.
"""

from __future__ import annotations

ROUNDING = 1e-9
"""Seconds: a wait shorter than clocks can tell is none."""


class TokenBucket:
    """How many may go, and when the next one may. Pure: the caller brings the time."""

    def __init__(self, rate: float, burst: int) -> None:
        # The theoretical arrival time of the generic cell rate algorithm (ITU-T I.371): one number is the whole state.
        self._next = float("-inf")
        self.rate: float
        self.burst: int
        self.adjust(rate, burst)

    def adjust(self, rate: float, burst: int, now: float | None = None) -> None:
        """Change the limits. With *now* at once: nobody waits longer than for one place; else for what has gone, too.

        Raises:
            ValueError: A value is out of its range; the text names it.
        """
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate < float("inf"):
            msg = f"rate={rate!r} is not a number of dials a second: give more than 0"
            raise ValueError(msg)
        if isinstance(burst, bool) or not isinstance(burst, int) or burst < 1:
            msg = f"burst={burst!r} is not a number of dials: give a whole number of at least 1"
            raise ValueError(msg)
        if now is not None and self._next > now:
            # As many places as were taken, at most all there are: each is free again after its time by the new rate.
            self._next = now + min((self._next - now) * self.rate, burst) / rate
        self.rate = float(rate)
        self.burst = burst

    def wait(self, now: float) -> float:
        """Return how many seconds the next one has to wait, 0 if it may go now."""
        wait = self._next - now - (self.burst - 1) / self.rate
        return wait if wait > ROUNDING else 0.0

    def take(self, now: float) -> None:
        """Let one go. Only right when :meth:`wait` gives 0."""
        self._next = max(self._next, now) + 1 / self.rate
