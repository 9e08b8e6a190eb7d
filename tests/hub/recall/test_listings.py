"""What is shown to who asks for the past, and what of it is delivered to all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cableway.errors import CableError, HistoryRejected, NotConnected
from cableway.hub.recall.ledger import Ledger
from cableway.hub.recall.listings import Listing, Listings
from cableway.wire.positions import HistoryQuery
from tests.hub.recall.archive import after, message

if TYPE_CHECKING:
    from cableway.hub.recall.book import Arrival
    from cableway.wire.message import Message

SIZE = 10
REFUSED = HistoryRejected("I")
BROKEN = NotConnected("DISCONNECTED")


class Asker:
    """Somebody who wants to see the past."""

    def __init__(self, **marks: tuple[str, int]) -> None:
        self.answers: list[Any] = []
        self.listing = Listing(HistoryQuery(since=1), self.answers.append)
        self.listing.marks = marks

    def take(self, *offsets: int, **place: str) -> list[int]:
        """Offer messages to the listing; return those that it leaves to others."""
        return [offset for offset in offsets if not self.listing.take(message(offset, **place), SIZE)]

    @property
    def shown(self) -> list[int]:
        """What was answered."""
        (answer,) = self.answers
        found: list[Message[Any]] = answer
        return [one.data for one in found]


def data(arrivals: list[Arrival]) -> list[int]:
    """Return what the messages hold."""
    return [arrived.data for arrived, _ in arrivals]


def test_what_was_delivered_is_shown() -> None:
    """Up to the place that the stream had when it was asked; what comes after it is live, and delivered."""
    asker = Asker(s=("e", 5))
    assert asker.take(4, 5, 6, 3) == [6]
    assert asker.listing.finish(None) == []
    assert asker.shown == [3, 4, 5]


def test_another_era_is_not_of_the_past() -> None:
    """The server was started anew meanwhile: whatever its numbers are, all of them are new."""
    asker = Asker(s=("e", 5))
    assert asker.take(1, epoch="f") == [1]


def test_an_unknown_stream_is_kept_until_it_is_sorted() -> None:
    """By a stream without a place nobody can tell the past from the present."""
    asker = Asker(s=("e", 5))
    asker.take(4)
    assert not asker.listing.unsorted
    assert asker.take(7, 8, stream="t") == []
    assert asker.listing.unsorted


def test_what_the_second_answer_tells_is_delivered() -> None:
    """And not shown: the rest of the first answer is. What has a place is shown all the same."""
    asker = Asker(s=("e", 5))
    asker.take(7, 8, 9, stream="t")
    asker.take(4)
    asker.listing.sorting = True
    asker.take(9, 10, stream="t")
    asker.take(5)
    assert data(asker.listing.finish(None)) == [9, 10]
    assert asker.shown == [4, 5, 7, 8]


def test_messages_come_in_order_and_once() -> None:
    """Live and out of the past they may come twice, in any order; streams and eras do not mix."""
    asker = Asker()
    for stream in ("t", "s"):
        asker.take(8, 7, 8, 10, 9, stream=stream)
    assert asker.listing.finish(None) == []
    (found,) = asker.answers
    assert [(one.stream, one.offset) for one in found] == [(name, n) for name in "st" for n in (7, 8, 9, 10)]


def test_only_what_is_shown_counts_as_replayed() -> None:
    """What is delivered may have come live."""
    asker = Asker()
    asker.take(7, 8)
    asker.listing.sorting = True
    asker.take(8)
    fresh = asker.listing.finish(None)
    assert [one.replayed for one, _ in fresh] == [False]
    assert [one.replayed for one in asker.answers[0]] == [True]


def test_a_refusal_is_told_and_hides_nothing() -> None:
    """Nobody will tell what was new of a stream without a place: all of it is delivered, and nothing of the others."""
    asker = Asker(s=("e", 5))
    asker.take(4)
    asker.take(8, 7, stream="t")
    assert data(asker.listing.finish(REFUSED)) == [7, 8]
    assert asker.answers == [REFUSED]


def test_a_refusal_of_the_second_question_delivers_what_came_meanwhile() -> None:
    """The first answer is of the past, as far as is known."""
    asker = Asker()
    asker.take(7, 8)
    asker.listing.sorting = True
    asker.take(9)
    assert data(asker.listing.finish(REFUSED)) == [9]
    assert asker.answers == [REFUSED]


def test_what_came_live_before_an_answer_is_new() -> None:
    """An answer goes up to the present, and so tells again what came live before it: that is known by it."""
    asker = Asker()
    asker.take(8, 9, 6, 7, 8, 9)
    asker.listing.sort()
    asker.take(10)
    assert data(asker.listing.finish(None)) == [8, 9, 10]
    assert asker.shown == [6, 7]


def test_without_a_live_one_an_answer_is_all_past() -> None:
    """In order and once each, it tells of nothing that came before it; nor does what has a place."""
    asker = Asker(s=("e", 5))
    asker.take(6, 7, 8, stream="t")
    asker.take(4, 5, 4)
    asker.listing.sort()
    assert asker.listing.finish(None) == []
    assert asker.shown == [4, 5, 6, 7, 8]


def test_what_is_new_may_be_taken_before_the_list() -> None:
    """Then it is delivered, in order, and the list begins without it."""
    asker = Asker()
    asker.listing.sort()
    asker.take(9, 8)
    assert data(asker.listing.take_fresh()) == [8, 9]
    assert not asker.listing.sorting
    asker.take(7)
    assert asker.listing.finish(None) == []
    assert asker.shown == [7]


def test_all_may_count_as_new() -> None:
    """What was found of streams without a place, where the question goes no further back than the subscription."""
    asker = Asker(s=("e", 5))
    asker.take(4)
    asker.take(8, stream="t")
    asker.listing.count_as_new()
    assert data(asker.listing.finish(None)) == [8]
    assert asker.shown == [4]


@pytest.mark.parametrize(
    ("query", "before"),
    [(HistoryQuery(since=99), True), (HistoryQuery(since=100), False), (after(3), True), (after(3, since=101), True)],
)
def test_a_place_may_be_of_any_time(query: HistoryQuery, before: bool) -> None:  # noqa: FBT001
    """Only a question by time alone is known not to go back beyond another time."""
    assert Listing(query, lambda _: None).asks_before(100) is before


def test_bytes_go_with_their_messages() -> None:
    """They count in the mailboxes in which these end."""
    asker = Asker()
    asker.listing.take(message(7), 123)
    assert [size for _, size in asker.listing.finish(REFUSED)] == [123]


def queue(*askers: Asker) -> Listings:
    """Return a queue of all these."""
    listings = Listings(Ledger())
    for asker in askers:
        listings.add(asker.listing)
    return listings


def test_one_is_asked_at_a_time() -> None:
    """In the order in which they came; the next one once the first is done."""
    one, two = Asker(), Asker()
    listings = queue(one, two)
    assert listings.next() is one.listing
    assert listings.next() is one.listing
    assert listings.end(one.listing, None) == []
    assert (one.answers, two.answers) == ([[]], [])
    assert listings.next() is two.listing
    listings.end(two.listing, REFUSED)
    assert two.answers == [REFUSED]
    assert not listings


def test_places_are_marked_when_it_is_asked() -> None:
    """Not when it was wished for: others were answered in between. Streams without a place have no mark."""
    ledger, asker = Ledger(), Asker()
    listings = Listings(ledger)
    listings.add(asker.listing)
    ledger.begin(ledger.open("s"), "e", 5)
    ledger.open("t")
    assert listings.next().marks == {"s": ("e", 5)}


def test_who_gives_up_is_not_asked_for() -> None:
    """Unless it is already: that answer still comes, and must not be taken for the next one's."""
    one, two, three = Asker(), Asker(), Asker()
    listings = queue(one, two, three)
    asked = listings.next()
    for asker in (one, two):
        listings.give_up(asker.listing, asked=asked)
        listings.give_up(asker.listing, asked=asked)
    assert listings.next() is one.listing
    listings.end(one.listing, None)
    assert listings.next() is three.listing
    assert two.answers == []


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_line_that_breaks_fails_all(count: int) -> None:
    """Each is told once, and none is left for the next line."""
    askers = [Asker() for _ in range(count)]
    listings = queue(*askers)
    listings.fail(BROKEN)
    listings.fail(BROKEN)
    assert [asker.answers for asker in askers] == [[BROKEN]] * count
    assert not listings


def test_who_is_failed_may_ask_again() -> None:
    """That is a new wish, for the next line, and is not failed with the old ones."""
    listings, again, told = Listings(Ledger()), Asker(), list[CableError]()

    def done(answer: Any) -> None:
        told.append(answer)
        listings.add(again.listing)

    listings.add(Listing(HistoryQuery(since=1), done))
    listings.fail(BROKEN)
    assert told == [BROKEN]
    assert again.answers == []
    assert listings.next() is again.listing
