"""Event streams: how a session's beginning becomes a status, and its end the end of the answer."""

from __future__ import annotations

import asyncio
import json
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import trustme

from cableway.gateway import Channel, Connection, Gateway
from cableway.gateway.events import EventLine
from cableway.wire.server_session import Verdict
from cableway.wire.server_table import SessionState
from tests.conformance.event_client import EventClient
from tests.conformance.raw_client import WAIT, identifier, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture(autouse=True)
async def no_task_left() -> AsyncIterator[None]:
    """Check after each test that the gateway left no task behind."""
    before = asyncio.all_tasks()
    yield
    await asyncio.sleep(0)
    left = {task for task in asyncio.all_tasks() - before if "gateway" in task.get_name() or "aiohttp" in repr(task)}
    assert left == set()


class Slow(Channel):
    """Takes as long as the test wants, then does as it is told."""

    gate: asyncio.Event
    ended = 0

    async def subscribed(self) -> None:
        """Wait for the test."""
        self.stream_from("slow")
        self.transmit("first")
        await self.gate.wait()
        if self.params.get("fail"):
            msg = "as asked"
            raise RuntimeError(msg)

    async def unsubscribed(self) -> None:
        """Count."""
        type(self).ended += 1


@pytest.fixture(autouse=True)
def fresh_channel() -> None:
    """Start each test with a closed gate."""
    Slow.gate = asyncio.Event()
    Slow.ended = 0


class Response:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.ended = False

    async def write(self, data: bytes) -> None:
        """Keep it."""
        self.written.append(data)

    async def write_eof(self) -> None:
        """Note it."""
        self.ended = True


class Rig:
    """A line, and the answer that it writes to."""

    def __init__(self, *, subscribes: int = 1, limit: int = 100) -> None:
        self.aborts = 0
        self.line = EventLine(subscribes=subscribes, limit=limit, abort=self.abort)
        self.response: Any = Response()

    def abort(self) -> None:
        """Count."""
        self.aborts += 1


async def test_nothing_is_written_before_the_status_is_known() -> None:
    """Then all that waited, in one go; what follows at once; and nothing for what is empty."""
    rig = Rig()
    for frame in (b"welcome", b"", b"confirmed"):
        await rig.line.send(frame)
    assert not rig.line.status.done()
    rig.line.settled(Verdict.CONFIRMED)
    assert await rig.line.status == 200
    await rig.line.open(rig.response)
    await rig.line.send(b"")
    await rig.line.send(b"next")
    assert rig.response.written == [b"welcomeconfirmed", b"next"]


@pytest.mark.parametrize(
    ("verdicts", "status"),
    [
        ([Verdict.CONFIRMED, Verdict.CONFIRMED], 200),
        ([Verdict.CONFIRMED, Verdict.REJECTED], 400),
        ([Verdict.FAILED, Verdict.CONFIRMED], 400),
    ],
)
async def test_the_verdicts_make_the_status(verdicts: list[Verdict], status: int) -> None:
    """All must be good, and the first that is not decides."""
    rig = Rig(subscribes=2)
    rig.line.let_in()
    assert not rig.line.status.done()
    for verdict in verdicts:
        rig.line.settled(verdict)
    assert await rig.line.status == status


@pytest.mark.parametrize(("code", "status"), [(1000, 401), (1011, 400), (1001, 503)])
async def test_a_close_before_the_beginning_is_a_refusal(code: int, status: int) -> None:
    """Not let in, broken, or stopping; and that is the end."""
    rig = Rig()
    await rig.line.close(code, "")
    assert await rig.line.status == status
    assert [message async for message in rig.line.messages([b"subscribe"])] == [b"subscribe"]


async def test_a_close_ends_the_answer() -> None:
    """After all that was said."""
    rig = Rig(subscribes=0)
    rig.line.let_in()
    await rig.line.open(rig.response)
    await rig.line.close(1000, "")
    assert (await rig.line.status, rig.response.ended) == (200, True)


