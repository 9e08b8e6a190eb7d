"""A server as Rails and AnyCable are, as far as a tracker can tell, with a ledger of what it was told and when."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from attrs import frozen

from tracker.air import Downlink
from tracker.day import DEADLINE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterable
    from random import Random

    from cableway import MemoryServer
    from tracker.air import Air, AirTransport
    from tracker.day import Report

BEAT = 3.0
WORK = 0.005
"""Seconds until a worker begins to run a command. If the line closes before, the command is dropped, as Rails does."""


@frozen
class Delivery:
    """What became of a day's reports."""

    reports: int
    in_time: int
    late: int
    lost: int
    twice: int
    slowest: float
    """Seconds from the moment of the report that took longest."""


class Ledger:
    """What the server was told, and when."""

    def __init__(self) -> None:
        self._heard: dict[int, float] = {}
        self._twice = 0

    def note(self, numbers: Iterable[int], at: float) -> None:
        """Enter the reports with these numbers."""
        for number in numbers:
            if number in self._heard:
                self._twice += 1
            else:
                self._heard[number] = at

    def settle(self, reports: Iterable[Report]) -> Delivery:
        """Compare what was heard with what there was to tell."""
        wanted = list(reports)
        delays = [self._heard[report.number] - report.at for report in wanted if report.number in self._heard]
        in_time = sum(delay <= DEADLINE for delay in delays)
        return Delivery(
            reports=len(wanted),
            in_time=in_time,
            late=len(delays) - in_time,
            lost=len(wanted) - len(delays),
            twice=self._twice,
            slowest=max(delays, default=0.0),
        )


class Server:
    """Welcomes, beats, confirms subscriptions and runs commands, one line after another."""

    def __init__(self, air: Air, transport: AirTransport, ledger: Ledger, random: Random) -> None:
        self._air = air
        self._transport = transport
        self._ledger = ledger
        self._random = random
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Take dials until the block is left."""
        self._start(self._serve())
        try:
            yield
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self) -> None:
        while True:
            line = await self._transport.memory.accept()
            down = Downlink(self._air, line.send)
            down.send(_frame({"type": "welcome"}))
            self._start(self._beat(line, down))
            self._start(self._talk(line, down))

    async def _beat(self, line: MemoryServer, down: Downlink) -> None:
        asked = parse_qs(urlsplit(line.request.url).query).get("pi")
        beat = float(asked[0]) if asked else BEAT
        # Beats are those of the server, not of the line: the first comes at any time.
        await asyncio.sleep(self._random.uniform(0, beat))
        while not line.over.is_set():
            down.send(_frame({"type": "ping", "message": int(asyncio.get_running_loop().time())}))
            with suppress(TimeoutError):
                async with asyncio.timeout(beat):
                    await line.over.wait()

    async def _talk(self, line: MemoryServer, down: Downlink) -> None:
        while True:
            command = await line.receive()
            await asyncio.sleep(WORK)
            if line.over.is_set():
                return
            self._run(command, down)

    def _run(self, command: dict[str, Any], down: Downlink) -> None:
        if command["command"] == "subscribe":
            down.send(_frame({"identifier": command["identifier"], "type": "confirm_subscription"}))
        elif command["command"] == "message":
            told = json.loads(command["data"])["reports"]
            self._ledger.note((entry[0] for entry in told), asyncio.get_running_loop().time())


def _frame(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()
