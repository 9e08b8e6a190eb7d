"""Goodbyes: a line that is let go is closed well while the cable goes on without it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from cableway.runtime import until_done

if TYPE_CHECKING:
    from collections.abc import Callable

    from cableway.engine.carrier import Carrier
    from cableway.engine.core import Engine
    from cableway.runtime import Home

ANSWER = 1.0
"""Seconds that the server has to answer our goodbye."""

SHORTEST = 0.001
"""Seconds of a pause, at least."""


class Farewells:
    """The lines that are being closed."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._pending: set[asyncio.Future[None]] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def pending(self) -> bool:
        """Whether a line is still being closed."""
        return bool(self._pending or self._tasks)

    async def say(self, carrier: Carrier, timeout: float) -> None:
        """Close a line, and wait at most *timeout* seconds for the answer. Cancelled, the line is dropped."""
        self._pending.add(goodbye := self._home.loop.create_future())
        try:
            # A transport of the user's own may raise anything: the line is dropped all the same.
            with suppress(Exception):
                # The server is to take the commands first that it has not taken.
                await carrier.close(timeout if carrier.untaken else min(timeout, ANSWER))
        finally:
            carrier.drop()
            self._pending.discard(goodbye)
            goodbye.set_result(None)

    def say_later(self, carrier: Carrier, write_timeout: float, then: Callable[[], None] = lambda: None) -> None:
        """Close a line in the background, once the network has taken what was written; *then* is called at the end."""
        carrier.retire()
        task = self._home.loop.create_task(self._see_off(carrier, write_timeout), name="cableway-farewell")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # A task that is cancelled before its first step does not even begin.
        task.add_done_callback(lambda _: carrier.drop())
        task.add_done_callback(lambda _: then())

    async def _see_off(self, carrier: Carrier, write_timeout: float) -> None:
        if carrier.precedence is not None:
            await carrier.precedence.over()
        with suppress(TimeoutError):
            async with asyncio.timeout(write_timeout):
                await carrier.connection.drain()
        # Commands that were just written have not had the time to be run; a line that is closed may lose them.
        await asyncio.sleep(carrier.quiet_at - self._home.now())
        await self.say(carrier, write_timeout + 2 * carrier.command_latency)

    async def over(self, limit: float) -> None:
        """Wait until all lines are closed, for at most *limit* seconds. Cancelling it has no effect but that."""
        await until_done([*self._pending, *self._tasks], limit)

    async def cut_short(self) -> None:
        """Drop what is being closed in the background."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await until_done(tasks)


async def quiet(engine: Engine, carrier: Carrier) -> None:
    """Wait until the last command on *carrier* has had the time to be run, or the line is another one."""
    while carrier is engine.carrier and (rest := carrier.quiet_at - engine.home.now()) > 0:  # noqa: ASYNC110 - it is time
        # A timer may be early by what the clock cannot tell apart.
        await asyncio.sleep(max(rest, SHORTEST))
