"""The bytes beneath the requests: read, written, held back, and ended."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpcore2
import pytest

from cableway.errors import HostUnreachable
from cableway.transports.http.streams import ConnectionStream, Network, NotReached
from cableway.transports.websocket.reach import Route, reach
from tests.scripted import background
from tests.transports.websocket.peers import Peer, eventually, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.transports.websocket.peers import Script

pytestmark = pytest.mark.looptime


def route(port: int) -> Route:
    """Lead to *port* of this machine."""
    return Route(f"http://127.0.0.1:{port}", "127.0.0.1", port, None, None, None, 5.0)


@asynccontextmanager
async def connected(script: Script) -> AsyncIterator[ConnectionStream]:
    """Give a stream to a server that does what it is told."""
    async with serving(script) as port:
        stream = await reach(route(port), ConnectionStream)
        try:
            yield stream
        finally:
            await stream.aclose()


async def test_bytes_come_and_go_and_end() -> None:
    """Read in parts; nothing at the end, as often as it is asked for."""

    async def script(peer: Peer) -> None:
        assert await peer.reader.readexactly(5) == b"hello"
        await peer.send(b"HTTP/1.1 world")

    async with connected(script) as stream:
        assert not stream.get_extra_info("is_readable")
        await stream.write(b"hello", 1.0)
        await eventually(lambda: bool(stream.get_extra_info("is_readable")))
        assert await stream.read(5, 1.0) == b"HTTP/"
        assert await stream.read(200, 1.0) == b"1.1 world"
        assert [await stream.read(200, 1.0) for _ in range(2)] == [b"", b""]
        assert stream.get_extra_info("is_readable")
        assert stream.get_extra_info("ssl_object") is None
        await eventually(stream.transport.is_closing)
        with pytest.raises(httpcore2.WriteError):
            await stream.write(b"more", 1.0)


async def test_who_says_nothing_is_not_waited_for() -> None:
    """Longer than the time given; what comes after that is not lost."""
    go = asyncio.Event()

    async def script(peer: Peer) -> None:
        await go.wait()
        await peer.send(b"HTTP/1.1 late")
        await peer.silence()

    async with connected(script) as stream:
        with pytest.raises(httpcore2.ReadTimeout):
            await stream.read(20, 3.0)
        reading = background(stream.read(20))
        await asyncio.sleep(1)
        reading.cancel()
        go.set()
        assert await stream.read(20, 5.0) == b"HTTP/1.1 late"


async def test_a_reset_is_an_error() -> None:
    """Not an end in good order."""

    async def script(peer: Peer) -> None:
        await peer.reader.read(1)
        peer.reset()

    async with connected(script) as stream:
        await stream.write(b"x")
        with pytest.raises(httpcore2.ReadError) as caught:
            await stream.read(20, 5.0)
        assert isinstance(caught.value.__cause__, ConnectionResetError)


async def test_what_cannot_be_a_response_is_told_at_once() -> None:
    """The parser would wait for the end of its head; after one good head, all bytes are the parser's."""

    async def script(peer: Peer) -> None:
        await peer.send(b"SSH-2.0\r\n")
        await peer.silence()

    async with connected(script) as stream:
        with pytest.raises(httpcore2.RemoteProtocolError):
            await stream.read(200, 5.0)
        assert stream.start == b"SSH-2.0\r\n"
        stream.start = None
        assert await stream.read(200, 5.0) == b"SSH-2.0\r\n"


async def test_a_flood_waits_until_it_is_read() -> None:
    """No more is kept than there is a use for."""
    sent = 0
    flood = b"x" * 65536

    async def script(peer: Peer) -> None:
        nonlocal sent
        for _ in range(256):
            await peer.send(flood)
            sent += len(flood)

    async with connected(script) as stream:
        stream.start = None
        await asyncio.sleep(1)
        held, size = sent, 0
        assert held < 256 * len(flood)
        while data := await stream.read(65536, 5.0):
            size += len(data)
        assert size == 256 * len(flood)


async def test_who_does_not_read_is_not_written_to_for_ever() -> None:
    """Longer than the time given; and closing does not wait for it either."""
    done = asyncio.Event()

    async def script(_: Peer) -> None:
        await done.wait()

    async with connected(script) as stream:
        with pytest.raises(httpcore2.WriteTimeout):
            await stream.write(b"x" * 64 * 1024 * 1024, 2.0)
        await stream.aclose()
        done.set()


async def test_what_keeps_us_from_a_server_keeps_its_cause(unused_port: int) -> None:
    """Through the pool, which would cut it off."""
    network = Network(route(unused_port))
    pool = httpcore2.AsyncConnectionPool(network_backend=network)
    with pytest.raises(NotReached) as caught:
        await pool.request("GET", "http://anywhere")
    assert isinstance(caught.value.error, HostUnreachable)
    assert isinstance(caught.value.error.__cause__, OSError)
    assert network.latest is None
    await pool.aclose()
