"""What the server's pings tell of its clock: the past is asked for by the server's time, never by ours."""

from __future__ import annotations

from collections import deque
from math import floor

from cableway.wire.stamps import read_stamp

PINGS = 10
"""Pings that count: a clock that was set back must be believed in the end."""


class ServerClock:
    """The server's clock, from below.

    A ping that tells ``p`` was sent at ``p`` or up to a second later, and took some time to us. So ``p`` minus our time
    of reading it is too little by at most that much, and the largest of several such differences is the nearest.
    """

    def __init__(self) -> None:
        self._leads: deque[float] = deque(maxlen=PINGS)

    def beaten(self, message: object, now: float) -> float | None:
        """Take a ping's message, read at *now*; return the time that it tells, ``None`` if none."""
        stamp = read_stamp(message)
        if stamp is not None:
            self._leads.append(stamp - now)
        return stamp

    def at(self, when: float) -> int | None:
        """Return the whole Unix seconds that the server's clock had shown by our time *when*; ``None``: not known."""
        if not self._leads:
            return None
        told = floor(max(self._leads) + when)
        return told if told > 0 else None
