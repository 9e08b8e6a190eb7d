"""How long to wait before the next dial."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from attrs import field, frozen

from cableway.types import Seconds, to_seconds

if TYPE_CHECKING:
    from random import Random


class Backoff(Protocol):
    """Gives the wait before each dial of a series of failures."""

    def delay(self, failures: int, random: Random) -> float:
        """Return seconds to wait after *failures* failures in a row (0 for the first wait)."""
        ...


def _positive(value: Seconds, name: str) -> float:
    seconds = to_seconds(value, name)
    if seconds == 0:
        msg = f"{name}=0 would dial without a pause: give more than 0 seconds"
        raise ValueError(msg)
    return seconds


def _minimum(value: Seconds) -> float:
    return _positive(value, "minimum")


def _maximum(value: Seconds) -> float:
    return _positive(value, "maximum")


@frozen
class ExponentialBackoff:
    """``min(minimum * factor**n, maximum) * U(1 - jitter, 1 + jitter)`` seconds after *n* failures.

    The cap comes before the jitter: the other way round every client waits exactly *maximum* in the end, and a crowd
    of them comes back in step. The defaults are those that ended a real storm of half a million clients.

    Args:
        minimum: Middle of the first wait, in seconds or as a timedelta.
        maximum: Cap of the middle of a wait.
        factor: How much longer each wait is than the one before it; at least 1.
        jitter: How far a wait may lie from its middle, as a part of it: 0 to 1.

    Raises:
        ValueError: A value is out of its range; the text names it.
    """

    minimum: float = field(default=0.2, converter=_minimum)
    maximum: float = field(default=30.0, converter=_maximum)
    factor: float = field(default=2.0, converter=float)
    jitter: float = 0.5

    def __attrs_post_init__(self) -> None:
        if self.maximum < self.minimum:
            msg = f"maximum={self.maximum:g} is below minimum={self.minimum:g}"
            raise ValueError(msg)
        if not self.factor >= 1:
            msg = f"factor={self.factor!r} would make waits shorter: give 1 or more"
            raise ValueError(msg)
        if not 0 <= self.jitter <= 1:
            msg = f"jitter={self.jitter!r} is not a part of the wait: give 0 to 1"
            raise ValueError(msg)

    def delay(self, failures: int, random: Random) -> float:
        """Return seconds to wait after *failures* failures in a row."""
        try:
            middle = min(self.minimum * self.factor**failures, self.maximum)
        except OverflowError:
            middle = self.maximum
        return middle * random.uniform(1 - self.jitter, 1 + self.jitter)
