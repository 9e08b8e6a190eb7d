"""A subscription is brought up to date: what is asked, in which order, and what is claimed in the end."""

from __future__ import annotations

import pytest

from cableway.events import HandedOver
from cableway.states import Recovery
from cableway.wire.positions import Bookmark, HistoryQuery, Position
from tests.hub.desk import frame, identifier
from tests.hub.recall.archive import ONE_STREAM, SERVER, Archive, after, ask, begun, offsets, outcome, unknown

# What is asked


def test_who_begins_has_missed_nothing() -> None:
    """A new subscription asks for no past, and gives no account of it."""
    archive = Archive()
    handle = archive.join()
    assert archive.asked() == []
    archive.confirm()
    archive.tell(1)
    assert (archive.outcomes(handle), offsets(handle), archive.hub.settled) == ([], [1], True)


def test_what_was_missed_is_asked_for_with_the_subscription() -> None:
    """From the place that was reached; of streams without one, from when on nothing was heard."""
    archive, _ = begun(3)
    archive.tell(1, 2, stream="t")
    archive.fall()
    assert archive.asked() == [HistoryQuery({"s": Position("e", 3), "t": Position("e", 2)}, SERVER + 100)]


def test_one_stream_has_one_place() -> None:
    """Where no other can be added there is no need to ask by time."""
    archive, handle = begun(3, name=ONE_STREAM)
    archive.fall(ONE_STREAM)
    assert archive.asked() == [after(3)]
    archive.tell(4, 5, name=ONE_STREAM)
    archive.answer(ONE_STREAM)
    assert (outcome(archive, handle), offsets(handle)) == ((True, 2, ""), [4, 5])
    assert (archive.asked(), archive.hub.settled) == ([], True)


def test_a_place_is_that_of_when_the_line_broke() -> None:
    """Live messages that overtake the answer do not move it: those before them are still to come."""
    archive, handle = begun(3, name=ONE_STREAM)
    archive.line_down()
    archive.line_up()
    archive.confirm(ONE_STREAM)
    archive.tell(6, 7, name=ONE_STREAM)
    assert archive.asked() == [after(3)]
    assert offsets(handle) == []
    archive.tell(4, 5, 6, name=ONE_STREAM)
    archive.answer(ONE_STREAM)
    assert (outcome(archive, handle), offsets(handle)) == ((True, 4, ""), [4, 5, 6, 7])


def test_a_session_that_was_given_back_has_to_ask_too() -> None:
    """The server did not ask for the subscription to be made anew: the question goes by itself."""
    archive, handle = begun(3, name=ONE_STREAM)
    archive.fall(ONE_STREAM, restored=[identifier(ONE_STREAM)])
    assert archive.asked() == [after(3)]
    archive.answer(ONE_STREAM)
    assert outcome(archive, handle) == (True, 0, "")


# Lines that go and come


def test_a_recovery_that_is_cut_short_begins_again() -> None:
    """From where it had come; what was delivered of it is not delivered again."""
    archive, handle = begun(3, name=ONE_STREAM)
    archive.fall(ONE_STREAM)
    archive.tell(4, 6, name=ONE_STREAM)
    archive.fall(ONE_STREAM)
    assert archive.asked() == [after(3), after(4)]
    archive.tell(5, 6, 7, name=ONE_STREAM)
    archive.answer(ONE_STREAM)
    assert (offsets(handle), archive.gaps(handle)) == ([4, 5, 6, 7], [])
    assert outcome(archive, handle)[0] is True


def test_doubts_are_told_before_a_new_recovery_begins() -> None:
    """The next one knows nothing of what this one had no answer about: that was delivered already."""
    archive, handle = begun(0)
    archive.fall()
    archive.tell(7)
    archive.answer()
    assert archive.asked()[-1] == after(6)
    archive.fall()
    assert outcome(archive, handle)[0] is False
    archive.answer()
    assert [told.recovery for told in archive.outcomes(handle)] == [Recovery.UNKNOWN, Recovery.COMPLETE]


def test_another_line_is_asked_what_this_one_was() -> None:
    """When a fresh line takes over in the middle of it, its server answers, and only that counts."""
    archive, handle = begun(3, name=ONE_STREAM)
    archive.fall(ONE_STREAM)
    archive.asked()
    archive.hub.handed_over({identifier(ONE_STREAM)}, HandedOver(Recovery.UNKNOWN), archive.now)
    assert archive.asked() == [after(3)]
    archive.tell(4, name=ONE_STREAM)
    archive.answer(ONE_STREAM)
    assert (outcome(archive, handle), offsets(handle)) == ((True, 1, ""), [4])


