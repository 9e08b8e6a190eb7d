"""The course of one recovery: what is asked, one question after the other, and what is concluded from the answers."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from cableway.hub.recall.limits import OLD
from cableway.hub.recall.questions import NO_QUERY, Kind, Question
from cableway.hub.recall.settling import TOO_LATE, Hole, settle, settle_first, settle_rejected
from cableway.wire.identifiers import is_one_stream
from cableway.wire.positions import HistoryQuery, Position

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cableway.hub.recall.book import Book
    from cableway.hub.recall.horizon import Horizon
    from cableway.hub.recall.recall import Recall


class Recovery:
    """The recoveries of one subscription, one after the other."""

    def __init__(self, recall: Recall, horizon: Horizon) -> None:
        self.newcomer: bool = True
        """Whether nobody had the subscription before."""
        self.waited: bool = False
        """Whether a line went before its server beat: lines like that are not waited on again and again."""
        self._recall = recall
        self._horizon = horizon
        self._plan: deque[Question] = deque()
        self._rejected: set[str] = set()
        # What was published since the horizon has been told; has been asked for, or cannot be; no answer came; the
        # server's time was waited for.
        self._told = self._tried = self._unanswered = self._timed = False
        # Whether one has begun, for a line, and was not concluded.
        self._unfinished = False
        # Which of the historian's servers the last one was concluded with.
        self._server: int | None = None

    def begin(self) -> None:
        """Begin anew."""
        self._plan.clear()
        self._rejected = set()
        self._told = self._tried = self._unanswered = self._timed = False
        for book in self._recall.ledger.books.values():
            book.begin_recovery(again=self._unfinished)
        self._recall.account.begin()

    @property
    def _covered(self) -> bool:
        """Whether positions say it all: there is one stream, and its place was known and good."""
        marked = [book for book in self._recall.ledger.books.values() if book.mark is not None]
        return bool(marked) and not self._rejected and is_one_stream(self._recall.wish.identifier or "")

    def query(self) -> HistoryQuery | None:
        """Return the first question, which may go with the subscribe command; ``None`` if there is nothing to ask."""
        mark = self._recall.bookmark
        since = None if mark.streams and is_one_stream(self._recall.wish.identifier or "") else mark.since
        return HistoryQuery(mark.streams, since) if mark.streams or since is not None else None

    def enter(self) -> None:
        """A line has it: begin, for all that was missed."""
        self.begin()
        self._unfinished = True

    def leave(self) -> None:
        """All that was missed has been told, as far as it can be."""
        self._unfinished = False
        self._server = self._recall.historian.server
        self._horizon.blind = False
        for book in self._recall.ledger.books.values():
            book.refused = False

    # Questions

    def next(self, now: float, *, waited: bool) -> Question | None:
        """Return what is to be asked now, if anything is left; *waited*: the server's time was waited for just now."""
        self._tried = self._tried or (waited and self._horizon.since is None)
        if not self._plan and not self._covered:
            self._plan_more(now, waited=waited)
        return self._plan.popleft() if self._plan else None

    def _plan_more(self, now: float, *, waited: bool) -> None:
        since = self._horizon.since
        if self._told:
            # How long ago that was, only the server's clock tells: it may not have kept all of it.
            if not self.waited and not self._timed and self._recall.historian.clock.at(now) is None:
                self._plan.append(Question(Kind.TIME, NO_QUERY))
            self._timed = True
        elif not self._tried and since is not None:
            self._tried = True
            self._plan.append(Question(Kind.SINCE, HistoryQuery(since=since)))
        elif not (self._tried or self.waited or self._rejected or waited or self._horizon.blind):
            self._plan.append(Question(Kind.TIME, NO_QUERY))

    def judge(self, question: Question, *, confirmed: bool) -> None:
        """Take the answer to *question*."""
        streams, doubts = question.query.streams, self._recall.account.doubts
        if question.kind is Kind.CHECK:
            if not confirmed:
                doubts.append(TOO_LATE)
        elif confirmed:
            if question.query.since is not None:
                self._told = True
                self._settle_first()
        elif question.kind is Kind.RECOVER and len(streams) > 1:
            self._plan.extend(Question(Kind.SINGLE, HistoryQuery({name: at})) for name, at in streams.items())
        elif streams:
            self._reject(streams)
        else:
            doubts.append("the server keeps no past")

    def _reject(self, streams: Iterable[str]) -> None:
        self._rejected |= set(streams)
        for stream in streams:
            self._recall.ledger.open(stream).refused = True

    def _settle_first(self) -> None:
        for book in self._recall.unplaced():
            settlement = settle_first(self._recall.ledger, book)
            first = next((step[0].offset for step in settlement.steps if not isinstance(step, Hole)), None)
            if settlement.doubt == TOO_LATE and first:
                before = Position(book.epoch, first - 1)
                self._plan.append(Question(Kind.CHECK, HistoryQuery({book.stream: before})))
                settlement.doubt = ""
            self._recall.account.carry_out(settlement, replayed=True)

    def give_up(self, why: str) -> None:
        """No answer came: all places are doubtful."""
        self._recall.account.doubts.append(why)
        self._unanswered = True
        self._plan.clear()
        self._rejected |= {book.stream for book in self._recall.ledger.books.values() if book.last is not None}

    # Ends

    def conclude(self, now: float) -> None:
        """Deliver all that is held, and find what cannot be known."""
        recall, doubts = self._recall, self._recall.account.doubts
        known = [book for book in recall.ledger.books.values() if book.mark is not None]
        same = self._server == recall.historian.server or any(book.stream not in self._rejected for book in known)
        life = max((handle.options.history_life for handle in recall.wish.handles), default=0.0)
        old = not self._covered and self._horizon.is_out_of_reach(now, life)
        for book in recall.ledger.books.values():
            self._settle(book, now, life=life, told=self._told and not old, same=same)
        if old:
            doubts.append("the server may not keep messages for that long")
        if not same and not known and not self.newcomer:
            doubts.append("the server may have been started anew meanwhile")
        if not self._told and not self._covered and not doubts:
            doubts.append("the server's time is not known: nobody can tell from when on to ask")

    def _settle(self, book: Book, now: float, *, life: float, told: bool, same: bool) -> None:
        ledger, account = self._recall.ledger, self._recall.account
        if book.stream in self._rejected:
            refused = not self._unanswered
            settled = settle_rejected(ledger, book, told=told, same_server=same, refused=refused)
            # What was told is among what came live meanwhile, and nobody can tell which is which.
            account.carry_out(settled, replayed=self._told)
            return
        if book.last is None:
            account.carry_out(settle_first(ledger, book))
            return
        if now - book.quiet_from >= OLD * life:
            account.doubts.append("the stream may have been begun anew meanwhile, and have reached our place again")
        account.carry_out(settle(ledger, book))

    def cut_short(self, question: Question | None) -> None:
        """The line is gone: tell the doubts about what was delivered already, while *question* was open."""
        recovering, account = question is not None and question.recovers, self._recall.account
        lost = self._horizon.since is None and (self.waited or not self._recall.bookmark.streams)
        orphans = self._recall.unplaced() if lost else []
        if not recovering:
            if not orphans:
                return
            account.begin()
        # Nothing more will be known of what came before these; from their place on the next line can ask.
        self._recall.begin_unplaced(orphans)
        late = any(book.first > 1 for book in orphans)
        if late or (recovering and any(one is not None and one.kind is Kind.CHECK for one in (question, *self._plan))):
            account.doubts.append(TOO_LATE)
        if account.doubts:
            account.give()
