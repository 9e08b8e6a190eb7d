"""Lines within one process, for tests: the test plays the server, word by word.

Example::

    transport = MemoryTransport()
    async with asyncio.TaskGroup() as tasks:
        opening = tasks.create_task(cable.open())
        server = await transport.accept()
        server.send({"type": "welcome"})
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from cableway.errors import ConnectTimeout, LineClosed
from cableway.wire.codecs.choice import codec_for
from cableway.wire.subprotocols import BASE_JSON, subprotocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cableway.transports.base import DialRequest, Sink


class MemoryTransport:
    """Opens lines to a server that the test plays: each dial waits until :meth:`accept` or :meth:`refuse` takes it."""

    name = "memory"

    def __init__(self) -> None:
        self.dials: int = 0
        """Dials seen so far."""
        self._dialling: deque[tuple[DialRequest, Sink, asyncio.Future[MemoryConnection]]] = deque()
        self._accepting: deque[asyncio.Future[None]] = deque()

    async def open(self, request: DialRequest, sink: Sink) -> MemoryConnection:
        """Wait for the test to take the dial."""
        self.dials += 1
        taken: asyncio.Future[MemoryConnection] = asyncio.get_running_loop().create_future()
        entry = (request, sink, taken)
        self._dialling.append(entry)
        while self._accepting:
            waiter = self._accepting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                break
        try:
            async with asyncio.timeout(request.timeout):
                return await taken
        except TimeoutError:
            _abandon(taken)
            raise ConnectTimeout(request.url, request.timeout, "nobody accepted") from None
        except asyncio.CancelledError:
            _abandon(taken)
            raise
        finally:
            if entry in self._dialling:
                self._dialling.remove(entry)

    async def accept(self, subprotocol: str | Callable[[DialRequest], str | None] | None = None) -> MemoryServer:
        """Take the next dial, waiting for one if need be, and return the server's end of the line.

        With no *subprotocol* selected the line speaks the base protocol; ``"actioncable-v1-ext-json"`` makes the test
        an AnyCable server, and so does the name of a binary encoding. A function chooses by what the dial asks for.
        Cancelled, it takes none.
        """
        request, sink, taken = await self._next()
        connection = MemoryConnection(sink, subprotocol(request) if callable(subprotocol) else subprotocol)
        server = MemoryServer(request, connection)
        connection.server = server
        taken.set_result(connection)
        return server

    async def refuse(self, error: BaseException) -> DialRequest:
        """Take the next dial and have it fail with *error*; return what it asked for."""
        request, _, taken = await self._next()
        taken.set_exception(error)
        return request

    async def _next(self) -> tuple[DialRequest, Sink, asyncio.Future[MemoryConnection]]:
        while True:
            while self._dialling:
                entry = self._dialling.popleft()
                if not entry[2].done():
                    return entry
            waiter = asyncio.get_running_loop().create_future()
            self._accepting.append(waiter)
            await waiter


class MemoryConnection:
    """The client's end of a line."""

    response_headers: Mapping[str, str] = {}

    def __init__(self, sink: Sink, subprotocol: str | None) -> None:
        self.subprotocol = subprotocol
        self.last_received: float = asyncio.get_running_loop().time()
        self.server: MemoryServer
        self.writable: asyncio.Event = asyncio.Event()
        """Clear it to have the client find its network jammed."""
        self.writable.set()
        self._sink = sink
        self._reading = False
        self._arrived: list[bytes] = []
        self._end: tuple[int | None, str, BaseException | None] | None = None
        self._lost = False

    @property
    def paused(self) -> bool:
        """Whether the client does not read at the moment."""
        return not self._reading

    def send(self, frame: bytes) -> None:
        """Write one message."""
        if self._end is None:
            self.server.took(frame)

    async def drain(self) -> None:
        """Wait until :attr:`writable`, or the end."""
        await self.writable.wait()

    def pause(self) -> None:
        """Stop reading."""
        self._reading = False

    def resume(self) -> None:
        """Read on."""
        self._reading = True
        self._schedule()

    async def close(self, code: int = 1000, reason: str = "", timeout: float = 1.0) -> None:  # noqa: ARG002 - the seam
        """Say goodbye; the other end answers at once."""
        self.server.closed_by_client = (code, reason)
        self.finish(code, "", None)
        await asyncio.sleep(0)

    def abort(self) -> None:
        """Be gone."""
        self.finish(None, "", None)

    def arrive(self, frames: list[bytes]) -> None:
        """Have *frames* read, as one batch with what else is there by then."""
        self._arrived += frames
        self._schedule()

    def finish(self, code: int | None, reason: str, error: BaseException | None) -> None:
        """End the line."""
        if self._end is None:
            self._end = (code, reason, error)
            self.server.ended()
            self._schedule()
            if not self._reading:
                # Who does not read cannot be told.
                self.writable.set()

    def _schedule(self) -> None:
        asyncio.get_running_loop().call_soon(self._deliver)

    def _deliver(self) -> None:
        if not self._reading or self._lost:
            return
        batch, self._arrived = self._arrived, []
        if batch:
            self.last_received = asyncio.get_running_loop().time()
            self._sink.frames(batch)
        if self._end is not None and not self._lost:
            self._lost = True
            self._sink.lost(*self._end)
            # Only now: who waits for the network must find the line ended.
            self.writable.set()


