"""Faults over real sockets, as clients see them that have no opinion."""

from __future__ import annotations

import asyncio
import json
import ssl
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Self

import aiohttp
import httpx2
import pytest

from cableway.gateway import Channel, Gateway, action
from tests.conformance.poll_client import PollClient, performing, subscribing
from tests.conformance.raw_client import RawClient, identifier, stream, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from cableway.gateway import Fault, Faults

pytestmark = pytest.mark.looptime

SERVED = {"public": True, "poll": True, "sse": True, "poll_flush_interval": 10, "ping_interval": 0}
UPGRADE = (
    "GET /cable HTTP/1.1",
    "Host: 127.0.0.1",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "X-Request-ID: me",
)
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Reading certificates that nobody needs is what takes longest."""
WELCOME = b'\x81\x1d{"type":"welcome","sid":"me"}'
NEWS = "/events?stream=news"


class Ledger(Channel):
    """Writes down what it is told."""

    pages: list[int] = []  # noqa: RUF012 - emptied by each test

    async def subscribed(self) -> None:
        self.stream_from("news")

    end: asyncio.Event

    @action
    async def note(self, data: dict[str, Any]) -> None:
        self.pages.append(data["n"])

    async def unsubscribed(self) -> None:
        await self.end.wait()


LEDGER = identifier("Ledger")


@pytest.fixture(autouse=True)
async def nothing_left() -> AsyncIterator[None]:
    """Begin with an empty ledger, and check that the gateway left no task behind."""
    Ledger.pages.clear()
    Ledger.end = asyncio.Event()
    Ledger.end.set()
    before = asyncio.all_tasks()
    yield
    await asyncio.sleep(0)
    left = {task for task in asyncio.all_tasks() - before if "gateway" in task.get_name() or "aiohttp" in repr(task)}
    assert left == set()


def now() -> float:
    """The loop's time."""
    return asyncio.get_running_loop().time()


@asynccontextmanager
async def serving(**options: Any) -> AsyncIterator[Gateway]:
    """A gateway that serves all transports, and ends at once whatever is in force."""
    async with Gateway([Ledger], **{**SERVED, **options}) as gateway:
        yield gateway
        began = now()
        await gateway.stop()
        assert now() - began < 0.5


async def ask(gateway: Gateway, method: str, path: str, **more: Any) -> httpx2.Response:
    """Ask by HTTP, with the patience of a client that has some."""
    async with httpx2.AsyncClient(trust_env=False, timeout=600, verify=NO_TLS) as http:
        return await http.request(method, gateway.http_url + path, **more)


class Upgraded:
    """An upgrade as bytes, and what comes after its answer."""

    def __init__(self, gateway: Gateway) -> None:
        self._port = gateway.port
        self.head = b""
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter

    async def __aenter__(self) -> Self:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._port)
        self.writer.write("\r\n".join([*UPGRADE, "", ""]).encode())
        return self

    async def __aexit__(self, *_error: object) -> None:
        self.writer.transport.abort()
        with suppress(OSError):
            await self.writer.wait_closed()

    async def accepted(self) -> Upgraded:
        """Read the answer."""
        self.head = await self.reader.readuntil(b"\r\n\r\n")
        assert b" 101 " in self.head
        return self

    async def rest(self) -> bytes:
        """Read until the line is gone, however it ends."""
        read = bytearray()
        with suppress(OSError):
            while part := await self.reader.read(65_536):
                read += part
        return bytes(read)

    def send(self, opcode: int, payload: bytes) -> None:
        """Send a short frame, masked with zeros."""
        self.writer.write(bytes((0x80 | opcode, 0x80 | len(payload), 0, 0, 0, 0)) + payload)


@asynccontextmanager
async def polling(gateway: Gateway) -> AsyncIterator[PollClient]:
    """A client with a session, and much patience."""
    async with PollClient(gateway.http_url) as client:
        client._client.timeout = 600
        yield await client.welcomed()


