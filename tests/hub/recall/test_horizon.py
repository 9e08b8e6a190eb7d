"""From when on streams without a position have to be asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cableway.hub.recall.historian import Historian
from cableway.hub.recall.horizon import MARGIN, Horizon

SERVER = 1_790_000_000
"""The server's time when ours is 0."""


def made(*pings: float) -> tuple[Historian, Horizon]:
    """Return a horizon; the server told its time at these times of ours, in no time at all."""
    historian = Historian(lambda _: None)
    for when in pings:
        historian.beaten(SERVER + int(when), when)
    return historian, Horizon(historian)


def test_without_the_server_s_time_there_is_none() -> None:
    """Our own clock says nothing of the server's, whatever happens."""
    _, horizon = made()
    horizon.asked(100.0)
    horizon.confirmed(101.0)
    horizon.note(live=True)
    assert horizon.since is None


def test_it_begins_when_the_subscription_was_asked_for() -> None:
    """The server had it at some time between question and confirmation: rather too early than too late."""
    for live in (False, True):
        _, horizon = made(100.0)
        horizon.asked(105.0)
        horizon.confirmed(109.0)
        horizon.note(live=live)
        assert horizon.since == SERVER + 105


def test_the_server_s_time_may_become_known_later() -> None:
    """Most subscriptions are confirmed before the first ping of a line."""
    historian, horizon = made()
    horizon.asked(105.0)
    horizon.confirmed(106.0)
    historian.beaten(SERVER + 120, 120.0)
    horizon.note(live=False)
    assert horizon.since == SERVER + 105


def test_a_confirmation_that_nobody_asked_for_counts_from_when_it_came() -> None:
    """As where the server gives a session back."""
    _, horizon = made(100.0)
    horizon.confirmed(109.0)
    horizon.note(live=False)
    assert horizon.since == SERVER + 109


def test_only_the_first_confirmation_sets_it() -> None:
    """On later lines something may have been missed in between; that is what it is there to ask for."""
    _, horizon = made(100.0)
    for when in (105.0, 200.0):
        horizon.asked(when)
        horizon.confirmed(when + 1)
        horizon.note(live=False)
    assert horizon.since == SERVER + 105


def test_pings_move_it_on_while_all_is_heard() -> None:
    """What was published some seconds before a ping has come before it, on a line that has the subscription."""
    historian, horizon = made(100.0)
    horizon.asked(100.0)
    horizon.confirmed(100.0)
    historian.beaten(SERVER + 160, 160.0)
    horizon.note(live=False)
    assert horizon.since == SERVER + 100
    horizon.note(live=True)
    assert horizon.since == SERVER + 160 - MARGIN


def test_a_ping_counts_by_its_own_time() -> None:
    """It may have been held up on the way, and all that was published since with it."""
    historian, horizon = made(100.0)
    horizon.confirmed(100.0)
    historian.beaten(SERVER + 110, 150.0)
    horizon.note(live=True)
    assert horizon.since == SERVER + 110 - MARGIN


def test_a_bookmark_s_time_is_kept_until_more_is_known() -> None:
    """An earlier process has heard all until then; this one's subscription begins later, with a line in between."""
    _, horizon = made()
    horizon.since = SERVER
    horizon.note(live=False)
    assert horizon.since == SERVER


moves = st.lists(st.tuples(st.floats(0, 50), st.booleans(), st.floats(0, 20)), max_size=20)


def test_a_time_at_the_very_beginning_is_none() -> None:
    """A server without a clock may count from its start; nobody can be asked for what is before 1970."""
    historian = Historian(lambda _: None)
    historian.beaten(1, 0.0)
    horizon = Horizon(historian)
    horizon.note(live=True)
    assert horizon.since is None
    horizon.confirmed(0.0)
    horizon.note(live=True)
    assert horizon.since == 1


@given(moves)
def test_it_never_goes_back_nor_beyond_what_was_heard(steps: list[tuple[float, bool, float]]) -> None:
    """Whatever pings tell, and however late they come: it is no later than the last ping, or than its beginning."""
    historian, horizon = made(0.0)
    horizon.asked(10.0)
    horizon.confirmed(11.0)
    ours, last, heard = 11.0, 0, SERVER + 10
    for wait, live, delay in steps:
        ours += wait
        stamp = SERVER + int(ours)
        historian.beaten(stamp, ours + delay)
        heard = max(heard, stamp - MARGIN) if live else heard
        horizon.note(live=live)
        assert horizon.since is not None
        assert last <= horizon.since <= heard
        last = horizon.since


def test_a_list_is_sorted_by_the_server_s_time() -> None:
    """What was published since the subscription was made is new to it, whatever was heard by it since."""
    _, horizon = made(100.0, 200.0)
    horizon.asked(105.0)
    horizon.confirmed(106.0)
    assert [horizon.begun(5, 300.0, alone=alone) for alone in (True, False)] == [SERVER + 105] * 2


def test_without_it_our_own_clock_has_to_do_for_who_is_alone() -> None:
    """Others must not miss what is new because this machine's clock is wrong."""
    _, horizon = made()
    horizon.asked(100.0)
    horizon.confirmed(101.0)
    assert horizon.begun(SERVER, 130.5, alone=False) is None
    assert horizon.begun(SERVER, 130.5, alone=True) == SERVER - MARGIN - 30


def test_a_clock_that_was_never_set_asks_for_all() -> None:
    """Seconds of 1970 leave nothing to take off; a question needs a time of at least 1."""
    _, horizon = made()
    horizon.confirmed(100.0)
    assert horizon.begun(3, 200.0, alone=True) == 1


@pytest.mark.parametrize(
    ("later", "out"),
    [(299, False), (300, True), (5000, True), (0, False), (-MARGIN, False), (-MARGIN - 1, True)],
)
def test_too_long_ago_is_out_of_reach(later: int, out: bool) -> None:  # noqa: FBT001
    """Past the life of messages, or before the time itself: then the server's clock was set back."""
    _, horizon = made(100.0)
    horizon.since = SERVER + 100
    assert horizon.is_out_of_reach(100.0 + later, 300.0) is out


def test_what_is_not_known_may_be_out_of_reach() -> None:
    """As where the server does not tell its time; but without a time to ask from there is nothing to reach for."""
    _, horizon = made()
    horizon.since = SERVER
    assert horizon.is_out_of_reach(100.0, 300.0)
    _, horizon = made(100.0)
    assert not horizon.is_out_of_reach(1e6, 300.0)
