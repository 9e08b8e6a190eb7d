"""What to make of a stream's messages once all that can be had of its past has come.

Pure bookkeeping: a book goes in with what it holds, and out come the messages in their order, the holes between them,
and whether it is known that nothing else is missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field, frozen

if TYPE_CHECKING:
    from cableway.hub.recall.book import Arrival, Book
    from cableway.hub.recall.ledger import Ledger


TOO_LATE = "there may have been messages before the oldest one that the server still had"

NEW_ERA = "the server was started anew: how the old numbering ended is not known"


@frozen
class Hole:
    """Messages of a stream that are missing, first and last included."""

    stream: str
    epoch: str
    first: int
    last: int


@define
class Settlement:
    """What came of it."""

    steps: list[Arrival | Hole] = field(factory=list)
    """Messages to deliver, and holes, in order."""
    doubt: str = ""
    """Why more may be missing than the holes tell; empty if nothing can be."""


def settle(ledger: Ledger, book: Book) -> Settlement:
    """Deliver what is held, where the book's position was good."""
    done = Settlement()
    drop_behind(book)
    _run_out(book, done)
    _change_era(ledger, book, done)
    return done


def settle_first(ledger: Ledger, book: Book) -> Settlement:
    """Begin a book with what came out of the past since some time, and live meanwhile; or with its first messages.

    The server may have kept too little: unless the first message is the stream's very first, there is doubt.
    """
    done = Settlement()
    if not begin_first(ledger, book):
        return done
    if book.last:
        done.doubt = TOO_LATE
    _run_out(book, done)
    if book.held:
        done.doubt = NEW_ERA
        book.held.clear()
    return done


def begin_first(ledger: Ledger, book: Book) -> bool:
    """Begin a book right before the first of what is held of the newest era; tell whether anything is."""
    book.hole_at = None
    for place in [place for place in book.held if place[0] == book.epoch and place[1] <= book.floor]:
        del book.held[place]
    epoch = next((epoch for epoch, _ in reversed(book.held)), None)
    if epoch is None:
        return False
    first = min(offset for era, offset in book.held if era == epoch)
    ledger.begin(book, epoch, first - 1)
    book.first = first
    return True


def settle_rejected(ledger: Ledger, book: Book, *, told: bool, same_server: bool, refused: bool = True) -> Settlement:
    """Go on after the server refused the book's position.

    It refuses for one of four reasons, and does not say which: it has been started anew; it keeps nothing that old any
    more; all it kept has grown too old, though nothing is missing; the stream was idle for so long that it was begun
    anew with offset 1.

    Args:
        ledger: The book's ledger.
        book: The book.
        told: Whether what was published since the line was last known to live has been told after that.
        same_server: Whether the server restored our session, and so is the one that it was.
        refused: Whether it said no; it may also have said nothing.
    """
    done = Settlement()
    # What came on an older line tells nothing of the server of this one.
    ahead = [offset for offset in book.ahead() if (book.epoch, offset) not in book.kept]
    begun_anew = [offset for offset in book.behind() if offset <= (book.mark or 0)]
    drop_behind(book, above=book.mark or 0)
    if begun_anew:
        # No server sends twice on a line what it sent on the last one: so the stream was begun anew.
        ledger.begin(book, book.epoch, 0)
        if not told:
            done.doubt = "the stream was begun anew, and how it began is not known"
    elif not told or not (same_server or ahead):
        done.doubt = "the server does not have the messages since our last one, or was started anew"
    drop_behind(book)
    _run_out(book, done)
    unmoved = book.last == book.mark
    _change_era(ledger, book, done)
    if not unmoved or done.steps:
        return done
    if refused:
        # It has nothing of that place any more: a low number is one of a new beginning, however soon it comes.
        book.heard = float("-inf")
    if done.doubt:
        book.forget(refused=refused)
    return done


def drop_behind(book: Book, *, above: int = 0) -> None:
    """Forget what is held and was delivered already, as far as it is after *above*."""
    for offset in book.behind():
        if offset > above:
            del book.held[book.epoch, offset]


def _run_out(book: Book, done: Settlement) -> None:
    for offset in book.ahead():
        after = book.last or 0
        if offset > after + 1:
            done.steps.append(Hole(book.stream, book.epoch, after + 1, offset - 1))
        done.steps.append(book.held.pop((book.epoch, offset)))
        book.last = offset
    book.hole_at = None
    if any(isinstance(step, Hole) for step in done.steps) and not done.doubt:
        done.doubt = "messages are missing in between"


def _change_era(ledger: Ledger, book: Book, done: Settlement) -> None:
    epoch = book.foreign()
    if epoch is None:
        return
    done.doubt = NEW_ERA
    offsets = sorted(offset for era, offset in book.held if era == epoch)
    ledger.begin(book, epoch, offsets[0] - 1)
    _run_out(book, done)
    book.held.clear()