# Requests ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("on", "method", "path"),
    [
        ("websocket", "GET", "/cable"),
        ("polling", "POST", "/lp"),
        ("events", "GET", NEWS),
        ("events", "POST", "/events"),
    ],
)
async def test_a_request_is_refused_as_ordered(on: Any, method: str, path: str) -> None:
    """With the status, the headers and the body that the test gave; the other transports are served meanwhile."""
    async with serving() as gateway:
        for status in (200, 204, 302, 400, 403, 404, 426, 503):
            with gateway.faults.refuse(
                status, on=on, headers={"Location": "/there"}, body="<p>no", retry_after=7
            ) as refusal:
                answer = await ask(gateway, method, path, content="" if method == "POST" else None)
                assert (answer.status_code, answer.text) == (status, "" if status == 204 else "<p>no")
                assert (answer.headers["Location"], answer.headers["Retry-After"]) == ("/there", "7")
                assert (await ask(gateway, "GET", "/health")).status_code == 200
            assert refusal.fired == 1
        assert (gateway.faults.fired, gateway.stats().sessions) == ({"refuse": 8}, 0)


async def test_a_refused_upgrade_is_refused_so_often_and_then_served() -> None:
    """What an aiohttp client sees is what was ordered."""
    async with serving() as gateway, aiohttp.ClientSession() as http:
        refusal = gateway.faults.refuse(426, times=2)
        for _ in range(2):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await http.ws_connect(gateway.url)
            assert refused.value.status == 426
        async with http.ws_connect(gateway.url) as socket:
            assert json.loads(await socket.receive_str())["type"] == "welcome"
        assert (refusal.fired, refusal.active) == (2, False)


async def test_a_portal_stands_before_everything() -> None:
    """A page, or the way to one; and the inner order counts."""
    async with serving() as gateway:
        with gateway.faults.captive_portal() as page:
            for method, path in [("GET", "/cable"), ("POST", "/lp"), ("GET", NEWS)]:
                answer = await ask(gateway, method, path)
                assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
            with gateway.faults.captive_portal(location="http://portal.example/") as redirect:
                answer = await ask(gateway, "POST", "/lp")
                assert (answer.status_code, answer.headers["Location"]) == (302, "http://portal.example/")
        assert (page.fired, redirect.fired) == (3, 1)


async def test_a_transport_is_withdrawn_and_offered_again() -> None:
    """A session that is up is gone with it."""
    async with serving() as gateway, polling(gateway) as client:
        with gateway.faults.withdraw("polling", "events"):
            assert (await client.post()).status_code == 404
            assert (await ask(gateway, "GET", NEWS)).status_code == 404
        await client.subscribe(stream("a"))


async def test_sessions_that_are_up_may_be_left_alone() -> None:
    """Where only openings are meant."""
    async with serving() as gateway, polling(gateway) as client:
        with gateway.faults.refuse(on="polling", openings_only=True):
            await client.subscribe(stream("a"))
            assert (await ask(gateway, "POST", "/lp")).status_code == 503


async def test_what_asks_for_nothing_is_not_struck() -> None:
    """Neither a preflight nor a method that is none; and neither counts."""
    async with serving() as gateway:
        refusal = gateway.faults.refuse(on=["polling", "events"])
        assert (await ask(gateway, "OPTIONS", "/lp")).status_code == 200
        assert (await ask(gateway, "GET", "/lp")).status_code == 405
        assert (await ask(gateway, "OPTIONS", "/events")).status_code == 200
        assert refusal.fired == 0


