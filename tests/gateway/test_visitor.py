"""A request as sessions see it, and its end as nobody else tells it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from cableway.gateway.visitor import BodyRefused, describe, is_there, read_body, watching

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

WAIT = 5.0


class Server:
    """Answers each request as the test says, on one port of this machine."""

    def __init__(self) -> None:
        self.answer: Callable[[web.Request], Awaitable[web.StreamResponse]]
        self.port = 0

    async def dial(self, text: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect, and send *text*."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(text.encode())
        return reader, writer


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """Give a server."""
    given = Server()

    async def answer(request: web.Request) -> web.StreamResponse:
        return await given.answer(request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    given.port = runner.addresses[0][1]
    yield given
    await runner.cleanup()


async def test_a_request_is_described_with_an_id_of_its_own(server: Server) -> None:
    """Drawn, or the one that it brings if that can be one; all that was sent is there."""
    seen = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(describe(request))
        return web.Response()

    server.answer = answer
    for line in ("", "X-Request-ID: mine\r\n", f"X-Request-ID: {'x' * 129}\r\n", "X-Request-ID:\r\n"):
        reader, writer = await server.dial(f"GET /lp?a=1 HTTP/1.0\r\nHost: h\r\nCookie: c=2\r\n{line}\r\n")
        await asyncio.wait_for(reader.read(), WAIT)
        writer.close()
    first, mine, long, empty = seen
    assert (mine.sid, mine.query["a"], mine.cookies, mine.host, mine.path) == ("mine", "1", {"c": "2"}, "h", "/lp")
    assert len({first.sid, long.sid, empty.sid}) == 3
    assert min(map(len, (first.sid, long.sid, empty.sid))) == 22


async def test_a_body_is_read_up_to_its_limit(server: Server) -> None:
    """One byte more is too much."""
    seen = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(await _body(request))
        return web.Response()

    server.answer = answer
    for body in ("", "1234", "12345"):
        head = f"POST / HTTP/1.0\r\nHost: h\r\nContent-Length: {len(body)}\r\n\r\n"
        reader, writer = await server.dial(head + body)
        await asyncio.wait_for(reader.read(), WAIT)
        writer.close()
    assert seen == [b"", b"1234", 413]


@pytest.mark.parametrize(
    ("head", "rest"),
    [("Content-Length: 9\r\n\r\n123", ""), ("Transfer-Encoding: chunked\r\n\r\n3\r\n123\r\n", "x\r\n")],
    ids=["broken off", "no chunk"],
)
async def test_a_body_that_ends_or_goes_on_as_none_should_is_none(server: Server, head: str, rest: str) -> None:
    """Nothing of it counts."""
    seen: asyncio.Queue[object] = asyncio.Queue()

    async def answer(request: web.Request) -> web.Response:
        seen.put_nowait("begun")
        seen.put_nowait(await _body(request))
        return web.Response()

    server.answer = answer
    _, writer = await server.dial(f"POST / HTTP/1.1\r\nHost: h\r\n{head}")
    assert await asyncio.wait_for(seen.get(), WAIT) == "begun"
    writer.write(rest.encode())
    writer.close()
    assert await asyncio.wait_for(seen.get(), WAIT) == 400


async def test_the_end_of_a_client_is_told_once_to_who_waits(server: Server) -> None:
    """Though nobody reads or writes; and to who asks later, at once."""
    gone, told, asked = asyncio.Event(), 0, asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        def tell() -> None:
            nonlocal told
            told += 1
            gone.set()

        with watching(request, tell):
            assert is_there(request)
            asked.set()
            await gone.wait()
        with watching(request, tell):
            assert not is_there(request)
            assert request.transport is None
        asked.set()
        return web.Response()

    server.answer = answer
    _, writer = await server.dial("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    await asyncio.wait_for(asked.wait(), WAIT)
    asked.clear()
    writer.close()
    await asyncio.wait_for(asked.wait(), WAIT)
    assert told == 2


async def test_a_connection_goes_on_after_it_was_watched(server: Server) -> None:
    """Its next request is answered, large ones whole, and its end is nobody's business any more."""
    told: list[int] = []

    async def answer(request: web.Request) -> web.Response:
        with watching(request, lambda: told.append(1)):
            return web.Response(text=str(len(await request.read())))

    server.answer = answer
    reader, writer = await server.dial("")
    for size in (3, 200_000):
        writer.write(f"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {size}\r\n\r\n{'x' * size}".encode())
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), WAIT)
        assert head.startswith(b"HTTP/1.1 200")
        assert await asyncio.wait_for(reader.readexactly(len(str(size))), WAIT) == str(size).encode()
    writer.close()
    await writer.wait_closed()
    assert told == []


async def test_a_large_answer_passes_a_watched_connection_at_the_reader_s_pace(server: Server) -> None:
    """Whoever writes waits for who reads, and is not told of an end that there is not."""
    written: list[int] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        with watching(request, lambda: written.append(-1)):
            response = web.StreamResponse()
            await response.prepare(request)
            for size in range(200):
                await response.write(b"x" * 100_000)
                written.append(size)
            await response.write_eof()
            return response

    server.answer = answer
    reader, writer = await server.dial("GET / HTTP/1.0\r\nHost: h\r\n\r\n")
    await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), WAIT)
    while len(written) < 2 or await _grows(written):
        pass
    assert len(written) < 200
    assert len(await asyncio.wait_for(reader.read(), WAIT)) == 200 * 100_000
    writer.close()
    assert written == list(range(200))


async def _grows(written: list[int]) -> bool:
    before = len(written)
    for _ in range(100):
        await asyncio.sleep(0)
    return len(written) > before


async def _body(request: web.Request) -> bytes | int:
    try:
        return await read_body(request, 4)
    except BodyRefused as refused:
        return refused.status
