"""Brings one subscription up to date after a time without a line, and sees to it that nothing comes twice or is missed.

Rule 1: a message with a place is delivered when all before it were, or are known to be lost; until then it is held.
Rule 2: one question at a time. What comes while it is open may be of the past or live, in any order, and twice.
Rule 3: a question ends with an answer, with the line, or by time; each end delivers what is held.
Rule 4: what cannot be known is said to be unknown, once an account is given; and never more is claimed.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from cableway.errors import HistoryRejected, HistoryTimeout, NotConnected
from cableway.hub.recall.account import Account
from cableway.hub.recall.healing import Healing
from cableway.hub.recall.horizon import Horizon
from cableway.hub.recall.intake import Intake
from cableway.hub.recall.ledger import Ledger
from cableway.hub.recall.limits import ANSWER, OLD
from cableway.hub.recall.listings import Listings
from cableway.hub.recall.questions import NO_QUERY, Kind, Question
from cableway.hub.recall.settling import TOO_LATE, Hole, drop_behind, settle, settle_first, settle_rejected
from cableway.states import State
from cableway.wire.commands import History, Subscribe
from cableway.wire.identifiers import is_one_stream
from cableway.wire.positions import Bookmark, HistoryQuery, Position

if TYPE_CHECKING:
    from cableway.errors import CableError
    from cableway.hub.recall.book import Book
    from cableway.hub.recall.historian import Historian
    from cableway.hub.recall.listings import Listing
    from cableway.hub.wish import Wish


class Recall:
    """The account of one subscription."""

    def __init__(self, wish: Wish, historian: Historian, *, owed: int = 0) -> None:
        self.ledger: Ledger = Ledger()
        self.due: float | None = None
        """When :meth:`tick` has something to do."""
        self.wish: Wish = wish
        """Whose it is."""
        self.historian: Historian = historian
        """What it shares with all others."""
        self.account: Account = Account(wish, historian)
        """What holders are given and told."""
        self.question: Question | None = None
        """What the server is asked at the moment, or we wait for before it can be."""
        self._plan: deque[Question] = deque()
        self._horizon = Horizon(historian)
        self._listings = Listings(self.ledger)
        self._healing = Healing(self, self._ask, self._set)
        self.intake: Intake = Intake(self, self._healing, self._give_up)
        """Where messages go in."""
        self._asked = False
        self._with: HistoryQuery | None = None
        # Whether there is something to recover, the server has it, it left a question unanswered on this line, and
        # all that was missed before this line has been told.
        self._missed = self._live = self._deaf = self._recovered = False
        # Whether the server, or the one before it, had the subscription before.
        self._former = self._waited = False
        self._owed = owed
        self._newcomer = True
        self._rejected: set[str] = set()
        # What was published since the horizon has been told; has been asked for, or cannot be.
        self._told = self._tried = False

    # What the hub tells

    def resume(self, bookmark: Bookmark, *, former: bool = True) -> None:
        """Begin where an earlier process left off, or at some time; once it is subscribed it is too late for that.

        With *former* there was somebody before, and what is asked for was to be heard by them.
        """
        if self._missed or not (bookmark.streams or bookmark.since is not None):
            return
        for stream, position in bookmark.streams.items():
            self.ledger.begin(self.ledger.open(stream), position.epoch, position.offset)
        self._horizon.since = bookmark.since
        self._missed = True
        self._former = former

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
    def live(self) -> bool:
        """Whether the server has the subscription, as far as this one was told."""
        return self._live

    @property
    def idle(self) -> bool:
        """Whether no question is open."""
        return self.question is None

    @property
    def heard_until(self) -> int | None:
        """Up to when all has been heard, by the server's clock; ``None``: that is not known, or a place tells more."""
        self._horizon.note(live=self._recovered)
        return None if not self._recovered or self.bookmark.streams else self._horizon.since

    def subscribe(self, now: float) -> Subscribe:
        """Write the subscribe command, with the question for what was missed."""
        self._asked = True
        self._horizon.asked(now)
        self._with = self._query() if self.historian.extended and self._missed else None
        return Subscribe(self.wish.identifier or "", self._with)

    def confirmed(self, now: float) -> None:
        """The server has the subscription, on this line for the first time."""
        self._live = True
        self.historian.now = now
        self._begin()
        self._horizon.confirmed(now)
        self._newcomer, self._former = not self._former, True
        if not self._missed:
            self._missed = self._recovered = True
            return
        if not self.historian.extended:
            self._close(f"{self.historian.protocol} has no past to ask for")
        elif self._asked and self._with is not None:
            self._ask(Question(Kind.RECOVER, self._with), now, send=False)
        elif (query := self._query()) is not None:
            self._ask(Question(Kind.RECOVER, query), now)
        else:
            self._close("no message had come yet, nor the server's time: there is no place to go on from")

    def end(self) -> int:
        """The subscription is gone, or is somebody else's; return how many answers are still to come on this line."""
        owed = self._owed + (self.question is not None and not self._waits)
        self.line_down()
        for book in self.ledger.books.values():
            book.held.clear()
        return owed

    def line_down(self) -> None:
        """The line is gone, and every answer with it; what is held may be told again, or not."""
        self._horizon.note(live=self._recovered)
        # Lines that are gone before the server beats are not waited on again and again: messages are held meanwhile.
        self._waited = self._waited or self._waits
        self._cut_short()
        self._live = self._asked = self._deaf = self._recovered = False
        self._owed = 0
        self._with = self.question = None
        self._plan.clear()
        self._set(None)
        broken = NotConnected(State.DISCONNECTED.value, "the line broke before the answer came")
        self._listings.fail(broken)
        self.ledger.forget_endings()
        for book in self.ledger.books.values():
            drop_behind(book)
            if book.hole_at is not None and book.last is None:
                # Its first messages came live: there is nothing to wait for any more.
                self._healing.begin(book)

    @property
    def _covered(self) -> bool:
        """Whether positions say it all: there is one stream, and its place was known and good."""
        marked = [book for book in self.ledger.books.values() if book.mark is not None]
        return bool(marked) and not self._rejected and is_one_stream(self.wish.identifier or "")

    @property
    def _waits(self) -> bool:
        return self.question is not None and self.question.kind is Kind.TIME

    def _cut_short(self) -> None:
        """Tell the doubts of a recovery that the line has cut short: what they are about was delivered already."""
        if self.question is None or not self.question.recovers:
            return
        if any(question.kind is Kind.CHECK for question in (self.question, *self._plan)):
            self.account.doubts.append(TOO_LATE)
        if self.account.doubts:
            self.account.give()

    def beaten(self, now: float) -> None:
        """The server beat, and so told its time."""
        if self._waits and self.question is not None and self.question.listing is not None:
            self._sort(self.question.listing, now)
        elif self._waits:
            self._horizon.note(live=self._recovered)
            if self._horizon.since is not None:
                self._next(now)

    def handed_over(self, now: float) -> None:
        """Another line took over: what was asked on the old one is asked again."""
        if self.question is not None and self.question.kind is not Kind.TIME:
            self._ask(self.question, now)

    def _query(self) -> HistoryQuery | None:
        self._horizon.note(live=self._recovered)
        mark = self.bookmark
        since = None if mark.streams and is_one_stream(self.wish.identifier or "") else mark.since
        return HistoryQuery(mark.streams, since) if mark.streams or since is not None else None

    def _ask(self, question: Question, now: float, *, send: bool = True) -> None:
        self.question = question
        self._set(now + ANSWER)
        if question.kind in (Kind.RECOVER, Kind.HEAL):
            for book in self.ledger.books.values():
                book.replays.clear()
        if send and question.kind is not Kind.TIME:
            self.historian.send(History(self.wish.identifier or "", question.query))

    def _begin(self) -> None:
        self._rejected, self._told, self._tried = set(), False, False
        for book in self.ledger.books.values():
            book.mark = book.last
        self.account.begin()

    def answered(self, *, confirmed: bool, now: float) -> None:
        """The server has told what was asked, or refused to."""
        self.historian.now = now
        question = self.question
        if self._owed > 0:
            # To a question of whoever had the subscription before.
            self._owed -= 1
            return
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
                self.account.doubts.append(TOO_LATE)
        elif confirmed:
            if question.query.since is not None:
                self._told = True
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
        self.question = None
        self._begin()
        self._healing.end(question, confirmed=confirmed)
        if self.account.doubts:
            self.account.give()
        self._rest(now)

    def _next(self, now: float) -> None:
        since = self._horizon.since
        if not self._plan and not self._told and not self._tried and not self._covered:
            if since is not None:
                self._tried = True
                self._plan.append(Question(Kind.SINCE, HistoryQuery(since=since)))
            elif not self._waited and not self._rejected and not self._waits:
                self._plan.append(Question(Kind.TIME, NO_QUERY))
        if self._plan:
            self._ask(self._plan.popleft(), now)
        else:
            self._finish(now)

    def _finish(self, now: float) -> None:
        known = [book for book in self.ledger.books.values() if book.mark is not None]
        same = self.historian.restored or any(book.stream not in self._rejected for book in known)
        life = max((handle.options.history_life for handle in self.wish.handles), default=0.0)
        old = not self._covered and self._horizon.is_out_of_reach(now, life)
        for book in self.ledger.books.values():
            self._mind_age(book, now, life=life)
            if book.stream in self._rejected:
                told = self._told and not old
                settlement = settle_rejected(self.ledger, book, told=told, same_server=same)
            elif book.last is None:
                settlement = settle_first(self.ledger, book)
            else:
                settlement = settle(self.ledger, book)
            self.account.carry_out(settlement)
        if old:
            self.account.doubts.append("the server may not keep messages for that long")
        if not same and not known and not self._newcomer:
            self.account.doubts.append("the server may have been started anew meanwhile")
        if not self._told and not self._covered and not self.account.doubts:
            self.account.doubts.append("the server's time is not known: nobody can tell from when on to ask")
        self.question = None
        self._close()
        self._rest(now)

    def _mind_age(self, book: Book, now: float, *, life: float) -> None:
        idle = now - book.heard
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
        self.intake.settled()
        if self._listings:
            self._list_next(now)
        else:
            self._healing.plan()

    def _give_up(self, why: str, now: float) -> None:
        question = self.question
        if question is None:
            for book in self.ledger.books.values():
                self.account.carry_out(settle(self.ledger, book))
        elif question.listing is not None:
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
        self.historian.now = now
        if self.question is None:
            self._healing.tick(now)
        elif self._waits and self.question.listing is None:
            self._tried = True
            self._next(now)
        elif self.historian.router.paused:
            # The answer may be among what is not read at the moment.
            self._set(now + ANSWER)
        else:
            # An answer that comes after all must not be taken for that to a later question.
            self._deaf = True
            self.historian.doubt("no answer to a question for the past")
            self._give_up("the server did not answer", now)

    def _set(self, due: float | None) -> None:
        self.historian.agenda.put(self, due)

    # Listings

    def list(self, listing: Listing, now: float) -> None:
        """Have the server tell what it still has, to be seen apart from what is delivered."""
        self._listings.add(listing)
        if self.question is None and self._live:
            self._list_next(now)

    def give_up_listing(self, listing: Listing) -> None:
        """Nobody waits for the answer any more; one that is on its way still has to come."""
        self._listings.give_up(listing, asked=self.question.listing if self.question is not None else None)

    def _list_next(self, now: float) -> None:
        listing = self._listings.next()
        self._ask(Question(Kind.LISTING, listing.query, listing), now)

    def _sort(self, listing: Listing, now: float) -> None:
        since = self._horizon.begun(listing.wall, now, alone=len(self.wish.handles) == 1)
        if since is None:
            self._ask(Question(Kind.TIME, NO_QUERY, listing), now)
        else:
            listing.sorting = True
            self._ask(Question(Kind.LISTING, HistoryQuery(since=since), listing), now)

    def _end_listing(self, question: Question, error: CableError | None, now: float) -> None:
        listing = question.listing
        self.question = None
        if listing is not None and error is None and listing.unsorted and not listing.sorting:
            self._sort(listing, now)
            return
        for message, size in self._listings.end(listing, error) if listing is not None else ():
            self.intake.take(message, size, now)
        for book in self.ledger.books.values():
            if book.held:
                self._healing.mind(book, now)
        self._rest(now)
