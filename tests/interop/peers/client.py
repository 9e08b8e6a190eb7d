"""A client of ours in a process of its own, so that a test can suspend it as an operating system does.

Run as a program it tells what happens as JSON lines; :class:`Client` starts it for a test.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import TYPE_CHECKING, Any

from cableway import Cable, Connected, Disconnected, PersistentMonitor
from tests.interop.peers.process import Server

if TYPE_CHECKING:
    from pathlib import Path


class Client:
    """A cable with one subscription."""

    def __init__(self, url: str, channel: str, params: dict[str, Any], folder: Path) -> None:
        command = [sys.executable, "-m", "tests.interop.peers.client", url, channel, json.dumps(params)]
        self.process = Server(command, log=folder / "client.log")

    def start(self) -> None:
        """Start it, and wait for the confirmation."""
        self.process.start(lambda: bool(self.told("subscribed")))

    def told(self, event: str) -> list[dict[str, Any]]:
        """Tell each *event* so far: ``subscribed``, ``received``, ``disconnected`` or ``beat``."""
        # Its last line may not be whole yet.
        lines = self.process.logged().split("\n")[:-1]
        return [told for line in lines if (told := json.loads(line))["event"] == event]


def _say(event: str, **more: object) -> None:
    print(json.dumps({"event": event, "at": time.monotonic(), **more}), flush=True)  # noqa: T201 - the test reads it


class _Telling(PersistentMonitor):
    def pinged(self, now: float) -> None:
        super().pinged(now)
        _say("beat", learned=self.beat)


async def _run(url: str, channel: str, params: dict[str, Any]) -> None:
    cable = Cable(url, monitor=_Telling())
    cable.on(Disconnected, lambda event: _say("disconnected", error=str(event.error)))
    async with cable:
        subscription = cable.subscribe(channel, params)
        subscription.on(Connected, lambda event: _say("subscribed", again=event.reconnected))
        async with subscription:
            async for message in subscription:
                _say("received", data=message.data)


if __name__ == "__main__":
    asyncio.run(_run(sys.argv[1], sys.argv[2], json.loads(sys.argv[3])))