@pytest.mark.parametrize(("on", "method", "path"), [("polling", "POST", "/lp"), ("events", "GET", NEWS)])
@pytest.mark.parametrize("end", ["lift", "heal", "stop", "kill", "leave"])
async def test_a_swallowed_request_hangs_until_the_end(on: Any, method: str, path: str, end: str) -> None:
    """Of the fault, of the gateway, or of the client's patience; then nobody holds anything any more."""
    async with serving() as gateway:
        fault = gateway.faults.swallow(on=on)
        asking = asyncio.create_task(ask(gateway, method, path))
        await fault.wait_fired()
        await asyncio.sleep(300)
        assert not asking.done()
        if end == "leave":
            asking.cancel()
            await asyncio.wait([asking])
        elif end in ("lift", "heal"):
            (fault.lift if end == "lift" else gateway.faults.heal)()
        elif end == "kill":
            gateway.kill()
        else:
            began = now()
            await gateway.stop()
            assert now() - began < 0.5
        await asyncio.wait([asking])
        assert asking.cancelled() or isinstance(asking.exception(), httpx2.TransportError)
        await until(lambda: not fault._order._holds)
        assert (fault.fired, gateway.stats().sessions) == (1, 0)


async def test_a_swallowed_upgrade_gets_no_byte() -> None:
    """And the fault outlives a restart of the gateway."""
    async with serving() as gateway:
        fault = gateway.faults.swallow()
        async with Upgraded(gateway) as client:
            await fault.wait_fired()
            await gateway.stop()
            assert await client.rest() == b""
        await gateway.start()
        async with Upgraded(gateway):
            await fault.wait_fired(2)
        await until(lambda: not fault._order._holds)
        async with Upgraded(gateway) as client:
            await fault.wait_fired(3)
            fault.lift()
            assert await client.rest() == b""
        assert len(gateway._orders.listeners) == 1
        async with RawClient(gateway.url) as served:
            await served.welcomed()


async def test_answers_are_delayed() -> None:
    """By so many seconds each; lifted, the rest of the wait falls away."""
    async with serving() as gateway:
        began = now()
        with gateway.faults.delay(20) as first, gateway.faults.delay(5, every=2) as second:
            await ask(gateway, "POST", "/lp")
            assert now() - began == pytest.approx(20, abs=0.5)
            await ask(gateway, "POST", "/lp")
            assert now() - began == pytest.approx(45, abs=1)
        assert (first.fired, second.fired) == (2, 1)
        long = gateway.faults.delay(3600, on="websocket")
        asyncio.get_running_loop().call_later(1, long.lift)
        began = now()
        async with RawClient(gateway.url) as client:
            await client.welcomed()
        assert now() - began == pytest.approx(1, abs=0.5)


async def test_a_stop_does_not_wait_for_what_is_delayed_or_silent() -> None:
    """Who is delayed is told that the gateway stops; who hears nothing is cut off."""
    async with serving() as gateway, Upgraded(gateway) as client:
        await client.accepted()
        await client.reader.readexactly(len(WELCOME))
        gateway.faults.silence()
        delay = gateway.faults.delay(3600)
        asking = [asyncio.create_task(ask(gateway, "POST", "/lp")), asyncio.create_task(ask(gateway, "GET", NEWS))]
        await delay.wait_fired(2)
        began = now()
        await gateway.stop()
        assert now() - began < 0.5
        assert [(await answer).status_code for answer in asking] == [503, 503]
        assert await client.rest() == b""


async def test_nobody_is_struck_while_the_gateway_stops() -> None:
    """Who asks again over a connection that is still there gets an answer, and does not hold the stop up."""
    async with serving() as gateway, RawClient(gateway.url) as client:
        await client.welcomed()
        await client.subscribe(LEDGER)
        async with httpx2.AsyncClient(trust_env=False, verify=NO_TLS, timeout=600) as http:
            assert (await http.post(f"{gateway.http_url}/lp")).status_code == 200
            fault = gateway.faults.swallow(on="polling")
            Ledger.end.clear()
            stopping = asyncio.create_task(gateway.stop())
            await asyncio.sleep(0.1)
            assert (await http.post(f"{gateway.http_url}/lp")).status_code == 503
            Ledger.end.set()
            await stopping
        assert fault.fired == 0


async def test_what_comes_after_a_delay_is_what_is_in_force_then() -> None:
    """A refusal that was lifted meanwhile is none."""
    async with serving() as gateway:
        refusal = gateway.faults.refuse(on="polling")
        gateway.faults.delay(10)
        asyncio.get_running_loop().call_later(5, refusal.lift)
        assert (await ask(gateway, "POST", "/lp")).status_code == 200
        assert refusal.fired == 0


