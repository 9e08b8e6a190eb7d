"""The interface that users' own monitors fill."""

from __future__ import annotations

import pytest

from cableway.policies.monitors import Check, LineFacts, Look, Monitor


class Glimpse(Monitor):
    """The example of the interface's own documentation."""

    def look(self, now: float) -> Look:
        second = now % 60
        return Look(up=second < 10, again=now + (10 - second if second < 10 else 60 - second))


def test_a_monitor_of_ones_own_needs_only_look() -> None:
    """The documented example decides by the clock, and every other call does nothing to it."""
    monitor = Glimpse()
    assert monitor.look(0.0) == Look(up=True, check=Check.FINE, again=10.0)
    monitor.line_up(LineFacts(probes=True), 1.0)
    monitor.heard(2.0)
    monitor.pinged(2.0)
    monitor.suspect(3.0, slept=9.0)
    monitor.demand(4.0, hold=True)
    monitor.release(5.0)
    monitor.rest(6.0)
    monitor.line_down(7.0)
    assert monitor.look(10.0) == Look(up=False, check=Check.FINE, again=60.0)
    assert monitor.look(75.0) == Look(up=False, check=Check.FINE, again=120.0)


def test_the_defaults_dial_at_once_and_ask_for_nothing() -> None:
    """A monitor that says nothing of it lets open() wait for the line, and adds no parameter."""
    assert Glimpse().dials_at_once is True
    assert dict(Glimpse().params) == {}
    assert LineFacts().probes is False
    assert LineFacts().slack == 0.0


def test_a_monitor_without_look_says_so() -> None:
    """The one method that must be there is missed loudly."""
    with pytest.raises(NotImplementedError):
        Monitor().look(0.0)
