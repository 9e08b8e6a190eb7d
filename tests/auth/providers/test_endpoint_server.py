"""Tokens from a real server on this machine: sockets, TLS, cookies, and what the HTTP libraries log of it."""

from __future__ import annotations

import asyncio
import logging
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from aiohttp import web

from cableway.auth.providers.endpoint import EndpointToken
from cableway.auth.providers.response import LARGEST_ANSWER
from cableway.errors.tokens import TokenUnavailable
from tests.scripted import background, settle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tests.test_secrecy import Everything

pytestmark = pytest.mark.looptime

MARK = "s3cr3t"


class Desk:
    """A server, and who is connected to it."""

    def __init__(self, answer: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> None:
        self.server = web.Server(answer, access_log=None)
        self.port = 0

    @property
    def connections(self) -> int:
        """How many sockets are open to it."""
        return len([one for one in self.server.connections if one.transport is not None])


@asynccontextmanager
async def serving(answer: Any, tls: ssl.SSLContext | None = None) -> AsyncIterator[Desk]:
    """Give a server on this machine."""
    desk = Desk(answer)
    runner = web.ServerRunner(desk.server, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    desk.port = runner.addresses[0][1]
    try:
        yield desk
    finally:
        await runner.cleanup()


async def generous(request: web.BaseRequest) -> web.Response:
    """Give a token, and tell in it what was asked with."""
    seen = request.headers.get("cookie", "none")
    answer = web.json_response({"token": f"{request.method} {request.path_qs} {seen}", "expires_in": 60})
    answer.set_cookie("session", MARK)
    answer.headers["X-Token"] = MARK
    return answer


async def test_a_session(everything: Everything) -> None:
    """Cookies go back; no socket stays open; and not a word of it is in the log, at its most talkative."""
    async with serving(generous) as desk:
        source = EndpointToken(f"http://127.0.0.1:{desk.port}/t?key={MARK}", headers={"X-Key": MARK})
        first, second = await source.fetch(), await source.fetch()
        assert first.value == f"POST /t?key={MARK} none"
        assert second.value == f"POST /t?key={MARK} session={MARK}"
        assert first.life == 60
        await settle()
        assert desk.connections == 0
        everything.show(first, second, source)


async def test_other_tasks_log_as_ever(caplog: pytest.LogCaptureFixture) -> None:
    """Only what is said to those who give tokens is kept out of the log, even at the same time."""
    import httpx2

    async with serving(generous) as desk:
        url = f"http://127.0.0.1:{desk.port}/"
        with caplog.at_level(logging.DEBUG):
            async with httpx2.AsyncClient(trust_env=False) as client:
                await asyncio.gather(EndpointToken(url).fetch(), client.get(f"{url}mine"))
    requests = [text for text in caplog.messages if text.startswith("HTTP Request")]
    assert len(requests) == 1
    assert "/mine" in requests[0]


async def test_tls(everything: Everything) -> None:
    """A certificate of one's own needs settings of one's own; without them nothing is sent."""
    authority = trustme.CA()
    theirs, ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(theirs)
    authority.configure_trust(ours)
    asked = []

    async def answer(request: web.BaseRequest) -> web.Response:
        asked.append(request)
        return await generous(request)

    async with serving(answer, theirs) as desk:
        url = f"https://127.0.0.1:{desk.port}/"
        with pytest.raises(TokenUnavailable, match=r"no connection: .*certificate") as caught:
            await EndpointToken(url, headers={"X-Key": MARK}).fetch()
        everything.show(caught.value)
        assert asked == []
        assert (await EndpointToken(url, ssl=ours).fetch()).value == "POST / none"


async def test_cancelled_it_closes_its_socket() -> None:
    """While the server thinks, and in the middle of its answer."""
    reached = asyncio.Event()

    async def thinking(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        if request.path == "/half":
            await response.prepare(request)
            await response.write(b'{"token": "')
        reached.set()
        await asyncio.sleep(1000)
        return response

    async with serving(thinking) as desk:
        for path in ("/", "/half"):
            tasks = asyncio.all_tasks()
            task = background(EndpointToken(f"http://127.0.0.1:{desk.port}{path}", timeout=100).fetch())
            await reached.wait()
            reached.clear()
            await settle()
            assert desk.connections == 1
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.sleep(1)
            assert desk.connections == 0
            assert {one for one in asyncio.all_tasks() if "RequestHandler" not in repr(one)} <= tasks


async def test_an_answer_without_end() -> None:
    """It is cut where it becomes too large, or where the time is up, and the socket is closed."""

    async def endless(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while request.transport is not None:
            await response.write(b" " * (65536 if request.path == "/much" else 1))
            await asyncio.sleep(1)
        return response

    async with serving(endless) as desk:
        for path, told in (("/much", f"larger than the limit of {LARGEST_ANSWER}"), ("/little", "within 30 s")):
            with pytest.raises(TokenUnavailable, match=told):
                await EndpointToken(f"http://127.0.0.1:{desk.port}{path}", timeout=30).fetch()
            await asyncio.sleep(2)
            assert desk.connections == 0


async def test_nobody_there(everything: Everything) -> None:
    """The system's own words are told."""
    async with serving(generous) as desk:
        port = desk.port
    with pytest.raises(TokenUnavailable, match="no connection: ") as caught:
        await EndpointToken(f"http://user:{MARK}@127.0.0.1:{port}/?t={MARK}").fetch()
    everything.show(caught.value)


async def test_what_speaks_no_http(everything: Everything) -> None:
    """What it sends instead may be anything, and is not told."""

    async def babble(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"{MARK} {MARK}\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(TokenUnavailable, match="the request failed with") as caught:
            await EndpointToken(f"http://127.0.0.1:{port}/").fetch()
        everything.show(caught.value)


async def refusing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Be a proxy that lets nobody through, and tells in many words why."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(f"HTTP/1.1 407 {MARK}\r\nX-Why: {MARK}\r\nContent-Length: 0\r\n\r\n".encode())
    await writer.drain()
    writer.close()


async def test_a_proxy(everything: Everything, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment's is used, but not for this machine; what it asks for, or says, is not told."""
    proxy = await asyncio.start_server(refusing, "127.0.0.1", 0)
    async with proxy, serving(generous) as desk:
        port = proxy.sockets[0].getsockname()[1]
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
            monkeypatch.setenv(name, f"http://{MARK}:{MARK}@127.0.0.1:{port}")
        await EndpointToken(f"http://127.0.0.1:{desk.port}/").fetch()
        far = "://app.example/?t="
        for source, told in (
            (EndpointToken(f"https{far}{MARK}"), "the request failed with ProxyError"),
            (EndpointToken(f"http{far}{MARK}", allow_insecure=True), "HTTP 407: the proxy asks for credentials"),
        ):
            with pytest.raises(TokenUnavailable, match=told) as caught:
                await source.fetch()
            everything.show(caught.value)


async def test_a_proxy_that_cannot_be_read(everything: Everything, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library quotes it; we do not."""
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, f"unheard-of://{MARK}:{MARK}@127.0.0.1")
    with pytest.raises(TokenUnavailable, match="the request failed with") as caught:
        await EndpointToken("https://app.example/").fetch()
    everything.show(caught.value)
