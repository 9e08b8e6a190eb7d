"""Brings one subscription up to date after a time without a line, and sees to it that nothing comes twice or is missed.

Rule 1: a message with a place is delivered when all before it were, or are known to be lost; until then it is held.
Rule 2: one question at a time. What comes while it is open may be of the past or live, in any order, and twice.
Rule 3: a question ends with an answer, with the line, or by time; each end delivers what is held.
Rule 4: what cannot be known is said to be unknown, once an account is given; and never more is claimed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cableway.errors import HistoryRejected, HistoryTimeout, NotConnected
from cableway.events import NO_PAST
from cableway.hub.recall.account import Account
from cableway.hub.recall.healing import Healing
from cableway.hub.recall.horizon import Horizon
from cableway.hub.recall.intake import Intake
from cableway.hub.recall.ledger import Ledger
from cableway.hub.recall.limits import ANSWER, SILENT, VERDICT
from cableway.hub.recall.lookback import Lookback
from cableway.hub.recall.questions import Kind, Question
from cableway.hub.recall.recovery import Recovery
from cableway.hub.recall.settling import drop_behind, settle
from cableway.states import State
from cableway.wire.commands import History, Subscribe
from cableway.wire.positions import Bookmark, HistoryQuery

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
        self._horizon = Horizon(historian)
        self._recovery = Recovery(self, self._horizon)
        self._healing = Healing(self, self._ask, self._set)
        self.intake: Intake = Intake(self, self._healing, self._give_up)
        """Where messages go in."""
        self.lookback: Lookback = Lookback(self, self._horizon, self._ask)
        """Users' own questions for the past."""
        self._asked = False
        self._with: HistoryQuery | None = None
        # Whether there is something to recover, the server has it, it left a question unanswered on this line, and
        # all that was missed before this line has been told.
        self._missed = self._live = self._deaf = self._recovered = False
        # Whether the server, or the one before it, had the subscription before.
        self._former = False
        self._owed = owed

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
        self._horizon.blind = True
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
        self._horizon.note(live=self._hears)
        return None if not self._recovered or self.bookmark.streams else self._horizon.since

    def subscribe(self, now: float) -> Subscribe:
        """Write the subscribe command, with the question for what was missed."""
        self._asked = True
        self._horizon.asked(now)
        self._horizon.note(live=self._hears)
        self._with = self._recovery.query() if self.historian.extended and self._missed else None
        return Subscribe(self.wish.identifier or "", self._with)

    def confirmed(self, now: float) -> None:
        """The server has the subscription, on this line for the first time."""
        self._live = True
        self.historian.now = now
        self._recovery.enter()
        self._horizon.confirmed(now)
        self._horizon.note(live=self._hears)
        self._recovery.newcomer, self._former = not self._former, True
        if not self._missed:
            self._missed = self._recovered = True
            self._recovery.leave()
            self.lookback.next(now)
            return
        if not self.historian.extended:
            self._close_untold(f"{self.historian.protocol} {NO_PAST}")
        elif self._asked and self._with is not None:
            self._ask(Question(Kind.RECOVER, self._with), now, send=False)
        elif (query := self._recovery.query()) is not None:
            self._ask(Question(Kind.RECOVER, query), now)
        else:
            self._close_untold("no message had come yet, nor the server's time: there is no place to go on from")

    def end(self) -> int:
        """The subscription is gone, or is somebody else's; return how many answers are still to come on this line."""
        owed = self._owed + (self.question is not None and not self._waits)
        self.line_down()
        for book in self.ledger.books.values():
            book.held.clear()
        return owed

    def line_down(self) -> None:
        """The line is gone, and every answer with it; what is held may be told again, or not."""
        self._horizon.note(live=self._hears)
        self._recovery.waited = self._recovery.waited or self._waits
        self._recovery.cut_short(self.question)
        self._live = self._asked = self._deaf = self._recovered = False
        self._owed = 0
        self._with = self.question = None
        self._set(None)
        broken = NotConnected(State.DISCONNECTED.value, "the line broke before the answer came")
        self.lookback.fail(broken)
        self.ledger.forget_endings()
        for book in self.ledger.books.values():
            drop_behind(book)

    @property
    def _hears(self) -> bool:
        # What is held for an answer is not heard yet.
        return self._recovered and self.question is None

    @property
    def _waits(self) -> bool:
        return self.question is not None and self.question.kind is Kind.TIME

    def begin_unplaced(self, books: list[Book] | None = None) -> None:
        """Begin, with what is held, streams that have no place yet: nothing that is awaited would precede it."""
        for book in self.unplaced() if books is None else books:
            self._healing.begin(book)

    def unplaced(self) -> list[Book]:
        """Return the books of streams that brought something, and have no place yet."""
        return [book for book in self.ledger.books.values() if book.last is None and book.held]

    def beaten(self, now: float) -> None:
        """The server beat, and so told its time."""
        if self._waits:
            self._horizon.note(live=self._hears)
            if self._horizon.since is not None:
                self._next(now, waited=True)
        elif self.question is None and self._live:
            self.lookback.next(now, beaten=True)

    def handed_over(self, now: float) -> None:
        """Another line took over: what was asked on the old one is asked again."""
        if self.question is not None and self.question.kind is not Kind.TIME:
            self._ask(self.question, now)

    def _ask(self, question: Question, now: float, *, send: bool = True) -> None:
        self.question = question
        self._set(now + ANSWER + self.historian.slack)
        if question.kind in (Kind.RECOVER, Kind.HEAL):
            for book in self.ledger.books.values():
                book.replays.clear()
        if send and question.kind is not Kind.TIME:
            self.historian.send(History(self.wish.identifier or "", question.query))

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
        if question.listing is not None:
            self._end_listing(question.listing, None if confirmed else HistoryRejected(self.wish.label), now)
            return
        if question.kind is Kind.HEAL:
            self._end_healing(question, now, confirmed=confirmed)
            return
        self._recovery.judge(question, confirmed=confirmed)
        self._next(now)

    def _end_healing(self, question: Question, now: float, *, confirmed: bool) -> None:
        self.question = None
        self._recovery.begin()
        self._healing.end(question, confirmed=confirmed)
        if self.account.doubts:
            self.account.give()
        self._rest(now)

    def _end_listing(self, listing: Listing, error: CableError | None, now: float) -> None:
        self.question = None
        if self.lookback.answered(listing, error, now):
            self._rest(now)

    def _next(self, now: float, *, waited: bool = False) -> None:
        question = self._recovery.next(now, waited=waited)
        if question is not None:
            self._ask(question, now)
        else:
            self._finish(now)

    def _finish(self, now: float) -> None:
        self._recovery.conclude(now)
        self.question = None
        self._close()
        self._rest(now)

    def _close_untold(self, doubt: str) -> None:
        """Go on without the past, with what had come before the line broke and has no place yet."""
        self.begin_unplaced()
        self.account.doubts.append(doubt)
        self._close()

    def _close(self) -> None:
        self._recovered = True
        self._recovery.leave()
        self.account.give()

    def _rest(self, now: float) -> None:
        self._set(None)
        self.intake.settled()
        for book in self.ledger.books.values():
            if book.held:
                # It was held for the answer to a question, be that about another stream.
                self._healing.mind(book, now)
        if not self.lookback.next(now):
            self._healing.plan()

    def _give_up(self, why: str, now: float) -> None:
        question = self.question
        if question is None:
            for book in self.ledger.books.values():
                self.account.carry_out(settle(self.ledger, book))
        elif question.listing is not None:
            self._end_listing(question.listing, HistoryTimeout(self.wish.label, ANSWER + self.historian.slack), now)
        elif question.kind is Kind.HEAL:
            self._end_healing(question, now, confirmed=False)
        else:
            self._recovery.give_up(why)
            self._finish(now)

    def tick(self, now: float) -> None:
        """Do what is due."""
        self.historian.now = now
        if self.question is None:
            self._healing.tick(now)
        elif self._waits:
            self._next(now, waited=True)
        elif self.historian.router.held_up:
            # The question may not have gone yet, or the answer be among what is not read at the moment.
            self._set(now + ANSWER + self.historian.slack)
        elif self.question.listing is None and self._is_silent(now) and not self.question.overdue:
            # It may be the line: it is found dead in that time, then, and all is asked anew on the next one.
            self.question.overdue = True
            self.historian.doubt("no answer to a question for the past, nor a beat")
            self._set(now + VERDICT + self.historian.slack)
        else:
            # An answer that comes after all must not be taken for that to a later question.
            self._deaf = True
            self.historian.doubt("no answer to a question for the past")
            self._give_up("the server did not answer", now)

    def _is_silent(self, now: float) -> bool:
        heard = [book.heard for book in self.ledger.books.values()]
        return all(now - at > SILENT for at in (self.historian.beaten_at, *heard) if at <= now)

    def _set(self, due: float | None) -> None:
        self.historian.agenda.put(self, due)
