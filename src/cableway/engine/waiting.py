"""Those who wait for a change of the cable's state, and how long each of them may."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from attrs import define

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from cableway.runtime import Home


@define(eq=False)
class Allowance:
    """A time limit that can be stopped, as a chess clock is."""

    limit: asyncio.Timeout
    _left: float | None = None

    def stop(self, now: float) -> None:
        """Let no time pass, until :meth:`go`."""
        when = self.limit.when()
        if when is not None and not self.limit.expired():
            self._left = when - now
            self.limit.reschedule(None)

    def go(self, now: float) -> None:
        """Let the time run on."""
        if self._left is not None and not self.limit.expired():
            self.limit.reschedule(now + self._left)
        self._left = None


class Waiting:
    """Wakes those who wait, and stops their clocks while a dial stands at the gate."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._waiters: set[asyncio.Future[None]] = set()
        self._allowances: set[Allowance] = set()
        self._stopped = False

    @property
    def empty(self) -> bool:
        """Whether nobody waits."""
        return not self._waiters and not self._allowances

    async def change(self) -> None:
        """Wait for the next change of the cable's state. Cancelling it has no effect but that."""
        waiter = self._home.loop.create_future()
        self._waiters.add(waiter)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)

    def notify(self) -> None:
        """Something has changed."""
        for waiter in [waiter for waiter in self._waiters if not waiter.done()]:
            waiter.set_result(None)

    @contextmanager
    def allow(self, limit: asyncio.Timeout) -> Iterator[None]:
        """Have the clock of *limit* stopped while a dial stands at the gate."""
        allowance = Allowance(limit)
        self._allowances.add(allowance)
        if self._stopped:
            allowance.stop(self._home.now())
        try:
            yield
        finally:
            self._allowances.discard(allowance)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Stop the clocks of all who wait."""
        self._stopped = True
        for allowance in self._allowances:
            allowance.stop(self._home.now())
        try:
            yield
        finally:
            self._stopped = False
            for allowance in self._allowances:
                allowance.go(self._home.now())
