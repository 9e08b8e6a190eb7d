"""Who is told that nothing has come for too long, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from cableway.events import Event, Fresh, Stale
from tests.hub.desk import Desk, frame, identifier

if TYPE_CHECKING:
    from cableway.hub.wish import Handle


def news(desk: Desk, handle: Handle) -> list[Event]:
    """Return what *handle* was told of the age of its data."""
    return [event for event in desk.events(handle) if isinstance(event, Stale | Fresh)]


def test_nobody_is_watched_unasked() -> None:
    """Without an age there is no timer, and no event."""
    desk = Desk()
    handle = desk.live()
    assert desk.hub.deadline is None
    desk.wait(1e6)
    assert news(desk, handle) == []


def test_it_is_told_once_that_nothing_comes() -> None:
    """With how old the last message is; the age counts from it, not from the subscription."""
    desk = Desk()
    handle = desk.live(max_age=10)
    desk.wait(6)
    desk.data("A", 1)
    desk.wait(9.9)
    assert news(desk, handle) == []
    desk.wait(0.1)
    assert news(desk, handle) == [Stale(10.0)]
    desk.wait(100)
    assert news(desk, handle) == [Stale(10.0)]


def test_before_the_first_message_it_counts_from_the_wish() -> None:
    """A subscription that is never confirmed brings nothing either: its data are as stale."""
    desk = Desk(up=False)
    handle = desk.join(max_age=10)
    desk.wait(10)
    assert news(desk, handle) == [Stale(10.0)]


def test_before_the_cable_opens_nothing_can_come() -> None:
    """The age of those who asked before counts from the opening."""
    desk = Desk(up=False)
    handle = desk.join(max_age=10)
    desk.wait(6)
    desk.hub.freshness.begin(desk.hub.wishes, desk.now)
    desk.wait(9.9)
    assert news(desk, handle) == []
    desk.wait(0.1)
    assert news(desk, handle) == [Stale(10.0)]


def test_who_joins_later_has_waited_less() -> None:
    """Each holder counts from its own joining, and by its own age."""
    desk = Desk()
    first = desk.live(max_age=10)
    desk.wait(5)
    second, third = desk.join(max_age=10), desk.join(max_age=30)
    desk.wait(5)
    assert (news(desk, first), news(desk, second)) == ([Stale(10.0)], [])
    desk.wait(5)
    assert (news(desk, second), news(desk, third)) == ([Stale(10.0)], [])
    desk.wait(20)
    assert news(desk, third) == [Stale(30.0)]


def test_the_line_does_not_matter() -> None:
    """A line that went down and up again has brought no data."""
    desk = Desk()
    handle = desk.live(max_age=10)
    desk.data("A", 1)
    desk.wait(5)
    desk.line_down()
    desk.line_up()
    desk.confirm()
    desk.wait(5)
    assert news(desk, handle) == [Stale(10.0)]


def test_a_message_makes_it_fresh() -> None:
    """With the time between the two messages, by whichever way the second one came; then all begins anew."""
    desk = Desk()
    handle = desk.live(max_age=10)
    desk.data("A", 1)
    desk.wait(14)
    desk.data("A", 2)
    desk.wait(25)
    desk.route(frame("A", 3))
    assert news(desk, handle) == [Stale(10.0), Fresh(14.0), Stale(10.0), Fresh(25.0)]


def test_only_who_was_told_is_told_again() -> None:
    """Fresh is news to those that were stale, and to no others."""
    desk = Desk()
    hasty, patient = desk.live(max_age=10), desk.join(max_age=100)
    desk.wait(20)
    desk.data("A", 1)
    assert (news(desk, hasty), news(desk, patient)) == ([Stale(10.0), Fresh(20.0)], [])


def test_who_left_is_told_nothing() -> None:
    """Neither that it is stale nor, if it was, that it is fresh; who stays is told as before."""
    desk = Desk()
    left, stale, stays = desk.live(max_age=10), desk.join(max_age=5), desk.join(max_age=10)
    desk.wait(6)
    desk.leave(left)
    desk.leave(stale)
    desk.wait(6)
    desk.data("A", 1)
    assert news(desk, left) == []
    assert news(desk, stale) == [Stale(5.0)]
    assert news(desk, stays) == [Stale(10.0), Fresh(12.0)]
    assert stays.wish.stale == 0


def test_messages_set_no_timers() -> None:
    """However many come, its time is looked at once an age."""
    desk = Desk()
    handle = desk.live(max_age=10)
    due = handle.due
    for number in range(9):
        desk.wait(1)
        desk.data("A", number)
        assert handle.due == due
    desk.wait(1)
    assert handle.due == desk.now + 9
    assert len(desk.hub.freshness.agenda._heap) == 1


moments = st.lists(st.integers(1, 40).map(lambda tenths: tenths / 2), max_size=15)


@given(waits=moments, last=st.integers(1, 60))
def test_it_is_stale_whenever_the_last_message_is_too_old(waits: list[float], last: int) -> None:
    """Each silence of the age or more is told at its moment, and ended by the next message."""
    desk, expected = Desk(), list[Event]()
    handle = desk.live(max_age=8)
    for wait in waits:
        desk.wait(wait)
        desk.data("A", 1)
        expected += [Stale(8.0), Fresh(wait)] if wait >= 8 else []
        assert news(desk, handle) == expected
        assert handle.wish.stale == 0
    desk.wait(last)
    assert news(desk, handle) == expected + ([Stale(8.0)] if last >= 8 else [])
    assert handle.wish.stale == (last >= 8)


def test_who_is_stale_may_be_moved_to_another_wish() -> None:
    """It is told Fresh by what comes there."""
    desk = Desk()
    other = desk.live("A")
    handle = desk.join_as(lambda: None, max_age=10)
    desk.hub.named(handle.wish, identifier("B"), desk.now)
    desk.confirm("B")
    desk.wait(11)
    desk.line_down()
    desk.line_up()
    desk.confirm("A")
    desk.hub.named(handle.wish, identifier("A"), desk.now)
    assert handle.wish is other.wish
    desk.data("A", 1)
    assert [e for e in desk.events(handle) if isinstance(e, Stale | Fresh)] == [Stale(10.0), Fresh(11.0)]
    assert other.wish.stale == 0


def test_who_was_refused_for_good_and_left_is_watched_no_more() -> None:
    """No timer is left of it."""
    desk = Desk()
    handle = desk.live("A", max_age=10)
    desk.join("A", retry_rejected=True)
    desk.reject("A")
    desk.leave(handle)
    desk.wait(100)
    assert not [e for e in desk.events(handle) if isinstance(e, Stale)]
    assert desk.hub.deadline is None
