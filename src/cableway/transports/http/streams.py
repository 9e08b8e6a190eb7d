"""The connections beneath the requests: opened, secured and told of as those of WebSockets are."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, cast

import httpcore2
import httpx2

from cableway.errors import ConnectError
from cableway.transports.websocket.reach import reach
from cableway.transports.websocket.response import LONGEST_HEAD, is_junk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cableway.transports.websocket.reach import Route

_BUFFER: Final = 256 * 1024
"""Bytes that are kept unread; then the other side has to wait."""

_KEPT_IDLE: Final = 5.0
"""Seconds for which a connection without a request is kept."""


class NotReached(Exception):
    """Carries an error of ours through the pool, which would cut its cause off."""

    def __init__(self, error: ConnectError) -> None:
        self.error = error
        super().__init__()


class ConnectionStream(asyncio.Protocol, httpcore2.AsyncNetworkStream):
    """The bytes of one connection, as httpcore2 reads and writes them."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.start: bytes | None = b""
        """What came first, as much of it as a head of a response may have; ``None`` once there was such a head."""
        self._received = bytearray()
        self._ended = False
        self._error: Exception | None = None
        self._news = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return what came, at most so much; nothing at the end. Cancelled, it loses nothing."""
        try:
            async with asyncio.timeout(timeout):
                while not self._received and not self._ended:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError as error:
            raise httpcore2.ReadTimeout from error
        if self.start and is_junk(self.start):
            # The parser would wait for the end of the head.
            msg = "what came is no HTTP"
            raise httpcore2.RemoteProtocolError(msg)
        if not self._received and self._error is not None:
            raise httpcore2.ReadError from self._error
        data = bytes(self._received[:max_bytes])
        del self._received[:max_bytes]
        if len(self._received) <= _BUFFER and not self._ended:
            self.transport.resume_reading()
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send *buffer*, and wait until nearly all of it has gone."""
        if self._ended:
            raise httpcore2.WriteError from self._error
        self.transport.write(buffer)
        try:
            async with asyncio.timeout(timeout):
                await self._writable.wait()
        except TimeoutError as error:
            raise httpcore2.WriteTimeout from error

    async def aclose(self) -> None:
        """Be gone at once, with a goodbye if there is room for one."""
        self.transport.close()
        await asyncio.sleep(0)
        self.transport.abort()

    def get_extra_info(self, info: str) -> Any:
        """Tell whether an idle connection has ended, or has something to say that nobody asked for."""
        return bool(self._received) or self._ended if info == "is_readable" else None

    # What the event loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Learn of the connection."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        if self.start is not None:
            self.start = (self.start + data)[: LONGEST_HEAD + 1]
        self._received += data
        if len(self._received) > _BUFFER:
            self.transport.pause_reading()
        self._news.set()

    def pause_writing(self) -> None:
        """Learn that too much waits to be sent."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Learn that there is room again."""
        self._writable.set()

    def eof_received(self) -> None:
        """Learn that nothing more will come."""
        self._ended = True
        self._news.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Learn that the connection is gone."""
        self._ended = True
        self._error = exc
        self._news.set()
        self._writable.set()


class Network(httpcore2.AsyncNetworkBackend):
    """Opens connections by one route."""

    def __init__(self, route: Route) -> None:
        self.latest: ConnectionStream | None = None
        """What was opened last, if it was."""
        self._route = route

    async def connect_tcp(self, *_: Any, **__: Any) -> ConnectionStream:
        """Open a connection, through the proxy and by TLS where the route says so.

        Raises:
            NotReached: Why not, as with a WebSocket.
        """
        self.latest = None
        try:
            self.latest = await reach(self._route, ConnectionStream)
        except ConnectError as error:
            raise NotReached(error) from error
        return self.latest


class Carriage(httpx2.AsyncBaseTransport):
    """Carries the requests of an httpx2 client over connections of ours.

    To the pool all of them are plain: TLS, and the proxy, are matters of the route.
    """

    def __init__(self, route: Route, *, connections: int | None) -> None:
        self.network: Network = Network(route)
        self._forwarded = route.forwarded
        self._pool = httpcore2.AsyncConnectionPool(
            network_backend=self.network,
            max_connections=connections,
            max_keepalive_connections=connections,
            keepalive_expiry=_KEPT_IDLE,
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request, and return the response once its head has come."""
        url, options = request.url, dict(request.extensions)
        target = options.pop("target", url.raw_path)
        if self._forwarded:
            target = b"http://" + url.netloc + target
        stream = cast("httpx2.AsyncByteStream", request.stream)
        answer = await self._pool.handle_async_request(
            httpcore2.Request(
                request.method,
                httpcore2.URL(scheme=b"http", host=url.raw_host, port=url.port, target=target),
                headers=request.headers.raw,
                content=stream,
                extensions=options,
            )
        )
        cast("ConnectionStream", answer.extensions["network_stream"]).start = None
        return httpx2.Response(answer.status, headers=answer.headers, stream=_Body(answer))

    async def aclose(self) -> None:
        """Close all connections."""
        await self._pool.aclose()


class _Body(httpx2.AsyncByteStream):
    def __init__(self, answer: httpcore2.Response) -> None:
        self._answer = answer

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._answer.aiter_stream()

    async def aclose(self) -> None:
        await self._answer.aclose()