@pytest.mark.looptime
async def test_what_waits_for_the_beginning_is_bounded() -> None:
    """Beyond the limit the session's writer waits, and its queue, which has a limit of its own, fills."""
    rig = Rig(limit=10)
    for _ in range(11):
        await rig.line.send(b"x")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(rig.line.send(b"late"), 1)
    waiting = asyncio.ensure_future(rig.line.send(b"later"))
    await rig.line.open(rig.response)
    await waiting
    assert rig.response.written == [b"x" * 11, b"later"]


async def test_who_is_gone_needs_no_status() -> None:
    """Cut off or gone by itself, the session's messages end."""
    rig = Rig()
    rig.line.abort()
    assert (await rig.line.status, rig.aborts) == (499, 1)
    assert [message async for message in rig.line.messages([])] == []


async def test_the_status_waits_for_the_channel() -> None:
    """A failing one is answered with 400, and what it had sent is not told."""
    async with Gateway([Slow], sse=True) as gateway:
        for target, status in [(identifier("Slow"), 200), (identifier("Slow", fail=True), 400)]:
            Slow.gate.clear()
            opening = asyncio.create_task(EventClient(gateway.http_url, {"identifier": target}).open())
            await until(lambda: gateway.stats().streams == 1)
            assert not opening.done()
            Slow.gate.set()
            client = await opening
            assert client.status == status
            if status == 200:
                assert [(await client.event(pings=True)).kind for _ in range(3)] == [
                    "welcome",
                    "",
                    "confirm_subscription",
                ]
            else:
                assert await client.response.aread() == b""
            await client.close()
            await until(lambda: gateway.stats().connections == 0)
        assert gateway.stats().event_streams == 1


def _states(gateway: Gateway) -> set[SessionState]:
    return {session._machine.state for session in gateway._house.sessions}  # type: ignore[attr-defined]


async def test_who_hangs_up_is_noticed_at_once() -> None:
    """Without a ping, and while a channel still thinks: its subscription ends."""
    async with Gateway([Slow], sse=True, ping_interval=0) as gateway:
        Slow.gate.set()
        async with EventClient(gateway.http_url, {"channel": "Slow"}):
            pass
        await until(lambda: Slow.ended == 1 and gateway.stats().connections == 0)
        Slow.gate.clear()
        opening = asyncio.create_task(EventClient(gateway.http_url, {"channel": "Slow"}).open())
        await until(lambda: gateway.stats().streams == 1)
        opening.cancel()
        await until(lambda: _states(gateway) == {SessionState.DRAINING})
        Slow.gate.set()
        await until(lambda: Slow.ended == 2 and gateway.stats().connections == 0)
        assert gateway.stats().event_streams == 1


async def test_a_connection_that_breaks_is_answered_with_400() -> None:
    """As AnyCable does where its application breaks."""

    class Broken(Connection):
        async def connect(self) -> None:
            raise RuntimeError

    async with (
        Gateway(connection=Broken, public_streams=True, sse=True) as gateway,
        EventClient(gateway.http_url, {"stream": "a"}) as client,
    ):
        assert client.status == 400


async def test_a_reader_that_is_too_slow_is_cut() -> None:
    """Its queue has the limit of a WebSocket's."""
    async with (
        Gateway(public=True, sse=True, ws_max_pending_size=100_000, ws_write_timeout=60) as gateway,
        EventClient(gateway.http_url, {"stream": "a"}) as client,
    ):
        await client.begun()
        async with asyncio.timeout(WAIT):
            while not gateway.stats().too_slow:
                await gateway.broadcast("a", "x" * 100_000)
        async with asyncio.timeout(WAIT):
            while (event := await client.event()).kind != "disconnect":
                pass
        assert event.value["reason"] == "too_slow"


@pytest.mark.parametrize("how", ["stop", "drop", "kill"])
async def test_no_stream_outlives_its_gateway(how: str) -> None:
    """Stopped with a word or without, or killed: the client sees the end."""
    async with Gateway(public=True, sse=True) as gateway, EventClient(gateway.http_url, {"stream": "a"}) as client:
        await client.begun()
        async with asyncio.timeout(WAIT):
            if how == "kill":
                gateway.kill()
            await gateway.stop(graceful=how == "stop")
        if how == "stop":
            assert (await client.expect("disconnect")).value["reason"] == "server_restart"
            await client.expect_end()
        else:
            with pytest.raises(httpx2.TransportError):
                await client.event()


