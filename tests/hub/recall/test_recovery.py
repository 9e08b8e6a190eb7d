"""The course of a recovery: what is asked after what, and what is claimed in the end."""

from __future__ import annotations

import pytest

from cableway.hub.effects import Doubt, Resync
from cableway.hub.recall.limits import ANSWER
from cableway.wire.positions import Bookmark, HistoryQuery, Position
from tests.hub.desk import identifier, unread
from tests.hub.recall.archive import ONE_STREAM, SERVER, Archive, after, begun, message, offsets, outcome, unknown


def test_the_server_s_time_is_waited_for() -> None:
    """Where a stream may have been missed that has no place, its next ping tells from when on to ask."""
    archive, handle = begun(3, timed=False)
    archive.fall()
    assert archive.asked() == [after(3)]
    archive.answer()
    assert (archive.outcomes(handle), archive.asked()) == ([], [])
    archive.beat()
    assert archive.asked() == [HistoryQuery(since=SERVER + 100)]
    archive.tell(7, stream="t")
    archive.answer()
    assert archive.asked() == [after(6, stream="t")]
    archive.answer()
    assert (outcome(archive, handle), offsets(handle)) == ((True, 1, ""), [7])


def test_a_time_that_never_comes_is_not_waited_for_twice() -> None:
    """Messages are held meanwhile: where lines are gone before the server beats, that has to end."""
    archive, handle = begun(3, timed=False)
    archive.fall()
    archive.answer()
    archive.tell(9, stream="t")
    archive.wait(ANSWER - 0.01)
    assert (offsets(handle), archive.outcomes(handle)) == ([], [])
    archive.wait(0.01)
    assert (offsets(handle), outcome(archive, handle)[0]) == ([9], False)
    archive.fall()
    archive.answer()
    archive.fall()
    archive.answer()
    assert len(archive.outcomes(handle)) == 2


def test_who_heard_nothing_before_asks_by_time() -> None:
    """All that came by any stream since the subscription was made; the very first of a stream leaves no doubt."""
    archive, handle = begun(0)
    archive.wait(5)
    archive.fall(restored=[identifier("A")])
    assert archive.asked() == [HistoryQuery(since=SERVER + 100)]
    archive.tell(1, 2)
    archive.answer()
    assert (outcome(archive, handle), offsets(handle)) == ((True, 2, ""), [1, 2])


def test_the_first_that_is_told_of_a_stream_is_asked_about() -> None:
    """What came before it may be gone, or too old to matter: the server has it if it takes the place before."""
    for confirmed in (True, False):
        archive, handle = begun(0)
        archive.fall(restored=[identifier("A")])
        archive.tell(7, 8)
        archive.answer()
        assert archive.asked()[1:] == [after(6)]
        archive.answer(confirmed=confirmed)
        complete, replayed, reason = outcome(archive, handle)
        assert (complete, replayed, bool(reason)) == (confirmed, 2, not confirmed)
        assert offsets(handle) == [7, 8]


def test_a_refusal_of_several_places_is_asked_one_by_one() -> None:
    """All or nothing: one place of no use has all of them refused, and nothing of any is told."""
    archive, handle = begun(3)
    archive.tell(1, 2, stream="t")
    offsets(handle)
    archive.fall()
    archive.asked()
    archive.answer(confirmed=False)
    assert archive.asked() == [after(3)]
    archive.tell(4)
    archive.answer()
    assert archive.asked() == [after(2, stream="t")]
    archive.answer(confirmed=False)
    assert archive.asked() == [HistoryQuery(since=SERVER + 100)]
    archive.tell(6, stream="t")
    archive.answer()
    assert (offsets(handle), archive.gaps(handle)) == ([4, 6], [(3, 5, False)])
    assert outcome(archive, handle)[0] is False


def test_a_refusal_of_one_stream_may_hide_nothing() -> None:
    """A server that has gone on may have forgotten only what had come: it tells all since then, and that is nothing."""
    archive, handle = begun(3, name=ONE_STREAM)
    archive.fall(ONE_STREAM, restored=[identifier(ONE_STREAM)])
    archive.answer(ONE_STREAM, confirmed=False)
    assert archive.asked() == [after(3), HistoryQuery(since=SERVER + 100)]
    archive.answer(ONE_STREAM)
    assert outcome(archive, handle) == (True, 0, "")


def test_low_numbers_are_new_after_a_refusal() -> None:
    """The server has nothing of the old place any more: however soon 1 comes, it is a first message."""
    archive, handle = begun(3, name=ONE_STREAM)
    archive.fall(ONE_STREAM, restored=[identifier(ONE_STREAM)])
    archive.answer(ONE_STREAM, confirmed=False)
    archive.answer(ONE_STREAM)
    archive.tell(1, 2, name=ONE_STREAM)
    assert (offsets(handle), archive.gaps(handle)) == ([1, 2], [])


def test_a_server_started_anew_is_never_taken_for_the_old_one() -> None:
    """It refuses all places of the old era: what that still had for us is not known, whatever it tells of its own."""
    archive, handle = begun(3, name=ONE_STREAM)
    archive.fall(ONE_STREAM)
    archive.answer(ONE_STREAM, confirmed=False)
    archive.tell(1, 2, epoch="f", name=ONE_STREAM)
    archive.answer(ONE_STREAM)
    complete, _, reason = outcome(archive, handle)
    assert (complete, offsets(handle)) == (False, [1, 2])
    assert "anew" in reason
    archive.asked()
    archive.fall(ONE_STREAM)
    assert archive.asked() == [after(2, epoch="f")]


