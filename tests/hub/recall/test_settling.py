"""What is made of a stream's messages once all of its past has come that can be had."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cableway.hub.recall.ledger import Ledger
from cableway.hub.recall.settling import (
    Hole,
    Settlement,
    begin_first,
    drop_behind,
    settle,
    settle_first,
    settle_rejected,
)
from cableway.wire.positions import Position
from tests.hub.recall.archive import message

if TYPE_CHECKING:
    from cableway.hub.recall.book import Book


class Shelf:
    """A ledger with one book, which holds messages."""

    def __init__(
        self, last: int | None, *held: int, mark: int | None = None, floor: int = 0, hole_at: float | None = None
    ) -> None:
        self.ledger = Ledger()
        self.book: Book = self.ledger.open("s")
        self.book.epoch = "" if last is None and not floor else "e"
        self.book.last, self.book.floor, self.book.hole_at = last, floor, hole_at
        self.book.mark = last if mark is None else mark
        self.hold(*held)

    def hold(self, *offsets: int, epoch: str = "e") -> Shelf:
        """Have these held, in the order in which they came."""
        for offset in offsets:
            self.book.held[epoch, offset] = (message(offset, epoch=epoch), 10)
        return self

    @property
    def place(self) -> Position | None:
        """Where it is now."""
        return self.book.position


def steps(settlement: Settlement) -> list[object]:
    """Return offsets of messages, and first and last of holes."""
    return [(step.first, step.last) if isinstance(step, Hole) else step[0].data for step in settlement.steps]


def test_with_nothing_held_nothing_happens() -> None:
    """All was delivered, and nothing is missing."""
    shelf = Shelf(5)
    assert settle(shelf.ledger, shelf.book) == Settlement()
    assert shelf.place == Position("e", 5)


def test_what_follows_is_delivered_and_doubles_are_not() -> None:
    """In order, whenever it came; then all is told, and there is no doubt."""
    shelf = Shelf(5, 7, 4, 6, 5)
    done = settle(shelf.ledger, shelf.book)
    assert (steps(done), done.doubt) == ([6, 7], "")
    assert (shelf.place, shelf.book.held) == (Position("e", 7), {})


def test_holes_are_told_between_messages() -> None:
    """Each with its first and last, and they are a doubt; what was a hole before is none any more."""
    shelf = Shelf(5, 12, 7, 9, hole_at=3.0)
    done = settle(shelf.ledger, shelf.book)
    assert steps(done) == [(6, 6), 7, (8, 8), 9, (10, 11), 12]
    assert done.steps[0] == Hole("s", "e", 6, 6)
    assert done.doubt
    assert (shelf.place, shelf.book.hole_at) == (Position("e", 12), None)


def test_a_new_era_begins_after_the_old_one_is_told() -> None:
    """Its first message is the lowest that came; how the old numbering ended is not known, whatever else is."""
    shelf = Shelf(5, 6).hold(4, 3, epoch="f")
    done = settle(shelf.ledger, shelf.book)
    assert steps(done) == [6, 3, 4]
    assert "anew" in done.doubt
    assert (shelf.place, shelf.book.held) == (Position("f", 4), {})


def test_a_stream_without_a_place_begins_with_its_first() -> None:
    """There is doubt unless that is the very first of the stream: the server may have kept too little."""
    shelf = Shelf(None, 6, 5)
    done = settle_first(shelf.ledger, shelf.book)
    assert (steps(done), shelf.place) == ([5, 6], Position("e", 6))
    assert done.doubt
    shelf = Shelf(None, 2, 1)
    done = settle_first(shelf.ledger, shelf.book)
    assert (steps(done), done.doubt) == ([1, 2], "")


def test_a_stream_by_which_nothing_came_stays_without_a_place() -> None:
    """The next message begins it."""
    shelf = Shelf(None)
    assert settle_first(shelf.ledger, shelf.book) == Settlement()
    assert shelf.place is None


def test_the_first_messages_may_have_holes() -> None:
    """They are a doubt, also where the very first message is among them."""
    shelf = Shelf(None, 1, 4)
    done = settle_first(shelf.ledger, shelf.book)
    assert steps(done) == [1, (2, 3), 4]
    assert done.doubt


def test_a_place_that_was_forgotten_brings_nothing_again() -> None:
    """What was delivered of its era before that is not held as new."""
    shelf = Shelf(None, 5, 4, floor=5)
    assert not begin_first(shelf.ledger, shelf.book)
    shelf.hold(7)
    assert begin_first(shelf.ledger, shelf.book)
    assert shelf.place == Position("e", 6)


def test_to_begin_delivers_nothing() -> None:
    """The place is right before the first message of the era that came last."""
    shelf = Shelf(None, 3, hole_at=3.0).hold(8, 9, epoch="f")
    assert begin_first(shelf.ledger, shelf.book)
    assert (shelf.place, shelf.book.first, shelf.book.hole_at) == (Position("f", 7), 8, None)
    assert ("f", 8) in shelf.book.held


def rejected(shelf: Shelf, *, told: bool = True, same_server: bool = True) -> tuple[list[object], bool]:
    """Settle after a refusal; return the steps, and whether there is doubt."""
    done = settle_rejected(shelf.ledger, shelf.book, told=told, same_server=same_server)
    return steps(done), bool(done.doubt)


def test_a_refusal_of_what_is_too_old_loses_nothing_that_was_told_otherwise() -> None:
    """The same server told all since the line last lived, and that was nothing: it forgot only what had come."""
    shelf = Shelf(5)
    assert rejected(shelf) == ([], False)
    assert shelf.place == Position("e", 5)


def test_a_refusal_is_good_where_what_was_told_goes_on_from_the_place() -> None:
    """Numbers of its era that follow on are proof enough of the same server."""
    assert rejected(Shelf(5, 6, 7), same_server=False) == ([6, 7], False)


def test_what_was_lost_before_it_is_told_as_a_hole() -> None:
    """The server did not keep it long enough."""
    assert rejected(Shelf(5, 8, 9)) == ([(6, 7), 8, 9], True)


def test_doubles_of_what_was_delivered_since_are_left_out() -> None:
    """Live messages came in their turn before the answer; told again they are behind, and not begun anew."""
    shelf = Shelf(7, 6, 7, 8, mark=5)
    assert rejected(shelf) == ([8], False)
    assert shelf.place == Position("e", 8)


def test_a_refusal_without_the_rest_is_a_doubt() -> None:
    """Neither a server that told nothing else, nor one that may be another, says that nothing is missing."""
    assert rejected(Shelf(5), told=False) == ([], True)
    assert rejected(Shelf(5), same_server=False) == ([], True)
    assert rejected(Shelf(5, 6), told=False) == ([6], True)


def test_a_place_that_is_of_no_use_is_forgotten() -> None:
    """It would be refused on each line again; it stays where there is something to go on from."""
    shelf = Shelf(5)
    rejected(shelf, told=False)
    assert shelf.place is None
    shelf = Shelf(5, 6)
    rejected(shelf, told=False)
    assert shelf.place == Position("e", 6)
    shelf = Shelf(7, mark=5)
    assert rejected(shelf, told=False) == ([], True)
    assert shelf.place == Position("e", 7)


def test_who_did_not_answer_may_still_have_the_old() -> None:
    """What was delivered before is not new then when it comes again; after a refusal it is."""
    for refused in (True, False):
        shelf = Shelf(5)
        done = settle_rejected(shelf.ledger, shelf.book, told=False, same_server=False, refused=refused)
        assert (done.steps, bool(done.doubt), shelf.place) == ([], True, None)
        shelf.hold(5)
        assert begin_first(shelf.ledger, shelf.book) is refused


@pytest.mark.parametrize("told", [True, False])
def test_low_numbers_after_a_refusal_are_a_stream_begun_anew(told: bool) -> None:  # noqa: FBT001
    """No server sends again on a line what it sent on the last one; how it began is known if all since was told."""
    shelf = Shelf(5, 2, 1)
    assert rejected(shelf, told=told) == ([1, 2], not told)
    assert shelf.place == Position("e", 2)


def test_a_stream_begun_anew_may_have_lost_its_first_messages() -> None:
    """All from the first number on are its own."""
    assert rejected(Shelf(5, 3)) == ([(1, 2), 3], True)


def test_a_server_started_anew_refuses_too() -> None:
    """What it tells is of its own era."""
    shelf = Shelf(5).hold(1, 2, epoch="f")
    assert rejected(shelf, same_server=False) == ([1, 2], True)
    assert shelf.place == Position("f", 2)


def test_what_is_behind_is_dropped_as_far_as_it_may_be() -> None:
    """Above a number, and of its own era alone."""
    shelf = Shelf(5, 2, 4, 7).hold(3, epoch="f")
    drop_behind(shelf.book, above=3)
    assert sorted(shelf.book.held) == [("e", 2), ("e", 7), ("f", 3)]
    drop_behind(shelf.book)
    assert sorted(shelf.book.held) == [("e", 7), ("f", 3)]


held = st.lists(st.tuples(st.sampled_from("efg"), st.integers(1, 12)), max_size=12, unique=True)


@given(last=st.none() | st.integers(0, 8), arrivals=held, way=st.sampled_from(["good", "refused", "refused, not told"]))
def test_nothing_comes_twice_and_what_is_missing_is_told(
    last: int | None, arrivals: list[tuple[str, int]], way: str
) -> None:
    """In each era messages and holes follow on each other without a break, nothing stays held, and holes are doubts."""
    shelf = Shelf(last)
    for epoch, offset in arrivals:
        shelf.hold(offset, epoch=epoch)
    if last is None:
        done = settle_first(shelf.ledger, shelf.book)
    elif way == "good":
        done = settle(shelf.ledger, shelf.book)
    else:
        done = settle_rejected(shelf.ledger, shelf.book, told=way == "refused", same_server=True)
    assert shelf.book.held == {}
    reached: dict[str, int] = {}
    for step in done.steps:
        epoch, first, end = (
            (step.epoch, step.first, step.last)
            if isinstance(step, Hole)
            else (step[0].epoch or "", step[0].offset or 0, step[0].offset or 0)
        )
        assert first == reached.get(epoch, first - 1) + 1
        assert end >= first
        assert isinstance(step, Hole) or (epoch, first) in arrivals
        reached[epoch] = end
    assert done.doubt or not any(isinstance(step, Hole) for step in done.steps)
    if done.steps:
        assert shelf.place == Position(*list(reached.items())[-1])
