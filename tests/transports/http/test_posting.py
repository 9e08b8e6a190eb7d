"""Requests, and what became of them, with a real server on this machine."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from http.cookiejar import CookieJar
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from cableway.address import HttpAddress
from cableway.transports.http.posting import Broken, Poster, Unsent, merged_cookies
from cableway.transports.http.way import Way
from cableway.transports.websocket.reach import Route
from tests.scripted import background
from tests.transports.polling.house import House, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.looptime


def way(url: str, *, headers: dict[str, str] | None = None) -> Way:
    """Make a way to *url*."""
    parts = urlsplit(url)
    route = Route(url, parts.hostname or "", parts.port or 80, None, None, None, 2.0)
    return Way(HttpAddress.of(parts), headers or {}, route)


@asynccontextmanager
async def poster(url: str, jar: CookieJar | None = None, **options: Any) -> AsyncIterator[Poster]:
    """Make one that leaves nothing open."""
    made = Poster(way(url, **options), CookieJar() if jar is None else jar)
    try:
        yield made
    finally:
        await made.aclose()


async def test_a_request_carries_what_it_is_given() -> None:
    """Path and query as they are in the address, headers of the way and of the request, and the body."""
    async with (
        serving() as house,
        poster(f"{house.url}?a=b%2Fc", headers={"x-a": "1"}) as one,
        one.post(b"{}\n", {"x-b": "2"}, 5.0) as answer,
    ):
        assert (answer.status, answer.taken, answer.readable) == (200, True, True)
        assert answer.headers["x-anycable-poll-id"] == "pl_1"
        assert (await answer.chunk() or b"").startswith(b'{"type": "welcome"')
        assert await answer.chunk() is None
    request = house.visits[0].request
    assert request.raw_path == "/lp?a=b%2Fc"
    assert (request.headers["x-a"], request.headers["x-b"], request.headers["accept-encoding"]) == (
        "1",
        "2",
        "identity",
    )
    assert house.visits[0].body == b"{}\n"


@pytest.mark.parametrize(("own", "asked"), [("?a=b%2Fc", "?x=1&a=b%2Fc"), ("", "?x=1")])
async def test_a_request_without_a_body_asks_by_its_address(own: str, asked: str) -> None:
    """What it asks stands before what the address has itself: of two of one name servers take the first."""
    async with (
        serving() as house,
        poster(house.url + own, headers={"x-a": "1"}) as one,
        one.get("x=1", {"x-b": "2"}, 5.0) as answer,
    ):
        assert answer.taken
    request = house.visits[0].request
    assert (request.method, request.raw_path, house.visits[0].body) == ("GET", f"/lp{asked}", b"")
    assert (request.headers["x-a"], request.headers["x-b"]) == ("1", "2")
    assert not {"content-type", "content-length", "transfer-encoding"} & {name.lower() for name in request.headers}


async def test_cookies_go_back_and_stay_with_the_jar() -> None:
    """Beside those of the user, and in place of his where the server has set one of that name."""
    jar = CookieJar()
    async with serving() as house:
        async with poster(house.url, jar, headers={"cookie": "mine=1; node=mine"}) as one:
            for _ in range(2):
                async with one.post(b"", {}, 5.0):
                    pass
        async with poster(house.url, jar) as other, other.post(b"", {}, 5.0):
            pass
    assert [visit.request.headers["cookie"] for visit in house.visits] == [
        "mine=1; node=mine",
        "mine=1; node=seven",
        "node=seven",
    ]


def test_cookies_are_merged_by_name() -> None:
    """Whatever blanks stand between them."""
    assert merged_cookies("a=1;b=2; ;", "") == "a=1; b=2"
    assert merged_cookies("a=1; b=2", "b=3; c=4") == "a=1; b=3; c=4"


async def test_nobody_there_is_told_as_unsent(unused_port: int) -> None:
    """Such a request may be repeated."""
    async with poster(f"http://127.0.0.1:{unused_port}/lp") as one:
        with pytest.raises(Unsent):
            async with one.post(b"", {}, 5.0):
                pytest.fail("answered by nobody")


async def test_a_cut_before_the_answer_is_told_as_broken() -> None:
    """What became of the request is not known."""
    async with serving() as house, poster(house.url) as one:
        house.faults.append(_hang_up)
        with pytest.raises(Broken):
            async with one.post(b"", {}, 5.0):
                pytest.fail("answered by nobody")


async def test_a_cut_within_the_answer_is_told_as_broken() -> None:
    """After what came before it."""
    async with serving() as house, poster(house.url) as one:
        house.faults.append(_half)
        async with one.post(b"", {}, 5.0) as answer:
            assert await answer.chunk() == b"half"
            with pytest.raises(Broken):
                await answer.chunk()


async def test_silence_is_told_as_broken_after_the_limit() -> None:
    """The time that the server may take is given with each request."""
    async with serving() as house, poster(house.url) as one:
        house.faults.append(_never)
        started = asyncio.get_running_loop().time()
        with pytest.raises(Broken):
            async with one.post(b"", {}, 25.0):
                pytest.fail("answered by nobody")
        assert asyncio.get_running_loop().time() - started == pytest.approx(25, abs=0.5)


async def test_what_comes_compressed_is_told() -> None:
    """It was asked for as it is."""
    async with (
        serving(House(headers={"Content-Encoding": "br"})) as house,
        poster(house.url) as one,
        one.post(b"", {}, 5.0) as answer,
    ):
        assert not answer.readable


async def test_cancelled_it_drops_the_connection() -> None:
    """The server need not wait for a client that has gone."""
    asked, gone = asyncio.Event(), asyncio.Event()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await reader.read()
        gone.set()
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    async with server, poster(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/lp") as one:
        asking = background(_ask(one))
        await asked.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        async with asyncio.timeout(5):
            await gone.wait()


@pytest.mark.parametrize("kind", [{}, {"content_type": "text/html"}])
async def test_a_page_is_told_and_can_still_be_read(kind: dict[str, str]) -> None:
    """Of one that says what it is, and of one that does not; what is no page loses nothing by the look."""
    for text, found in (("<!doctype html><title>Welcome", True), ('{"type":"ping"}\n', False)):
        async with serving() as house, poster(house.url) as one:
            house.faults.append(_writes(text, kind if found else {}))
            async with one.post(b"", {}, 5.0) as answer:
                assert (await answer.portal(house.url) is not None) is found
                assert await answer.chunk() == text.encode()


async def test_a_page_that_does_not_end_is_not_waited_for() -> None:
    """A second of it is enough to tell."""
    async with serving() as house, poster(house.url) as one:
        house.faults.append(_drips)
        async with one.post(b"", {}, 60.0) as answer:
            started = asyncio.get_running_loop().time()
            assert await answer.portal(house.url) is not None
            assert asyncio.get_running_loop().time() - started < 1.5


async def test_a_connection_that_the_server_has_ended_is_not_used_again() -> None:
    """The next request has one of its own, and needs no second try."""
    places = set()
    async with serving() as house, poster(house.url) as one:
        for _ in range(2):
            async with one.post(b"", {}, 5.0) as answer:
                while await answer.chunk() is not None:
                    pass
            transport = house.visits[-1].request.transport
            assert transport is not None
            places.add(transport.get_extra_info("peername"))
            transport.close()
            await asyncio.sleep(0.1)
    assert len(places) == len(house.visits) == 2


async def _ask(one: Poster) -> None:
    async with one.post(b"", {}, 60.0):
        pass


async def _hang_up(_: House, visit: Any) -> web.StreamResponse:
    visit.request.transport.close()
    return web.Response()


def _writes(text: str, kind: dict[str, str]) -> Any:
    async def answer(_: House, visit: Any) -> web.StreamResponse:
        head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in kind.items())
        visit.request.transport.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(text)}\r\n{head}\r\n{text}".encode())
        await asyncio.sleep(3600)
        return web.Response()

    return answer


async def _drips(_: House, visit: Any) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/html"})
    await response.prepare(visit.request)
    while True:
        await response.write(b"<p>")
        await asyncio.sleep(0.4)


async def _half(_: House, visit: Any) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "100"})
    await response.prepare(visit.request)
    await response.write(b"half")
    visit.request.transport.close()
    return response


async def _never(_: House, __: Any) -> web.StreamResponse:
    await asyncio.sleep(3600)
    return web.Response()