def test_an_answer_to_who_left_is_not_for_who_comes() -> None:
    """The server still answers the former holder's question; the new one has missed nothing, and asks its own."""
    archive, handle = begun(3)
    archive.fall()
    archive.leave(handle)
    joined = archive.join()
    archive.asked()
    answers = ask(archive, joined, after(1))
    archive.asked()
    archive.answer()
    assert (answers, archive.asked()) == ([], [])
    archive.answer()
    assert archive.asked() == [after(1)]
    archive.answer()
    assert (len(answers), archive.outcomes(joined)) == (1, [])


# Bookmarks


def test_a_bookmark_is_gone_on_from() -> None:
    """Its places are asked from as if a line had broken there."""
    archive = Archive()
    handle = archive.join_as(lambda: None)
    handle.wish.recall.resume(Bookmark({"s": Position("e", 4)}, SERVER))
    assert handle.wish.recall.bookmark == Bookmark({"s": Position("e", 4)}, SERVER)
    archive.hub.named(handle.wish, identifier("A"), archive.now)
    assert archive.asked() == [after(4, since=SERVER)]
    archive.confirm()
    archive.beat()
    archive.tell(5)
    archive.answer()
    assert (outcome(archive, handle), offsets(handle)) == ((True, 1, ""), [5])


@pytest.mark.parametrize("bookmark", [Bookmark({"s": Position("e", 4)}), Bookmark(since=SERVER), Bookmark()])
def test_a_bookmark_comes_too_late_for_who_has_begun(bookmark: Bookmark) -> None:
    """What was delivered already says more; an empty one says nothing at any time."""
    _, handle = begun(7)
    before = handle.wish.recall.bookmark
    handle.wish.recall.resume(bookmark)
    assert handle.wish.recall.bookmark == before
    fresh = Archive()
    joined = fresh.join_as(lambda: None)
    joined.wish.recall.resume(Bookmark())
    fresh.hub.named(joined.wish, identifier("A"), fresh.now)
    assert fresh.asked() == []


def test_a_bookmark_follows_what_is_delivered() -> None:
    """Stream by stream, by whichever way it came; what is held has not been delivered."""
    archive, handle = begun(3)
    archive.tell(5)
    archive.tell(1, stream="t")
    archive.route(frame("A", 0))
    assert handle.wish.recall.bookmark.streams == {"s": Position("e", 3), "t": Position("e", 1)}


def test_a_time_up_to_which_all_is_heard_needs_a_live_subscription() -> None:
    """And none that is being told of its past still; who has a place does better with that."""
    archive, handle = begun(0)
    recall = handle.wish.recall
    archive.wait(50)
    archive.beat()
    heard = recall.heard_until
    assert heard is not None
    assert SERVER + 100 < heard <= SERVER + 150
    archive.line_down()
    assert recall.heard_until is None
    archive.line_up()
    archive.confirm()
    assert recall.heard_until is None
    archive.answer()
    assert recall.heard_until == heard
    archive.tell(1)
    assert recall.heard_until is None


def test_live_copies_after_a_new_era_are_doubles() -> None:
    """The new era may have come as far as our place in the old one, by its numbers."""
    archive, handle = begun(2, name=ONE_STREAM)
    archive.fall(ONE_STREAM)
    archive.answer(ONE_STREAM, confirmed=False)  # the server was started anew
    archive.tell(1, 2, epoch="f", name=ONE_STREAM)
    archive.answer(ONE_STREAM)
    archive.tell(1, 2, epoch="f", name=ONE_STREAM)  # live copies
    assert offsets(handle) == [1, 2]


def test_the_very_first_message_may_come_last() -> None:
    """What it was waited for with follows at once, and nothing is asked."""
    archive = Archive()
    handle = archive.live()
    archive.effects()
    archive.tell(3, 2, 1)
    assert offsets(handle) == [1, 2, 3]
    archive.wait(5)
    assert archive.asked() == []


def test_what_is_held_from_an_older_line_tells_nothing_of_the_server() -> None:
    """A loss in a server that was started anew is not hidden by it."""
    archive = Archive()
    archive.beat()
    handle = archive.live(ONE_STREAM)
    archive.tell(2, 1, name=ONE_STREAM)
    archive.fall(ONE_STREAM)
    archive.answer(ONE_STREAM, confirmed=False)  # started anew: 3 was published before, and is gone
    archive.answer(ONE_STREAM)
    assert unknown(archive, handle)
