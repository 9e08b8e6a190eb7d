"""Carries out the table of :mod:`cableway.hub.wish`: one wish, one turn, and the moves that follow."""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING

from cableway.errors import LineStale, SubscriptionRejected, SubscriptionTimeout
from cableway.events import ConfirmationTimedOut, Connected, Disconnected, Rejected
from cableway.hub.agenda import Agenda
from cableway.hub.effects import HubEffect, Name, Recycle, Send
from cableway.hub.wish import TABLE, Move, Stand, Turn, Wish
from cableway.policies.backoff import ExponentialBackoff
from cableway.redact import redact_identifier
from cableway.states import SubscriptionState
from cableway.transitions import look_up
from cableway.wire.commands import Unsubscribe

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from cableway.errors import CableError
    from cableway.hub.attendance import Attendance
    from cableway.hub.router import Router
    from cableway.hub.wish import Handle

COOLDOWN = 0.375
"""Seconds between an unsubscribe and the next subscribe of one identifier: Rails may run them in reverse."""

QUIET = 0.25
"""Seconds between a command and the unsubscribe or close after it: Rails drops a command whose worker runs later."""

IN_FLIGHT = 16
"""Unanswered subscribe commands at a time, so that many subscriptions are no storm of their own."""

FAREWELLS = 2
"""Unsubscribe commands for one subscription: a second one where the server seems to have run them in reverse."""

RECYCLES = 3
RECYCLE_PERIOD = 300.0
"""Lines given up for silence within this time, at most, while other subscriptions are confirmed on them.

Once for each identifier is fair for one or two; a server that lacks a whole family of channels must not make all the
others fall again and again."""

SILENT_LIMIT = 1000
"""Identifiers remembered as silent after their handles have gone."""

# Where the time that was set goes on: only the user changed their mind, the server knows nothing of it.
_KEEPS_TIME = {
    (Stand.ASKED, Stand.ABANDONED),
    (Stand.ABANDONED, Stand.ASKED),
    (Stand.COOLING, Stand.RETURNING),
    (Stand.RETURNING, Stand.COOLING),
}

_IN_FLIGHT = frozenset({Stand.NAMING, Stand.ASKED, Stand.ABANDONED})
_ROUTED = frozenset({Stand.LIVE, Stand.LEAVING})


