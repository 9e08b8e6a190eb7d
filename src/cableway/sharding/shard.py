"""One server of several: its cable, opened once somebody needs it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeAlias

from cableway.errors import CableError, ConnectTimeout
from cableway.runtime import until_done
from cableway.states import State
from cableway.types import MaybeAwaitable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cableway.cable import Cable
    from cableway.sharding.legs import Legs
    from cableway.subscription import Subscription

Address: TypeAlias = str | Sequence[str] | Callable[[], MaybeAwaitable[str]]

AT_ONCE = 16
"""Subscriptions that may wait for a shard's confirmation at once when they move there: each has its own time limit, and
a server that is slow for a crowd is not silent."""


class Shard:
    """A server's name, the cable to it, and what is on it."""

    def __init__(self, name: str, url: Address, cable: Cable, on_empty: Callable[[Shard], None]) -> None:
        self.name: str = name
        self.url: Address = url
        self.cable: Cable = cable
        self.legs: dict[Subscription[Any], Legs[Any]] = {}
        """The subscriptions that the server has, or is to have, and whose they are."""
        self.is_open: bool = False
        """Whether the sharded cable is open, so that the line may be brought up."""
        self.wake_timeout: float | None = None
        """Longest wait, in seconds, for a line that a command has woken."""
        self.draining: bool = False
        self.turns: asyncio.Semaphore = asyncio.Semaphore(AT_ONCE)
        """Taken by those who move here, until they are confirmed."""
        self.closing: asyncio.Task[None] | None = None
        """Takes the line of a drained shard down."""
        self._on_empty = on_empty
        self._opening: asyncio.Task[None] | None = None

    def launch(self) -> None:
        """Let the line be brought up when it is needed."""
        if not self.is_open:
            self.is_open = True
            # It may be another event loop than last time.
            self.turns = asyncio.Semaphore(AT_ONCE)

    def join(self, leg: Subscription[Any], legs: Legs[Any]) -> None:
        """Take a subscription, and bring the line up for it if need be."""
        self.legs[leg] = legs
        self.need()

    def release(self, leg: Subscription[Any]) -> None:
        """A subscription is gone from here. The last one on a shard that is drained takes the line with it."""
        self.legs.pop(leg, None)
        self.tidy()

    def tidy(self) -> None:
        """Have a drained shard taken down if nothing is on it."""
        if self.draining and not self.legs:
            self._on_empty(self)

    def need(self, *, again: bool = False) -> None:
        """Begin to bring the line up, where that is not done; *again*: also where a final failure has ended it."""
        if not self.is_open or (self._opening is not None and not self._opening.done()):
            return
        ended = self.cable.state is State.CLOSED and (again or self.cable.error is None)
        if self.cable.state is State.IDLE or ended:
            self._opening = asyncio.get_running_loop().create_task(self._open(), name=f"cableway-shard-{self.name}")

    async def _open(self) -> None:
        # A final failure is told by the cable's event, and raised where its subscriptions are used.
        with suppress(CableError):
            await self.cable.open()

    async def begun(self) -> None:
        """Let the opening that :meth:`need` has begun take its first step: before it, the cable counts as not open."""
        opening = self._opening
        if opening is not None and not opening.done() and self.cable.state in (State.IDLE, State.CLOSED):
            await asyncio.sleep(0)

    @property
    def is_dormant(self) -> bool:
        """Whether the cable is open and deliberately has no line."""
        return self.cable.state is State.DORMANT

    @asynccontextmanager
    async def awake(self, reason: str) -> AsyncIterator[None]:
        """Have a dormant line up inside of the block; another one is as it is."""
        await self.begun()
        if self.is_dormant:
            async with self.cable.awake(reason):
                yield
        else:
            yield

    def no_line(self, seconds: float | None) -> ConnectTimeout:
        """Return the error that tells that the line did not come up within *seconds*."""
        where = self.url if isinstance(self.url, str) else self.name
        return ConnectTimeout(where, seconds or 0, f"the shard {self.name!r} had no line", self.cable.error)

    async def close(self, *, flush: bool = True, timeout: float = 5.0) -> None:
        """Take the line down."""
        self.is_open = False
        opening, self._opening = self._opening, None
        if opening is not None and not opening.done():
            opening.cancel()
            await until_done([opening])
        if self.cable.state is not State.IDLE:
            await self.cable.close(flush, timeout)
