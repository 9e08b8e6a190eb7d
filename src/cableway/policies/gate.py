"""A limit on new connections: a crowd of lines in one process must not be a storm of its own.

A token bucket: *burst* dials at once, then *rate* a second. Callers are served in the order in which they asked.
"""

from __future__ import annotations


class TokenBucket:
    """How many may go, and when the next one may. Pure: the caller brings the time.

    A place is given out once, ahead of time: a caller that gives up early has wasted it, which only makes the gate
    stricter than it has to be.
    """

    def __init__(self, rate: float, burst: int) -> None:
        if not 0 < rate < float("inf"):
            msg = f"rate={rate!r} is not a number of dials a second: give more than 0"
            raise ValueError(msg)
        if isinstance(burst, bool) or not isinstance(burst, int) or burst < 1:
            msg = f"burst={burst!r} is not a number of dials: give a whole number of at least 1"
            raise ValueError(msg)
        self.rate: float = float(rate)
        self.burst: int = burst
        # The theoretical arrival time of the generic cell rate algorithm (ITU-T I.371): one number is the whole state.
        self._next = float("-inf")

    def reserve(self, now: float) -> float:
        """Take the next place and return how many seconds to wait for it."""
        spacing = 1 / self.rate
        turn = max(self._next, now)
        self._next = turn + spacing
        return max(0.0, turn - now - (self.burst - 1) * spacing)

    def give_back(self) -> None:
        """Return the place that was reserved last, if its owner did not use it."""
        self._next -= 1 / self.rate
