"""The server's clock, as far as its pings tell."""

from __future__ import annotations

from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cableway.hub.recall.clock import PINGS, ServerClock

SERVER = 1_790_000_000


def test_before_the_first_ping_nothing_is_known() -> None:
    """There is no guess: the past is never asked for by our own time."""
    assert ServerClock().at(5.0) is None


def test_it_runs_on_with_ours() -> None:
    """What a ping told goes on from the time at which it was read, in whole seconds, rounded down."""
    clock = ServerClock()
    assert clock.beaten(SERVER, 100.0) == SERVER
    assert [clock.at(when) for when in (100.0, 100.9, 101.0, 160.5, 97.5)] == [
        SERVER,
        SERVER,
        SERVER + 1,
        SERVER + 60,
        SERVER - 3,
    ]


@pytest.mark.parametrize("unit", [1, 1_000, 1_000_000, 1_000_000_000])
def test_any_unit_is_seconds(unit: int) -> None:
    """Servers count in seconds or in smaller units; the past is asked for in seconds."""
    clock = ServerClock()
    assert clock.beaten(SERVER * unit, 0.0) == SERVER
    assert clock.at(0.0) == SERVER


@pytest.mark.parametrize("told", [None, "soon", True, 0, -5, float("nan"), [SERVER], {"at": SERVER}])
def test_a_ping_without_a_time_tells_none(told: object) -> None:
    """It changes nothing of what is known, nor does it make anything known."""
    clock = ServerClock()
    assert clock.beaten(told, 100.0) is None
    assert clock.at(100.0) is None
    clock.beaten(SERVER, 100.0)
    for _ in range(PINGS):
        clock.beaten(told, 200.0)
    assert clock.at(100.0) == SERVER


def test_a_ping_that_was_held_up_sets_nothing_back() -> None:
    """The nearest of several counts: those that were longer under way tell less."""
    clock = ServerClock()
    clock.beaten(SERVER, 100.0)
    clock.beaten(SERVER + 3, 112.0)
    assert clock.at(112.0) == SERVER + 12


def test_a_clock_that_was_set_back_is_believed_in_the_end() -> None:
    """After so many pings that all tell less the old difference is forgotten, and not before."""
    clock = ServerClock()
    clock.beaten(SERVER + 3600, 0.0)
    for number in range(1, PINGS):
        clock.beaten(SERVER, 0.0)
        assert clock.at(0.0) == SERVER + 3600, number
    clock.beaten(SERVER, 0.0)
    assert clock.at(0.0) == SERVER


def test_a_time_before_all_time_is_none() -> None:
    """A question for the past needs a time after 1970."""
    clock = ServerClock()
    clock.beaten(50, 100.0)
    assert (clock.at(51.0), clock.at(50.0), clock.at(10.0)) == (1, None, None)


delays = st.lists(st.floats(0, 30), min_size=1, max_size=2 * PINGS)


@given(delays=delays, start=st.floats(1e9, 2e9), later=st.floats(0, 1000))
def test_it_is_never_ahead_of_the_server(delays: list[float], start: float, later: float) -> None:
    """Whatever time pings take; and it is behind by no more than the quickest of the last ones, and rounding."""
    clock, ours = ServerClock(), 0.0
    for delay in delays:
        ours += 3.0
        clock.beaten(floor(start + ours), ours + delay)
    told, true = clock.at(ours + later), start + ours + later
    assert told is not None
    assert true - min(delays[-PINGS:]) - 2.001 <= told <= true
