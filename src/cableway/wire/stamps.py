"""The server's time, as its pings tell it."""

from __future__ import annotations

_UNITS = (1e17, 1e9), (1e14, 1e6), (1e11, 1e3)
"""From which size on a server's time is in nanoseconds, microseconds or milliseconds."""

LARGEST_TIME = 1e20
"""What is beyond is no time in any unit, and some of it is no float either."""


def read_stamp(message: object) -> float | None:
    """Return the Unix seconds that a ping tells, whatever unit it counts in; ``None`` where it tells no time."""
    if isinstance(message, bool) or not isinstance(message, int | float) or not 0 < message < LARGEST_TIME:
        return None
    return next((message / unit for size, unit in _UNITS if message > size), float(message))
