"""A transport that notes when it dials and what is written, and is the real one in all else."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from cableway import WebSocketTransport

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cableway.transports.base import Connection, DialRequest, Sink


class Recording:
    """Opens real lines. One may serve many cables."""

    name = "websocket"

    def __init__(self) -> None:
        self.dials: list[float] = []
        """When each dial began, on the machine's monotonic clock."""
        self.urls: list[str] = []
        self.headers: list[Mapping[str, str]] = []
        """What each answer to an upgrade said."""
        self.written: list[tuple[float, bytes]] = []
        """The frames that were written, and when."""
        self._transport = WebSocketTransport()

    async def open(self, request: DialRequest, sink: Sink) -> Connection:
        """Open a line, and note it."""
        self.dials.append(time.monotonic())
        self.urls.append(request.url)
        connection = await self._transport.open(request, sink)
        self.headers.append(connection.response_headers)
        return RecordedLine(self, connection)


class RecordedLine:
    """An open line that notes what is written."""

    def __init__(self, record: Recording, connection: Connection) -> None:
        self._record = record
        self._connection = connection

    @property
    def subprotocol(self) -> str | None:
        """What the server selected."""
        return self._connection.subprotocol

    @property
    def response_headers(self) -> Mapping[str, str]:
        """What the answer to the upgrade said."""
        return self._connection.response_headers

    @property
    def last_received(self) -> float:
        """When a byte last came."""
        return self._connection.last_received

    def send(self, frame: bytes) -> None:
        """Write one message, and note it."""
        self._record.written.append((time.monotonic(), frame))
        self._connection.send(frame)

    async def drain(self) -> None:
        """Wait until more can be written."""
        await self._connection.drain()

    def pause(self) -> None:
        """Stop reading."""
        self._connection.pause()

    def resume(self) -> None:
        """Read on."""
        self._connection.resume()

    async def close(self, code: int = 1000, reason: str = "", timeout: float = 1.0) -> None:
        """Say goodbye."""
        await self._connection.close(code, reason, timeout)

    def abort(self) -> None:
        """Be gone at once."""
        self._connection.abort()
