"""The programs of the real storm: a gateway that notes whom it lets in, and lines that note what happens to them.

Each writes a JSON object a line to its standard output, and a report for each line that it reads.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import time
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from cableway import Cable, Connected, Connecting, Disconnected, HandshakeRefused
from cableway.gateway import Connection, Gateway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LOOK_EVERY = 0.02


def tell(**facts: Any) -> None:
    """Tell the parent."""
    print(json.dumps(facts), flush=True)


async def asked() -> AsyncIterator[str]:
    """Read what the parent asks for, until it is gone."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield line.decode().strip()


async def run_gateway(port: int, rate: int) -> None:
    """Serve until SIGTERM, drop all lines on SIGUSR1, and tell the counters when asked."""
    stopped, dropped = asyncio.Event(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, dropped.set)
    accepted: list[float] = []

    class Noting(Connection):
        async def connect(self) -> None:
            accepted.append(time.monotonic())

    gateway = Gateway(connection=Noting, port=port, accept_rate=rate)

    async def answer() -> None:
        async for _ in asked():
            tell(accepted=accepted, dead=gateway.stats().skipped_dead)

    async def drop() -> None:
        await dropped.wait()
        gateway.kill()
        await gateway.start()
        tell(port=gateway.port, at=time.monotonic())

    async with gateway:
        tell(port=gateway.port, at=time.monotonic())
        tasks = [asyncio.create_task(work()) for work in (answer, drop)]
        await stopped.wait()
        for task in tasks:
            task.cancel()


class Lines:
    """Many lines, and a diary of what happened to them."""

    def __init__(self, url: str, count: int) -> None:
        self.cables: list[Cable] = [Cable(url, dial_gate=None) for _ in range(count)]
        self.diary: list[tuple[int, str, float]] = []
        self.up: set[int] = set()
        self.lost = 0
        for number, cable in enumerate(self.cables):
            cable.on(Connecting, partial(self._dials, number))
            cable.on(Connected, partial(self._comes, number))
            cable.on(Disconnected, partial(self._goes, number))

    async def open(self, pace: float, stack: AsyncExitStack) -> None:
        """Open *pace* lines a second."""
        begin = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number, cable in enumerate(self.cables):
                await asyncio.sleep(begin + number / pace - time.monotonic())
                group.create_task(stack.enter_async_context(cable))

    def _note(self, number: int, what: str) -> None:
        self.diary.append((number, what, time.monotonic()))

    def _dials(self, number: int, _event: Connecting) -> None:
        self._note(number, "dial")

    def _comes(self, number: int, _event: Connected) -> None:
        self.up.add(number)
        self._note(number, "up")

    def _goes(self, number: int, event: Disconnected) -> None:
        if number in self.up:
            self.up.discard(number)
            self.lost += 1
            self._note(number, "lost")
        else:
            self._note(number, "refused" if isinstance(event.error, HandshakeRefused) else "failed")


async def run_lines(url: str, count: int, pace: float) -> None:
    """Keep the lines open, tell how many are up, and all that happened when asked."""
    lines = Lines(url, count)

    async def look() -> None:
        told = None
        while True:
            now = {"up": len(lines.up), "lost": lines.lost}
            if now != told:
                tell(**now)
                told = now
            await asyncio.sleep(LOOK_EVERY)

    async with AsyncExitStack() as stack:
        looking = asyncio.create_task(look())
        await lines.open(pace, stack)
        async for _ in asked():
            looking.cancel()
            tell(diary=lines.diary)
        looking.cancel()


def main() -> None:
    """Run one of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    programs = parser.add_subparsers(dest="program", required=True)
    gateway = programs.add_parser("gateway")
    gateway.add_argument("--port", type=int, default=0)
    gateway.add_argument("--rate", type=int, required=True)
    lines = programs.add_parser("lines")
    lines.add_argument("--url", required=True)
    lines.add_argument("--lines", type=int, required=True)
    lines.add_argument("--pace", type=float, required=True)
    given = parser.parse_args()
    if given.program == "gateway":
        asyncio.run(run_gateway(given.port, given.rate))
    else:
        asyncio.run(run_lines(given.url, given.lines, given.pace))


if __name__ == "__main__":
    main()
