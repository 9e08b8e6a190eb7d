"""How a line is handed over to the next: for a fresh token, if the user wants it so, and for a better transport.

A line is handed over in this order: the next one is opened beside it, and asked for every subscription; both are heard
from then on, and what both bring counts once. When all are confirmed, the old one has shown that it lived until then,
what was under way has had the time to arrive, and the last command the time to be run, the old one is closed. Should
any of it fail, the old line goes on, and the token, or the transport, waits for another time.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias

from cableway.engine.beside import Beside, Trailing
from cableway.engine.farewell import quiet
from cableway.errors import CableError, LineStale
from cableway.events import HandedOver
from cableway.policies.classify import as_refusal
from cableway.policies.line import Happening
from cableway.runtime import until_done
from cableway.states import Recovery, State
from cableway.transports.chain import sends

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from cableway.engine.carrier import Carrier
    from cableway.engine.core import Engine

    Way: TypeAlias = Callable[[Carrier], Awaitable[None]]

STRAGGLERS = 0.5
"""Seconds for which the old line is heard after the last confirmation on the new one: what was under way arrives.

A line on which messages wait to be fetched is heard for that much longer: its connection has ``message_latency``."""

LIFE = 60.0
"""Seconds in which the old line has to show that it lives; mostly its monitor is sooner to drop it."""

LOOK = 0.1
"""Seconds between two looks whether it has."""

ROUNDS = 5
"""How often, at most, all of that is done again because somebody has subscribed meanwhile."""

LONGEST_QUIET = 5.0
"""Seconds, at most, that a pause between commands is waited for: some programs never make one."""


class HandOver:
    """Does with a fresh token what the user has chosen, and has a better transport take over; one thing at a time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._task: asyncio.Task[None] | None = None
        self._climbs = False
        self._beside: Beside | None = None

    @property
    def busy(self) -> bool:
        """Whether a line is being handed over, or dialled anew."""
        return self._task is not None

    def token_renewed(self) -> None:
        """A token came that takes the place of the one by which the line was opened."""
        engine = self._engine
        ways = {"reconnect": self._reconnect, "hand_over": self._renew}
        way = ways.get(engine.settings.renewal.on_renewal)
        climb = self._task if self._climbs else None
        if way is None or engine.line.state is not State.CONNECTED or (self.busy and climb is None):
            return
        if climb is not None:
            # A better transport can be tried later.
            climb.cancel()
        self._begin(self._after(climb, way, engine.up), climbs=False)

    def climb(self, rung: int) -> None:
        """Try the better transport *rung* beside the line, and have it take over if it works."""
        if not self.busy:
            self._begin(self._climb(self._engine.up, rung), climbs=True)

    def abandon(self) -> None:
        """The old line is gone, or let go: whatever was to take its place is not needed any more."""
        self._engine.credentials.line_gone()
        if self._task is not None:
            self._task.cancel()

    def pause(self) -> None:
        """A mailbox is full: the second line is not to fill it further."""
        if self._beside is not None:
            self._beside.hold(paused=True)

    def resume(self) -> None:
        """All mailboxes have room."""
        if self._beside is not None:
            self._beside.hold(paused=False)

    def _begin(self, work: Coroutine[Any, Any, None], *, climbs: bool) -> None:
        self._climbs = climbs
        self._task = self._engine.spawn(work, "cableway-hand-over")
        self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if self._task is task:
            self._task = None
            self._engine.rearm()

    async def _after(self, climb: asyncio.Task[None] | None, way: Way, carrier: Carrier) -> None:
        if climb is not None:
            await until_done([climb])
        await way(carrier)

    async def _quiet(self, carrier: Carrier) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_QUIET):
                await quiet(self._engine, carrier)

    async def _reconnect(self, carrier: Carrier) -> None:
        engine = self._engine
        await self._quiet(carrier)
        # From here on it is no hand-over any more: letting the line go must not cancel it.
        self._task = None
        if carrier is engine.carrier and engine.line.state is State.CONNECTED:
            # The fresh token is to be looked at, and whose session is asked back is let in without a look.
            engine.sessions.forget()
            engine.do(engine.line.happen(Happening.UNWANTED, engine.home.now()))

    async def _renew(self, old: Carrier) -> None:
        engine = self._engine
        try:
            await self._hand_over(old, old.rung)
        except CableError as error:
            # The old line is as good as it was.
            engine.credentials.beside_ended(as_refusal(error))

    async def _climb(self, old: Carrier, rung: int) -> None:
        engine, ladder = self._engine, self._engine.dials.ladder
        try:
            await self._hand_over(old, rung)
        except CableError as error:
            engine.credentials.beside_ended(as_refusal(error))
            ladder.probe_failed(rung, error, engine.home.now())
        except asyncio.CancelledError:
            if ladder.at != rung:
                ladder.probe_failed(rung, None, engine.home.now())
            raise

    async def _hand_over(self, old: Carrier, rung: int) -> None:
        engine = self._engine
        beside = self._beside = Beside(engine, old, rung)
        ready = False
        try:
            await engine.dials.open_beside(beside.carrier)
            await beside.until_ready()
            for _ in range(ROUNDS):
                known = len(beside.moved)
                await self._overlap(old)
                # Somebody may have subscribed meanwhile: that, too, is to be heard on both for a while.
                await beside.until_ready()
                if len(beside.moved) <= known:
                    break
            ready = True
        finally:
            self._beside = None
            if not ready:
                beside.end()
        self._task = None
        self._replace(beside, old)
        await self._see_off(old)

    async def _overlap(self, old: Carrier) -> None:
        """Hear both lines until what was under way on the old one has arrived, and it has shown that it lives.

        Raises:
            LineStale: It has not. What it may have failed to bring is then for a new dial to recover.
        """
        confirmed = self._engine.home.now()
        await asyncio.sleep(STRAGGLERS + _latency(old))
        read_since = confirmed
        while old.connection.last_received <= confirmed:
            now = self._engine.home.now()
            if self._engine.hub.router.paused:
                read_since = now
            if now > read_since + LIFE:
                raise LineStale(LIFE, "the line to be replaced showed no sign of life")
            await asyncio.sleep(LOOK)
        await self._quiet(old)

    def _replace(self, beside: Beside, old: Carrier) -> None:
        engine, now = self._engine, self._engine.home.now()
        speech = beside.carrier.speech
        spread = STRAGGLERS + _latency(beside.carrier)
        ahead, late = beside.ahead, beside.late(now - spread)
        known = speech.dialect.extended and not beside.placeless and not late
        event = HandedOver(Recovery.COMPLETE if known else Recovery.UNKNOWN)
        old.retire()
        carrier = engine.carrier = beside.carrier
        carrier.owner, carrier.hub = engine, engine.hub
        if late:
            carrier.hub = Trailing(engine.hub, late, now + spread, lambda: setattr(carrier, "hub", engine.hub))
        engine.credentials.beside_ended(None)
        effects = engine.line.happen(Happening.HANDED_OVER, now)
        rung, transport = beside.carrier.rung, engine.dials.transports[beside.carrier.rung]
        if rung != old.rung:
            engine.dials.ladder.took_over(rung, now)
        engine.overseer.oversight.line_down(now)
        engine.overseer.line_up(beside.facts)
        engine.sessions.welcomed(beside.welcome, extended=speech.dialect.extended)
        engine.hub.speak(speech.codec, speech.dialect, sends=sends(transport))
        engine.hub.handed_over(beside.moved, event, now, line=(transport.name, speech.name), slack=beside.facts.slack)
        for data, raw, at in ahead:
            engine.hub.router.deliver(data, raw, at, now)
        engine.feed.emit(event)
        engine.climbing.stands(rung)
        engine.do(effects)
        engine.settle()

    async def _see_off(self, old: Carrier) -> None:
        engine = self._engine
        try:
            # A program that makes no pause has commands under way on it still.
            await asyncio.sleep(old.quiet_at - engine.home.now())
        finally:
            engine.farewells.say_later(old, engine.settings.write_timeout)


def _latency(carrier: Carrier) -> float:
    """Return the seconds that messages may wait to be fetched by *carrier*."""
    return float(getattr(carrier.connection, "message_latency", 0.0))
