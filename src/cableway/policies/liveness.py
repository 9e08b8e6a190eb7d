"""Whether a line is alive, judged by what comes over it.

Servers beat every few seconds: Rails every 3, AnyCable as configured, its first beat up to one and a half intervals
after the welcome. Any frame is a sign of life. The interval is learned from the beats, so that a server that beats
every 30 s is not taken for dead, its first beat included.
"""

from __future__ import annotations

GRACE = 3.0
"""Seconds on top of the missed beats, for a slow network."""
MISSED_BEATS = 2
UNKNOWN_BEAT_LIMIT = 1.5 * 30 + GRACE
"""Seconds of silence allowed before a beat is known: the first one of a server that beats every 30 s."""
SHORTEST_BEAT = 0.5
"""Seconds. Beats closer together came late, in a heap after a stall, and say nothing of the interval."""


class Liveness:
    """Tells how long a line may be silent."""

    def __init__(self, now: float) -> None:
        self.beat: float | None = None
        """Seconds between beats, as learned; ``None`` before two of them."""
        self._last_ping: float | None = None
        self._since = now

    def pinged(self, now: float) -> None:
        """A beat came."""
        if self._last_ping is not None:
            gap = now - self._last_ping
            # A late beat must widen the limit at once; early ones, after a stall, narrow it slowly.
            if self.beat is None or gap > self.beat:
                self.beat = gap if gap >= SHORTEST_BEAT else self.beat
            elif gap >= SHORTEST_BEAT:
                self.beat = 0.75 * self.beat + 0.25 * gap
        self._last_ping = now

    @property
    def limit(self) -> float:
        """Seconds of silence after which the line is dead."""
        if self.beat is None:
            return UNKNOWN_BEAT_LIMIT
        return MISSED_BEATS * self.beat + GRACE

    def deadline(self, last_received: float) -> float:
        """Return when the line is dead if nothing comes after *last_received*."""
        return max(last_received, self._since) + self.limit