class MemoryServer:
    """The server's end of a line, in the hands of a test."""

    def __init__(self, request: DialRequest, connection: MemoryConnection) -> None:
        self.request = request
        """What the client asked for: address, headers, subprotocols."""
        self.connection = connection
        self.closed_by_client: tuple[int, str] | None = None
        """Close code and reason, once the client said goodbye."""
        self.over: asyncio.Event = asyncio.Event()
        """Set once the line has ended."""
        self._codec = codec_for(subprotocol(connection.subprotocol) or BASE_JSON, server=True)
        self._inbox: asyncio.Queue[bytes] = asyncio.Queue()

    def send(self, *frames: Mapping[str, Any] | str | bytes) -> None:
        """Send *frames* in one go: mappings in the encoding of the line, text and bytes as they are."""
        self.connection.arrive([self._raw(frame) for frame in frames])

    def welcome(self) -> None:
        """Send ``welcome``."""
        self.send({"type": "welcome"})

    def confirm(self, identifier: str) -> None:
        """Confirm a subscription."""
        self.send({"identifier": identifier, "type": "confirm_subscription"})

    def reject(self, identifier: str) -> None:
        """Refuse a subscription."""
        self.send({"identifier": identifier, "type": "reject_subscription"})

    def message(self, identifier: str, *values: Any) -> None:
        """Send *values* as messages of a subscription, in one go."""
        self.send(*({"identifier": identifier, "message": value} for value in values))

    async def receive(self) -> dict[str, Any]:
        """Return the next command of the client."""
        return self._read(await self._inbox.get())

    @property
    def received(self) -> list[dict[str, Any]]:
        """Take all commands that have come and were not looked at."""
        out = []
        while not self._inbox.empty():
            out.append(self._read(self._inbox.get_nowait()))
        return out

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye to the client."""
        self.connection.finish(code, reason, None)

    def cut(self) -> None:
        """End the line without a word, as a network does."""
        self.connection.finish(None, "", LineClosed(None))

    def took(self, frame: bytes) -> None:
        """Take a frame from the client."""
        self._inbox.put_nowait(frame)

    def ended(self) -> None:
        """Take note of the end."""
        self.over.set()

    def _read(self, frame: bytes) -> dict[str, Any]:
        return self._codec.decode(frame) or {}

    def _raw(self, frame: Mapping[str, Any] | str | bytes) -> bytes:
        if isinstance(frame, bytes):
            return frame
        return frame.encode() if isinstance(frame, str) else self._codec.encode(frame)


def _abandon(taken: asyncio.Future[MemoryConnection]) -> None:
    """See to it that a line accepted in the very turn in which the client gave up does not stay behind."""
    if taken.done() and not taken.cancelled() and taken.exception() is None:
        taken.result().abort()
