"""What follows when a fresh token comes while the line is up: nothing, a new dial, or a line handed over to the next.

A line is handed over in this order: the next one is opened beside it, and asked for every subscription; both are heard
from then on, and what both bring counts once. When all are confirmed, what was under way has had the time to arrive,
and the last command the time to be run, the old one is closed. Should any of it fail, the old line goes on, and the
token waits for the next dial.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from cableway.engine.beside import Beside
from cableway.engine.farewell import quiet
from cableway.errors import CableError
from cableway.events import HandedOver
from cableway.policies.classify import as_refusal
from cableway.policies.line import Happening
from cableway.states import Recovery, State

if TYPE_CHECKING:
    from cableway.engine.carrier import Carrier
    from cableway.engine.core import Engine

STRAGGLERS = 0.5
"""Seconds for which the old line is heard after the last confirmation on the new one: what was under way arrives."""

LONGEST_QUIET = 5.0
"""Seconds, at most, that a pause between commands is waited for: some programs never make one."""


class HandOver:
    """Does with a fresh token what the user has chosen."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._task: asyncio.Task[None] | None = None
        self._beside: Beside | None = None

    def token_renewed(self) -> None:
        """A token came that takes the place of the one by which the line was opened."""
        engine = self._engine
        if engine.line.state is not State.CONNECTED or self._task is not None:
            return
        ways = {"reconnect": self._reconnect, "hand_over": self._hand_over}
        way = ways.get(engine.settings.renewal.on_renewal)
        if way is not None:
            self._task = engine.spawn(way(engine.up), "cableway-hand-over")
            self._task.add_done_callback(self._ended)

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

    def _ended(self, task: asyncio.Task[None]) -> None:
        if self._task is task:
            self._task = None

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

    async def _hand_over(self, old: Carrier) -> None:
        engine = self._engine
        beside = self._beside = Beside(engine, old)
        ready = False
        try:
            await engine.dials.open_beside(beside.carrier)
            await beside.until_ready()
            await asyncio.sleep(STRAGGLERS)
            await self._quiet(old)
            # Somebody may have subscribed meanwhile.
            await beside.until_ready()
            ready = True
        except CableError as error:
            # The old line is as good as it was.
            engine.credentials.beside_ended(as_refusal(error))
        finally:
            self._beside = None
            if not ready:
                beside.end()
        if ready:
            self._task = None
            self._replace(beside, old)
            await self._see_off(old)

    def _replace(self, beside: Beside, old: Carrier) -> None:
        engine, now = self._engine, self._engine.home.now()
        speech = beside.carrier.speech
        known = speech.dialect.extended and not beside.placeless
        event = HandedOver(Recovery.COMPLETE if known else Recovery.UNKNOWN)
        ahead = beside.ahead
        old.retire()
        engine.carrier = beside.carrier
        beside.carrier.owner, beside.carrier.hub = engine, engine.hub
        engine.credentials.beside_ended(None)
        effects = engine.line.happen(Happening.HANDED_OVER, now)
        engine.overseer.oversight.line_down(now)
        engine.overseer.line_up(beside.facts)
        engine.sessions.welcomed(beside.welcome, extended=speech.dialect.extended)
        engine.hub.speak(speech.codec, speech.dialect)
        engine.hub.handed_over(beside.moved, event, now)
        for data, raw, at in ahead:
            engine.hub.router.deliver(data, raw, at, now)
        engine.feed.emit(event)
        engine.do(effects)
        engine.settle()

    async def _see_off(self, old: Carrier) -> None:
        engine = self._engine
        try:
            # A program that makes no pause has commands under way on it still.
            await asyncio.sleep(old.quiet_at - engine.home.now())
        finally:
            engine.farewells.say_later(old, engine.settings.write_timeout)
