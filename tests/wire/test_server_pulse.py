"""When a server beats, and how long it waits for an answer."""

from __future__ import annotations

from cableway.wire.server_pulse import Due, PingPlan, Pulse


def test_the_first_beat_is_spread_and_the_others_do_not_drift() -> None:
    """Half an interval to one and a half; then from when it was due, not from when it was sent."""
    pulse = Pulse(PingPlan(3, first=0.5))
    pulse.start(100)
    assert pulse.next == 101.5
    assert pulse.due(101.4) is Due.NOTHING
    assert pulse.due(101.7) is Due.PING
    assert pulse.next == 104.5


def test_after_a_pause_there_is_no_burst() -> None:
    """What was missed is not made up for."""
    pulse = Pulse(PingPlan(3))
    pulse.start(0)
    assert pulse.due(100) is Due.PING
    assert pulse.next == 103


def test_who_is_silent_after_a_beat_is_found_out() -> None:
    """The time runs from the first beat that was not answered; anything that can be read stops it."""
    pulse = Pulse(PingPlan(1, pong_timeout=5))
    pulse.start(0)
    assert pulse.pong_by == 6
    assert [pulse.due(now) for now in (1, 2, 3)] == [Due.PING] * 3
    assert pulse.pong_by == 6
    pulse.heard()
    assert pulse.due(4) is Due.PING
    assert pulse.pong_by == 9
    assert pulse.due(9) is Due.SILENT


def test_no_beat_and_no_limit() -> None:
    """Nothing is ever due then."""
    pulse = Pulse(PingPlan(0))
    pulse.start(0)
    assert pulse.next is None
    assert pulse.due(1000) is Due.NOTHING


def test_the_time_is_told_in_the_unit_that_was_asked_for() -> None:
    """Seconds, unless it is another one that is known."""
    stamps = [PingPlan(precision=unit).stamp(1_790_000_003_123_456_789) for unit in ("s", "ms", "ns", "odd")]
    assert stamps == [1_790_000_003, 1_790_000_003_123, 1_790_000_003_123_456_789, 1_790_000_003]
