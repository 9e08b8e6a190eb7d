"""Holes between two messages of a stream."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cableway.hub.recall.healing import EVERY, GRACE
from cableway.hub.recall.limits import ANSWER
from cableway.states import Recovery
from cableway.wire.positions import HistoryQuery, Position
from tests.hub.recall.archive import SERVER, Archive, after, begun, offsets

HEAL, ANNOUNCE = {"gaps": "heal"}, {"gaps": "announce"}


def test_a_hole_is_asked_for_after_a_moment() -> None:
    """Messages published at once may come in another order: until then nothing is asked, nor delivered."""
    archive, handle = begun()
    archive.tell(4, 3)
    archive.wait(GRACE - 0.01)
    assert (archive.asked(), offsets(handle)) == ([], [])
    archive.wait(0.01)
    assert archive.asked() == [after(1)]


def test_a_hole_that_closes_by_itself_is_none() -> None:
    """It is neither asked for nor told, and the next one has a moment of its own."""
    archive, handle = begun()
    archive.tell(3)
    archive.wait(GRACE / 2)
    archive.tell(2, 5)
    archive.wait(GRACE / 2)
    assert archive.asked() == []
    archive.tell(4)
    archive.wait(5)
    assert (archive.asked(), archive.gaps(handle), offsets(handle)) == ([], [], [2, 3, 4, 5])


def test_what_the_server_tells_fills_it() -> None:
    """All comes in its turn, the gap counts as healed, and there is nothing more to give account of."""
    archive, handle = begun()
    archive.tell(4)
    archive.wait(GRACE)
    archive.tell(2, 3, 4)
    assert offsets(handle) == [2, 3, 4]
    archive.answer()
    assert (archive.gaps(handle), archive.outcomes(handle)) == ([(2, 3, True)], [])
    archive.tell(5)
    assert offsets(handle) == [5]


@pytest.mark.parametrize("confirmed", [True, False])
def test_what_the_server_does_not_tell_is_lost(confirmed: bool) -> None:  # noqa: FBT001
    """Or was never for us. It is told as a gap, in its place, and an account says that it is not known."""
    archive, handle = begun(on_resync=lambda _: None)
    archive.tell(4)
    archive.wait(GRACE)
    archive.tell(5)
    archive.answer(confirmed=confirmed)
    archive.tell(6)
    assert archive.gaps(handle) == [(2, 3, False)]
    assert [outcome.recovery for outcome in archive.outcomes(handle)] == [Recovery.UNKNOWN]
    assert offsets(handle) == [4, 5]
    assert handle.mailbox.barred


def test_what_fills_it_by_itself_is_no_gap() -> None:
    """Where the server refuses, and the missing ones come late, nothing was missing after all."""
    archive, handle = begun()
    archive.tell(4)
    archive.wait(GRACE)
    archive.tell(2, 3)
    archive.answer(confirmed=False)
    assert (offsets(handle), archive.gaps(handle), archive.outcomes(handle)) == ([2, 3, 4], [], [])


def test_an_answer_that_fills_a_part_leaves_the_rest() -> None:
    """Each hole is told by itself; none of them counts as healed."""
    archive, handle = begun()
    archive.tell(6)
    archive.wait(GRACE)
    archive.tell(2, 4)
    archive.answer()
    assert (offsets(handle), archive.gaps(handle)) == ([2, 4, 6], [(3, 3, False), (5, 5, False)])


def test_the_past_fills_what_came_meanwhile() -> None:
    """Live messages go on ahead while the answer is under way; all are delivered, once."""
    archive, handle = begun()
    archive.tell(3)
    archive.wait(GRACE)
    archive.tell(4, 6, 2, 3, 4, 5)
    archive.answer()
    assert (offsets(handle), archive.gaps(handle)) == ([2, 3, 4, 5, 6], [(2, 2, True)])


def test_a_new_hole_while_one_is_asked_for_has_its_own_question() -> None:
    """The answer to the first says nothing of what came after it; the second is asked for when it may be."""
    archive, handle = begun()
    archive.tell(3)
    archive.wait(GRACE)
    assert archive.asked() == [after(1)]
    archive.tell(2, 3)
    archive.answer()
    archive.tell(5)
    archive.wait(GRACE)
    assert archive.asked() == []
    archive.wait(EVERY - GRACE)
    assert archive.asked() == [after(3)]
    archive.tell(4, 5)
    archive.answer()
    assert archive.gaps(handle) == [(2, 2, True), (4, 4, True)]


def test_a_server_that_keeps_messages_away_is_not_asked_all_the_time() -> None:
    """Each message of our own may be a hole: one question a second, whatever comes."""
    archive, handle = begun()
    asked = list[float]()
    for offset in range(3, 63, 2):
        archive.tell(offset)
        for _ in range(2):
            archive.wait(GRACE)
            if archive.asked():
                asked.append(archive.now)
                archive.answer()
    assert len(asked) == pytest.approx(30 * 2 * GRACE / EVERY, abs=1)
    assert all(late - early >= EVERY - 1e-6 for early, late in pairwise(asked))
    archive.wait(EVERY)
    archive.answer()
    assert offsets(handle) == list(range(3, 63, 2))


def test_each_stream_is_asked_for_by_itself() -> None:
    """One question at a time; the second stream waits for the first one's answer, and for no second."""
    archive, handle = begun()
    archive.tell(1, stream="t")
    archive.tell(3)
    archive.tell(4, stream="t")
    archive.wait(GRACE)
    assert archive.asked() == [after(1)]
    archive.wait(EVERY)
    assert archive.asked() == []
    archive.answer()
    archive.wait()
    assert archive.asked() == [after(1, stream="t")]
    archive.answer()
    assert archive.gaps(handle) == [(2, 2, False), (2, 3, False)]


