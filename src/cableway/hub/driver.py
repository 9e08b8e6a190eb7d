"""Carries out the table of :mod:`cableway.hub.wish`: one wish, one turn, and the moves that follow."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from cableway.errors import LineStale, SubscriptionRejected, SubscriptionTimeout
from cableway.events import ConfirmationTimedOut, Connected, Disconnected, Rejected
from cableway.hub.agenda import Agenda
from cableway.hub.effects import HubEffect, Name, Recycle, Send
from cableway.hub.wish import TABLE, Move, Stand, Turn, Wish
from cableway.policies.backoff import ExponentialBackoff
from cableway.states import SubscriptionState
from cableway.transitions import look_up
from cableway.wire.commands import Subscribe, Unsubscribe

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from cableway.errors import CableError
    from cableway.hub.router import Router

COOLDOWN = 0.375
"""Seconds between an unsubscribe and the next subscribe of one identifier: Rails may run them in reverse."""

QUIET = 0.25
"""Seconds between a command and the unsubscribe or close after it: Rails drops a command whose worker runs later."""

IN_FLIGHT = 16
"""Unanswered subscribe commands at a time, so that many subscriptions are no storm of their own."""

# Where the time that was set goes on: only the user changed their mind, the server knows nothing of it.
_KEEPS_TIME = {
    (Stand.ASKED, Stand.ABANDONED),
    (Stand.ABANDONED, Stand.ASKED),
    (Stand.COOLING, Stand.RETURNING),
    (Stand.RETURNING, Stand.COOLING),
}


class Driver:
    """Moves wishes from stand to stand."""

    def __init__(self, random: Random, ask: Callable[[HubEffect], None], drop: Callable[[Wish], None]) -> None:
        self.agenda = Agenda()
        self.carrier: tuple[str, str] | None = None
        """Transport and protocol of the line, while it is up."""
        self.loss: CableError | None = None
        """What ended the last line."""
        self.router: Router
        self._random = random
        self._ask = ask
        self._drop = drop
        self._queue: deque[Wish] = deque()
        self._unanswered: set[Wish] = set()
        self._live: set[Wish] = set()
        self._patience = ExponentialBackoff(minimum=5, maximum=60)

    def turn(self, wish: Wish, turn: Turn, now: float) -> None:
        """Let *turn* happen to *wish*, and do what follows."""
        was = wish.stand
        transition = look_up(TABLE, was, turn)
        stand = wish.stand = transition.target
        if stand is not was:
            if (was, stand) not in _KEEPS_TIME:
                self.agenda.put(wish, None)
            if stand is not Stand.ABANDONED:
                self._unanswered.discard(wish)
            self._live.discard(wish)
            if was is Stand.LIVE and stand is not Stand.LEAVING:
                self.router.forget(wish)
        for move in transition.actions:
            self._move(wish, move, was, now)

    def enqueue(self, wish: Wish) -> None:
        """Have *wish* asked for when it is its turn."""
        self._queue.append(wish)

    def pump(self, now: float) -> None:
        """Ask for as many waiting wishes as may be unanswered at a time."""
        while self._queue and len(self._unanswered) < IN_FLIGHT:
            wish = self._queue.popleft()
            if wish.stand is Stand.QUEUED and wish.due is None:
                self.turn(wish, Turn.DUE, now)

    def tick(self, now: float) -> None:
        """Do what is due."""
        for wish in self.agenda.take(now):
            if wish.stand is Stand.QUEUED:
                self.enqueue(wish)
                continue
            silent = wish.stand is Stand.ASKED and wish.asked > 1 and wish.recycled
            self.turn(wish, Turn.SILENT if silent else Turn.DUE, now)
        self.pump(now)

    def part(self, wish: Wish) -> None:
        """Tell those who wait for it that there is nothing more to tell the server."""
        partings, wish.partings = wish.partings, []
        for parting in partings:
            parting()

    def _move(self, wish: Wish, move: Move, was: Stand, now: float) -> None:
        match move:
            case Move.ENQUEUE:
                self.enqueue(wish)
            case Move.NAME:
                self._name(wish, now)
            case Move.ASK:
                wish.asked = 0
                self._unanswered.add(wish)
                self._subscribe(wish, now)
            case Move.AGAIN:
                self._again(wish, now)
            case Move.FAIL:
                self._fail(wish, now)
            case Move.PAUSE:
                self._pause(wish, now)
            case Move.GO_LIVE | Move.MEET:
                self._go_live(wish)
            case Move.GO_DOWN:
                self._go_down(wish)
            case Move.REFUSE:
                self._refuse(wish, revoked=was is Stand.LIVE)
            case Move.QUIET:
                self.agenda.put(wish, max(now, wish.last_command + QUIET))
            case Move.RENOUNCE:
                self._renounce(wish, now)
            case Move.FORGET:
                self.part(wish)
                self._drop(wish)

    def _name(self, wish: Wish, now: float) -> None:
        if wish.name_source is None:
            self.turn(wish, Turn.NAMED, now)
        else:
            self._ask(Name(wish))

    def _subscribe(self, wish: Wish, now: float) -> None:
        wish.asked += 1
        self._ask(Send(Subscribe(wish.identifier or "")))
        self.agenda.put(wish, now + wish.confirm_timeout)

    def _again(self, wish: Wish, now: float) -> None:
        # Its slot is free for others: what was not answered in time may never be.
        self._unanswered.discard(wish)
        if wish.asked == 1:
            self._subscribe(wish, now)
            return
        # A lost confirmation cannot be had again on this line, for servers do not answer a repeated subscribe.
        for other in self._silent_ones():
            other.recycled = True
        wish.recycled = True
        self._ask(Recycle(LineStale(2 * wish.confirm_timeout, f"no answer to the subscription {wish.label}")))

    def _silent_ones(self) -> list[Wish]:
        return [wish for wish in self.router.wishes.values() if wish.stand is Stand.ASKED and wish.asked > 1]

    def _fail(self, wish: Wish, now: float) -> None:
        error = SubscriptionTimeout(wish.label, 2 * wish.confirm_timeout)
        for handle in list(wish.handles):
            handle.tell(ConfirmationTimedOut(error))
        self._pause(wish, now)
        if wish.silences > 1 and not self._live:
            self._ask(Recycle(LineStale(error.seconds, f"no answer to the subscription {wish.label}")))

    def _pause(self, wish: Wish, now: float) -> None:
        self.agenda.put(wish, now + self._patience.delay(wish.silences, self._random))
        wish.silences += 1

    def _go_live(self, wish: Wish) -> None:
        wish.recycled = False
        wish.silences = 0
        self._live.add(wish)
        transport, protocol = self.carrier or ("", "")
        for handle in list(wish.handles):
            if handle.state is SubscriptionState.SUBSCRIBED:
                continue
            again, handle.ever_confirmed = handle.ever_confirmed, True
            handle.state = SubscriptionState.SUBSCRIBED
            handle.tell(Connected(again, transport, protocol))
        self.router.release_early(wish)

    def _go_down(self, wish: Wish) -> None:
        for handle in list(wish.handles):
            handle.state = SubscriptionState.PENDING
            handle.tell(Disconnected(self.loss))

    def _refuse(self, wish: Wish, *, revoked: bool) -> None:
        self.router.forget(wish)
        for handle in list(wish.handles):
            handle.state = SubscriptionState.REJECTED
            handle.error = SubscriptionRejected(wish.label, revoked=revoked)
            handle.tell(Rejected(wish.label, revoked))

    def _renounce(self, wish: Wish, now: float) -> None:
        self.router.forget(wish)
        self._ask(Send(Unsubscribe(wish.identifier or "")))
        self.agenda.put(wish, now + COOLDOWN)
        self.part(wish)
