"""Brings one subscription up to date after a time without a line, and sees to it that nothing comes twice or is missed.

Rule 1: a message with a place is delivered when all before it were, or are known to be lost; until then it is held.
Rule 2: one question at a time. What comes while it is open may be of the past or live, in any order, and twice.
Rule 3: a question ends with an answer, with the line, or by time; each end delivers what is held.
Rule 4: what cannot be known is said to be unknown, once an account is given; and never more is claimed.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from cableway.errors import HistoryRejected, HistoryTimeout, NotConnected
from cableway.hub.recall.account import Account
from cableway.hub.recall.healing import Healing
from cableway.hub.recall.horizon import Horizon
from cableway.hub.recall.ledger import Ledger
from cableway.hub.recall.listings import Listings
from cableway.hub.recall.questions import Kind, Question
from cableway.hub.recall.settling import Hole, settle, settle_first, settle_rejected
from cableway.states import State
from cableway.wire.commands import History, Subscribe
from cableway.wire.positions import Bookmark, HistoryQuery, Position

if TYPE_CHECKING:
    from cableway.errors import CableError
    from cableway.hub.recall.book import Book
    from cableway.hub.recall.historian import Historian
    from cableway.hub.recall.listings import Listing
    from cableway.hub.wish import Wish
    from cableway.wire.message import Message

ANSWER = 10.0
"""Seconds that a server has to answer. It may stay silent where it finds fault with a question."""

OLD = 10
"""Times the life of its messages after which a server may have forgotten a stream, and begun it anew."""

RESTART_IDLE = 9.0
"""Seconds without a message after which a low number can be that of a stream begun anew.

