"""How long to wait before the next dial."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

from attrs import field, frozen

from cableway.types import Seconds, to_limit, to_seconds

if TYPE_CHECKING:
    from random import Random


class Backoff(Protocol):
    """Gives the wait before each dial of a series of failures. One object may serve many cables.

    It may also define ``gives_up(failures: int, elapsed: float) -> bool``, asked after each failure with the number of
    failures in a row and the seconds since the first of them: true ends the cable with
    :class:`~cableway.RetriesExhausted`.

    Example::

        class Polite:
            def delay(self, failures, random):
                return min(1 + failures, 20) * random.uniform(0.5, 1.5)
    """

    def delay(self, failures: int, random: Random) -> float:
        """Return seconds to wait after *failures* failures in a row (0 for the first wait).

        Draw from *random*: it differs between processes, and tests seed it.
        """
        ...


Jitter: TypeAlias = float | Literal["full", "equal"]


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


def _interval(value: Seconds) -> float:
    return _positive(value, "interval")


def _max_elapsed(value: Seconds | None) -> float | None:
    return to_limit(value, "max_elapsed")


def _check_range(minimum: float, maximum: float) -> None:
    if maximum < minimum:
        msg = f"maximum={maximum:g} is below minimum={minimum:g}"
        raise ValueError(msg)


def _check_attempts(attempts: int | None) -> None:
    if attempts is not None and (isinstance(attempts, bool) or not isinstance(attempts, int) or attempts < 1):
        msg = f"max_attempts={attempts!r} is not a number of dials: give a whole number of at least 1, or None"
        raise ValueError(msg)


class _Limited:
    __slots__ = ()

    max_attempts: int | None
    max_elapsed: float | None

    def gives_up(self, failures: int, elapsed: float) -> bool:
        """Tell whether *max_attempts* dials have failed in a row, or for *max_elapsed* seconds."""
        if self.max_attempts is not None and failures >= self.max_attempts:
            return True
        return self.max_elapsed is not None and elapsed >= self.max_elapsed


@frozen
class ExponentialBackoff(_Limited):
    """``min(minimum * factor**n, maximum) * U(1 - jitter, 1 + jitter)`` seconds after *n* failures.

    The cap comes before the jitter: the other way round every client waits exactly *maximum* in the end, and a crowd
    of them comes back in step. The defaults are those that ended a real storm of half a million clients.

    Args:
        minimum: Middle of the first wait, in seconds or as a timedelta.
        maximum: Cap of the middle of a wait.
        factor: How much longer each wait is than the one before it; at least 1.
        jitter: How far a wait may lie from its middle, as a part of it: 0 to 1. ``"full"`` is ``U(0, t)`` and
            ``"equal"`` is ``t/2 + U(0, t/2)``, for a middle of t (the names are those of the AWS Architecture Blog,
            "Exponential Backoff And Jitter").
        max_attempts: Failures in a row after which the cable is given up; ``None``: never.
        max_elapsed: Seconds of failures after which it is given up; ``None``: never.

    Raises:
        ValueError: A value is out of its range; the text names it.
    """

    minimum: float = field(default=0.2, converter=_minimum)
    maximum: float = field(default=30.0, converter=_maximum)
    factor: float = field(default=2.0, converter=float)
    jitter: Jitter = 0.5
    max_attempts: int | None = field(default=None, kw_only=True)
    max_elapsed: float | None = field(default=None, converter=_max_elapsed, kw_only=True)

    def __attrs_post_init__(self) -> None:
        _check_range(self.minimum, self.maximum)
        _check_attempts(self.max_attempts)
        if not self.factor >= 1:
            msg = f"factor={self.factor!r} would make waits shorter: give 1 or more"
            raise ValueError(msg)
        if not (self.jitter in _SPREADS if isinstance(self.jitter, str) else 0 <= self.jitter <= 1):
            msg = f"jitter={self.jitter!r} is not a part of the wait: give 0 to 1, 'full' or 'equal'"
            raise ValueError(msg)

    def delay(self, failures: int, random: Random) -> float:
        """Return seconds to wait after *failures* failures in a row."""
        return self.spread(self.middle(failures), random)

    def middle(self, failures: int, times: float = 1.0) -> float:
        """Return the middle of the wait after *failures* failures, its cap *times* as high."""
        cap = self.maximum * times
        try:
            return min(self.minimum * self.factor**failures, cap)
        except OverflowError:
            return cap

    def spread(self, middle: float, random: Random) -> float:
        """Return a wait around *middle*."""
        low, high = _SPREADS[self.jitter] if isinstance(self.jitter, str) else (1 - self.jitter, 1 + self.jitter)
        return middle * random.uniform(low, high)


_SPREADS: Final = {"full": (0.0, 1.0), "equal": (0.5, 1.0)}

_SETTLED: Final = 40
"""Steps after which one more changes the distribution of a decorrelated wait no more: it hangs at the cap."""


@frozen
class DecorrelatedBackoff(_Limited):
    """``min(maximum, U(minimum, 3 * previous))`` seconds, beginning from *minimum*: AWS's "decorrelated jitter".

    The previous wait is not remembered: the whole chain is drawn anew each time, which spreads a wait just as far, and
    lets one object serve many cables.

    Args:
        minimum: Shortest wait, in seconds or as a timedelta.
        maximum: Longest wait.
        max_attempts: Failures in a row after which the cable is given up; ``None``: never.
        max_elapsed: Seconds of failures after which it is given up; ``None``: never.

    Raises:
        ValueError: A value is out of its range; the text names it.
    """

    minimum: float = field(default=0.2, converter=_minimum)
    maximum: float = field(default=30.0, converter=_maximum)
    max_attempts: int | None = field(default=None, kw_only=True)
    max_elapsed: float | None = field(default=None, converter=_max_elapsed, kw_only=True)

    def __attrs_post_init__(self) -> None:
        _check_range(self.minimum, self.maximum)
        _check_attempts(self.max_attempts)

    def delay(self, failures: int, random: Random) -> float:
        """Return seconds to wait after *failures* failures in a row."""
        wait = self.minimum
        for _ in range(min(failures, _SETTLED) + 1):
            wait = min(self.maximum, random.uniform(self.minimum, 3 * wait))
        return wait


@frozen
class ConstantBackoff(_Limited):
    """``interval * U(1 - jitter, 1 + jitter)`` seconds, however many failures there were.

    Args:
        interval: Middle of a wait, in seconds or as a timedelta.
        jitter: How far a wait may lie from it, as a part of it: 0 to 1. Without any, a crowd comes back in step.
        max_attempts: Failures in a row after which the cable is given up; ``None``: never.
        max_elapsed: Seconds of failures after which it is given up; ``None``: never.

    Raises:
        ValueError: A value is out of its range; the text names it.
    """

    interval: float = field(default=5.0, converter=_interval)
    jitter: float = 0.5
    max_attempts: int | None = field(default=None, kw_only=True)
    max_elapsed: float | None = field(default=None, converter=_max_elapsed, kw_only=True)

    def __attrs_post_init__(self) -> None:
        _check_attempts(self.max_attempts)
        if not 0 <= self.jitter <= 1:
            msg = f"jitter={self.jitter!r} is not a part of the wait: give 0 to 1"
            raise ValueError(msg)

    def delay(self, failures: int, random: Random) -> float:  # noqa: ARG002 - the interface
        """Return seconds to wait, whatever the number of failures."""
        return self.interval * random.uniform(1 - self.jitter, 1 + self.jitter)
