"""A TCP relay in front of a server, in a process of its own, that tells when lines come and go.

Run as a program it is the relay itself; :class:`Relay` starts it for a test. It cuts no corners for the server: to a
client, a relay that was killed looks as a killed server does.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING

from tests.interop.peers.process import Server, free_port

if TYPE_CHECKING:
    from pathlib import Path

HOST = "127.0.0.1"


class Relay:
    """Listens on a port of its own, and passes everything on to *target*."""

    def __init__(self, target: int, folder: Path) -> None:
        self.port = free_port()
        self.url = f"ws://{HOST}:{self.port}/cable"
        command = [sys.executable, "-m", "tests.interop.peers.relay", str(self.port), str(target)]
        self._server = Server(command, log=folder / f"relay-{self.port}.log")

    def start(self) -> None:
        """Start it, and wait until it listens."""
        since = len(self._server.logged())
        self._server.start(lambda: "listening\n" in self._server.logged(since))

    def kill(self) -> None:
        """End it with SIGKILL, and with it all lines."""
        self._server.kill()

    def cut(self) -> None:
        """Cut all lines that there are now; it goes on to listen."""
        assert self._server.process is not None
        self._server.process.send_signal(signal.SIGUSR1)

    def accepts(self) -> list[float]:
        """Tell when each line was accepted, on the machine's monotonic clock, in order."""
        return [at for what, at in self._events() if what == "accepted"]

    def most_at_once(self) -> int:
        """Tell how many lines there were at once, at most."""
        most = now = 0
        for what, _ in self._events():
            now += 1 if what == "accepted" else -1
            most = max(most, now)
        return most

    def open_lines(self) -> int:
        """Tell how many lines there are."""
        return sum(1 if what == "accepted" else -1 for what, _ in self._events())

    def _events(self) -> list[tuple[str, float]]:
        lines = [line.split() for line in self._server.logged().splitlines()]
        return [(words[0], float(words[1])) for words in lines if len(words) == 2]


def excess(times: list[float], *, rate: float, burst: int) -> float:
    """Tell by how much *times* exceed ``burst + rate * t`` in the window where they do most; negative: never.

    It is enough to look at windows that begin and end with one of them.
    """
    worst = fewest = float("-inf")
    for number, at in enumerate(sorted(times)):
        # Events in the window that began with an earlier one: number - earlier + 1, in at - earlier_at seconds.
        fewest = max(fewest, rate * at - number)
        worst = max(worst, number + 1 - rate * at + fewest)
    return worst - burst


def _say(what: str, at: float | None = None) -> None:
    print(what if at is None else f"{what} {at:.6f}", flush=True)  # noqa: T201 - the test reads it


async def _relay(port: int, target: int) -> None:
    listener = socket.create_server((HOST, port), backlog=1024)
    listener.setblocking(False)
    loop = asyncio.get_running_loop()
    lines: set[asyncio.Task[None]] = set()
    loop.add_signal_handler(signal.SIGUSR1, lambda: [line.cancel() for line in lines])
    _say("listening")
    while True:
        accepted, _ = await loop.sock_accept(listener)
        _say("accepted", time.monotonic())
        line = asyncio.create_task(_carry(accepted, target))
        lines.add(line)
        line.add_done_callback(lines.discard)


async def _carry(accepted: socket.socket, target: int) -> None:
    reader, writer = await asyncio.open_connection(sock=accepted)
    try:
        with contextlib.suppress(OSError):
            there, back = await asyncio.open_connection(HOST, target)
            answers = asyncio.create_task(_copy(there, writer))
            try:
                try:
                    await _copy(reader, back)
                finally:
                    # The client has ended its side, or the line was cut: to the client it is over.
                    _say("ended", time.monotonic())
                await answers
            finally:
                answers.cancel()
                back.transport.abort()
            return
        _say("ended", time.monotonic())
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65_536):
            sink.write(data)
            await sink.drain()
    # What one side has ended, the other one may still answer.
    with contextlib.suppress(OSError):
        sink.write_eof()


if __name__ == "__main__":
    asyncio.run(_relay(int(sys.argv[1]), int(sys.argv[2])))
