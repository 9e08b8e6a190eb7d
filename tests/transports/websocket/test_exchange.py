"""One HTTP request and its response on a line."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from cableway.transports.websocket.exchange import HttpExchange
from tests.transports.websocket.peers import Peer, eventually, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.transports.websocket.peers import Script


@asynccontextmanager
async def exchange_with(script: Script) -> AsyncIterator[HttpExchange]:
    """A line to *script*."""
    async with serving(script) as port:
        _, exchange = await asyncio.get_running_loop().create_connection(HttpExchange, "127.0.0.1", port)
        try:
            yield exchange
        finally:
            exchange.transport.abort()


@pytest.mark.parametrize("size", [1, 3, 1000])
async def test_a_head_is_read_however_it_is_cut(size: int) -> None:
    """And what follows it is kept for the next protocol."""
    response = b"HTTP/1.1 101 Switching Protocols\r\nX-A: 1\r\n\r\n"

    async def script(peer: Peer) -> None:
        assert peer.request == ""
        assert await peer.reader.readuntil(b"\r\n\r\n") == b"GET / HTTP/1.1\r\n\r\n"
        for start in range(0, len(response), size):
            await peer.send(response[start : start + size])
            await asyncio.sleep(0)
        await peer.send(b"more")
        await peer.silence()

    async with exchange_with(script) as exchange:
        head = await exchange.head(b"GET / HTTP/1.1\r\n\r\n")
        assert head is not None
        assert (head.status, head.headers) == (101, {"x-a": "1"})
        assert head.raw == response

        exchange.transport.resume_reading()
        await eventually(lambda: exchange.received == b"more")


async def test_reading_stops_at_the_end_of_the_head() -> None:
    """However much the server sends then, it waits for the next protocol."""

    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(b"HTTP/1.1 101 Now\r\n\r\n")
        while True:
            peer.writer.write(b"x" * 10_000)
            await peer.writer.drain()
            await asyncio.sleep(0)

    async with exchange_with(script) as exchange:
        await exchange.head(b"GET / HTTP/1.1\r\n\r\n")
        kept = len(exchange.received)
        for _ in range(50):
            await asyncio.sleep(0)

        assert len(exchange.received) == kept


async def test_a_line_that_ends_before_the_head_gives_none() -> None:
    """What came of it is kept, to be told."""

    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(b"HTTP/1.1 2")

    async with exchange_with(script) as exchange:
        assert await exchange.head(b"GET / HTTP/1.1\r\n\r\n") is None
        assert exchange.received == b"HTTP/1.1 2"
        assert exchange.closed


@pytest.mark.looptime
async def test_a_cancelled_wait_for_the_head_can_be_taken_up_again() -> None:
    """Nothing that came meanwhile is lost."""

    async def script(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 200 OK\r\n")
        await asyncio.sleep(5)
        await peer.send(b"\r\n")
        await peer.silence()

    async with exchange_with(script) as exchange:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(exchange.head(b""), 2)
        head = await exchange.head(b"")

    assert head is not None
    assert head.status == 200
