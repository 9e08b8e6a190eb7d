"""A line that is up when it is told to be."""

from __future__ import annotations

import pytest

from cableway.policies.monitors import Check, LineFacts, Look, ManualMonitor


def test_it_is_down_until_it_is_woken_and_up_until_it_rests() -> None:
    """Time alone changes nothing."""
    monitor = ManualMonitor()
    assert not monitor.dials_at_once
    assert monitor.look(0.0) == Look(up=False)
    monitor.demand(1.0)
    assert monitor.look(1e9) == Look(up=True)
    monitor.rest(1e9)
    assert monitor.look(1e9) == Look(up=False)


def test_holds_are_counted() -> None:
    """The line is up until the last of several holds is released; one release too many owes nothing."""
    monitor = ManualMonitor()
    monitor.demand(0.0, hold=True)
    monitor.demand(0.0, hold=True)
    monitor.release(1.0)
    assert monitor.look(1.0).up
    monitor.release(2.0)
    assert not monitor.look(2.0).up
    monitor.release(3.0)
    monitor.demand(4.0, hold=True)
    assert monitor.look(4.0).up


def test_rest_leaves_what_is_held() -> None:
    """A rest during a hold takes effect when the hold ends; a wake outlasts a hold."""
    monitor = ManualMonitor()
    monitor.demand(0.0)
    monitor.demand(0.0, hold=True)
    monitor.rest(1.0)
    assert monitor.look(1.0).up
    monitor.release(2.0)
    assert not monitor.look(2.0).up
    monitor.demand(3.0)
    monitor.demand(3.0, hold=True)
    monitor.release(4.0)
    assert monitor.look(4.0).up


def test_a_line_neither_wakes_it_nor_lets_it_go() -> None:
    """A drop leaves the wish as it was."""
    monitor = ManualMonitor()
    monitor.line_up(LineFacts(), 0.0)
    assert not monitor.look(0.0).up
    monitor.demand(1.0)
    monitor.line_down(2.0)
    assert monitor.look(2.0) == Look(up=True)


def test_two_monitors_share_nothing() -> None:
    """What one was told, another does not know."""
    one, other = ManualMonitor(), ManualMonitor()
    one.demand(0.0)
    one.demand(0.0, hold=True)
    assert not other.look(0.0).up


def test_it_is_watched_like_any_line() -> None:
    """While up it is probed and found dead, and takes the arguments for that."""
    monitor = ManualMonitor(beat=60, probe_timeout=1.0)
    assert dict(monitor.params) == {"pi": "60"}
    monitor.demand(0.0)
    monitor.line_up(LineFacts(probes=True), 0.0)
    assert monitor.look(0.0) == Look(up=True, again=123.0)
    assert monitor.look(123.0) == Look(up=True, check=Check.PROBE, again=124.0)
    assert monitor.look(124.0) == Look(up=True, check=Check.DEAD)
    with pytest.raises(ValueError, match="grace"):
        ManualMonitor(grace=-1)
