"""All wishes of one cable: what the user does to them, and what the line does."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from cableway.hub.attendance import Attendance
from cableway.hub.decoding import Decoder
from cableway.hub.driver import Driver
from cableway.hub.effects import Resync
from cableway.hub.freshness import Freshness
from cableway.hub.mailbox import Mailbox
from cableway.hub.places import Places
from cableway.hub.presence import DEAF, lacking
from cableway.hub.recall.historian import Historian
from cableway.hub.recall.recall import Recall
from cableway.hub.router import Router
from cableway.hub.wish import Handle, Stand, Turn, Wish
from cableway.states import SubscriptionState
from cableway.types import Identifier, MaybeAwaitable
from cableway.wire.codecs.json import JSONCodec
from cableway.wire.frames import Confirm, ConfirmHistory, HistoryAnswer, Ping, PresenceNews, Reject, RejectHistory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from collections.abc import Set as AbstractSet
    from random import Random

    from cableway.errors import CableError, MalformedFrame
    from cableway.events import Event
    from cableway.hub.effects import HubEffect
    from cableway.hub.options import SubscriptionOptions
    from cableway.hub.places import Keeper
    from cableway.wire.codecs.base import Codec
    from cableway.wire.dialects.base import BaseDialect

RENOUNCED_LIMIT = 1000
"""Identifiers remembered as told off, so that a confused server cannot fill the memory."""

Answer: TypeAlias = Confirm | Reject | HistoryAnswer | PresenceNews
"""What a server says of one subscription, beside its messages."""

NameSource: TypeAlias = "Callable[[], MaybeAwaitable[Identifier]]"


class Hub:
    """Drives what the server has towards what the user wants.

    Each method takes what happened and leaves effects; :meth:`drain` hands them over, oldest first.
    """

    def __init__(self, codec: Codec, dialect: BaseDialect, random: Random, positions: Keeper | None = None) -> None:
        self.on_stray: Callable[[bytes, MalformedFrame | None], None] = lambda *_: None
        """Takes a frame that a consumer found not to be its message."""
        self.on_effects: Callable[[], None] = lambda: None
        """Called when effects appear outside of any call: a mailbox has room again."""
        self._codec = codec
        self._dialect = dialect
        self._effects: list[HubEffect] = []
        self._wishes: dict[str, Wish] = {}
        self._unnamed: dict[Wish, None] = {}
        self._renounced: set[str] = set()
        self._is_open = True
        self._meetings: list[Callable[[], None]] = []
        self.historian: Historian = Historian(self._ask, extended=dialect.extended, protocol=dialect.name)
        self.router: Router = Router(self._wishes, self._effects.append, self.historian)
        self.historian.router = self.router
        self.freshness: Freshness = Freshness()
        self.places: Places = Places(positions)
        self._driver = Driver(random, self._ask, self._drop)
        self._driver.router = self.router
        self.attendance: Attendance = Attendance(self._wishes, random, self._ask)
        self._driver.attendance = self.attendance
        self.attendance.lacks = lacking(dialect)
        self.historian.on_doubt = self.attendance.gap

    def drain(self) -> list[HubEffect]:
        """Take the effects that have gathered; before that, joiners hear what they met."""
        meetings, self._meetings = self._meetings, []
        for meeting in meetings:
            meeting()
        moved, self.historian.moved = self.historian.moved, {}
        self.places.keep(moved)
        effects = self._effects[:]
        self._effects.clear()
        return effects

    @property
    def deadline(self) -> float | None:
        """When :meth:`tick` next has something to do."""
        times = (
            self._driver.agenda.next,
            self.historian.agenda.next,
            self.freshness.agenda.next,
            self.attendance.deadline,
        )
        return min((time for time in times if time is not None), default=None)

    @property
    def settled(self) -> bool:
        """Whether the server has answered for all that is wished for."""
        return self._driver.settled and all(wish.recall.idle for wish in self._wishes.values())

    @property
    def live(self) -> list[str]:
        """Identifiers of the subscriptions that the server has confirmed."""
        return [identifier for identifier, wish in self._wishes.items() if wish.stand is Stand.LIVE]

    @property
    def wishes(self) -> list[Wish]:
        """All that is wished for, or still has to be taken back."""
        return [*self._wishes.values(), *self._unnamed]

    # What the user does

    def join(
        self,
        identifier: Identifier | NameSource,
        options: SubscriptionOptions,
        tell: Callable[[Event | None], None],
        now: float,
    ) -> Handle:
        """Take a handle on the subscription *identifier*, or on the one a function names before each subscribe.

        What there is to tell at once is told by the next :meth:`drain`: before this returns, nobody knows the handle.
        """
        wish = self._find(identifier)
        heard: list[Event | None] = []
        handle = Handle(options, heard.append)
        if not self._is_open:
            handle.state = SubscriptionState.CLOSED
        handle.mailbox = Mailbox(options, wish.decoder.messages)
        handle.mailbox.on_low = lambda: self._roomy(handle.mailbox)
        handle.mailbox.on_bar = lambda: self._at_bar(handle)
        self._seat(handle, wish, now)
        self._driver.pump(now)
        self.freshness.watch(handle, now)
        self.places.introduce(handle)
        self._meetings.append(partial(_introduce, handle, heard, tell))
        return handle

    def leave(self, handle: Handle, now: float, *, flush: bool = True) -> None:
        """Give a handle back. The last one to leave ends the subscription; with *flush* once its commands are safe."""
        wish = handle.wish
        self.freshness.ignore(handle)
        if handle not in wish.handles:
            return
        wish.handles.remove(handle)
        self.attendance.gone(handle, now)
        self.router.let_go(handle.mailbox)
        if not handle.refused_for_good:
            handle.state = SubscriptionState.CLOSED
            handle.tell(None)
        if wish.handles:
            return
        # Nobody is there to miss anything: whoever joins now begins anew.
        self._begin_recall(wish)
        if wish.stand is Stand.GONE:
            self._driver.part(wish)
            return
        if not flush:
            wish.last_command = float("-inf")
        self._driver.turn(wish, Turn.LEFT, now)
        self._driver.pump(now)

    def set_open(self, *, is_open: bool) -> None:
        """The cable was closed: so is every handle. Or it opens anew: what is still wished for is pending again."""
        self._is_open = is_open
        state = SubscriptionState.PENDING if is_open else SubscriptionState.CLOSED
        for wish in self.wishes:
            for handle in wish.handles:
                if not handle.refused_for_good:
                    handle.state = state
                    handle.tell(None)

    # What the line does

    def speak(self, codec: Codec, dialect: BaseDialect, *, sends: bool = True) -> None:
        """Read what comes from now on as this line has it, which *sends* or only listens. What is unread stays."""
        self.attendance.lacks = lacking(dialect) if sends else DEAF
        if codec.name == self._codec.name and dialect.name == self._dialect.name:
            return
        self._codec, self._dialect = codec, dialect
        self.historian.extended, self.historian.protocol = dialect.extended, dialect.name
        self.router.learns = isinstance(codec, JSONCodec)
        for wish in self.wishes:
            wish.decoder = self._decoder(wish.identifier or "")
            for handle in wish.handles:
                handle.mailbox.decode = wish.decoder.messages

    def line_up(
        self, transport: str, now: float, *, protocol: str, restored: Sequence[str] | None = None, slack: float = 0.0
    ) -> None:
        """The server welcomed us: ask for everything that is wished for.

        Args:
            transport: What carries the line, for those who are told.
            now: The time.
            protocol: What it speaks.
            restored: Identifiers that the server has already, because it gave us back the session of the line before;
                ``None``: it did not.
            slack: Seconds that a command may have to wait on this line before it goes.
        """
        self._driver.line_up(transport, protocol, slack)
        self._renounced.clear()
        self.historian.server += restored is None
        self.historian.slack = self.attendance.slack = slack
        for wish in self.wishes:
            self._driver.turn(wish, Turn.LINE_UP, now)
        # All of them before anybody is asked for: what the server has already, it would not answer.
        for identifier in restored or ():
            self._confirmed(identifier, now, pump=False)
        self._driver.pump(now)

    def line_down(self, error: CableError | None, now: float) -> None:
        """The line is gone, and everything the server had with it."""
        self._driver.line_down(error)
        for wish in self.wishes:
            self._driver.turn(wish, Turn.LINE_DOWN, now)
            for handle in list(wish.handles):
                handle.tell(None)

    def handed_over(
        self, moved: AbstractSet[str], event: Event, now: float, *, line: tuple[str, str] = ("", ""), slack: float = 0.0
    ) -> None:
        """Another *line* (transport, protocol) took over, with *moved* live on it; all others are asked for on it."""
        self._driver.line_up(*line, slack)
        self.historian.slack = self.attendance.slack = slack
        self._driver.loss = None
        self._renounced.clear()
        for wish in self.wishes:
            if wish.stand is Stand.LIVE and wish.identifier in moved:
                wish.recall.handed_over(now)
                for handle in list(wish.handles):
                    handle.tell(event)
                self.attendance.moved(wish, now)
                continue
            self._driver.turn(wish, Turn.LINE_DOWN, now)
            if wish.stand is Stand.OFFLINE:
                self._driver.turn(wish, Turn.LINE_UP, now)
        for identifier in moved:
            # What was given up or asked for anew on the old line while the next one confirmed it.
            found = self._wishes.get(identifier) or self._unwanted(identifier)
            if found is not None and found.stand is not Stand.LIVE:
                self._driver.turn(found, Turn.CONFIRMED, now)
        self._driver.pump(now)

    def hear(self, frame: Answer | Ping, now: float) -> None:
        """Take an answer of the server's, or its beat."""
        match frame:
            case Ping(message):
                self.historian.beaten(message, now)
                for wish in self.wishes:
                    wish.recall.beaten(now)
                self.places.keep_time(self._wishes.values())
            case Confirm(identifier):
                self._confirmed(identifier, now)
            case Reject(identifier):
                self._rejected(identifier, now)
            case ConfirmHistory(identifier) | RejectHistory(identifier):
                asked = self._wishes.get(identifier)
                if asked is not None:
                    asked.recall.answered(confirmed=isinstance(frame, ConfirmHistory), now=now)
            case _:
                self.attendance.news(frame, now)

    def named(self, wish: Wish, identifier: Identifier | None, now: float) -> None:
        """The source of a name has answered; ``None``: it failed, and is asked again after a while."""
        if wish.stand is not Stand.NAMING:
            return
        if identifier is None:
            self._driver.turn(wish, Turn.NAMELESS, now)
        elif self._wishes.get(identifier, wish) is not wish:
            self._merge(wish, self._wishes[identifier], now)
        else:
            self._rename(wish, identifier)
            self._driver.turn(wish, Turn.NAMED, now)
        self._driver.pump(now)

    def tick(self, now: float) -> None:
        """Do what is due."""
        self._driver.tick(now)
        while (recall := self.historian.agenda.take(now)) is not None:
            recall.tick(now)
        self.freshness.tick(now)
        self.attendance.tick(now)

    # Inside

    def _confirmed(self, identifier: str, now: float, *, pump: bool = True) -> None:
        wish = self._wishes.get(identifier) or self._unwanted(identifier)
        if wish is not None:
            self._driver.turn(wish, Turn.CONFIRMED, now)
        if pump:
            self._driver.pump(now)

    def _rejected(self, identifier: str | None, now: float) -> None:
        wish = self._wishes.get(identifier) if identifier is not None else None
        if wish is not None:
            keep = any(handle.options.retry_rejected for handle in wish.handles)
            self._driver.turn(wish, Turn.KEPT if keep else Turn.REJECTED, now)
            self._driver.pump(now)

    def _find(self, identifier: Identifier | NameSource) -> Wish:
        if callable(identifier):
            wish = Wish("a stream named by a function", None, identifier)
            wish.decoder = self._decoder("")
            self._begin_recall(wish)
            self._unnamed[wish] = None
        else:
            self._renounced.discard(identifier)
            known = self._wishes.get(identifier)
            if known is not None:
                return known
            wish = self._new(identifier)
        if self._driver.carrier is not None:
            wish.stand = Stand.QUEUED
            self._driver.enqueue(wish)
        return wish

    def _new(self, identifier: Identifier) -> Wish:
        wish = self._wishes[identifier] = Wish(identifier, identifier)
        wish.decoder = self._decoder(identifier)
        self._begin_recall(wish)
        return wish

    def _begin_recall(self, wish: Wish) -> None:
        former: Recall | None = getattr(wish, "recall", None)
        wish.recall = Recall(wish, self.historian, owed=0 if former is None else former.end())
        self.places.load(wish)

    def _decoder(self, identifier: str) -> Decoder:
        return Decoder(identifier, self._codec, self._dialect, self.on_stray)

    def _unwanted(self, identifier: str) -> Wish | None:
        # Confirmed, but nobody wants it (any more). Taken up once a line, as one that was given up before the answer:
        # a server that confirms it again is not argued with.
        if identifier in self._renounced or len(self._renounced) >= RENOUNCED_LIMIT:
            return None
        self._renounced.add(identifier)
        wish = self._new(Identifier(identifier))
        wish.stand = Stand.ABANDONED
        return wish

    def _seat(self, handle: Handle, wish: Wish, now: float) -> None:
        handle.wish = wish
        wish.handles.append(handle)
        # Whoever left before need not wait for the server to be told: somebody wants it.
        self._driver.part(wish)
        self._driver.turn(wish, Turn.JOINED, now)

    def _rename(self, wish: Wish, identifier: Identifier) -> None:
        if wish.identifier == identifier:
            return
        if wish.identifier is not None:
            self._wishes.pop(wish.identifier, None)
        self._unnamed.pop(wish, None)
        self._renounced.discard(identifier)
        wish.identifier = identifier
        self._wishes[identifier] = wish
        # A new decoder: what is unread came by the old name, and is decoded by it.
        wish.decoder = self._decoder(identifier)
        for handle in wish.handles:
            handle.mailbox.decode = wish.decoder.messages

    def _merge(self, wish: Wish, other: Wish, now: float) -> None:
        # Two sources gave one name: a second subscribe of it would never be answered.
        handles, wish.handles = wish.handles, []
        self._driver.turn(wish, Turn.LEFT, now)
        wish.recall.end()
        for handle in handles:
            handle.mailbox.decode = other.decoder.messages
            wish.stale -= handle.stale_at is not None
            other.stale += handle.stale_at is not None
            self._seat(handle, other, now)

    def _drop(self, wish: Wish) -> None:
        wish.recall.end()
        self._unnamed.pop(wish, None)
        if wish.identifier is not None and self._wishes.get(wish.identifier) is wish:
            del self._wishes[wish.identifier]

    def _roomy(self, mailbox: Mailbox) -> None:
        self.router.let_go(mailbox)
        self.on_effects()

    def _at_bar(self, handle: Handle) -> None:
        self._ask(Resync(handle))
        self.on_effects()

    def _ask(self, effect: HubEffect) -> None:
        self._effects.append(effect)


def _introduce(handle: Handle, heard: list[Event | None], tell: Callable[[Event | None], None]) -> None:
    handle.tell = tell
    for event in heard:
        tell(event)
