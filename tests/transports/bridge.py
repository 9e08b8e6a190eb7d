"""Memory lines that end in a gateway: its sessions, broker and channels, with no socket between."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Self

from multidict import CIMultiDict
from yarl import URL

from cableway import HostUnreachable, MemoryServer, MemoryTransport
from cableway.gateway.app import choose_subprotocol
from cableway.gateway.connection import Request
from cableway.gateway.session import Session, Terms, dialect_of
from cableway.wire.codecs.choice import codec_for
from cableway.wire.server_pulse import PingPlan
from cableway.wire.subprotocols import BASE_JSON, subprotocol
from tests.scripted import background

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from cableway import DialRequest
    from cableway.gateway import Gateway


class SessionLine(MemoryServer):
    """The server's end of a line, in the hands of a session; see the gateway's ``Line`` for the contract."""

    def __init__(self, accepted: MemoryServer) -> None:
        super().__init__(accepted.request, accepted.connection)
        self.connection.server = self
        self._asked: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def messages(self) -> AsyncIterator[bytes]:
        """Hand over what the client sends, to the last frame before the end."""
        while (frame := await self._asked.get()) is not None:
            yield frame

    def took(self, frame: bytes) -> None:
        self._asked.put_nowait(frame)

    def ended(self) -> None:
        super().ended()
        self._asked.put_nowait(None)


class Writer:
    """What a session writes to."""

    def __init__(self, line: SessionLine) -> None:
        self._line = line

    async def send(self, frame: bytes) -> None:
        if self._line.over.is_set():
            raise ConnectionResetError
        self._line.send(frame)

    async def close(self, code: int, reason: str) -> None:
        self._line.close(code, reason)

    def abort(self) -> None:
        self._line.cut()


class Bridge:
    """Takes the dials of a memory transport for *gateway*, as its WebSocket route takes upgrades."""

    url = "ws://memory.example/cable"

    def __init__(self, gateway: Gateway) -> None:
        self.transport = MemoryTransport()
        self._gateway = gateway
        self._lines: dict[SessionLine, asyncio.Task[None]] = {}
        self._taking: asyncio.Task[None]

    async def __aenter__(self) -> Self:
        """Take dials."""
        self._taking = background(self._accept())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Take none, and end all lines."""
        self._taking.cancel()
        for line in list(self._lines):
            line.cut()
        await asyncio.wait([self._taking, *self._lines.values()])

    @property
    def busy(self) -> bool:
        """Whether there is any line."""
        return bool(self._lines)

    @asynccontextmanager
    async def gone(self) -> AsyncIterator[None]:
        """Cut all lines, and refuse new ones during the block."""
        self._instead(self._refuse())
        for line in list(self._lines):
            line.cut()
        yield
        self._instead(self._accept())

    def _instead(self, work: Coroutine[Any, Any, None]) -> None:
        self._taking.cancel()
        self._taking = background(work)

    async def _refuse(self) -> None:
        while True:
            await self.transport.refuse(HostUnreachable(self.url, "the way is cut"))

    async def _accept(self) -> None:
        flavour = self._gateway.options.flavour
        while True:
            accepted = await self.transport.accept(lambda request: choose_subprotocol([*request.subprotocols], flavour))
            line = SessionLine(accepted)
            session = Session(self._gateway._house, describe(line.request), Writer(line), self._terms(line))
            self._lines[line] = serving = background(session.serve(line.messages()))
            serving.add_done_callback(self._forgetting(line))

    def _forgetting(self, line: SessionLine) -> Callable[[object], None]:
        return lambda _: self._lines.pop(line, None)

    def _terms(self, line: SessionLine) -> Terms:
        options = self._gateway.options
        agreed = subprotocol(line.connection.subprotocol) or BASE_JSON
        pings = PingPlan(options.ping_interval, 1.0, options.ping_timestamp_precision)
        codec = codec_for(agreed, server=True)
        return Terms(pings, codec, dialect_of(options.flavour), agreed.extended, binary=agreed.binary)


def describe(request: DialRequest) -> Request:
    """Describe who dials, as the gateway would an upgrade."""
    url = URL(request.url)
    headers: CIMultiDict[str] = CIMultiDict(request.headers)
    return Request(secrets.token_urlsafe(16), request.url, url.host or "", url.path, url.query, headers, {})