AnyCable does so after ten times ``history_ttl`` without a message, and that is whole seconds."""

HELD_MESSAGES = 10_000
HELD_BYTES = 16 * 1024 * 1024
"""What is held at most while an answer is awaited."""


class Recall:
    """The account of one subscription."""

    def __init__(self, wish: Wish, historian: Historian) -> None:
        self.ledger: Ledger = Ledger()
        self.due: float | None = None
        """When :meth:`tick` has something to do."""
        self.duplicates: int = 0
        """Messages that came again, and were not delivered again."""
        self.wish: Wish = wish
        """Whose it is."""
        self._historian = historian
        self.account: Account = Account(wish, historian)
        """What holders are given and told."""
        self._question: Question | None = None
        self._plan: deque[Question] = deque()
        self._horizon = Horizon(historian)
        self._listings = Listings(self.ledger)
        self._healing = Healing(self, self._ask, self._set)
        self._asked = False
        self._with: HistoryQuery | None = None
        # Whether there is something to recover, the server has it, it left a question unanswered on this line, and
        # all that was missed before this line has been told.
        self._missed = self._live = self._deaf = self._recovered = False
        self._rejected: set[str] = set()
        self._told = False
        self._held_bytes = 0

    # What the hub tells

    def resume(self, bookmark: Bookmark) -> None:
        """Begin where an earlier process left off, or at some time; once it is subscribed it is too late for that."""
        if self._missed or not (bookmark.streams or bookmark.since is not None):
            return
        for stream, position in bookmark.streams.items():
            self.ledger.begin(self.ledger.open(stream), position.epoch, position.offset)
        self._horizon.since = bookmark.since
        self._missed = True

    @property
    def bookmark(self) -> Bookmark:
        """How far it has come."""
        streams = {name: place for name, book in self.ledger.books.items() if (place := book.position) is not None}
        return Bookmark(streams, self._horizon.since)

    @property
    def can_heal(self) -> bool:
        """Whether the server answers questions; on a line on which it left one unanswered it is asked no more."""
        return self._live and not self._deaf

    @property
    def idle(self) -> bool:
        """Whether no question is open."""
        return self._question is None

    def subscribe(self, now: float) -> Subscribe:
        """Write the subscribe command, with the question for what was missed."""
        self._asked = True
        self._horizon.asked(now)
        self._with = self._query() if self._historian.extended and self._missed else None
        return Subscribe(self.wish.identifier or "", self._with)

    def confirmed(self, now: float) -> None:
        """The server has the subscription, on this line for the first time."""
        self._live = True
        self._begin()
        self._horizon.confirmed(now)
        if not self._missed:
            self._missed = self._recovered = True
            return
        if not self._historian.extended:
            self._close(f"{self._historian.protocol} has no past to ask for")
        elif self._asked and self._with is not None:
            self._ask(Question(Kind.RECOVER, self._with), now, send=False)
        elif (query := self._query()) is not None:
            self._ask(Question(Kind.RECOVER, query), now)
        else:
            self._close("no message had come yet, nor the server's time: there is no place to go on from")

    def end(self) -> None:
        """The subscription is gone, or is somebody else's."""
        self.line_down()
        for book in self.ledger.books.values():
            book.held.clear()

    def line_down(self) -> None:
        """The line is gone, and every answer with it; what is held may be told again, or not."""
        self._horizon.note(live=self._recovered)
        self._live = self._asked = self._deaf = self._recovered = False
        self._with = self._question = None
        self._plan.clear()
        self._set(None)
        self._listings.fail(NotConnected(State.DISCONNECTED.value, "the line broke before the answer came"))
        self.ledger.forget_line()

    def advance(self, run: list[bytes], now: float) -> int:
        """Tell how many frames of *run*, from the first on, may be delivered as they are; they count as delivered."""
        if self._question is not None:
            return 0
        self._historian.moved[self.wish] = None
        return self.ledger.advance(run, now)

    def handed_over(self, now: float) -> None:
        """Another line took over: what was asked on the old one is asked again."""
        if self._question is not None:
            self._ask(self._question, now)

    # Messages

    def take(self, message: Message[Any], size: int, now: float) -> None:
        """Deliver a message, hold it, or leave it out because it was delivered before."""
        stream, epoch, offset = message.stream, message.epoch, message.offset
        if not self._historian.extended or stream is None or epoch is None or not offset:
            self._historian.put(self.wish, message, size)
            return
        question = self._question
        if question is not None and question.listing is not None and question.listing.take(message, size):
            return
        book = self.ledger.open(stream)
        idle, book.heard = now - book.heard, now
        if book.last is None and self._question is None:
            self.ledger.begin(book, epoch, offset - 1)
        if book.epoch == epoch and book.last is not None and offset == book.last + 1:
            book.last = offset
            self._deliver(book, message, size)
            while (arrival := book.next()) is not None:
                self._deliver(book, *arrival)
            if not book.held:
                book.hole_at = None
        elif self._question is not None:
            self._hold(book, message, size, now)
        elif epoch != book.epoch:
            self._change_era(book, message, size, now)
        elif offset <= (book.last or 0):
            self._again(book, message, size, idle=idle)
        else:
            self._hold(book, message, size, now)
            self._healing.mind(book, now)

    def _again(self, book: Book, message: Message[Any], size: int, *, idle: float) -> None:
        offset = message.offset or 0
        if idle < RESTART_IDLE or offset in book.replays:
            self.duplicates += 1
            return
        self.ledger.begin(book, book.epoch, offset - 1)
        if offset > 1:
            self.account.gap(Hole(book.stream, book.epoch, 1, offset - 1), healed=False)
        book.last = offset
        self._deliver(book, message, size)

    def _change_era(self, book: Book, message: Message[Any], size: int, now: float) -> None:
        self._begin()
        self._hold(book, message, size, now)
        self.account.carry_out(settle(self.ledger, book))
        if self.account.doubts:
            self.account.give()

    def _deliver(self, book: Book, message: Message[Any], size: int) -> None:
        question = self._question
        replayed = question is not None and question.kind is not Kind.LISTING
        if replayed:
            book.replays.add(message.offset or 0)
        self.account.deliver(message, size, replayed=replayed)

    def _hold(self, book: Book, message: Message[Any], size: int, now: float) -> None:
        place = (message.epoch or "", message.offset or 0)
        if place in book.held:
            self.duplicates += 1
            return
        book.held[place] = (message, size)
        self._held_bytes += size
        if len(book.held) > HELD_MESSAGES or self._held_bytes > HELD_BYTES:
            self._give_up("more came than can be held before the server's answer", now)

    def _query(self) -> HistoryQuery | None:
        self._horizon.note(live=self._recovered)
        mark = self.bookmark
        return HistoryQuery(mark.streams, mark.since) if mark.streams or mark.since is not None else None

    def _ask(self, question: Question, now: float, *, send: bool = True) -> None:
        self._question = question
        self._set(now + ANSWER)
        if question.kind in (Kind.RECOVER, Kind.HEAL):
            for book in self.ledger.books.values():
                book.replays.clear()
        if send:
            self._historian.send(History(self.wish.identifier or "", question.query))

    def _begin(self) -> None:
        self._rejected, self._told = set(), False
        self.account.begin()

    def answered(self, *, confirmed: bool, now: float) -> None:
        """The server has told what was asked, or refused to."""
        question = self._question
        if question is None:
            return
        if question.kind is Kind.LISTING:
            self._end_listing(question, None if confirmed else HistoryRejected(self.wish.label), now)
            return
        if question.kind is Kind.HEAL:
            self._end_healing(question, now, confirmed=confirmed)
            return
        self._judge(question, confirmed=confirmed)
        self._next(now)

    def _judge(self, question: Question, *, confirmed: bool) -> None:
        streams = question.query.streams
        if question.kind is Kind.CHECK:
            if not confirmed:
                self.account.doubts.append(
                    "there may have been messages before the oldest one that the server still had"
                )
        elif confirmed:
            self._told = self._told or question.query.since is not None
            self._settle_first()
        elif question.kind is Kind.RECOVER and len(streams) > 1:
            self._plan.extend(Question(Kind.SINGLE, HistoryQuery({name: at})) for name, at in streams.items())
        elif streams:
            self._rejected |= streams.keys()
        else:
            self.account.doubts.append("the server keeps no past")

    def _settle_first(self) -> None:
        for book in self.ledger.books.values():
            if book.last is None and book.held:
                settlement = settle_first(self.ledger, book)
                first = next((step[0].offset for step in settlement.steps if not isinstance(step, Hole)), None)
                if settlement.doubt and first:
                    self._plan.append(
                        Question(Kind.CHECK, HistoryQuery({book.stream: Position(book.epoch, first - 1)}))
                    )
                settlement.doubt = ""
                self.account.carry_out(settlement, replayed=True)

    def _end_healing(self, question: Question, now: float, *, confirmed: bool) -> None:
        self._question = None
        self._begin()
        self._healing.end(question, confirmed=confirmed)
        if self.account.doubts:
            self.account.give()
        self._rest(now)

    def _next(self, now: float) -> None:
        since = self._horizon.since
        if not self._plan and self._rejected and not self._told and since is not None:
            self._plan.append(Question(Kind.SINCE, HistoryQuery(since=since)))
            # Asked once, whatever the answer is.
            self._told = True
        if self._plan:
            self._ask(self._plan.popleft(), now)
        else:
            self._finish(now)

    def _finish(self, now: float) -> None:
        historian = self._historian
        life = max((handle.options.history_life for handle in self.wish.handles), default=0.0)
        old = self._horizon.is_out_of_reach(now, life)
        for book in self.ledger.books.values():
            self._mind_age(book, now, life=life)
            if book.stream in self._rejected:
                told = self._told and not old
                settlement = settle_rejected(self.ledger, book, told=told, same_server=historian.restored)
            elif book.last is None:
                settlement = settle_first(self.ledger, book)
            else:
                settlement = settle(self.ledger, book)
            self.account.carry_out(settlement)
        if old and not any(book.last is not None for book in self.ledger.books.values()):
            self.account.doubts.append("the server may not keep messages for that long")
        self._question = None
        self._close()
        self._rest(now)

    def _mind_age(self, book: Book, now: float, *, life: float) -> None:
        idle, book.heard = now - book.heard, now
        if book.last is not None and book.stream not in self._rejected and idle >= OLD * life:
            self.account.doubts.append(
                "the stream may have been begun anew meanwhile, and have reached our place again"
            )

    def _close(self, doubt: str = "") -> None:
        if doubt:
            self.account.doubts.append(doubt)
        self._recovered = True
        self.account.give()

    def _rest(self, now: float) -> None:
        self._set(None)
        self._held_bytes = 0
        if self._listings:
            self._list_next(now)
        else:
            self._healing.plan()

    def _give_up(self, why: str, now: float) -> None:
        question = self._question
        if question is None:
            for book in self.ledger.books.values():
                self.account.carry_out(settle(self.ledger, book))
        elif question.kind is Kind.LISTING:
            self._end_listing(question, HistoryTimeout(self.wish.label, ANSWER), now)
        elif question.kind is Kind.HEAL:
            self._end_healing(question, now, confirmed=False)
        else:
            self.account.doubts.append(why)
            self._plan.clear()
            self._rejected |= {book.stream for book in self.ledger.books.values() if book.last is not None}
            self._finish(now)

    def tick(self, now: float) -> None:
        """Do what is due."""
        if self._question is None:
            self._healing.tick(now)
        elif self._historian.router.paused:
            # The answer may be among what is not read at the moment.
            self._set(now + ANSWER)
        else:
            # An answer that comes after all must not be taken for that to a later question.
            self._deaf = True
            self._historian.doubt("no answer to a question for the past")
            self._give_up("the server did not answer", now)

    def _set(self, due: float | None) -> None:
        self._historian.agenda.put(self, due)

    # Listings

    def list(self, listing: Listing, now: float) -> None:
        """Have the server tell what it still has, to be seen apart from what is delivered."""
        self._listings.add(listing)
        if self._question is None and self._live:
            self._list_next(now)

    def give_up_listing(self, listing: Listing) -> None:
        """Nobody waits for the answer any more; one that is on its way still has to come."""
        self._listings.give_up(listing, asked=self._question.listing if self._question is not None else None)

    def _list_next(self, now: float) -> None:
        listing = self._listings.next()
        self._ask(Question(Kind.LISTING, listing.query, listing), now)

    def _end_listing(self, question: Question, error: CableError | None, now: float) -> None:
        self._question = None
        if question.listing is not None:
            for message, size in self._listings.end(question.listing, error, now):
                self.take(message, size, now)
        for book in self.ledger.books.values():
            if book.held:
                self._healing.mind(book, now)
        self._rest(now)
