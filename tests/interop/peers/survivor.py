"""A client of ours in a process that is killed time and again, and writes down each number that it handled.

Run as a program it goes on until it is killed; :class:`Survivor` starts it for a test.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING, Literal, cast

from cableway import Cable, Recovered, SQLitePositions, SubscriptionOptions
from tests.interop.peers.process import Server

if TYPE_CHECKING:
    from pathlib import Path

    from cableway import Message

Commit = Literal["receipt", "ack"]


class Survivor:
    """A cable with one subscription, whose positions are on disk."""

    def __init__(self, url: str, stream: str, commit: Commit, folder: Path) -> None:
        self.handled_path = folder / "handled.txt"
        positions = str(folder / "positions.db")
        command = [sys.executable, "-m", "tests.interop.peers.survivor"]
        self.process = Server(
            [*command, url, stream, commit, positions, str(self.handled_path)], log=folder / "survivor.log"
        )

    def start(self) -> None:
        """Start it, and wait until it is subscribed."""
        since = len(self.process.logged())
        self.process.start(lambda: "subscribed\n" in self.process.logged(since))

    def lives(self) -> list[list[int]]:
        """Return what each of its lives has handled, in order."""
        text = self.handled_path.read_text() if self.handled_path.exists() else ""
        return [[int(line) for line in life.split()] for life in text.split("born\n")[1:]]

    def recoveries(self) -> list[str]:
        """Return what each of its lives was told of what it had missed."""
        return [line for line in self.process.logged().splitlines() if line.startswith("recovered ")]


async def _run(url: str, stream: str, commit: Commit, positions: str, handled: str) -> None:
    file = os.open(handled, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(file, b"born\n")

    def handle(message: Message[object]) -> None:
        # One write, so that a kill leaves all of it or nothing.
        os.write(file, b"%d\n" % cast("int", message.data))

    async with Cable(url, positions=SQLitePositions(positions)) as cable:
        subscription = cable.stream(stream, options=SubscriptionOptions(commit=commit))
        subscription.on(Recovered, lambda event: _say(f"recovered {event.recovery.value} {event.reason}"))
        async with subscription:
            _say("subscribed")
            async for message in subscription:
                handle(message)
                if commit == "ack":
                    await message.ack()


def _say(what: str) -> None:
    print(what, flush=True)  # noqa: T201 - the test reads it


if __name__ == "__main__":
    asyncio.run(_run(sys.argv[1], sys.argv[2], cast("Commit", sys.argv[3]), sys.argv[4], sys.argv[5]))
