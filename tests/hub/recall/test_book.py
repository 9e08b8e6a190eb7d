"""Where a subscription is in one stream."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cableway.hub.recall.book import Book
from cableway.hub.recall.ledger import Ledger
from cableway.hub.recall.settling import settle_first
from cableway.wire.positions import Position
from tests.hub.recall.archive import message


def hold(book: Book, *offsets: int, epoch: str = "e") -> Book:
    """Have *book* hold messages that came in this order."""
    for offset in offsets:
        book.held[epoch, offset] = (message(offset, epoch=epoch), 10)
    return book


def at(last: int | None) -> Book:
    """Return a book whose last message was this one."""
    return Book("s", "e", last)


def begun(book: Book) -> list[int | None]:
    """Begin with what is held; return what is delivered."""
    return [step[0].offset for step in settle_first(Ledger(), book).steps if isinstance(step, tuple)]


def run_out(book: Book) -> list[int | None]:
    """Take all that has its turn."""
    out = []
    while (arrival := book.next()) is not None:
        out.append(arrival[0].offset)
    return out


def test_before_the_first_message_there_is_no_place() -> None:
    """A stream before whose first message something is told begins at 0, and that is a place."""
    assert at(None).position is None
    assert at(0).position == Position("e", 0)


def test_a_new_stream_is_not_an_old_one() -> None:
    """Nothing has come by it, and that is no long time ago: it has not been idle for ever."""
    assert 1e9 - Book("s").heard < 0


@pytest.mark.parametrize(
    ("last", "ahead", "behind"),
    [(None, [0, 1, 4, 7], []), (0, [1, 4, 7], [0]), (4, [7], [0, 1, 4]), (9, [], [0, 1, 4, 7])],
)
def test_what_is_held_is_ahead_or_behind(last: int | None, ahead: list[int], behind: list[int]) -> None:
    """In order, whenever it came; another era is neither."""
    book = hold(hold(at(last), 7, 1, 0, 4), 2, 8, epoch="f")
    assert (book.ahead(), book.behind()) == (ahead, behind)


def test_the_newest_foreign_era_counts() -> None:
    """The one whose message came last; its own is none."""
    book = hold(at(4), 6)
    assert book.foreign() is None
    hold(hold(hold(book, 1, epoch="f"), 1, epoch="g"), 7)
    assert book.foreign() == "g"


def test_what_has_its_turn_is_taken_in_order() -> None:
    """As far as it follows on; what is behind, and what is of another era, stays."""
    book = hold(hold(at(3), 6, 2, 5, 4, 8), 7, epoch="f")
    assert run_out(book) == [4, 5, 6]
    assert (book.position, sorted(book.held)) == (Position("e", 6), [("e", 2), ("e", 8), ("f", 7)])


def test_without_a_place_nothing_has_its_turn() -> None:
    """Not even the very first message: others may have to come before."""
    book = hold(at(None), 1)
    assert book.next() is None
    assert sorted(book.held) == [("e", 1)]


def test_a_forgotten_place_brings_nothing_again() -> None:
    """Where the server did not answer: it begins with whatever comes next that was not delivered before."""
    book = Book("s", "e", 5, mark=5, hole_at=3.0)
    book.forget(refused=False)
    assert (book.position, book.mark, book.hole_at) == (None, None, None)
    assert begun(hold(book, 5, 4, 7)) == [7]


def test_below_a_place_that_was_refused_all_is_new() -> None:
    """The server has nothing of the old messages any more, or has begun the stream anew."""
    book = at(5)
    book.forget(refused=True)
    assert begun(hold(book, 4, 5)) == [4, 5]


def test_two_books_are_never_the_same() -> None:
    """However little is known of both."""
    assert Book("s") != Book("s")


@given(last=st.none() | st.integers(0, 8), own=st.sets(st.integers(0, 9)), foreign=st.sets(st.integers(0, 9)))
def test_a_place_delivers_each_message_once_and_in_order(last: int | None, own: set[int], foreign: set[int]) -> None:
    """What is held is of its era, ahead or behind, or foreign; taken is what follows on the place without a hole."""
    book = hold(hold(at(last), *own), *foreign, epoch="f")
    assert (set(book.ahead()) | set(book.behind()), set(book.ahead()) & set(book.behind())) == (own, set())
    taken = run_out(book)
    assert taken == ([] if last is None else list(range(last + 1, last + 1 + len(taken))))
    assert last is None or last + 1 + len(taken) not in own
    assert {offset for _, offset in book.held if _ == "e"} == own - set(taken)
    assert book.last == (last if last is None else last + len(taken))
