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


def _positive(value: Seconds, name: str) -> float:
    seconds = to_seconds(value, name)
    if seconds == 0:
        msg = f"{name}=0 would dial without a pause: give more than 0 seconds"
        raise ValueError(msg)
    return seconds


@frozen(init=False)
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

    minimum: float
    maximum: float
    factor: float
    jitter: float = field()

    def __init__(
        self, minimum: Seconds = 0.2, maximum: Seconds = 30.0, factor: float = 2.0, jitter: float = 0.5
    ) -> None:
        low, high = _positive(minimum, "minimum"), _positive(maximum, "maximum")
        if high < low:
            msg = f"maximum={high:g} is below minimum={low:g}"
            raise ValueError(msg)
        if not factor >= 1:
            msg = f"factor={factor!r} would make waits shorter: give 1 or more"
            raise ValueError(msg)
        if not 0 <= jitter <= 1:
            msg = f"jitter={jitter!r} is not a part of the wait: give 0 to 1"
            raise ValueError(msg)
        self.__attrs_init__(low, high, float(factor), jitter)

    def delay(self, failures: int, random: Random) -> float:
        """Return seconds to wait after *failures* failures in a row."""
        try:
            middle = min(self.minimum * self.factor**failures, self.maximum)
        except OverflowError:
            middle = self.maximum
        return middle * random.uniform(1 - self.jitter, 1 + self.jitter)
