"""Sleep, told from the clocks."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cableway.host.clocks import THRESHOLD, Clocks, SleepDetector, Waking, boot_clock

if TYPE_CHECKING:
    from collections.abc import Callable

DAY = 86_400.0
NOTHING = Waking(0.0, jumped=False)

# Waking hours, hours of sleep, and how far somebody moves the wall clock meanwhile.
hours = st.floats(0, 30 * DAY)
jumps = st.floats(-4000 * DAY, 4000 * DAY)


class Host:
    """A host whose clocks a test turns."""

    def __init__(self, *, boot: bool = True) -> None:
        self.monotonic, self.boot, self.wall = 5000.0, 9000.0, 1.8e9
        reading: Callable[[], float] | None = (lambda: self.boot) if boot else None
        self.detector = SleepDetector(Clocks(lambda: self.monotonic, reading, lambda: self.wall))

    def live(self, seconds: float) -> None:
        self.monotonic += seconds
        self.sleep(seconds)

    def sleep(self, seconds: float) -> None:
        self.boot += seconds
        self.wall += seconds

    def set_clock(self, by: float) -> None:
        self.wall += by


def test_a_night_is_noticed_once() -> None:
    """Eight hours of sleep are told by the second, and not told again."""
    host = Host()
    host.live(2)
    host.sleep(8 * 3600)
    host.live(3)

    assert host.detector.look() == Waking(8 * 3600, jumped=False)
    host.live(5)
    assert host.detector.look() == NOTHING


@pytest.mark.parametrize("boot", [True, False])
@pytest.mark.parametrize("seconds", [20, DAY])
def test_a_blocked_loop_is_no_sleep(seconds: float, *, boot: bool) -> None:
    """While user code holds the loop for long, every clock goes on."""
    host = Host(boot=boot)
    host.live(seconds)

    assert host.detector.look() == NOTHING


@pytest.mark.parametrize("days", [-3650, -1, 1, 3650])
def test_a_wall_clock_may_jump_where_there_is_a_boot_clock(days: int) -> None:
    """A day or ten years, forth or back: that is nobody's business."""
    host = Host()
    host.live(5)
    host.set_clock(days * DAY)

    assert host.detector.look() == NOTHING


@pytest.mark.parametrize("seconds", [-3650 * DAY, -11, 11, 8 * 3600])
def test_without_a_boot_clock_a_jump_of_the_wall_clock_is_told_as_doubt(seconds: float) -> None:
    """Sleep or a clock that was set: nobody can tell, so no sleep is claimed."""
    host = Host(boot=False)
    host.live(5)
    host.set_clock(seconds)

    assert host.detector.look() == Waking(0.0, jumped=True)
    host.live(5)
    assert host.detector.look() == NOTHING


@pytest.mark.parametrize("boot", [True, False])
def test_naps_and_nudges_are_nothing(*, boot: bool) -> None:
    """What is below the threshold is not told, however often it happens."""
    host = Host(boot=boot)
    for _ in range(100):
        host.live(5)
        host.sleep(THRESHOLD - 0.5)
        assert host.detector.look() == NOTHING


@given(st.lists(st.tuples(hours, hours, jumps), min_size=1, max_size=20))
def test_with_a_boot_clock_nothing_but_sleep_is_told(life: list[tuple[float, float, float]]) -> None:
    """Whatever the wall clock does, what is told is how long the host slept."""
    host = Host()
    for awake, asleep, jump in life:
        host.live(awake)
        host.sleep(asleep)
        host.set_clock(jump)
        waking = host.detector.look()
        assert not waking.jumped
        if abs(asleep - THRESHOLD) > 1e-3:
            assert waking.slept == pytest.approx(asleep if asleep > THRESHOLD else 0.0, abs=1e-3)


def test_clocks_that_stand_still_tell_nothing() -> None:
    """A test's loop may run through days of virtual time between two ticks of the real clocks."""
    host = Host()
    assert [host.detector.look() for _ in range(1000)] == [NOTHING] * 1000


@pytest.mark.parametrize("platform", ["win32", "freebsd14", "emscripten"])
def test_hosts_without_a_boot_clock_say_so(platform: str) -> None:
    """There the wall clock has to do."""
    assert boot_clock(platform) is None


@pytest.mark.skipif(sys.platform != "linux", reason="this is about Linux")
def test_linux_has_a_boot_clock() -> None:
    """It is at least as far as the one that stops in sleep, and it goes on."""
    read = boot_clock()
    assert read is not None
    first = read()
    assert first >= time.clock_gettime(time.CLOCK_MONOTONIC) - 0.001
    assert read() >= first


def test_a_sandbox_may_refuse_the_boot_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it is as if there were none."""

    def refuse(clock: int) -> float:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(time, "CLOCK_BOOTTIME", 7, raising=False)
    monkeypatch.setattr(time, "clock_gettime", refuse, raising=False)
    assert boot_clock("linux") is None


def test_the_clocks_of_this_host_agree() -> None:
    """By default a detector reads the real ones, and a moment later nothing has happened."""
    detector = SleepDetector(Clocks())
    assert detector.look() == NOTHING
