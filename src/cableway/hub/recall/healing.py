"""Holes between two messages of a stream: asked for, filled, or told.

A hole may be a message of our own that the server keeps away from us, which nobody can tell from a lost one. So the
server is asked for it, but not for ever new ones again and again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cableway.hub.recall.questions import Kind, Question
from cableway.hub.recall.settling import Hole, begin_first, settle
from cableway.wire.positions import HistoryQuery

if TYPE_CHECKING:
    from collections.abc import Callable

    from cableway.hub.recall.book import Book
    from cableway.hub.recall.recall import Recall

GRACE = 0.1
"""Seconds that a hole stays open by itself: messages published in one moment may come in another order."""

EVERY = 1.0
"""Seconds between two questions for holes of one stream."""


class Healing:
    """Heals the holes of one subscription."""

    def __init__(
        self, recall: Recall, ask: Callable[[Question, float], None], wake: Callable[[float | None], None]
    ) -> None:
        self._recall = recall
        self._ask = ask
        self._wake = wake

    def mind(self, book: Book, now: float) -> None:
        """A hole was met, or is still there; or a stream has brought its first message, and others may precede it."""
        recall = self._recall
        if book.hole_at is None:
            book.hole_at = now
        handles = recall.wish.handles
        if book.last is None:
            self.plan()
        elif not recall.can_heal or all(handle.options.gaps == "announce" for handle in handles):
            recall.account.carry_out(settle(recall.ledger, book))
        else:
            self.plan()

    def plan(self) -> None:
        """See to it that the next hole is asked for when it may be."""
        recall = self._recall
        times = [
            max(book.hole_at + GRACE, book.asked_at + EVERY)
            for book in recall.ledger.books.values()
            if book.hole_at is not None
        ]
        if times and recall.idle:
            self._wake(min(times))

    def tick(self, now: float) -> None:
        """Begin with a stream whose first messages have come, or ask for a hole whose time has come."""
        recall = self._recall
        for book in recall.ledger.books.values():
            if book.last is None and book.hole_at is not None and now >= book.hole_at + GRACE:
                self.begin(book)
                book.hole_at = now if book.held else None
        for book in recall.ledger.books.values():
            position = book.position
            if book.hole_at is None or position is None or now < max(book.hole_at + GRACE, book.asked_at + EVERY):
                continue
            book.asked_at = now
            ahead = book.ahead()
            if not ahead:
                # What was held came in its turn after all, or is of another era.
                recall.account.settle(settle(recall.ledger, book))
                continue
            hole = Hole(book.stream, book.epoch, position.offset + 1, ahead[0] - 1)
            self._ask(Question(Kind.HEAL, HistoryQuery({book.stream: position}), hole=hole), now)
            return
        self.plan()

    def begin(self, book: Book) -> None:
        """Deliver the first messages of a stream, as far as they follow on each other."""
        recall = self._recall
        begin_first(recall.ledger, book)
        recall.intake.run_out(book)

    def end(self, question: Question, *, confirmed: bool) -> None:
        """The server has answered, or will not."""
        recall, hole = self._recall, question.hole
        if hole is None:
            return
        book = recall.ledger.books[hole.stream]
        if confirmed and book.epoch == hole.epoch and hole.last <= (book.last or 0):
            recall.account.gap(hole, healed=True)
        recall.account.carry_out(settle(recall.ledger, book))
