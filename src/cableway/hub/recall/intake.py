"""Takes the messages of one subscription: delivers each in its turn, holds it until then, or knows it for a double."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cableway.hub.recall.limits import HELD_BYTES, HELD_MESSAGES, RESTART_IDLE
from cableway.hub.recall.questions import Kind
from cableway.hub.recall.settling import Hole, settle

if TYPE_CHECKING:
    from collections.abc import Callable

    from cableway.hub.recall.book import Book
    from cableway.hub.recall.healing import Healing
    from cableway.hub.recall.recall import Recall
    from cableway.wire.message import Message


class Intake:
    """Where the messages of one subscription go in."""

    def __init__(self, recall: Recall, healing: Healing, give_up: Callable[[str, float], None]) -> None:
        self.duplicates: int = 0
        """Messages that came again, and were not delivered again."""
        self._recall = recall
        self._historian = recall.historian
        self._ledger = recall.ledger
        self._account = recall.account
        self._healing = healing
        # Called where more is held than can be.
        self._give_up = give_up
        self._held_bytes = 0

    def advance(self, run: list[bytes], now: float) -> int:
        """Tell how many frames of *run*, from the first on, may be delivered as they are; they count as delivered."""
        if self._recall.question is not None:
            return 0
        self._historian.moved[self._recall.wish] = None
        return self._ledger.advance(run, now)

    def settled(self) -> None:
        """Count anew what is held: settlements deliver from it by themselves."""
        books = self._ledger.books.values()
        self._held_bytes = sum(size for book in books for _, size in book.held.values())

    def take(self, message: Message[Any], size: int, now: float) -> None:
        """Deliver a message, hold it, or leave it out because it was delivered before."""
        stream, epoch, offset = message.stream, message.epoch, message.offset
        if not self._historian.extended or stream is None or epoch is None or not offset:
            self._historian.put(self._recall.wish, message, size)
            return
        self._historian.now = now
        question = self._recall.question
        if question is None or question.listing is None or not question.listing.take(message, size):
            book = self._ledger.open(stream)
            idle, book.heard = now - book.heard, now
            if book.last is None and (question is None or not question.recovers):
                self._begin(book, message, size, now)
            else:
                self._place(book, message, size, now, idle=idle)

    def _begin(self, book: Book, message: Message[Any], size: int, now: float) -> None:
        if message.offset == 1:
            self._ledger.begin(book, message.epoch or "", 1)
            self._deliver(book, message, size)
            self.run_out(book)
        else:
            # Another one that was published in the same moment may come after it, and has its turn before.
            self._hold(book, message, size, now)
            self._healing.mind(book, now)

    def _place(self, book: Book, message: Message[Any], size: int, now: float, *, idle: float) -> None:
        offset = message.offset or 0
        follows = book.epoch == message.epoch and book.last is not None and offset == book.last + 1
        if follows and not book.refused:
            book.last = offset
            self._deliver(book, message, size)
            self.run_out(book)
        elif self._recall.question is not None:
            self._hold(book, message, size, now)
        elif message.epoch != book.epoch:
            self._change_era(book, message, size, now)
        elif offset <= (book.last or 0):
            self._again(book, message, size, now, idle=idle)
        else:
            self._hold(book, message, size, now)
            self._healing.mind(book, now)

    def run_out(self, book: Book) -> None:
        """Deliver what is held and has its turn now."""
        while (arrival := book.next()) is not None:
            self._held_bytes -= arrival[1]
            self._deliver(book, *arrival)
        if not book.held:
            book.hole_at = None

    def _again(self, book: Book, message: Message[Any], size: int, now: float, *, idle: float) -> None:
        offset = message.offset or 0
        if 0 < offset < book.first and idle < RESTART_IDLE:
            # It was overtaken by the one that we began with, by too much to be waited for: order counts for more.
            self._account.gap(Hole(book.stream, book.epoch, offset, book.first - 1), healed=False)
            book.first = offset
            return
        # A line that stood still brings what is old late: then the time tells nothing. But the very first message of
        # a stream comes again for no other reason, unless it comes late itself, or in answer to a given up question.
        anew = offset == 1 and now - book.begun_at >= RESTART_IDLE and self._recall.can_heal
        if (idle < RESTART_IDLE and not anew) or offset in book.replays:
            self.duplicates += 1
            return
        self._ledger.begin(book, book.epoch, offset)
        if offset > 1:
            self._account.gap(Hole(book.stream, book.epoch, 1, offset - 1), healed=False)
        self._deliver(book, message, size)

    def _change_era(self, book: Book, message: Message[Any], size: int, now: float) -> None:
        self._hold(book, message, size, now)
        self._account.settle(settle(self._ledger, book))

    def _deliver(self, book: Book, message: Message[Any], size: int) -> None:
        question = self._recall.question
        replayed = question is not None and question.kind not in (Kind.LISTING, Kind.TIME)
        if replayed:
            book.replays.add(message.offset or 0)
        self._account.deliver(message, size, replayed=replayed)

    def _hold(self, book: Book, message: Message[Any], size: int, now: float) -> None:
        place = (message.epoch or "", message.offset or 0)
        if place in book.held:
            self.duplicates += 1
            return
        book.held[place] = (message, size)
        self._held_bytes += size
        if self._held_bytes > HELD_BYTES:
            self.settled()
        if len(book.held) > HELD_MESSAGES or self._held_bytes > HELD_BYTES:
            self._give_up("more came than can be held before the server's answer", now)
