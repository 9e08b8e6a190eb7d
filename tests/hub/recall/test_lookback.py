"""Users ask for what the server still has: in their turn, and apart from what is delivered."""

from __future__ import annotations

from typing import Any

from cableway.errors import HistoryRejected, HistoryTimeout, NotConnected
from cableway.hub.recall.listings import Listing
from cableway.states import Recovery
from cableway.wire.positions import HistoryQuery
from tests.hub.desk import identifier
from tests.hub.recall.archive import ONE_STREAM, SERVER, after, ask, begun, offsets


def shown(answers: list[Any]) -> list[int]:
    """Return the numbers of the messages in the one answer."""
    (found,) = answers
    return [one.data for one in found]


def test_the_past_is_shown_to_who_asks_and_delivered_to_nobody() -> None:
    """What was delivered once is not delivered again for it; live messages go on beside."""
    archive, handle = begun(5, name=ONE_STREAM)
    answers = ask(archive, handle, after(2))
    assert archive.asked() == [after(2)]
    archive.tell(3, 6, 4, 5, 6, name=ONE_STREAM)
    archive.answer(ONE_STREAM)
    live = handle.mailbox.pop()
    assert (live.offset, live.replayed) == (6, False)
    assert (shown(answers), offsets(handle), archive.outcomes(handle)) == ([3, 4, 5], [], [])


def test_what_is_new_is_asked_for_first() -> None:
    """And delivered to all: from then on the stream has a place, and what was before is shown to the one."""
    archive, handle = begun(0)
    archive.wait(20)
    answers = ask(archive, handle, HistoryQuery(since=SERVER))
    assert archive.asked() == [HistoryQuery(since=SERVER + 100)]
    archive.tell(8, 9, stream="t")
    archive.answer()
    assert (answers, offsets(handle), archive.asked()) == ([], [8, 9], [HistoryQuery(since=SERVER)])
    archive.tell(7, 10, 8, 9, 10, stream="t")
    archive.answer()
    assert (shown(answers), offsets(handle), archive.asked()) == ([7], [10], [])


def test_what_has_no_place_even_then_is_asked_for_once_more() -> None:
    """Of a stream that brought something just now: what is in the last answer is new, the rest is the past."""
    archive, handle = begun(0)
    answers = ask(archive, handle, HistoryQuery(since=SERVER))
    archive.answer()
    archive.tell(7, 8, stream="t")
    archive.asked()
    archive.answer()
    assert (answers, archive.asked()) == ([], [HistoryQuery(since=SERVER + 100)])
    archive.tell(8, stream="t")
    archive.answer()
    archive.wait(1)
    assert (shown(answers), offsets(handle)) == ([7], [8])


def test_what_is_asked_for_from_the_beginning_on_is_new() -> None:
    """A list of what was published since the subscription was made, by a stream without a place, is for all."""
    archive, handle = begun(0)
    archive.wait(50)
    answers = ask(archive, handle, HistoryQuery(since=SERVER + 140))
    archive.answer()
    archive.asked()
    archive.tell(8, stream="t")
    archive.answer()
    archive.wait(1)
    assert (shown(answers), offsets(handle), archive.asked()) == ([], [8], [])


def test_with_others_the_server_s_time_is_waited_for() -> None:
    """They must not miss what is new because our own clock is wrong; who is alone asks by that."""
    archive, handle = begun(0, timed=False)
    answers = ask(archive, handle, HistoryQuery(since=5))
    assert archive.asked() != []
    archive, handle = begun(0, timed=False)
    archive.join()
    answers = ask(archive, handle, HistoryQuery(since=5))
    assert archive.asked() == []
    archive.beat()
    assert archive.asked() == [HistoryQuery(since=SERVER + 100)]
    archive.answer()
    archive.answer()
    assert shown(answers) == []