async def test_a_client_that_leaves_during_a_delay_opens_nothing() -> None:
    """Its session would have nobody."""
    async with serving() as gateway:
        fault = gateway.faults.delay(3600)
        for method, path in [("POST", "/lp"), ("GET", NEWS)]:
            asking = asyncio.create_task(ask(gateway, method, path))
            await fault.wait_fired(fault.fired + 1)
            asking.cancel()
            await asyncio.wait([asking])
        await until(lambda: not fault._order._holds)
        await until(lambda: gateway.stats().connections == 0)


# Lines ---------------------------------------------------------------------------------------------------------------


async def test_a_silent_line_says_nothing_and_hears_all() -> None:
    """No welcome, no pong, no goodbye; what the client asks is carried out."""
    async with serving() as gateway, gateway.faults.silence() as silence, Upgraded(gateway) as client:
        await client.accepted()
        client.send(0x9, b"are you there?")
        for command in (subscribing(LEDGER), performing(LEDGER, "note", n=1)):
            text = json.dumps(command).encode()
            client.writer.write(b"\x81\xfe" + len(text).to_bytes(2, "big") + bytes(4) + text)
        await until(lambda: Ledger.pages == [1])
        await gateway.broadcast("news", "unheard")
        await asyncio.sleep(100)
        client.send(0x8, b"\x03\xe8")
        assert await client.rest() == b""
        assert silence.fired == 1


async def test_a_silence_that_is_lifted_cuts_its_lines() -> None:
    """Those that came up and those that were up before; others are left alone."""
    async with serving() as gateway, Upgraded(gateway) as before:
        await before.accepted()
        await before.reader.readexactly(len(WELCOME))
        silence = gateway.faults.silence(times=2)
        async with Upgraded(gateway) as after, RawClient(gateway.url) as other:
            await after.accepted()
            await other.welcomed()
            assert silence.fired == 2
            silence.lift()
            assert (await before.rest(), await after.rest()) == (b"", b"")
            await other.subscribe(stream("a"))


async def test_a_silent_line_gets_no_goodbye_and_ends_with_its_gateway() -> None:
    """Also one that was to be sent away."""
    async with serving() as gateway, Upgraded(gateway) as client:
        await client.accepted()
        await client.reader.readexactly(len(WELCOME))
        with gateway.faults.silence():
            assert await gateway.disconnect({"sid": "me"}) == 1
            assert await client.rest() == b""
        await until(lambda: gateway.stats().connections == 0)


@pytest.mark.parametrize("size", [0, 1, 2, 10, 20, 21, 1000, 70_000])
async def test_a_websocket_is_cut_at_its_byte(size: int) -> None:
    """In a header, in a payload, between two frames; and all before has come."""
    async with serving(history_limit=0) as gateway:
        cut = gateway.faults.cut(after_bytes=size)
        async with Upgraded(gateway) as client:
            await client.accepted()
            text = json.dumps(subscribing(stream("news"))).encode()
            client.writer.write(b"\x81" + bytes((0x80 | len(text),)) + bytes(4) + text)
            reading = asyncio.create_task(client.rest())
            await until(lambda: reading.done() or gateway.stats().streams == 1)
            while not reading.done():
                await gateway.broadcast("news", "x" * 400)
            read = await reading
        assert len(read) == size
        assert read[: len(WELCOME)] == WELCOME[:size]
        assert cut.fired == 1


