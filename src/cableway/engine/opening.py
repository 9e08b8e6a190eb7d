"""Opening a cable, and waiting for its line."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cableway.engine.sending import NOT_OPEN
from cableway.errors import CableError, ConnectTimeout, NotConnected
from cableway.events import Dormant
from cableway.policies.line import Happening
from cableway.states import State

if TYPE_CHECKING:
    from cableway.engine.core import Engine

_AT_REST = (State.IDLE, State.CLOSED)


class Opening:
    """The calls that open one cable."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._openers = 0
        # Whether an open() has succeeded since the cable was last at rest.
        self._claimed = False

    @property
    def idle(self) -> bool:
        """Whether no call is under way."""
        return self._openers == 0

    async def open(self) -> None:
        """Bring the line up; see ``Cable.open``."""
        engine = self._engine
        engine.enter()
        if engine.line.state in _AT_REST:
            self._claimed = False
            engine.overseer.start()
            engine.credentials.start()
            engine.hub.set_open(is_open=True)
            engine.hub.freshness.begin(engine.hub.wishes, engine.home.now())
        engine.overseer.oversight.ask_anew()
        if engine.line.state is State.DISCONNECTED and engine.settings.gate is not None:
            # The gate is asked before each dial, before this one too.
            engine.line.skip_wait(engine.home.now())
            engine.do([])
        else:
            engine.do(engine.line.happen(Happening.OPEN, engine.home.now()))
        if engine.line.state is State.DORMANT:
            engine.feed.emit(Dormant())
        if engine.overseer.patient:
            self._claimed = True
        else:
            await self._claim()

    async def _claim(self) -> None:
        self._openers += 1
        try:
            await self.until_up()
            self._claimed = True
        except BaseException as error:
            # A line that another call has opened, or still waits for, is not this caller's to take down.
            if self._openers == 1 and not self._claimed:
                await self._engine.give_up(error if isinstance(error, CableError) else None)
            raise
        finally:
            self._openers -= 1

    def check(self) -> None:
        """Make sure that the cable is open.

        Raises:
            NotConnected: It was never opened.
            CableError: It is closed, or ended with this failure.
        """
        engine = self._engine
        engine.enter()
        if engine.line.state is State.IDLE:
            raise NotConnected(State.IDLE.value, NOT_OPEN)
        if engine.line.state is State.CLOSED:
            raise engine.closed_error

    async def until_up(self) -> None:
        """Wait for the line, at most ``open_timeout``; time at the dial gate does not count. Cancelling it is safe.

        Raises:
            ConnectTimeout: It did not come up in time.
            CableError: The cable is closed, or ended with this failure meanwhile.
        """
        engine = self._engine
        timeout = engine.settings.open_timeout
        limit = asyncio.timeout(timeout)
        try:
            async with limit:
                with engine.waiting.allow(limit):
                    while engine.line.state is not State.CONNECTED:
                        if engine.line.state in _AT_REST:
                            raise engine.closed_error
                        await engine.waiting.change()
        except TimeoutError:
            if not limit.expired():
                raise
            raise self.too_late(timeout or 0.0) from engine.line.error

    def too_late(self, timeout: float, what: str | None = None) -> ConnectTimeout:
        """Return what to raise where the line, or *what* is said instead, did not come in time."""
        engine = self._engine
        why = engine.overseer.held_back
        if not why and not engine.overseer.oversight.wanted:
            why = " (the monitor wants none now; its dials_at_once tells whether open() waits)"
        what = what or f"no line came up{why}"
        return ConnectTimeout(engine.dials.dialer.address, timeout, what, engine.line.error)
