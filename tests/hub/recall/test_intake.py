"""Messages on their way in: in their turn, ahead of it, again, or of another run of the stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cableway.hub.recall import intake
from cableway.hub.recall.healing import GRACE
from cableway.hub.recall.limits import RESTART_IDLE
from cableway.states import Recovery
from cableway.wire.message import Message
from tests.hub.desk import frame, identifier, unread
from tests.hub.recall.archive import ONE_STREAM, Archive, begun, offsets, placed

if TYPE_CHECKING:
    from cableway.hub.wish import Handle


def duplicates(handle: Handle) -> int:
    """Return how many messages came again."""
    return handle.wish.recall.intake.duplicates


def test_in_its_turn_a_message_is_delivered_at_once() -> None:
    """Live ones, not out of the past; streams are in no order among each other."""
    archive, handle = begun()
    archive.tell(1, 2, stream="t")
    archive.tell(2, 3)
    messages = [handle.mailbox.pop() for _ in range(4)]
    assert [(one.stream, one.offset, one.replayed) for one in messages] == [
        ("t", 1, False),
        ("t", 2, False),
        ("s", 2, False),
        ("s", 3, False),
    ]


@pytest.mark.parametrize(
    "place",
    [{}, {"stream": "s", "epoch": "e"}, {"stream": "s", "offset": 3}, {"stream": "s", "epoch": "e", "offset": 0}],
)
def test_without_a_place_a_message_passes(place: dict[str, Any]) -> None:
    """Also where half of one is told, and as often as it comes: nobody can say that it came before."""
    archive, handle = begun()
    for _ in range(2):
        handle.wish.recall.intake.take(Message("x", 0.0, **place), 10, archive.now)
    assert unread(handle) == ["x", "x"]
    assert (duplicates(handle), archive.hub.deadline) == (0, None)


def test_a_line_without_places_delivers_all() -> None:
    """A server of the base protocol has no past to go by, whatever its frames look like."""
    archive = Archive(extended=False)
    handle = archive.live()
    archive.tell(7, 3, 3)
    assert unread(handle) == [7, 3, 3]
    assert handle.wish.recall.bookmark.streams == {}


def test_a_double_is_left_out_and_counted() -> None:
    """However far it lies back."""
    archive, handle = begun(5)
    archive.tell(5, 1, 6, 6)
    assert (offsets(handle), duplicates(handle), archive.gaps(handle)) == ([6], 3, [])


def test_a_double_of_what_is_held_is_one_too() -> None:
    """It is delivered once, in its turn."""
    archive, handle = begun()
    archive.tell(3, 3, 2, 3)
    assert (offsets(handle), duplicates(handle)) == ([2, 3], 2)


def test_ahead_of_its_turn_a_message_is_held() -> None:
    """Until those before it have come, and then all that follow on each other go with them."""
    archive, handle = begun()
    archive.tell(5, 3, 4)
    assert offsets(handle) == []
    archive.tell(2)
    assert (offsets(handle), archive.gaps(handle)) == ([2, 3, 4, 5], [])
    archive.wait(5)
    assert archive.asked() == []


def test_both_ways_know_of_each_other() -> None:
    """Frames that pass unread move the same place as those that were read in full."""
    archive, handle = begun()
    assert archive.route(placed(2), placed(3)) == []
    archive.tell(3, 4)
    assert archive.route(placed(5), placed(5)) == [placed(5)]
    assert archive.route(frame("A", 0)) == []
    assert (unread(handle), duplicates(handle)) == ([2, 3, 4, 5, 0], 1)


def test_while_a_question_is_open_nothing_passes_unread() -> None:
    """What comes then may be of the past or live, in any order, and twice."""
    archive, handle = begun()
    archive.fall()
    archive.tell(2)
    assert archive.route(placed(3)) == [placed(3)]
    unread(handle)
    archive.beat()
    archive.answer()
    archive.answer()
    archive.tell(3)
    assert archive.route(placed(4)) == []


def test_what_comes_while_the_past_is_told_counts_as_replayed() -> None:
    """Nobody can tell the two apart; what came before and comes after is live."""
    archive, handle = begun(name=ONE_STREAM)
    archive.fall(ONE_STREAM)
    archive.tell(3, 2, name=ONE_STREAM)
    archive.answer(ONE_STREAM)
    archive.tell(4, name=ONE_STREAM)
    assert [handle.mailbox.pop().replayed for _ in range(3)] == [True, True, False]
    assert [outcome.replayed for outcome in archive.outcomes(handle)] == [2]


def test_a_stream_may_begin_anew_within_its_era() -> None:
    """A server forgets a stream by which nothing came for long: its low numbers are no doubles then."""
    archive, handle = begun(5)
    archive.wait(RESTART_IDLE)
    archive.tell(1, 2)
    assert (offsets(handle), duplicates(handle), archive.gaps(handle)) == ([1, 2], 0, [])
    archive.tell(1, 2, 3)
    assert (offsets(handle), duplicates(handle)) == ([3], 2)


def test_a_stream_that_was_just_heard_does_not_begin_anew() -> None:
    """A low number is a double then, also where the one before it passed unread."""
    archive, handle = begun(5)
    archive.wait(RESTART_IDLE - 0.1)
    archive.tell(1)
    assert (offsets(handle), duplicates(handle)) == ([], 1)
    archive.wait(RESTART_IDLE - 0.1)
    archive.route(placed(6))
    archive.wait(RESTART_IDLE - 0.1)
    archive.tell(2)
    assert (offsets(handle), duplicates(handle)) == ([6], 2)


@pytest.mark.parametrize("first", [2, 3])
def test_a_stream_begun_anew_may_have_lost_its_first_messages(first: int) -> None:
    """They are told as a gap; the server would not know of what was lost with the old run."""
    archive, handle = begun(5)
    archive.wait(RESTART_IDLE)
    archive.tell(first)
    assert (offsets(handle), archive.gaps(handle)) == ([first], [(1, first - 1, False)])


def test_a_first_message_is_one_however_short_the_silence() -> None:
    """A line that stood still brings the end of the old run late; long after the run began, 1 begins the next one."""
    archive, handle = begun()
    archive.wait(2 * RESTART_IDLE)
    archive.tell(2, 2)
    archive.tell(1)
    assert offsets(handle) == [2, 1]
    archive.wait(RESTART_IDLE / 2)
    archive.tell(1)
    assert (offsets(handle), duplicates(handle)) == ([], 2)


def test_live_copies_of_the_past_are_doubles_however_late() -> None:
    """A server may send a message live long after it told it: that is no stream begun anew."""
    archive, handle = begun(name=ONE_STREAM)
    archive.fall(ONE_STREAM)
    archive.tell(2, 3, name=ONE_STREAM)
    archive.answer(ONE_STREAM)
    archive.wait(RESTART_IDLE)
    archive.tell(2, 3, name=ONE_STREAM)
    assert (offsets(handle), duplicates(handle)) == ([2, 3], 2)
    archive.wait(RESTART_IDLE)
    archive.tell(1, name=ONE_STREAM)
    assert offsets(handle) == [1]


@pytest.mark.parametrize("first", [1, 3, 6, 9])
def test_a_new_era_is_told_and_gone_on_with(first: int) -> None:
    """Nobody knows how the old numbering ended: an account says so, and the messages go on from there."""
    archive, handle = begun(5)
    archive.tell(first, first + 1, epoch="f")
    (outcome,) = archive.outcomes(handle)
    assert outcome.recovery is Recovery.UNKNOWN
    assert "anew" in outcome.reason
    assert offsets(handle) == [first, first + 1]
    archive.tell(first + 1, epoch="f")
    assert duplicates(handle) == 1


def test_a_new_era_is_accounted_for_by_itself() -> None:
    """Gaps of the old one were told in their time, and are no reason of this account."""
    archive, handle = begun(gaps="announce")
    archive.tell(3)
    archive.tell(1, epoch="f")
    (outcome,) = archive.outcomes(handle)
    assert "in between" not in outcome.reason
    assert archive.gaps(handle) == [(2, 2, False)]


def test_presence_is_doubtful_from_the_present_on() -> None:
    """Who came and went before a gap was met may be told by what was missing."""
    archive, _ = begun(5)
    doubted: list[float] = []
    archive.hub.historian.on_doubt = lambda _, now: doubted.append(now)
    archive.wait(RESTART_IDLE)
    archive.tell(3)
    assert doubted == [archive.now]


def test_what_the_first_message_overtook_by_far_is_a_gap() -> None:
    """Order counts for more than one message: it is told, once, and not delivered after those that follow it."""
    archive, handle = begun(0)
    archive.tell(7)
    archive.wait(GRACE)
    archive.tell(5, 6, 5, 4)
    assert (offsets(handle), archive.gaps(handle)) == ([7], [(5, 6, False), (4, 4, False)])
    assert duplicates(handle) == 2
    archive.wait(RESTART_IDLE)
    archive.tell(1)
    assert offsets(handle) == [1]


def test_what_is_held_for_an_answer_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond it the recovery goes on with what there is, and says that it is not all; nothing held is lost."""
    monkeypatch.setattr(intake, "HELD_MESSAGES", 3)
    archive, handle = begun(name=ONE_STREAM)
    archive.fall(ONE_STREAM)
    archive.tell(3, 4, 5, name=ONE_STREAM)
    assert archive.outcomes(handle) == []
    archive.tell(7, name=ONE_STREAM)
    (outcome,) = archive.outcomes(handle)
    assert outcome.recovery is Recovery.UNKNOWN
    assert "held" in outcome.reason
    assert offsets(handle) == [3, 4, 5, 7]
    assert archive.gaps(handle) == [(2, 2, False), (6, 6, False)]