async def test_a_large_frame_is_cut_within() -> None:
    """Its header says how much there should have been."""
    async with serving() as gateway, Upgraded(gateway) as client:
        await client.accepted()
        await client.reader.readexactly(len(WELCOME))
        text = json.dumps(subscribing(stream("news"))).encode()
        client.writer.write(b"\x81" + bytes((0x80 | len(text),)) + bytes(4) + text)
        await until(lambda: gateway.stats().streams == 1)
        await client.reader.read(1000)
        gateway.faults.cut(after_bytes=5000)
        await gateway.broadcast("news", "x" * 70_000)
        read = await client.rest()
        assert (len(read), read[:2]) == (5000, b"\x81\x7f")
        assert int.from_bytes(read[2:10], "big") > 70_000


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_websocket_is_cut_after_its_time(when: str) -> None:
    """Counted from when it comes up, or from the order if it was up."""
    async with serving() as gateway:
        if when == "before":
            gateway.faults.cut(after=30)
        async with Upgraded(gateway) as client:
            await client.accepted()
            if when == "after":
                gateway.faults.cut(after=30)
            began = now()
            assert await client.rest() == WELCOME
            assert now() - began == pytest.approx(30, abs=0.5)
        assert gateway.faults.fired == {"cut": 1}


async def test_each_second_line_is_cut_at_once() -> None:
    """No time at all, as it comes up."""
    async with serving() as gateway:
        gateway.faults.cut(after=0, every=2, times=1)
        for served in (True, False, True, True):
            async with Upgraded(gateway) as client:
                await client.accepted()
                if served:
                    assert await client.reader.readexactly(len(WELCOME)) == WELCOME
                else:
                    assert await client.rest() == b""


async def test_an_event_stream_is_cut_in_the_middle_of_an_event() -> None:
    """Before that it is a stream like any other."""
    async with serving(history_limit=0) as gateway, aiohttp.ClientSession() as http:
        cut = gateway.faults.cut(after_bytes=2000, on="events")
        read = b""
        async with http.get(gateway.http_url + NEWS) as answer:
            with suppress(aiohttp.ClientPayloadError):
                while len(read) < 3000:
                    await gateway.broadcast("news", "x" * 300)
                    read += await answer.content.readany()
        assert len(read) == 2000
        assert b"event: welcome" in read
        assert cut.fired == 1


async def test_an_event_stream_falls_silent() -> None:
    """It is accepted, and that is all."""
    async with serving() as gateway, aiohttp.ClientSession() as http:
        with gateway.faults.silence(on="events"):
            answer = await http.get(gateway.http_url + NEWS, headers={"X-Request-ID": "me"})
            assert answer.status == 200
            await gateway.broadcast("news", 1)
            assert await gateway.disconnect({"sid": "me"}) == 1
            reading = asyncio.create_task(answer.content.read())
            await asyncio.sleep(1)
            assert not reading.done()
        with pytest.raises(aiohttp.ClientPayloadError):
            await reading
        answer.close()


# Polls ---------------------------------------------------------------------------------------------------------------


async def lost(client: PollClient, *commands: dict[str, Any]) -> None:
    """Check that a poll is not answered."""
    with pytest.raises(httpx2.TransportError):
        await client.post(*commands)


@pytest.mark.parametrize(
    ("moment", "noted", "heard"),
    [("arrived", [], ["kept"]), ("taken", [7], ["kept"]), ("answered", [7], [])],
)
@pytest.mark.parametrize("flush", [0, 10])
async def test_each_third_poll_is_dropped(moment: Any, noted: list[int], heard: list[str], flush: int) -> None:
    """What was taken and what was lost with it is what the order says, whether the answer goes at once or not."""
    async with serving(poll_interval=5, poll_flush_interval=flush) as gateway, polling(gateway) as client:
        await client.subscribe(LEDGER)
        drop = gateway.faults.drop_polls(3, moment=moment)
        for _ in range(2):
            assert (await client.post()).status_code == 204
        await gateway.broadcast("news", "kept")
        await lost(client, performing(LEDGER, "note", n=7))
        assert drop.fired == 1
        await client.post()
        assert [frame["message"] for frame in client.frames] == heard
        assert Ledger.pages == noted
        await gateway.broadcast("news", "later")
        await client.post()
        assert [frame["message"] for frame in client.frames] == [*heard, "later"]


