"""The way in: upgrades stand in a queue, are called one by one, and cost nothing once their clients are gone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cableway.gateway.admission import Admission, Answer, Ticket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cableway.gateway.stats import Counters

SWEEP_EVERY = 0.05
"""Seconds between two looks at a whole full queue, so that a crowd before the door does not pay one each."""


class Entrance:
    """Tells each upgrade when to enter, or that it must not."""

    def __init__(self, admission: Admission, counters: Counters) -> None:
        self._admission = admission
        self._counters = counters
        self._calls: dict[Ticket, asyncio.Future[Answer]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._sweep_at = 0.0
        self._closed = False

    @property
    def waiting(self) -> int:
        """How many stand in the queue whose clients are still there."""
        return sum(ticket.is_alive() for ticket in self._admission.waiting)

    async def turn(self, is_alive: Callable[[], bool]) -> Answer:
        """Wait for the upgrade's turn: ``ENTER``, ``LATER``, or ``GONE`` where *is_alive* says no by then.

        Cancelled, the upgrade has left the queue.
        """
        # Where requests are served in the round of the loop that read them, a goodbye right behind is not read yet.
        await asyncio.sleep(0)
        answer = await self._called(is_alive) if is_alive() else Answer.GONE
        # Gone in the very round in which it was called, or sent away by a gateway that cut its line.
        if answer is Answer.GONE or not is_alive():
            self._counters["skipped_dead"] += 1
            return Answer.GONE
        return answer

    async def _called(self, is_alive: Callable[[], bool]) -> Answer:
        call: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        ticket = Ticket(lambda: not call.done() and is_alive())
        answer = Answer.LATER if self._closed else self._ask(ticket)
        if answer is not Answer.WAIT:
            return answer
        self._calls[ticket] = call
        self._arm()
        try:
            return await call
        finally:
            del self._calls[ticket]

    def come_back_in(self) -> int:
        """Promise a place to somebody who is refused, and return in how many whole seconds it comes."""
        self._counters["refused_for_load"] += 1
        return self._admission.come_back_in(asyncio.get_running_loop().time())

    def close(self) -> None:
        """Send all away who wait, and all who come."""
        self._closed = True
        self._disarm()
        self._call(self._admission.send_away())

    def _ask(self, ticket: Ticket) -> Answer:
        now = asyncio.get_running_loop().time()
        answer = self._admission.ask(ticket, now)
        if answer is Answer.LATER and now >= self._sweep_at:
            self._sweep_at = now + SWEEP_EVERY
            self._call(self._admission.sweep())
            answer = self._admission.ask(ticket, now)
        return answer

    def _next(self) -> None:
        self._timer = None
        self._call(self._admission.due(asyncio.get_running_loop().time()))
        self._arm()

    def _call(self, called: Iterable[tuple[Ticket, Answer]]) -> None:
        for ticket, answer in called:
            call = self._calls.get(ticket)
            if call is not None and not call.done():
                call.set_result(answer)

    def _arm(self) -> None:
        if self._timer is not None:
            return
        loop = asyncio.get_running_loop()
        at = self._admission.next_turn(loop.time())
        if at is not None:
            self._timer = loop.call_at(at, self._next)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
