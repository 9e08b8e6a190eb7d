"""The gateway as an object: start, stop, kill, publish, limits, TLS."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from cableway.errors import UsageError
from cableway.gateway import Channel, Connection, Gateway, GatewayOptions, action
from cableway.gateway.session import Session
from tests.conformance.raw_client import RawClient, identifier, stream, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture(autouse=True)
async def no_task_left() -> AsyncIterator[None]:
    """Check after each test that the gateway left no task behind."""
    before = asyncio.all_tasks()
    yield
    # What the test itself closed last may need one more round of the loop.
    await asyncio.sleep(0)
    left = {task for task in asyncio.all_tasks() - before if "gateway" in task.get_name() or "aiohttp" in repr(task)}
    assert left == set()


class SlowChannel(Channel):
    """Takes as long as the test wants."""

    gate: asyncio.Event
    ended = 0

    @action
    async def wait(self) -> None:
        """Wait for the test."""
        self.transmit("waiting")
        await self.gate.wait()

    async def unsubscribed(self) -> None:
        """Count."""
        type(self).ended += 1


@pytest.fixture(autouse=True)
def fresh_channel() -> None:
    """Start each test with a closed gate."""
    SlowChannel.gate = asyncio.Event()
    SlowChannel.ended = 0


async def test_it_tells_where_it_is() -> None:
    """A free port on this machine, unless told otherwise."""
    gateway = Gateway()
    with pytest.raises(UsageError, match="no port before it is started"):
        _ = gateway.url
    async with gateway:
        assert gateway.url == f"ws://127.0.0.1:{gateway.port}/cable"
        assert gateway.http_url == f"http://127.0.0.1:{gateway.port}"


@pytest.mark.parametrize(
    ("host", "shown"),
    [("0.0.0.0", "127.0.0.1"), ("", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]"), ("h", "h")],  # noqa: S104
)
def test_the_address_is_one_that_can_be_dialled(host: str, shown: str) -> None:
    """All addresses are no address to dial."""
    assert Gateway(host=host, port=8080, path="/ws").url == f"ws://{shown}:8080/ws"


async def test_any_json_value_is_published_as_it_is() -> None:
    """In process nothing is converted."""
    async with Gateway(public=True) as gateway, RawClient(gateway.url) as client:
        await client.welcomed()
        target = await client.subscribe(stream("a"))
        for value in (None, 0, "", False, "null", [1], {"ä": "👋"}):
            await gateway.broadcast("a", value)
            await client.expect_message(target, value)
        with pytest.raises(TypeError):
            await gateway.broadcast("a", object())


async def test_counters_tell_what_happened() -> None:
    """Some go up and down, most only up."""
    async with Gateway(public=True) as gateway:
        async with RawClient(gateway.url) as client:
            await client.welcomed()
            await client.subscribe(stream("a"))
            await gateway.broadcast("a", 1)
            await client.expect_message(stream("a"), 1)
            look = gateway.stats()
        assert (look.connections, look.subscriptions, look.streams, look.sessions) == (1, 1, 1, 1)
        assert (look.frames_received, look.frames_sent, look.broadcasts) == (1, 3, 1)
        await gateway.stop()
        look = gateway.stats()
        assert (look.connections, look.subscriptions, look.streams, look.sessions) == (0, 0, 0, 1)


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: Gateway(options=GatewayOptions(), port=1), "name the options in one place"),
        (lambda: Gateway(public=True, connection=Connection), "would never be asked"),
        (lambda: Gateway(noauth=True, connection=Connection), "would never be asked"),
        (lambda: Gateway([SlowChannel, SlowChannel]), "two channels are called 'SlowChannel'"),
        (lambda: Gateway([dict]), "is no channel"),  # type: ignore[list-item]
        (lambda: Gateway(pots=1), "did you mean"),
    ],
)
def test_what_cannot_be_meant_is_refused(build: Any, text: str) -> None:
    """When it is built, not when it is needed."""
    with pytest.raises(UsageError, match=text):
        build()


async def test_a_taken_port_is_told_clearly() -> None:
    """And the gateway can be started once the port is free."""
    async with Gateway() as first:
        second = Gateway(port=first.port)
        with pytest.raises(UsageError, match=rf"cannot listen on 127[.]0[.]0[.]1:{first.port}"):
            await second.start()
        await first.stop()
        async with second, RawClient(second.url) as client:
            await client.welcomed()


async def test_it_cannot_be_started_twice() -> None:
    """The error tells where it runs."""
    async with Gateway() as gateway:
        with pytest.raises(UsageError, match="runs already, at ws://"):
            await gateway.start()


async def test_stopping_again_does_nothing() -> None:
    """Before the start, too."""
    gateway = Gateway()
    await gateway.stop()
    await gateway.start()
    await gateway.stop()
    await gateway.stop()


@pytest.mark.looptime
@pytest.mark.parametrize(("rate", "told"), [(0, None), (1, 3000), (400, 8)])
async def test_a_stop_tells_over_how_long_to_spread_the_return(rate: int, told: int | None) -> None:
    """As long as it takes to let all in again; nothing where no rate is set."""
    async with Gateway(accept_rate=rate, accept_wait=9) as gateway:
        clients = [await RawClient(gateway.url).__aenter__() for _ in range(3)]
        for client in clients:
            await client.welcomed()
        stopping = asyncio.create_task(gateway.stop())
        for client in clients:
            frame = await client.expect(type="disconnect", reason="server_restart", reconnect=True)
            assert frame.get("retry_after_ms") == told
            assert ("retry_after_ms" in frame) is (rate > 0)
            await client.close()
        await stopping


@pytest.mark.looptime
async def test_stopped_it_sends_those_away_who_wait() -> None:
    """They are told when to come, and count as part of the crowd that does."""
    async with Gateway(accept_rate=1, accept_wait=9) as gateway, RawClient(gateway.url) as client:
        await client.welcomed()
        dials = [asyncio.create_task(RawClient(gateway.url).__aenter__()) for _ in range(3)]
        await until(lambda: gateway.stats().waiting == 3)
        stopping = asyncio.create_task(gateway.stop())
        refused = await asyncio.gather(*dials, return_exceptions=True)
        assert (await client.expect(type="disconnect"))["retry_after_ms"] == 4000
        await client.close()
        await stopping
        assert [error.response.status_code for error in refused if isinstance(error, InvalidStatus)] == [503] * 3
        assert sorted(
            error.response.headers["Retry-After"] for error in refused if isinstance(error, InvalidStatus)
        ) == [*"123"]
        assert gateway.stats().waiting == 0


async def test_killed_it_drops_those_who_wait() -> None:
    """Without a word, and without a task left over; afterwards the queue is a new one."""
    gateway = Gateway(accept_rate=1, accept_wait=9)
    await gateway.start()
    async with RawClient(gateway.url) as client:
        await client.welcomed()
        dials = [asyncio.create_task(RawClient(gateway.url).__aenter__()) for _ in range(3)]
        await until(lambda: gateway.stats().waiting == 3)
        gateway.kill()
        lost = await asyncio.gather(*dials, return_exceptions=True)
        assert not any(isinstance(error, InvalidStatus | RawClient) for error in lost)
    await gateway.stop()
    assert (gateway.stats().waiting, gateway.stats().refused_for_load) == (0, 0)
    async with gateway, RawClient(gateway.url) as client:
        await client.welcomed()


async def test_it_starts_again_on_the_same_port() -> None:
    """Clients find it where it was."""
    async with Gateway(public=True) as gateway:
        url = gateway.url
        await gateway.stop()
        await gateway.start()
        assert gateway.url == url
        async with RawClient(url) as client:
            await client.welcomed()


async def test_killed_it_says_nothing() -> None:
    """No disconnect, no close frame, no channel is told; the port is free at once, and listeners are forgotten."""
    gateway = Gateway([SlowChannel], public_streams=True)
    await gateway.start()
    async with RawClient(gateway.url) as client:
        await client.welcomed()
        await client.subscribe(identifier("SlowChannel"))
        await client.subscribe(stream("a"))
        gateway.kill()
        async with Gateway(port=gateway.port) as another, RawClient(another.url) as next_client:
            await next_client.welcomed()
        with pytest.raises(ConnectionClosed) as ended:
            await client.frame()
        assert ended.value.rcvd is None
    await gateway.stop()
    assert SlowChannel.ended == 0
    assert gateway.stats().connections == 0


async def test_killed_it_drops_publishers_as_well() -> None:
    """A connection that is kept for the next request is gone like the rest."""
    gateway = Gateway()
    await gateway.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await asyncio.wait_for(reader.readuntil(b"\r\n\r\nOK"), 5)
    gateway.kill()
    assert await asyncio.wait_for(reader.read(), 1) == b""
    writer.close()
    await gateway.stop()


async def test_killed_while_a_channel_works_it_stops_there() -> None:
    """Nothing of it runs on."""
    gateway = Gateway([SlowChannel])
    await gateway.start()
    async with RawClient(gateway.url) as client:
        await client.welcomed()
        target = await client.subscribe(identifier("SlowChannel"))
        await client.perform(target, "wait")
        await client.expect_message(target, "waiting")
        gateway.kill()
    await gateway.start()
    await gateway.stop()
    assert SlowChannel.ended == 0


async def test_stopping_waits_for_channels_at_work() -> None:
    """They finish, and are unsubscribed."""
    async with Gateway([SlowChannel]) as gateway, RawClient(gateway.url) as client:
        await client.welcomed()
        target = await client.subscribe(identifier("SlowChannel"))
        await client.perform(target, "wait")
        await client.expect_message(target, "waiting")
        stopping = asyncio.create_task(gateway.stop())
        await client.expect(type="disconnect", reason="server_restart", reconnect=True)
        assert await client.expect_close() == (1001, "Server restart")
        assert SlowChannel.ended == 0
        SlowChannel.gate.set()
        await stopping
        assert SlowChannel.ended == 1


@pytest.mark.looptime
async def test_stopping_does_not_wait_for_ever() -> None:
    """After the time given, channels are stopped where they are."""
    loop = asyncio.get_running_loop()
    async with Gateway([SlowChannel], shutdown_timeout=7) as gateway, RawClient(gateway.url) as client:
        await client.welcomed()
        target = await client.subscribe(identifier("SlowChannel"))
        await client.perform(target, "wait")
        await client.expect_message(target, "waiting")
        started = loop.time()
        await gateway.stop()
        assert loop.time() - started == pytest.approx(7, abs=0.5)
    assert SlowChannel.ended == 0


@pytest.mark.looptime
async def test_stopping_without_grace_is_quick() -> None:
    """Lines are cut, channels stop where they are."""
    loop = asyncio.get_running_loop()
    async with Gateway([SlowChannel], shutdown_timeout=7) as gateway, RawClient(gateway.url) as client:
        await client.welcomed()
        target = await client.subscribe(identifier("SlowChannel"))
        await client.perform(target, "wait")
        await client.expect_message(target, "waiting")
        started = loop.time()
        await gateway.stop(graceful=False)
        assert loop.time() - started < 1
    assert SlowChannel.ended == 0


async def raw_socket(gateway: Gateway) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Upgrade by hand over a socket that buffers little, subscribe to stream a, and then never read."""
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plain.setblocking(False)
    await asyncio.get_running_loop().sock_connect(plain, ("127.0.0.1", gateway.port))
    reader, writer = await asyncio.open_connection(sock=plain, limit=1024)
    writer.write(
        b"GET /cable HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    text = json.dumps({"command": "subscribe", "identifier": stream("a")}).encode()
    writer.write(bytes([0x81, 0x80 | len(text)]) + b"\0\0\0\0" + text)
    await until(lambda: gateway.stats().subscriptions == 1)
    return reader, writer


async def test_a_slow_reader_is_cut_and_told_so() -> None:
    """More than the limit waits: what waits is dropped, the reader told too_slow, and nobody else is held up."""
    async with Gateway(public=True, ws_max_pending_size=100_000, ws_write_timeout=30) as gateway:
        reader, writer = await raw_socket(gateway)
        async with RawClient(gateway.url) as well:
            await well.welcomed()
            await well.subscribe(stream("a"))
            sent = 0
            while not gateway.stats().too_slow:
                await gateway.broadcast("a", "x" * 50_000)
                await well.expect_message(stream("a"), "x" * 50_000)
                sent += 1
                assert sent < 1000, "a reader that never reads was never cut"
            rest = b""
            async with asyncio.timeout(5):
                while not rest.endswith(b"\x88\x02\x03\xe8"):
                    rest = rest[-200:] + await reader.read(65_536)
            assert b'{"type":"disconnect","reason":"too_slow","reconnect":true}' in rest
            writer.close()
            await until(lambda: gateway.stats().connections == 1)


@pytest.mark.looptime
async def test_a_reader_that_is_stuck_is_cut_after_the_write_timeout() -> None:
    """One write takes longer than allowed: the line is given up, whatever little waits."""
    async with Gateway(public=True, ws_max_pending_size=0, ping_interval=0) as gateway:
        _, writer = await raw_socket(gateway)
        for _ in range(200):
            await gateway.broadcast("a", "x" * 100_000)
        async with asyncio.timeout(30):
            while gateway.stats().connections:  # noqa: ASYNC110 - lets virtual time pass
                await asyncio.sleep(0.5)
        assert gateway.stats().stalled == 1
        writer.close()


@pytest.mark.looptime
async def test_a_client_that_does_not_answer_the_close_is_cut() -> None:
    """A second is enough for a goodbye."""
    loop = asyncio.get_running_loop()
    async with Gateway(public=True) as gateway:
        reader, writer = await raw_socket(gateway)
        started = loop.time()
        await gateway.stop()
        assert loop.time() - started == pytest.approx(1, abs=0.2)
        assert b"server_restart" in await reader.read()
        writer.close()


async def test_goodbye_is_said_once() -> None:
    """After the client's answer nothing follows but the end of the line."""
    async with Gateway(public=True) as gateway:
        reader, writer = await raw_socket(gateway)
        stopping = asyncio.create_task(gateway.stop())
        goodbye = struct.pack("!H", 1001) + b"Server restart"
        await asyncio.wait_for(reader.readuntil(bytes([0x88, len(goodbye)]) + goodbye), 5)
        writer.write(bytes([0x88, 0x82]) + b"\0\0\0\0" + goodbye[:2])
        assert await asyncio.wait_for(reader.read(), 5) == b""
        await stopping
        writer.close()


async def test_publishing_in_a_loop_does_not_make_good_readers_look_slow() -> None:
    """Ten times what may wait goes through while the client reads."""
    async with Gateway(public=True, ws_max_pending_size=100_000) as gateway, RawClient(gateway.url) as client:
        await client.welcomed()
        target = await client.subscribe(stream("a"))

        async def flood() -> None:
            for n in range(1000):
                await gateway.broadcast("a", [n, "x" * 1000])

        flooding = asyncio.create_task(flood())
        for n in range(1000):
            assert (await client.expect(identifier=target))["message"][0] == n
        await flooding


class DeafConnection(Connection):
    """Decides only when the test wants."""

    asked: asyncio.Event
    gate: asyncio.Event

    async def connect(self) -> None:
        """Wait for the test."""
        self.asked.set()
        await self.gate.wait()


async def test_who_is_not_let_in_yet_when_it_stops_is_told_to_come_back() -> None:
    """The verdict that comes later changes nothing."""
    DeafConnection.asked, DeafConnection.gate = asyncio.Event(), asyncio.Event()
    async with Gateway(connection=DeafConnection) as gateway, RawClient(gateway.url) as client:
        await DeafConnection.asked.wait()
        stopping = asyncio.create_task(gateway.stop())
        await client.expect(type="disconnect", reason="server_restart", reconnect=True)
        DeafConnection.gate.set()
        assert await client.expect_close() == (1001, "Server restart")
        await stopping


async def test_an_upgrade_under_way_when_it_stops_is_told_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """It had a foot in the door already."""
    under_way, go_on = asyncio.Event(), asyncio.Event()
    serve = Session.serve

    async def late(self: Session, messages: Any) -> None:
        under_way.set()
        await go_on.wait()
        await serve(self, messages)

    monkeypatch.setattr(Session, "serve", late)
    async with Gateway() as gateway, RawClient(gateway.url) as client:
        await under_way.wait()
        stopping = asyncio.create_task(gateway.stop())
        await asyncio.sleep(0)
        go_on.set()
        await client.expect(type="disconnect", reason="server_restart", reconnect=True)
        await stopping


def test_without_aiohttp_the_extra_is_named() -> None:
    """The error tells what to install."""
    program = "import sys; sys.modules['aiohttp'] = None; import cableway.gateway"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "pip install 'cableway[gateway]'" in done.stderr


@pytest.fixture
def certificates(tmp_path: Path) -> tuple[Path, Path, ssl.SSLContext]:
    """Give a certificate for localhost, its key, and a context that trusts it."""
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    for blob in issued.cert_chain_pems:
        blob.write_to_path(chain, append=True)
    issued.private_key_pem.write_to_path(key)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return chain, key, context


async def test_it_speaks_tls(certificates: tuple[Path, Path, ssl.SSLContext]) -> None:
    """With certificate files it is a wss server, and nothing else on that port."""
    chain, key, context = certificates
    async with Gateway(public=True, ssl_cert=str(chain), ssl_key=str(key)) as gateway:
        assert gateway.url.startswith("wss://127.0.0.1:")
        assert gateway.http_url.startswith("https://")
        async with connect(gateway.url, ssl=context, proxy=None) as client:
            assert json.loads(await client.recv())["type"] == "welcome"
            await gateway.stop()
            assert json.loads(await client.recv())["reason"] == "server_restart"
            with pytest.raises(ConnectionClosed) as ended:
                await client.recv()
            assert ended.value.rcvd is not None
            assert ended.value.rcvd.code == 1001


async def test_killed_over_tls_it_says_nothing(certificates: tuple[Path, Path, ssl.SSLContext]) -> None:
    """The line breaks there as well."""
    chain, key, context = certificates
    async with (
        Gateway(ssl_cert=str(chain), ssl_key=str(key)) as gateway,
        connect(gateway.url, ssl=context, proxy=None) as client,
    ):
        await client.recv()
        gateway.kill()
        with pytest.raises(ConnectionClosed) as ended:
            await client.recv()
        assert ended.value.rcvd is None


async def test_a_certificate_that_cannot_be_read_is_told_clearly(tmp_path: Path) -> None:
    """With the names of both files."""
    missing, broken = tmp_path / "missing.pem", tmp_path / "broken.pem"
    broken.write_text("no certificate")
    for cert in (missing, broken):
        with pytest.raises(UsageError, match=f"cannot read the certificate '{cert}'"):
            await Gateway(ssl_cert=str(cert), ssl_key=str(cert)).start()


async def test_a_crowd_comes_and_goes() -> None:
    """Fifty clients, some leaving without a word: nothing stays."""
    async with Gateway(public=True) as gateway:
        clients = [RawClient(gateway.url) for _ in range(50)]
        for client in clients:
            await client.__aenter__()
            await client.welcomed()
            await client.subscribe(stream("a"))
        await gateway.broadcast("a", "hello")
        for client in clients:
            await client.expect_message(stream("a"), "hello")
        for n, client in enumerate(clients):
            if n % 2:
                client.socket.transport.abort()
            else:
                await client.close()
        await until(lambda: gateway.stats().connections == 0)
        assert gateway.stats().streams == 0