def test_a_server_that_keeps_nothing_says_so() -> None:
    """It refuses whatever it is asked; nothing it told would have been all."""
    archive, handle = begun(0)
    archive.fall()
    while archive.asked():
        archive.answer(confirmed=False)
    assert archive.hub.settled
    assert outcome(archive, handle)[0] is False
    assert "keeps no past" in outcome(archive, handle)[2]


def test_without_a_place_another_server_cannot_be_told_from_the_same() -> None:
    """It has nothing to refuse; one that gave the session back is the same one."""
    for restored in ((), [identifier("A")]):
        archive, handle = begun(0)
        archive.fall(restored=restored or None)
        archive.answer()
        assert outcome(archive, handle)[0] is bool(restored)


def test_a_line_without_places_knows_nothing() -> None:
    """Each loss of a line of the base protocol is reported as unknown, and asked for by no question."""
    archive = Archive(extended=False)
    handle = archive.live(on_resync=lambda _: None)
    archive.data("A", 1)
    archive.line_down()
    archive.line_up()
    archive.confirm()
    archive.data("A", 2)
    assert outcome(archive, handle) == (False, 0, "actioncable-v1-json has no past to ask for")
    assert unread(handle) == [1]
    assert [effect for effect in archive.effects() if isinstance(effect, Resync)] == [Resync(handle)]
    handle.mailbox.lift()
    assert unread(handle) == [2]


@pytest.mark.parametrize(("away", "complete"), [(250.0, True), (350.0, False)])
def test_what_is_older_than_messages_live_may_be_gone(away: float, complete: bool) -> None:  # noqa: FBT001
    """A server tells what it still has, and not that there was more: after so long nobody knows."""
    archive, handle = begun(0, history_life=300.0)
    archive.fall(restored=[identifier("A")], away=away)
    archive.answer()
    assert outcome(archive, handle)[0] is complete


def test_silence_is_unknown_and_loses_nothing() -> None:
    """What came is delivered in its order; the server is asked for a sign of life."""
    archive, handle = begun(3, name=ONE_STREAM)
    archive.fall(ONE_STREAM)
    archive.tell(5, 4, 7, name=ONE_STREAM)
    archive.ignore()
    assert outcome(archive, handle)[0] is False
    assert (offsets(handle), archive.gaps(handle)) == ([4, 5, 7], [(6, 6, False)])
    assert any(isinstance(effect, Doubt) for effect in archive.effects())


def test_an_answer_that_is_not_read_is_not_late() -> None:
    """While a full mailbox holds the line up, the answer may be among what is not read."""
    archive, handle = begun(0, name=ONE_STREAM, overflow="pause", max_messages=1)
    archive.fall(ONE_STREAM)
    for number in range(3):
        archive.hub.router.put(handle.wish, message(number), 10)
    archive.wait(3 * ANSWER)
    assert archive.outcomes(handle) == []
    unread(handle)
    archive.ignore()
    assert "did not answer" in outcome(archive, handle)[2]


@pytest.mark.parametrize("last", [0, 3])
def test_a_session_given_back_may_be_of_another_server(last: int) -> None:
    """Of one that was started anew, by a line that broke before anything was recovered."""
    name = ONE_STREAM if last else "A"
    archive, handle = begun(last, name=name)
    archive.line_down()
    archive.line_up()  # started anew: no session given back
    archive.line_down()  # before anything was recovered
    archive.hub.line_up("memory", archive.now, protocol="", restored=[identifier(name)])
    while queries := archive.asked():
        archive.answer(name, confirmed=not queries[-1].streams)
    assert unknown(archive, handle)


def test_a_stream_begun_anew_may_be_beyond_our_place() -> None:
    """How long it was quiet counts from before the recovery, whatever comes by it meanwhile."""
    archive, handle = begun(4, name=ONE_STREAM, history_life=6)
    archive.fall(ONE_STREAM, away=61)
    archive.tell(5, 6, name=ONE_STREAM)  # of the new run, whose 1 to 4 were published meanwhile, too
    archive.answer(ONE_STREAM)
    assert unknown(archive, handle)


def test_a_stream_begun_anew_is_told_beyond_the_refused_place() -> None:
    """What follows on a refused place by its number waits until it is clear what it follows on."""
    archive, handle = begun(2, name=ONE_STREAM)
    archive.fall(ONE_STREAM)
    archive.answer(ONE_STREAM, confirmed=False)  # the run has its first message only, by now
    archive.tell(1, 2, 3, 4, name=ONE_STREAM)
    archive.answer(ONE_STREAM)
    archive.tell(2, 3, 4, name=ONE_STREAM)  # live copies
    assert offsets(handle) == [1, 2, 3, 4]


def test_a_bookmark_without_a_time_says_nothing_of_other_streams() -> None:
    """Our own start is no time from which on they were heard."""
    archive = Archive()
    handle = archive.join_as(lambda: None)
    handle.wish.recall.resume(Bookmark({"s": Position("e", 4)}))
    archive.hub.named(handle.wish, identifier("A"), archive.now)
    archive.confirm()
    archive.answer()
    archive.beat()
    archive.answer()
    assert unknown(archive, handle)
