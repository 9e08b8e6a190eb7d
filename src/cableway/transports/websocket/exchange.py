"""One HTTP request and its response, on a line that is to become something else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, cast

from cableway.transports.websocket.response import END_OF_HEAD, body_is_whole, decode_body, is_junk, parse_head

if TYPE_CHECKING:
    from cableway.transports.websocket.response import ResponseHead

_BODY_WAIT: Final = 1.0
"""Seconds for the body of a refusal to come: it only helps to explain."""


class HttpExchange(asyncio.Protocol):
    """Speaks HTTP for one request: the upgrade, or the CONNECT to a proxy.

    Reading stops at the end of the response's head, so that what follows it can be taken over by another protocol.
    """

    transport: asyncio.Transport
    """The line; set by the event loop, or by hand where the line was opened in another way."""

    def __init__(self) -> None:
        self.received: bytearray = bytearray()
        """What came and was not taken yet."""
        self.closed: bool = False
        """Whether the other side, or the network, has ended the line."""
        self.error: Exception | None = None
        """Why it did, if it was not in good order."""
        self._stop_at_head = True
        self._news = asyncio.Event()

    async def head(self, request: bytes) -> ResponseHead | None:
        """Send *request* and return the head of the response; ``None`` if none came: see what did, or why not."""
        self.transport.write(request)
        while END_OF_HEAD not in self.received and not is_junk(self.received) and not self.closed:
            await self._more()
        if END_OF_HEAD not in self.received:
            return None
        end = self.received.index(END_OF_HEAD) + len(END_OF_HEAD)
        head = parse_head(bytes(self.received[:end]))
        if head is not None:
            del self.received[:end]
        return head

    async def body(self, head: ResponseHead) -> bytes:
        """Return the first few kilobytes of the body, or what of it came within a second."""
        self._stop_at_head = False
        self.transport.resume_reading()
        try:
            async with asyncio.timeout(_BODY_WAIT):
                while not body_is_whole(head, self.received) and not self.closed:
                    await self._more()
        except TimeoutError:
            pass
        return decode_body(head, bytes(self.received))

    async def _more(self) -> None:
        self._news.clear()
        await self._news.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Learn of the line."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        self.received += data
        if self._stop_at_head and END_OF_HEAD in self.received:
            self.transport.pause_reading()
        self._news.set()

    def eof_received(self) -> bool:
        """Learn that nothing more will come."""
        self.closed = True
        self._news.set()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Learn that the line is gone."""
        self.closed = True
        self.error = exc
        self._news.set()
