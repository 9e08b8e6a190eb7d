"""What stands between and swallows each upgrade to a WebSocket without a word; all else it passes on."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from tests.interop.peers.process import free_port

if TYPE_CHECKING:
    from collections.abc import Coroutine

HOST = "127.0.0.1"


class Swallower:
    """Passes everything on to *target*, in the event loop of the test."""

    def __init__(self, target: int) -> None:
        self.port = free_port()
        self.url = f"ws://{HOST}:{self.port}/cable"
        self.swallows = True
        """Whether it does. What it holds already it never lets go."""
        self.swallowed = 0
        """Upgrades that went nowhere."""
        self._target = target
        self._server: asyncio.Server | None = None
        self._lines: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Listen."""
        self._server = await asyncio.start_server(self._accept, HOST, self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        """End all lines, and listen no more."""
        if self._server is not None:
            self._server.close()
        for line in list(self._lines):
            line.cancel()
        await asyncio.gather(*self._lines, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._lines.add(task)
        # Nobody waits for this task but the end of the block: asyncio would report its cancellation.
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self._pass(reader, writer)
        self._lines.discard(task)
        writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if self.swallows and b"upgrade: websocket" in head.lower():
            self.swallowed += 1
            # Until the client has had enough of it.
            await reader.read()
            return
        there, back = await asyncio.open_connection(HOST, self._target)
        try:
            back.write(head)
            await _both(_copy(reader, back), _copy(there, writer))
        finally:
            back.transport.abort()


async def _both(*copies: Coroutine[None, None, None]) -> None:
    """Run them until one is over."""
    tasks = [asyncio.create_task(copy) for copy in copies]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(65_536):
        sink.write(data)
        await sink.drain()
