"""Users' wishes to see what the server still has: shown apart from what is delivered.

By a stream that has brought nothing yet, old and new cannot be told apart. So the server is asked first what was
published since the subscription was made: that is delivered, to all who hold the subscription, and from then on the
stream has a place. What the server has up to there is shown to the one who asked. If the stream has no place even then,
the server is asked once more what is new.
"""

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
    wall: int = 0
    """Unix seconds by our own clock when it was made, for want of the server's time."""
    marks: dict[str, tuple[str, int]] = field(factory=dict)
    """Epoch and offset of each stream when it was asked: what comes after them is delivered, not shown."""
    found: dict[tuple[str, str, int], Arrival] = field(factory=dict)
    """The first answer."""
    fresh: dict[tuple[str, str, int], Arrival] = field(factory=dict)
    """The second one, and what came live meanwhile."""
    sorting: bool = False
    """Whether the second question was asked."""
    arrivals: dict[tuple[str, str], list[int]] = field(factory=dict)
    """The offsets of the first answer as they came, and with them those of what came live meanwhile."""
    given: set[tuple[str, str, int]] = field(factory=set)
    """What was new before the first answer, and was delivered by then."""
    prepared: bool = False
    """Whether what was new before it was asked has been delivered, and so has its place."""
    given_up: bool = False
    """Whether nobody waits for the answer any more."""

    def take(self, message: Message[Any], size: int) -> bool:
        """Keep a message that is not to be delivered, or not yet."""
        epoch, offset = message.epoch or "", message.offset or 0
        era, mark = self.marks.get(message.stream or "", (epoch, offset))
        if era != epoch or offset > mark:
            return False
        # Live and out of the past, it may come twice.
        kept = self.fresh if self.sorting and message.stream not in self.marks else self.found
        kept[message.stream or "", epoch, offset] = (message, size)
        if kept is self.found:
            self.arrivals.setdefault((message.stream or "", epoch), []).append(offset)
        return True

    @property
    def unsorted(self) -> bool:
        """Whether it is not known what of it is new."""
        return any(stream not in self.marks for stream, _, _ in self.found)

    def asks_before(self, since: int) -> bool:
        """Tell whether it asks for what is older than *since*."""
        return bool(self.query.streams) or (self.query.since or 0) < since

    def count_as_new(self) -> None:
        """Take all that was found of streams without a place for new."""
        self.fresh |= {place: one for place, one in self.found.items() if place[0] not in self.marks}

    def sort(self) -> None:
        """Have what comes from now on count as new, and what came live before the answer did."""
        self.sorting = True
        for (stream, epoch), offsets in self.arrivals.items():
            if stream not in self.marks:
                for offset in _live(offsets):
                    self.fresh[stream, epoch, offset] = self.found[stream, epoch, offset]

    def take_fresh(self) -> list[Arrival]:
        """Return what is new so far, in order."""
        fresh, self.fresh, self.sorting = self.fresh, {}, False
        self.given.update(fresh)
        return [fresh[place] for place in sorted(fresh)]

    def finish(self, error: CableError | None) -> list[Arrival]:
        """Hand out the list, or *error*; return what is to be delivered, in order."""
        if error is not None:
            self.done(error)
        else:
            shown = [self.found[place][0] for place in sorted(self.found.keys() - self.fresh.keys() - self.given)]
            for message in shown:
                message.replayed = True
            self.done(shown)
        if error is not None and not self.sorting:
            # Nobody will tell what of it is new: rather too much than too little.
            self.count_as_new()
        return [self.fresh[place] for place in sorted(self.fresh)]


def _live(offsets: list[int]) -> list[int]:
    """Return those that came before an answer in *offsets* began.

    An answer goes up to the present. So what came before it comes again, and the answer begins where the numbers last
    went back before that.
    """
    seen: set[int] = set()
    begins = 0
    for index, offset in enumerate(offsets):
        if index and offset <= offsets[index - 1]:
            begins = index
        if offset in seen:
            return offsets[:begins]
        seen.add(offset)
    return []


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

    def end(self, listing: Listing, error: CableError | None) -> list[Arrival]:
        """Be done with *listing*; return what has to be delivered, in order."""
        self._waiting.popleft()
        return listing.finish(error)

    def fail(self, error: CableError) -> None:
        """Have all of them fail, because the line is gone: the next one is asked for all that is new."""
        waiting = [*self._waiting]
        self._waiting.clear()
        for listing in waiting:
            listing.done(error)