@pytest.mark.parametrize(
    ("holders", "at_once"),
    [([ANNOUNCE], True), ([ANNOUNCE, ANNOUNCE], True), ([ANNOUNCE, HEAL], False)],
)
def test_who_wants_no_healing_goes_on_at_once(holders: list[dict[str, Any]], at_once: bool) -> None:  # noqa: FBT001
    """The gap is told, and no question put, if all holders want it so: they share one order."""
    archive, handle = begun(**holders[0])
    for options in holders[1:]:
        archive.join(**options)
    archive.tell(4)
    assert (offsets(handle), archive.gaps(handle)) == (([4], [(2, 3, False)]) if at_once else ([], []))
    archive.wait(GRACE)
    assert archive.asked() == ([] if at_once else [after(1)])


def test_a_server_that_does_not_answer_is_not_asked_again() -> None:
    """On that line holes are told at once; the next line may be better."""
    archive, handle = begun()
    archive.tell(3)
    archive.wait(GRACE)
    archive.ignore()
    archive.asked()
    assert offsets(handle) == [3]
    archive.tell(5)
    assert (offsets(handle), archive.gaps(handle)) == ([5], [(2, 2, False), (4, 4, False)])
    archive.wait(60)
    assert archive.asked() == []
    archive.fall()
    archive.answer()
    archive.answer()
    archive.asked()
    archive.tell(7)
    archive.wait(GRACE)
    assert archive.asked() == [after(5)]


def test_a_line_that_breaks_leaves_the_hole_to_the_recovery() -> None:
    """The place is that before it: what was ahead is asked for again, and delivered once."""
    archive, handle = begun()
    archive.tell(3)
    archive.wait(GRACE)
    archive.asked()
    archive.fall()
    assert archive.asked() == [after(1, since=SERVER + 100)]
    archive.tell(2, 3, 4)
    archive.answer()
    archive.answer()
    assert (offsets(handle), archive.gaps(handle)) == ([2, 3, 4], [])


def test_first_messages_wait_for_those_they_overtook() -> None:
    """A stream begins with the lowest of its first moment, and nothing is asked for."""
    archive = Archive()
    handle = archive.live()
    archive.tell(8, 7)
    archive.wait(GRACE - 0.01)
    archive.tell(6)
    assert offsets(handle) == []
    archive.wait(0.01)
    messages = [handle.mailbox.pop() for _ in range(3)]
    assert [(one.offset, one.replayed) for one in messages] == [(6, False), (7, False), (8, False)]
    assert (archive.gaps(handle), archive.asked()) == ([], [])


def test_each_stream_has_a_first_moment_of_its_own() -> None:
    """One that began a little later waits a little longer."""
    archive = Archive()
    handle = archive.live()
    archive.tell(8, stream="t")
    archive.wait(GRACE / 2)
    archive.tell(6, stream="u")
    archive.wait(GRACE / 2)
    archive.tell(5, stream="u")
    assert offsets(handle) == [8]
    archive.wait(GRACE / 2)
    assert offsets(handle) == [5, 6]


def test_first_messages_cut_no_answer_short() -> None:
    """While a question is open the server has its time; they are delivered after that."""
    archive, handle = begun()
    archive.tell(3)
    archive.wait(GRACE)
    archive.tell(8, stream="t")
    archive.wait(ANSWER - 0.01)
    archive.tell(2)
    archive.answer()
    archive.wait(GRACE)
    assert (offsets(handle), archive.gaps(handle)) == ([2, 3, 8], [(2, 2, True)])


def test_first_messages_may_have_a_hole() -> None:
    """What follows on the first one is delivered; the hole after that is asked for as any other."""
    archive = Archive()
    handle = archive.live()
    archive.tell(9, 5, 6)
    archive.wait(GRACE)
    assert offsets(handle) == [5, 6]
    archive.effects()
    archive.wait(GRACE)
    assert archive.asked() == [after(6)]
    archive.tell(7, 8, 9)
    archive.answer()
    assert (offsets(handle), archive.gaps(handle)) == ([7, 8, 9], [(7, 8, True)])


def test_first_messages_are_delivered_by_the_end_of_the_line() -> None:
    """They came live: nobody would tell them again before there is a place to ask from."""
    archive = Archive()
    handle = archive.live()
    archive.tell(8, 7, 10)
    archive.line_down()
    assert offsets(handle) == [7, 8]
    archive.line_up()
    archive.confirm()
    assert HistoryQuery({"s": Position("e", 8)}) in archive.asked()


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32), last=st.integers(2, 30))
def test_whatever_order_and_losses_there_are_all_comes_in_its_turn(seed: int, last: int) -> None:
    """As long as the server still has it, and answers: each message once, in order, and no gap is left open."""
    random, (archive, handle) = Random(seed), begun()
    archive.effects()
    live = [offset for offset in range(2, last) if random.random() < 0.7]
    live.sort(key=lambda offset: offset + random.uniform(0, 4))
    published = 1
    for offset in [*live, last]:
        published = max(published, offset)
        archive.tell(*[offset] * random.choice((1, 1, 2)))
        archive.wait(random.choice((0.0, 0.05, 0.5)))
        answer(archive, published, random)
    for _ in range(3):
        archive.wait(EVERY)
        answer(archive, published, random)
    assert offsets(handle) == list(range(2, last + 1))
    assert all(healed for _, _, healed in archive.gaps(handle))
    assert archive.outcomes(handle) == []


def answer(archive: Archive, published: int, random: Random) -> None:
    """Tell what was asked for; live messages may come again in between."""
    for query in archive.asked():
        for offset in range(query.streams["s"].offset + 1, published + 1):
            archive.tell(offset, *[published] * random.choice((0, 0, 1)))
        archive.answer()