def test_what_is_held_is_counted_anew_for_each_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that were held for one question do not count against the next one."""
    monkeypatch.setattr(intake, "HELD_BYTES", 3 * len(placed(3, name=ONE_STREAM)))
    archive, handle = begun(name=ONE_STREAM)
    for last in (1, 4, 7, 10):
        archive.fall(ONE_STREAM)
        archive.tell(last + 2, last + 3, last + 1, name=ONE_STREAM)
        archive.answer(ONE_STREAM)
    assert [outcome.recovery for outcome in archive.outcomes(handle)] == [Recovery.COMPLETE] * 4
    assert offsets(handle) == list(range(2, 14))


def test_who_has_nothing_to_say_saves_no_place() -> None:
    """Only a delivery moves a place: neither a double nor what is held does."""
    archive, handle = begun()
    archive.effects()
    archive.tell(1, 3)
    assert list(archive.hub.historian.moved) == []
    archive.tell(2)
    assert list(archive.hub.historian.moved) == [handle.wish]
    assert handle.wish.recall.bookmark.streams["s"].offset == 3
    archive.effects()
    archive.route(placed(4))
    assert list(archive.hub.historian.moved) == [handle.wish]


arrivals = st.lists(st.tuples(st.sampled_from("st"), st.integers(1, 12), st.sampled_from([0.0, 0.05])), max_size=40)


@given(arrivals)
def test_each_stream_is_delivered_in_order_and_once(arrivals: list[tuple[str, int, float]]) -> None:
    """Whatever comes, in whatever order and however often: a message before its turn waits, one after it is gone."""
    archive, handle = begun()
    for stream, offset, wait in arrivals:
        archive.hub.router.route([placed(offset, stream=stream)], 0.0, archive.now, lambda _: None)
        archive.tell(offset, stream=stream)
        archive.wait(wait)
    archive.line_down()
    found = [handle.mailbox.pop() for _ in range(len(handle.mailbox))]
    for stream in "st":
        places = [one.offset or 0 for one in found if one.stream == stream]
        assert places == sorted(set(places))
    assert {one.offset for one in found} <= {offset for _, offset, _ in arrivals}
    assert handle.wish.identifier == identifier("A")


def test_holes_that_closed_hold_no_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there were."""
    monkeypatch.setattr("cableway.hub.recall.intake.HELD_BYTES", 1000)
    archive, handle = begun()
    for offset in range(2, 60, 2):
        archive.tell(offset + 1, offset)
    assert (archive.gaps(handle), offsets(handle)) == ([], list(range(2, 60)))


def test_what_a_settlement_delivered_holds_no_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gaps that are announced and not waited for leave nothing behind, however many there were."""
    monkeypatch.setattr("cableway.hub.recall.intake.HELD_BYTES", 1000)
    archive, handle = begun(gaps="announce")
    archive.tell(*range(3, 61, 2))
    assert offsets(handle) == list(range(3, 61, 2))
    archive.fall()
    archive.tell(*range(62, 66))
    assert archive.outcomes(handle) == []
    archive.answer()
    assert "more came than can be held" not in archive.outcomes(handle)[-1].reason