def test_who_gives_up_is_not_asked_for() -> None:
    """Unless it was asked already: its answer is waited for, and not taken for the next one's."""
    archive, handle = begun(3, name=ONE_STREAM)
    listings = [Listing(after(number), lambda _: None) for number in (0, 1)]
    for listing in listings:
        handle.wish.recall.lookback.add(listing, archive.now)
    answers = ask(archive, handle, after(2))
    for listing in listings:
        handle.wish.recall.lookback.give_up(listing)
    assert archive.asked() == [after(0)]
    archive.tell(1, 2, 3, name=ONE_STREAM)
    archive.answer(ONE_STREAM)
    assert (archive.asked(), answers) == ([after(2)], [])
    archive.tell(3, name=ONE_STREAM)
    archive.answer(ONE_STREAM)
    assert (shown(answers), offsets(handle)) == ([3], [])


def test_a_list_has_its_turn_after_the_recovery() -> None:
    """One question at a time, and the next list after the first."""
    archive, handle = begun(3, name=ONE_STREAM)
    archive.fall(ONE_STREAM)
    first, second = (ask(archive, handle, after(number)) for number in (1, 2))
    assert archive.asked() == [after(3)]
    archive.answer(ONE_STREAM)
    assert archive.asked() == [after(1)]
    archive.answer(ONE_STREAM, confirmed=False)
    assert archive.asked() == [after(2)]
    assert [type(one) for one in first] == [HistoryRejected]
    archive.ignore()
    assert [type(one) for one in second] == [HistoryTimeout]
    assert [told.recovery for told in archive.outcomes(handle)] == [Recovery.COMPLETE]


def test_a_list_ends_with_the_line() -> None:
    """Who waits hears it at once, and whoever asks while there is none waits for the next one."""
    archive, handle = begun(3, name=ONE_STREAM)
    broken, waiting = ask(archive, handle, after(1)), ask(archive, handle, after(2))
    archive.line_down()
    assert [type(one) for one in (*broken, *waiting)] == [NotConnected, NotConnected]
    archive.asked()
    answers = ask(archive, handle, after(0))
    assert archive.asked() == []
    archive.line_up()
    archive.confirm(ONE_STREAM)
    archive.answer(ONE_STREAM)
    assert archive.asked() == [after(3), after(0)]
    archive.tell(1, 2, 3, name=ONE_STREAM)
    archive.answer(ONE_STREAM)
    assert (shown(answers), offsets(handle)) == ([1, 2, 3], [])


def test_what_a_list_holds_is_not_heard_yet() -> None:
    """A line that breaks meanwhile has it asked for."""
    archive, handle = begun(0)
    archive.wait(3)
    ask(archive, handle, HistoryQuery(since=SERVER))
    archive.tell(9, stream="t")  # live, at the server's time 103
    for _ in range(2):
        archive.wait(3)
        archive.beat()
    archive.asked()
    archive.fall(restored=[identifier("A")])
    (query,) = archive.asked()
    assert query.since is not None
    assert query.since <= SERVER + 103


def test_a_line_that_left_a_question_unanswered_is_not_asked_for_lists() -> None:
    """A late answer to that question would be taken for the one to the list."""
    archive, handle = begun(3, name=ONE_STREAM)
    archive.tell(5, name=ONE_STREAM)
    archive.wait(0.1)
    archive.ignore()  # the question for 4
    archive.asked()
    answers = ask(archive, handle, after(1))
    assert archive.asked() == []
    assert [type(found) for found in answers] == [HistoryTimeout]


def test_who_has_gone_meanwhile_is_not_asked_for() -> None:
    """What is new was asked for first, and is delivered; the past that nobody waits for costs the server nothing."""
    archive, handle = begun(0)
    answers = ask(archive, handle, HistoryQuery(since=1))
    (listing,) = handle.wish.recall.lookback._listings._waiting
    assert len(archive.asked()) == 1
    handle.wish.recall.lookback.give_up(listing)
    archive.tell(8, 9, stream="t")
    archive.answer()
    assert (offsets(handle), archive.asked(), handle.wish.recall.idle) == ([8, 9], [], True)
    assert answers == [[]]
