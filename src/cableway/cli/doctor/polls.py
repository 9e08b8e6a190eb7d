"""What is particular to long polling: round trips, and for how long the server holds a poll."""

from __future__ import annotations

import asyncio
from statistics import median
from typing import TYPE_CHECKING, Final

from attrs import frozen

from cableway.cli.doctor.findings import Step
from cableway.cli.doctor.listener import Answered
from cableway.cli.doctor.symptoms import Symptom
from cableway.cli.doctor.trial import Shown, Trial
from cableway.transports.polling import Pace
from cableway.wire.commands import Probe

if TYPE_CHECKING:
    from cableway.cli.doctor.listener import Listener
    from cableway.engine.speech import Speech
    from cableway.transports.base import Connection

PACE: Final = Pace(reaction=0.2)
"""A question goes with the next poll only if it is asked before that one goes."""

ROUNDS: Final = 3
"""Polls with a question: behind a balancer that is not sticky, one alone may find its session by luck."""

LONGEST_HOLD: Final = 15.0
"""Seconds for which a server that does not answer the question may hold the poll with it."""

AT_ONCE: Final = 0.5
"""Seconds within which an answer to a poll that only waits is one given at once."""


@frozen
class Polls:
    """The steps of a line by long polling, after its welcome."""

    trial: Trial
    connection: Connection
    speech: Speech
    listener: Listener

    async def run(self) -> None:
        """Try them."""
        limit = LONGEST_HOLD + self.trial.timeout
        if await self.trial.step(Step.POLL, self._rounds(), limit=limit, late="a poll was not answered"):
            await self.trial.step(Step.HOLD, self._hold(), limit=self.trial.timeout + AT_ONCE)

    async def _rounds(self) -> Shown:
        trips = [await self._ask() for _ in range(ROUNDS)]
        return Shown(
            f"{ROUNDS} questions answered", {"round_trips": [round(one, 6) for one in trips]}, None, median(trips)
        )

    async def _ask(self) -> float:
        """Ask the server for a sign of life, in a poll of its own; return the seconds that its answer took."""
        loop = asyncio.get_running_loop()
        asked = loop.time()
        self.connection.send(self.speech.codec.encode(self.speech.dialect.compose(Probe())))
        await self._answer()
        return loop.time() - asked

    async def _answer(self) -> None:
        """Wait for the end of the next answer, whatever is in it."""
        while not isinstance(await self.listener.next(), Answered):
            pass

    async def _hold(self) -> Shown:
        """Find out for how long a poll is held that has nothing to ask."""
        loop, timeout = asyncio.get_running_loop(), self.trial.timeout
        began = loop.time()
        try:
            async with asyncio.timeout(timeout):
                await self._answer()
        except TimeoutError:
            return Shown(f"held for {timeout:g} s and more", {"held": None, "longer_than": timeout})
        held = max(0.0, loop.time() - began - PACE.reaction)
        told = f"held for {held:.1f} s" if held > AT_ONCE else "answered at once, with nothing to say"
        return Shown(told, {"held": round(held, 3)}, None if held > AT_ONCE else Symptom.NOT_HELD)