async def test_a_held_poll_that_is_dropped_before_its_answer_takes_nothing_along() -> None:
    """It is cut once its commands are taken, though there was nothing to say."""
    async with serving(poll_interval=50) as gateway, polling(gateway) as client:
        await client.subscribe(LEDGER)
        began = now()
        with gateway.faults.drop_polls(1):
            await lost(client, performing(LEDGER, "note", n=1))
        assert now() - began < 1
        await until(lambda: Ledger.pages == [1])


async def test_openings_are_no_polls() -> None:
    """They are neither dropped nor counted."""
    async with serving() as gateway:
        with gateway.faults.drop_polls(1) as drop, gateway.faults.answer_late() as late:
            for _ in range(3):
                assert (await ask(gateway, "POST", "/lp")).status_code == 200
        assert (drop.fired, late.fired) == (0, 0)


async def test_an_answer_comes_after_the_client_has_gone() -> None:
    """Its commands were taken, its messages are lost; what is said meanwhile is for the next poll."""
    async with serving(poll_interval=5) as gateway, polling(gateway) as client:
        await client.subscribe(LEDGER)
        late = gateway.faults.answer_late(times=1)
        await gateway.broadcast("news", "lost")
        poll = asyncio.create_task(client.post(performing(LEDGER, "note", n=1)))
        await asyncio.sleep(60)
        await gateway.broadcast("news", "kept")
        await asyncio.sleep(60)
        assert (poll.done(), late.fired, Ledger.pages) == (False, 0, [1])
        poll.cancel()
        await late.wait_fired()
        await client.post()
        assert [frame["message"] for frame in client.frames] == ["kept"]


@pytest.mark.parametrize("end", ["lift", "stop", "kill"])
async def test_an_answer_that_waits_for_its_client_to_go_holds_nobody_up(end: str) -> None:
    """Neither the end of the fault nor that of the gateway."""
    async with serving(poll_interval=5) as gateway, polling(gateway) as client:
        late = gateway.faults.answer_late()
        poll = asyncio.create_task(client.post())
        await asyncio.sleep(30)
        if end == "lift":
            late.lift()
        elif end == "kill":
            gateway.kill()
        else:
            await gateway.stop()
        with pytest.raises(httpx2.TransportError):
            await poll
        assert (late.fired, late._order._holds) == (1, {})


async def test_a_client_that_leaves_before_the_answer_loses_nothing() -> None:
    """There was no answer yet that could have been lost."""
    async with serving(poll_interval=500) as gateway, polling(gateway) as client:
        await client.subscribe(LEDGER)
        late = gateway.faults.answer_late()
        poll = asyncio.create_task(client.post())
        await asyncio.sleep(1)
        poll.cancel()
        await asyncio.sleep(1)
        late.lift()
        await gateway.broadcast("news", "kept")
        await client.expect(message="kept")
        assert late.fired == 0


# At no cost ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "order",
    [
        lambda faults: faults.cut(after_bytes=10_000),
        lambda faults: faults.cut(after=3600),
        lambda faults: faults.silence(3600),
    ],
)
async def test_a_line_is_as_before_once_its_faults_are_lifted(order: Callable[[Faults], Fault]) -> None:
    """Frames go straight to the socket, and nothing listens."""
    async with serving() as gateway, RawClient(gateway.url) as client:
        await client.welcomed()
        (session,) = gateway._house.sessions
        line = session._line  # type: ignore[attr-defined]
        assert line.impairment is None
        with order(gateway.faults):
            assert line.impairment is not None
        assert line.impairment is None
        await client.subscribe(stream("a"))


async def test_what_is_struck_is_logged_without_what_is_secret(caplog: pytest.LogCaptureFixture) -> None:
    """Neither addresses nor headers."""
    caplog.set_level("INFO", "cableway.gateway")
    async with serving() as gateway:
        gateway.faults.refuse(headers={"Set-Cookie": "hush"}, on="polling")
        await ask(gateway, "POST", "/lp?jid=hush")
    assert "a fault to order strikes a request: refuse" in caplog.text
    assert "hush" not in caplog.text
