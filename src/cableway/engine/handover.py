"""What follows when a fresh token comes while the line is up: nothing, a new dial, or a line handed over to the next.

A line is handed over in this order: the next one is opened beside it, and asked for every subscription; each that it
confirms is heard there from then on, and on the old one no more; when all are, the old one is closed. Should any of it
fail, the old line goes on, and the token waits for the next dial.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cableway.engine.beside import Beside
from cableway.engine.farewell import quiet
from cableway.errors import CableError
from cableway.events import HandedOver
from cableway.policies.line import Happening
from cableway.states import Recovery, State

if TYPE_CHECKING:
    import asyncio

    from cableway.engine.carrier import Carrier
    from cableway.engine.core import Engine


class HandOver:
    """Does with a fresh token what the user has chosen."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._task: asyncio.Task[None] | None = None

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
        if self._task is not None:
            self._task.cancel()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if self._task is task:
            self._task = None

    async def _reconnect(self, carrier: Carrier) -> None:
        engine = self._engine
        await quiet(engine, carrier)
        # From here on it is no hand-over any more: letting the line go must not cancel it.
        self._task = None
        if carrier is engine.carrier and engine.line.state is State.CONNECTED:
            engine.do(engine.line.happen(Happening.UNWANTED, engine.home.now()))

    async def _hand_over(self, old: Carrier) -> None:
        engine = self._engine
        beside = Beside(engine, old)
        try:
            await engine.dials.open_beside(beside.carrier)
            await beside.until_ready()
            await quiet(engine, old)
            if beside.ready and old is engine.carrier and engine.line.state is State.CONNECTED:
                self._task = None
                self._replace(beside, old)
        except CableError:
            # The old line is as good as it was.
            return
        finally:
            beside.end()

    def _replace(self, beside: Beside, old: Carrier) -> None:
        engine, now = self._engine, self._engine.home.now()
        event = HandedOver(Recovery.UNKNOWN)
        engine.carrier = beside.take_over()
        effects = engine.line.happen(Happening.HANDED_OVER, now)
        engine.overseer.oversight.line_down(now)
        engine.overseer.line_up(beside.facts)
        engine.hub.handed_over(beside.moved, event, now)
        engine.farewells.say_later(old, engine.settings.write_timeout)
        engine.feed.emit(event)
        engine.do(effects)
        engine.settle()
