"""Finding out that the host slept, from how far its clocks ran apart."""

from __future__ import annotations

import sys
import time
from functools import partial
from typing import TYPE_CHECKING

from attrs import field, frozen

from cableway.runtime import wall_clock

if TYPE_CHECKING:
    from collections.abc import Callable

THRESHOLD = 10.0
"""Seconds by which clocks must have run apart: a shorter nap kills no line, and time servers nudge wall clocks."""

# The clock that goes on in sleep, and is set by nobody. Darwin's CLOCK_MONOTONIC goes on in sleep as well, but follows
# the wall clock. Windows has no pair to compare: there time.monotonic() itself goes on, and silence shows at once.
_BOOT_CLOCKS = {"linux": "CLOCK_BOOTTIME", "android": "CLOCK_BOOTTIME", "darwin": "CLOCK_MONOTONIC_RAW"}


def boot_clock(platform: str = sys.platform) -> Callable[[], float] | None:
    """Return the clock that goes on while the host sleeps, in seconds; ``None`` where there is none."""
    number: int | None = getattr(time, _BOOT_CLOCKS.get(platform, ""), None)
    if number is None:
        return None
    read = partial(time.clock_gettime, number)
    try:
        read()
    except OSError:
        # An old kernel, or a sandbox that allows only the common clocks.
        return None
    return read


@frozen
class Clocks:
    """The host's clocks: one that stops in sleep, one that goes on, and the one on the wall, all in seconds."""

    monotonic: Callable[[], float] = time.monotonic
    boot: Callable[[], float] | None = field(factory=boot_clock)
    wall: Callable[[], float] = wall_clock


@frozen
class Waking:
    """What the clocks tell."""

    slept: float
    """Seconds that the host slept, by a clock that nobody sets; 0 if it did not, or if there is no such clock."""
    jumped: bool
    """Whether, where there is no such clock, the wall clock jumped: the host slept, or somebody set the clock."""


@frozen
class _Reading:
    monotonic: float
    boot: float
    wall: float


class SleepDetector:
    """Compares the clocks from one look to the next.

    A loop that was blocked is not taken for sleep: all clocks went on. Neither is a loop whose time is virtual: its
    time is not looked at. Where there is a boot clock, the wall clock may jump as it likes.
    """

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks
        self._last = self._read()

    def look(self) -> Waking:
        """Tell what has happened since the last look."""
        last, self._last = self._last, self._read()
        awake = self._last.monotonic - last.monotonic
        if self._clocks.boot is not None:
            slept = self._last.boot - last.boot - awake
            return Waking(slept if slept > THRESHOLD else 0.0, jumped=False)
        return Waking(0.0, jumped=abs(self._last.wall - last.wall - awake) > THRESHOLD)

    def _read(self) -> _Reading:
        boot = self._clocks.boot
        return _Reading(self._clocks.monotonic(), boot() if boot is not None else 0.0, self._clocks.wall())