async def test_nobody_comes_in_while_it_is_off() -> None:
    """The path is not there unless asked for, and may be another."""
    async with Gateway(public=True) as gateway, EventClient(gateway.http_url, {"stream": "a"}) as client:
        assert client.status == 404
    async with (
        Gateway(public=True, sse=True, sse_path="/x/events") as gateway,
        EventClient(f"{gateway.http_url}/x", {"stream": "a"}) as client,
    ):
        await client.begun()


async def test_rails_streams_tell_no_id_and_know_no_past() -> None:
    """The flavour counts here, too."""
    async with (
        Gateway(public=True, sse=True, flavour="rails") as gateway,
        EventClient(gateway.http_url, {"stream": "a", "history_since": "1"}) as client,
    ):
        assert json.loads((await client.expect("welcome")).data) == {"type": "welcome"}
        await client.expect("confirm_subscription")
        await gateway.broadcast("a", 1)
        assert (await client.expect_message(1)).id == ""


@pytest.mark.parametrize(
    ("method", "headers", "content", "status"),
    [
        ("GET", {}, "", 200),
        ("POST", {}, '{"identifier":"{\\"channel\\":\\"$pubsub\\",\\"stream_name\\":\\"a\\"}"}', 200),
        ("OPTIONS", {}, "", 200),
        ("DELETE", {}, "", 405),
        ("GET", {"Origin": "https://example.org"}, "", 403),
        ("GET", {"Host": "evil.example"}, "", 403),
        ("GET", {"Last-Event-ID": "x/y/z"}, "", 400),
        ("POST", {}, "{", 400),
        ("POST", {}, " " * 65_537, 400),
    ],
)
async def test_the_request_alone_may_decide(method: str, headers: dict[str, str], content: str, status: int) -> None:
    """Before a session begins: only what may be a stream is one."""
    async with Gateway(public_streams=True, sse=True) as gateway:
        request = EventClient(
            gateway.http_url, {"stream": "a"}, method=method, headers=headers, content=content or None
        )
        async with request as client:
            assert client.status == status
            assert gateway.stats().sessions == (status == 200 and method != "OPTIONS")


async def test_a_crowd_is_sent_away_before_a_session_begins() -> None:
    """With the headers that a page needs to see it."""
    async with (
        Gateway(public=True, sse=True, max_conn=1) as gateway,
        EventClient(gateway.http_url, {"stream": "a"}),
        EventClient(gateway.http_url, {"stream": "a"}) as late,
    ):
        assert late.status == 503
        assert late.response.headers["Access-Control-Allow-Origin"] == "*"


async def test_a_client_that_is_gone_when_its_stream_begins_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The head of the answer cannot be written: the session ends."""

    async def broken(*_: object) -> None:
        raise ConnectionResetError

    async with Gateway([Slow], sse=True) as gateway:
        Slow.gate.set()
        monkeypatch.setattr(EventLine, "open", broken)
        opening = asyncio.create_task(EventClient(gateway.http_url, {"channel": "Slow"}).open())
        await until(lambda: Slow.ended == 1 and gateway.stats().connections == 0)
        await (await opening).close()


async def test_a_client_that_hangs_up_is_noticed_through_tls(tmp_path: Path) -> None:
    """The same over a secure line, whose transport is another one."""
    authority = trustme.CA()
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_and_cert_chain_pem.write_to_path(chain)
    certificate.private_key_pem.write_to_path(key)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    async with Gateway(public=True, sse=True, ping_interval=0, ssl_cert=str(chain), ssl_key=str(key)) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port, ssl=context)
        writer.write(b"GET /events?stream=a HTTP/1.1\r\nHost: h\r\n\r\n")
        assert b"confirm_subscription" in await asyncio.wait_for(reader.readuntil(b"confirm_subscription"), WAIT)
        assert gateway.stats().connections == 1
        writer.transport.abort()
        await until(lambda: gateway.stats().connections == 0)
        with suppress(OSError):
            await writer.wait_closed()
