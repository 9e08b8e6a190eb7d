"""Asks for what users want to see of the past, one listing after the other, while nothing else is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cableway.errors import HistoryTimeout
from cableway.hub.recall.limits import ANSWER
from cableway.hub.recall.listings import Listings
from cableway.hub.recall.questions import Kind, Question
from cableway.wire.identifiers import is_one_stream
from cableway.wire.positions import HistoryQuery

if TYPE_CHECKING:
    from collections.abc import Callable

    from cableway.errors import CableError
    from cableway.hub.recall.horizon import Horizon
    from cableway.hub.recall.listings import Listing
    from cableway.hub.recall.recall import Recall


class Lookback:
    """The listings of one subscription."""

    def __init__(self, recall: Recall, horizon: Horizon, ask: Callable[[Question, float], None]) -> None:
        self._recall = recall
        self._horizon = horizon
        self._ask = ask
        self._listings = Listings(recall.ledger)

    def add(self, listing: Listing, now: float) -> None:
        """Have the server tell what it still has, to be seen apart from what is delivered."""
        self._listings.add(listing)
        if self._recall.idle and self._recall.live:
            self.next(now)

    def give_up(self, listing: Listing) -> None:
        """Nobody waits for the answer any more; one that is on its way still has to come."""
        question = self._recall.question
        self._listings.give_up(listing, asked=question.listing if question is not None else None)

    def next(self, now: float, *, beaten: bool = False) -> bool:
        """Ask for the next listing, if there is one and its time has come; tell whether something was asked.

        Without the server's time old and new cannot be told apart by a stream that has brought nothing so far, and what
        comes live during a question looks like its answer. So the next beat is waited for, with no question open.
        """
        if not self._listings:
            return False
        if not self._recall.can_heal:
            # A late answer to what was given up would be taken for the one to this.
            self._listings.fail(HistoryTimeout(self._recall.wish.label, ANSWER))
            return False
        listing = self._listings.next()
        if not beaten and self._may_be_unsorted and self._since(listing, now) is None:
            return False
        self._put(listing, now)
        return True

    def answered(self, listing: Listing, error: CableError | None, now: float) -> bool:
        """Take the answer to *listing*, or *error*; tell whether that was all there is to ask for it."""
        if error is None and listing.sorting and not listing.prepared:
            for message, size in listing.take_fresh():
                self._recall.intake.take(message, size, now)
            self._recall.begin_unplaced()
            listing.prepared = True
            if not listing.given_up:
                self._put(self._listings.next(), now)
                return False
        if error is None and listing.unsorted and not listing.sorting:
            since = self._since(listing, now)
            if since is None:
                error = HistoryTimeout(self._recall.wish.label, ANSWER)
            elif not listing.asks_before(since):
                listing.count_as_new()
            else:
                self._sort(listing, since, now)
                return False
        for message, size in self._listings.end(listing, error):
            self._recall.intake.take(message, size, now)
        return True

    def fail(self, error: CableError) -> None:
        """Have all of them fail, because the line is gone."""
        self._listings.fail(error)

    def _put(self, listing: Listing, now: float) -> None:
        # Where a stream has a place already it is rare that another one is first heard of by its past.
        since = None if listing.prepared or self._placed else self._since(listing, now)
        if since is not None:
            self._sort(listing, since, now)
            return
        listing.prepared = True
        self._ask(Question(Kind.LISTING, listing.query, listing), now)

    def _sort(self, listing: Listing, since: int, now: float) -> None:
        listing.sort()
        self._ask(Question(Kind.LISTING, HistoryQuery(since=since), listing), now)

    @property
    def _may_be_unsorted(self) -> bool:
        return not (self._placed and is_one_stream(self._recall.wish.identifier or ""))

    @property
    def _placed(self) -> bool:
        return any(book.last is not None for book in self._recall.ledger.books.values())

    def _since(self, listing: Listing, now: float) -> int | None:
        return self._horizon.begun(listing.wall, now, alone=len(self._recall.wish.handles) == 1)
