"""A relay in front of a server that does to its lines what networks do to them, in the event loop of the test.

What is on its way when a line is cut is lost with it, as on a real network.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Self

from tests.interop.peers.process import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

HOST = "127.0.0.1"
UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class RoughLine:
    """One line through the relay."""

    def __init__(self, there: asyncio.StreamWriter, back: asyncio.StreamWriter) -> None:
        self.flows = asyncio.Event()
        self.flows.set()
        self.halve = False
        self._client = there
        self._server = back

    def reset(self) -> None:
        """Cut it with a TCP reset."""
        with suppress(OSError):
            line: socket.socket = self._client.get_extra_info("socket")
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._client.transport.abort()
        self._server.transport.abort()

    def half_close(self) -> None:
        """End the server's side of it; the client may still write."""
        self.flows.clear()
        with suppress(OSError, RuntimeError):
            self._client.write_eof()

    def vanish(self) -> None:
        """Carry nothing any more, without a sign; the server finds a closed line."""
        self.flows.clear()
        self._server.transport.abort()

    def stall(self) -> None:
        """Hold all bytes until ``flows`` is set again."""
        self.flows.clear()

    async def carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Carry what comes from *source*; a reset of either side ends it."""
        with suppress(OSError):
            while data := await source.read(65_536):
                await self.flows.wait()
                if self.halve and sink is self._client and len(data) > 1:
                    # The first half of it, and then nothing more.
                    self.flows.clear()
                    data = data[: len(data) // 2]
                sink.write(data)
                await sink.drain()
        # What the server ends after it vanished is never told.
        if self.flows.is_set():
            sink.close()


class RoughRelay:
    """Passes everything on to *target*, and is rough with it where it is told to."""

    def __init__(self, target: int, seed: int) -> None:
        self.port = free_port()
        self.url = f"ws://{HOST}:{self.port}/cable"
        self.counts: dict[str, int] = {}
        """How often each fault was done."""
        self.story: list[str] = []
        """What was done, in order."""
        self.unavailable = False
        self._random = random.Random(seed)
        self._target = target
        self._lines: list[RoughLine] = []
        self._server: asyncio.Server | None = None
        self._carrying: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Listen."""
        await self._listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        """End all lines, and listen no more."""
        self._refuse()
        for line in self._lines:
            line.reset()
        for task in list(self._carrying):
            task.cancel()
        await asyncio.gather(*self._carrying, return_exceptions=True)

    async def trouble(self, seconds: float) -> None:
        """Do one fault after the other for so many seconds; afterwards all is as it should be."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        faults: list[Callable[[], Awaitable[None]]] = [
            self.reset,
            self.half_close,
            self.vanish,
            self.stall,
            self.halve,
            self.refuse,
            self.be_unavailable,
        ]
        self._random.shuffle(faults)
        number = 0
        while loop.time() < end:
            await asyncio.sleep(self._random.uniform(0.1, 2.0))
            # Each fault once, before any comes twice.
            fault = faults[number] if number < len(faults) else self._random.choice(faults)
            number += 1
            name = fault.__name__
            self.counts[name] = self.counts.get(name, 0) + 1
            self.story.append(f"{loop.time():.3f} {name}")
            await fault()
        # Whatever came last, the end of it need not be waited for.
        await self.reset()

    async def reset(self) -> None:
        """Reset all lines."""
        self._each(RoughLine.reset)

    async def half_close(self) -> None:
        """Half-close all lines."""
        self._each(RoughLine.half_close)

    async def vanish(self) -> None:
        """Drop all lines without a sign."""
        self._each(RoughLine.vanish)

    async def stall(self) -> None:
        """Hold all bytes for up to three seconds, and release them."""
        with self.held():
            await asyncio.sleep(self._random.uniform(0.2, 3.0))

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold all bytes of the lines that there are now during the block, and release them; new lines flow."""
        held = self._lines[:]
        self._each(RoughLine.stall)
        try:
            yield
        finally:
            for line in held:
                line.flows.set()

    async def halve(self) -> None:
        """Let the next bytes from the server come half, and no others after them."""
        for line in self._lines:
            line.halve = True

    async def refuse(self) -> None:
        """Cut all lines, and refuse new ones for a while."""
        async with self.gone():
            await asyncio.sleep(self._random.uniform(0.1, 1.5))

    @asynccontextmanager
    async def gone(self) -> AsyncIterator[None]:
        """Cut all lines, and refuse new ones during the block."""
        self._refuse()
        await self.reset()
        yield
        await self._listen()

    @property
    def busy(self) -> bool:
        """Whether there is any line."""
        return bool(self._carrying)

    async def be_unavailable(self) -> None:
        """Cut all lines, and answer 503 for a while."""
        self.unavailable = True
        await self.reset()
        await asyncio.sleep(self._random.uniform(0.1, 1.5))
        self.unavailable = False

    def _each(self, do: Callable[[RoughLine], None]) -> None:
        for line in self._lines:
            do(line)

    def _refuse(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, HOST, self.port)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._carrying.add(task)
        try:
            if self.unavailable:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(UNAVAILABLE)
                await writer.drain()
                return
            there, back = await asyncio.open_connection(HOST, self._target)
            line = RoughLine(writer, back)
            self._lines.append(line)
            try:
                await asyncio.gather(line.carry(reader, back), line.carry(there, writer))
            finally:
                self._lines.remove(line)
                back.transport.abort()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            # Nobody waits for this task but the end of the relay: asyncio would report its cancellation.
            pass
        finally:
            self._carrying.discard(task)
            writer.close()
