"""Users' wishes to see what the server still has: shown apart from what is delivered."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Callable

    from cableway.errors import CableError
    from cableway.hub.recall.book import Arrival
    from cableway.hub.recall.ledger import Ledger
    from cableway.wire.message import Message
    from cableway.wire.positions import HistoryQuery


@define(eq=False)
class Listing:
    """One wish."""

    query: HistoryQuery
    done: Callable[[list[Message[Any]] | CableError], None]
    """Takes the answer, once."""
    marks: dict[str, tuple[str, int]] = field(factory=dict)
    """Epoch and offset of each stream when it was asked: what comes after them is delivered, not listed."""
    found: dict[tuple[str, str, int], Arrival] = field(factory=dict)
    given_up: bool = False
    """Whether nobody waits for the answer any more."""

    def take(self, message: Message[Any], size: int) -> bool:
        """List a message, if it is not one to deliver."""
        epoch, offset = message.epoch or "", message.offset or 0
        era, mark = self.marks.get(message.stream or "", (epoch, offset))
        if era != epoch or offset > mark:
            return False
        message.replayed = True
        # Live and out of the past, it may come twice.
        self.found[message.stream or "", epoch, offset] = (message, size)
        return True


class Listings:
    """Those of one subscription: one is asked at a time."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._waiting: deque[Listing] = deque()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, listing: Listing) -> None:
        """Have *listing* asked when it is its turn."""
        self._waiting.append(listing)

    def give_up(self, listing: Listing, *, asked: Listing | None) -> None:
        """Nobody waits for *listing* any more; *asked* is the one whose answer is on its way, and still has to come."""
        listing.given_up = True
        if listing is not asked and listing in self._waiting:
            self._waiting.remove(listing)

    def next(self) -> Listing:
        """Return the one to ask now."""
        listing = self._waiting[0]
        books = self._ledger.books.values()
        listing.marks = {book.stream: (book.epoch, book.last) for book in books if book.last is not None}
        return listing

    def end(self, listing: Listing, error: CableError | None, now: float) -> list[Arrival]:
        """Take the answer to *listing*; return what has to be delivered after all.

        By a stream that had brought nothing before, old and new cannot be told apart. What is listed then is not
        delivered, and what follows is; where nobody sees the list, all is delivered.
        """
        self._waiting.popleft()
        found = [listing.found[place] for place in sorted(listing.found)]
        fresh = [arrival for arrival in found if arrival[0].stream not in listing.marks]
        seen = error is None and not listing.given_up
        if seen:
            for message, _ in fresh:
                book = self._ledger.open(message.stream or "")
                self._ledger.begin(book, message.epoch or "", message.offset or 0)
                book.heard = now
        listing.done([message for message, _ in found] if error is None else error)
        return [] if seen else fresh

    def fail(self, error: CableError) -> None:
        """Have all of them fail."""
        waiting = [*self._waiting]
        self._waiting.clear()
        for listing in waiting:
            listing.done(error)
