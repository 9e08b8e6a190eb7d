"""Small servers and proxies on 127.0.0.1 that do exactly what a test tells them to."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from attrs import Factory, define
from websockets.utils import accept_key, apply_mask

from cableway.transports.base import DialRequest
from cableway.transports.websocket import WebSocketTransport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    import trustme

    from cableway.errors import CableError

    Script = Callable[["Peer"], Awaitable[None]]


@define
class Recorder:
    """A sink that keeps what it is given."""

    batches: list[list[bytes]] = Factory(list)
    losses: list[tuple[int | None, str, BaseException | None]] = Factory(list)
    _news: asyncio.Event = Factory(asyncio.Event)

    @property
    def messages(self) -> list[bytes]:
        return [message for batch in self.batches for message in batch]

    def frames(self, batch: list[bytes]) -> None:
        assert not self.losses, "messages after the end"
        self.batches.append(batch)
        self._news.set()

    def lost(self, code: int | None, reason: str, error: BaseException | None) -> None:
        assert not self.losses, "the end told twice"
        self.losses.append((code, reason, error))
        self._news.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def end(self) -> tuple[int | None, str, BaseException | None]:
        await self.until(lambda: bool(self.losses))
        return self.losses[0]


@define
class Peer:
    """The far end of one line."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    request: str = ""

    async def read_request(self) -> dict[str, str]:
        raw = await self.reader.readuntil(b"\r\n\r\n")
        self.request, *lines = raw.decode("latin-1").rstrip("\r\n").split("\r\n")
        return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}

    async def upgrade(self, *extra: str, after: bytes = b"", spoil: tuple[str, str] = ("", "")) -> dict[str, str]:
        headers = await self.read_request()
        lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
        lines += [f"Sec-WebSocket-Accept: {accept_key(headers['sec-websocket-key'])}", *extra, "", ""]
        await self.send("\r\n".join(lines).replace(*spoil).encode() + after)
        return headers

    async def answer(self, status: str, body: bytes = b"", *headers: str) -> None:
        await self.read_request()
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
        await self.send("\r\n".join(lines).encode() + body)

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def read_frame(self) -> tuple[int, bytes]:
        first, second = await self.reader.readexactly(2)
        assert second & 0x80, "clients mask"
        length = second & 0x7F
        if length >= 126:
            length = int.from_bytes(await self.reader.readexactly(2 if length == 126 else 8), "big")
        mask = await self.reader.readexactly(4)
        payload = await self.reader.readexactly(length)
        return first & 0x0F, bytes(apply_mask(payload, mask))

    async def read_close(self) -> tuple[int, bytes]:
        opcode, payload = await self.read_frame()
        assert opcode == 8
        return int.from_bytes(payload[:2], "big"), payload[2:]

    async def silence(self) -> None:
        """Stay, and do nothing, until the other side is gone."""
        try:
            while await self.reader.read(65536):
                pass
        except (ConnectionError, ssl.SSLError):
            pass

    def reset(self) -> None:
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@asynccontextmanager
async def serving(script: Script, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Run *script* for each line that comes in; gives the port. An error in a script fails the test."""
    running: set[asyncio.Task[None]] = set()
    errors: list[BaseException] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        try:
            await script(Peer(reader, writer))
        except asyncio.CancelledError:
            pass
        except Exception as error:  # noqa: BLE001 - shown when the block is left
            errors.append(error)
        finally:
            running.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(running):
            task.cancel()
        await asyncio.gather(*running)
        for _ in range(5):
            await asyncio.sleep(0)
    if errors:
        raise errors[0]


def frame(payload: bytes, opcode: int = 1, *, fin: bool = True, rsv1: bool = False) -> bytes:
    """A frame as a server sends it."""
    first = bytes([(0x80 if fin else 0) | (0x40 if rsv1 else 0) | opcode])
    length = len(payload)
    if length < 126:
        return first + bytes([length]) + payload
    if length < 65536:
        return first + b"\x7e" + struct.pack("!H", length) + payload
    return first + b"\x7f" + struct.pack("!Q", length) + payload


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait for what nobody announces."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - neither sockets nor the line's clock have an event to wait for
            await asyncio.sleep(0)


def unused_port() -> int:
    """A port on which nothing listens just now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def close_frame(code: int, reason: bytes = b"") -> bytes:
    """The goodbye of a server."""
    return frame(struct.pack("!H", code) + reason, 8)


def dial(port: int, scheme: str = "ws", **options: Any) -> DialRequest:
    """A dial to 127.0.0.1 that no proxy of the environment touches."""
    options.setdefault("proxy", None)
    return DialRequest(f"{scheme}://127.0.0.1:{port}/cable", **options)


def server_tls(ca: trustme.CA, *names: str, **options: Any) -> ssl.SSLContext:
    """A server's context with a certificate for *names*."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert(*(names or ("127.0.0.1", "localhost")), **options).configure_cert(context)
    return context


def client_tls(ca: trustme.CA) -> ssl.SSLContext:
    """A client's context that trusts *ca*."""
    context = ssl.create_default_context()
    ca.configure_trust(context)
    return context


async def pump(source: Peer, target: Peer, seen: bytearray) -> None:
    """Pass bytes on until *source* ends, and note them in *seen*."""
    try:
        while data := await source.reader.read(65536):
            seen += data
            await target.send(data)
    except (ConnectionError, ssl.SSLError):
        pass
    target.writer.close()


async def join(client: Peer, host: str, port: int, seen: bytearray) -> None:
    """Tie *client* to a server."""
    server = Peer(*await asyncio.open_connection(host, port))
    try:
        await asyncio.gather(pump(client, server, seen), pump(server, client, bytearray()))
    finally:
        server.writer.transport.abort()


@define
class ConnectProxy:
    """An HTTP proxy that makes tunnels."""

    credentials: str | None = None
    status: str = "200 Connection established"
    target: tuple[str, int] | None = None
    requests: list[str] = Factory(list)
    headers: list[dict[str, str]] = Factory(list)
    seen: bytearray = Factory(bytearray)

    async def __call__(self, client: Peer) -> None:
        headers = await client.read_request()
        self.requests.append(client.request)
        self.headers.append(headers)
        if self.credentials is not None and headers.get("proxy-authorization") != self.credentials:
            await client.send(b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n")
            return
        await client.send(f"HTTP/1.1 {self.status}\r\n\r\n".encode())
        if self.status.startswith("200"):
            host, _, port = client.request.split()[1].rpartition(":")
            await join(client, *(self.target or (host.strip("[]"), int(port))), self.seen)


@define
class SocksProxy:
    """A SOCKS 5 proxy, with or without user and password."""

    user: bytes | None = None
    password: bytes = b""
    reply: int = 0
    target: tuple[str, int] | None = None
    asked: list[tuple[str, int]] = Factory(list)
    seen: bytearray = Factory(bytearray)

    async def __call__(self, client: Peer) -> None:
        _, count = await client.reader.readexactly(2)
        await client.reader.readexactly(count)
        await client.send(b"\x05\x02" if self.user is not None else b"\x05\x00")
        if self.user is not None and not await self._log_in(client):
            return
        host, port = await self._read_target(client)
        self.asked.append((host, port))
        await client.send(bytes([5, self.reply, 0, 1]) + bytes(6))
        if self.reply == 0:
            await join(client, *(self.target or (host, port)), self.seen)

    async def _log_in(self, client: Peer) -> bool:
        _, size = await client.reader.readexactly(2)
        user = await client.reader.readexactly(size)
        (size,) = await client.reader.readexactly(1)
        password = await client.reader.readexactly(size)
        right = (user, password) == (self.user, self.password)
        await client.send(b"\x01\x00" if right else b"\x01\x01")
        return right

    async def _read_target(self, client: Peer) -> tuple[str, int]:
        _, _, _, kind = await client.reader.readexactly(4)
        if kind == 1:
            host = socket.inet_ntoa(await client.reader.readexactly(4))
        else:
            (size,) = await client.reader.readexactly(1)
            host = (await client.reader.readexactly(size)).decode()
        return host, int.from_bytes(await client.reader.readexactly(2), "big")


async def refused(script: Script, error: type[CableError], **options: Any) -> Any:
    """Dial *script* and return the error that comes of it."""
    async with serving(script) as port:
        with pytest.raises(error) as caught:
            await WebSocketTransport().open(dial(port, **options), Recorder())
    assert caught.type is error
    return caught.value


def answering(status: str, body: bytes = b"", *headers: str) -> Script:
    """A server that gives one answer and stays."""

    async def script(peer: Peer) -> None:
        await peer.answer(status, body, *headers)
        await peer.silence()

    return script