class Driver:
    """Moves wishes from stand to stand."""

    def __init__(self, random: Random, ask: Callable[[HubEffect], None], drop: Callable[[Wish], None]) -> None:
        self.agenda: Agenda[Wish] = Agenda()
        self.carrier: tuple[str, str] | None = None
        """Transport and protocol of the line, while it is up."""
        self.loss: CableError | None = None
        """What ended the last line."""
        self.router: Router
        self.attendance: Attendance
        self._random = random
        self._ask = ask
        self._drop = drop
        self._queue: list[tuple[int, int, Wish]] = []
        self._order = count()
        self._unanswered: set[Wish] = set()
        self._live: set[Wish] = set()
        self._silent: set[str] = set()
        self._recycled_at: deque[float] = deque(maxlen=RECYCLES)
        self._ending = False
        self._slack = 0.0
        self._move = self._moves()
        self._patience = ExponentialBackoff(minimum=5, maximum=60)

    def line_up(self, transport: str, protocol: str, slack: float) -> None:
        """The server welcomed us, on a line on which a command may have to wait for *slack* seconds before it goes."""
        self.carrier, self._slack = (transport, protocol), slack

    def line_down(self, error: CableError | None) -> None:
        """The line is gone: nobody is asked for on it any more."""
        self.carrier, self.loss = None, error
        self._queue.clear()
        self._ending = False
        self.router.line_down()

    def turn(self, wish: Wish, turn: Turn, now: float) -> None:
        """Let *turn* happen to *wish*, and do what follows."""
        was = wish.stand
        transition = look_up(TABLE, was, turn)
        if turn is Turn.LINE_DOWN:
            wish.recall.line_down()
        stand = wish.stand = transition.target
        if stand is not was:
            if (was, stand) not in _KEEPS_TIME:
                self.agenda.put(wish, None)
            if stand not in _IN_FLIGHT:
                self._unanswered.discard(wish)
            self._live.discard(wish)
            if was in _ROUTED and stand not in _ROUTED:
                self.router.forget(wish)
        for move in transition.actions:
            self._move[move](wish, now)

    @property
    def settled(self) -> bool:
        """Whether nobody waits to be asked for, or for an answer."""
        return not self._queue and not self._unanswered

    def enqueue(self, wish: Wish) -> None:
        """Have *wish* asked for when it is its turn."""
        wish.recycled = wish.recycled or wish.identifier in self._silent
        heappush(self._queue, (-wish.priority, next(self._order), wish))

    def pump(self, now: float) -> None:
        """Ask for as many waiting wishes as may be unanswered at a time."""
        while self._queue and len(self._unanswered) < IN_FLIGHT:
            wish = heappop(self._queue)[2]
            if wish.stand is Stand.QUEUED and wish.due is None:
                self.turn(wish, Turn.DUE, now)

    def tick(self, now: float) -> None:
        """Do what is due."""
        # Once the line is to be replaced, nothing more is judged by what happens on it.
        while not self._ending and (wish := self.agenda.take(now)) is not None:
            self._due(wish, now)
        self.pump(now)

    def _due(self, wish: Wish, now: float) -> None:
        if wish.stand is Stand.QUEUED:
            self.enqueue(wish)
        elif wish.stand is Stand.ASKED and self.router.held_up:
            # The question may not have gone yet, or the answer be among what is not read at the moment.
            self.agenda.put(wish, now + wish.confirm_timeout + self._slack)
        else:
            silent = wish.stand is Stand.ASKED and wish.asked > 1 and (wish.recycled or self._worn(now))
            self.turn(wish, Turn.SILENT if silent else Turn.DUE, now)

    def _worn(self, now: float) -> bool:
        """Whether silence has cost the confirmed ones enough lines for now."""
        lines = self._recycled_at
        return bool(self._live) and len(lines) == RECYCLES and now - lines[0] < RECYCLE_PERIOD

    def part(self, wish: Wish) -> None:
        """Tell those who wait for it that there is nothing more to tell the server."""
        partings, wish.partings = wish.partings, []
        for parting in partings:
            parting()

    def _moves(self) -> dict[Move, Callable[[Wish, float], None]]:
        return {
            Move.ENQUEUE: lambda wish, _: self.enqueue(wish),
            Move.NAME: self._name,
            Move.ASK: self._first_ask,
            Move.AGAIN: self._again,
            Move.FAIL: self._fail,
            Move.PAUSE: self._pause,
            Move.GO_LIVE: self._go_live,
            Move.MEET: self._meet,
            Move.GO_DOWN: lambda wish, _: self._go_down(wish),
            Move.REFUSE: lambda wish, _: self._refuse(wish),
            Move.QUIET: lambda wish, now: self.agenda.put(wish, max(now, wish.last_command + QUIET)),
            Move.RENOUNCE: self._renounce,
            Move.FORGET: lambda wish, _: self._forget(wish),
        }

    def _name(self, wish: Wish, now: float) -> None:
        self._unanswered.add(wish)
        if wish.name_source is None:
            self.turn(wish, Turn.NAMED, now)
        else:
            wish.naming += 1
            self._ask(Name(wish, wish.naming))

    def _first_ask(self, wish: Wish, now: float) -> None:
        wish.asked = wish.farewells = 0
        self._unanswered.add(wish)
        self._subscribe(wish, now)

    def _subscribe(self, wish: Wish, now: float) -> None:
        wish.asked += 1
        self._ask(Send(wish.recall.subscribe(now)))
        self.agenda.put(wish, now + wish.confirm_timeout + self._slack)

    def _again(self, wish: Wish, now: float) -> None:
        # Its slot is free for others: what was not answered in time may never be.
        self._unanswered.discard(wish)
        if wish.asked == 1:
            self._subscribe(wish, now)
            return
        # A lost confirmation cannot be had again on this line, for servers do not answer a repeated subscribe.
        for other in self.router.wishes.values():
            if other.stand is Stand.ASKED and other.asked > 1:
                other.recycled = True
                self._remember(other)
        self._recycled_at.append(now)
        self._recycle(wish)

    def _remember(self, wish: Wish) -> None:
        # A program that gives a silent subscription up and makes it anew must not cost the others a line each time.
        if wish.identifier is not None and len(self._silent) < SILENT_LIMIT:
            self._silent.add(wish.identifier)

    def _recycle(self, wish: Wish) -> None:
        self._ending = True
        what = f"no answer to the subscription {redact_identifier(wish.label)}"
        self._ask(Recycle(LineStale(2 * (wish.confirm_timeout + self._slack), what)))

    def _answered(self, wish: Wish) -> None:
        wish.recycled = False
        wish.silences = wish.pauses = wish.farewells = 0
        self._silent.discard(wish.identifier or "")

    def _fail(self, wish: Wish, now: float) -> None:
        error = SubscriptionTimeout(wish.label, 2 * (wish.confirm_timeout + self._slack))
        for handle in list(wish.handles):
            handle.tell(ConfirmationTimedOut(error))
        wish.silences += 1
        self._pause(wish, now)
        if wish.silences > 1 and not self._live:
            self._recycle(wish)

    def _pause(self, wish: Wish, now: float) -> None:
        self.agenda.put(wish, now + self._patience.delay(wish.pauses, self._random))
        wish.pauses += 1

    def _go_live(self, wish: Wish, now: float) -> None:
        self._answered(wish)
        self._live.add(wish)
        for handle in list(wish.handles):
            self._confirm(handle)
        wish.recall.confirmed(now)
        self.attendance.confirmed(wish, now)
        self.router.release_early(wish, now)

    def _meet(self, wish: Wish, now: float) -> None:
        self._live.add(wish)
        if not wish.recall.live:
            wish.recall.confirmed(now)
        # The joiner is the last one; the others know.
        self._confirm(wish.handles[-1])

    def _confirm(self, handle: Handle) -> None:
        if handle.state is not SubscriptionState.SUBSCRIBED:
            again, handle.ever_confirmed = handle.ever_confirmed, True
            handle.state = SubscriptionState.SUBSCRIBED
            handle.tell(Connected(again, *(self.carrier or ("", ""))))

    def _go_down(self, wish: Wish) -> None:
        self.attendance.down(wish)
        for handle in list(wish.handles):
            handle.state = SubscriptionState.PENDING
            handle.tell(Disconnected(self.loss))

    def _refuse(self, wish: Wish) -> None:
        self._answered(wish)
        self.router.forget(wish)
        self.attendance.down(wish)
        for handle in list(wish.handles):
            revoked = handle.state is SubscriptionState.SUBSCRIBED
            handle.state = SubscriptionState.REJECTED
            handle.error = SubscriptionRejected(wish.label, revoked=revoked)
            if not handle.options.retry_rejected:
                # For this one it is over, whatever other holders want; what it has not read must not hold up the line.
                self.router.let_go(handle.mailbox)
                if wish.stand is Stand.REFUSED:
                    wish.handles.remove(handle)
            handle.tell(Rejected(wish.label, revoked))

    def _renounce(self, wish: Wish, now: float) -> None:
        self.router.forget(wish)
        self.attendance.forget(wish)
        self.part(wish)
        # A server that confirms it again and again is not argued with, nor does it hold the wish up.
        if wish.farewells < FAREWELLS:
            wish.farewells += 1
            self._ask(Send(Unsubscribe(wish.identifier or "")))
            self.agenda.put(wish, now + COOLDOWN)
        elif wish.due is None:
            self.agenda.put(wish, now + COOLDOWN)

    def _forget(self, wish: Wish) -> None:
        self.part(wish)
        self.attendance.forget(wish)
        self._drop(wish)
