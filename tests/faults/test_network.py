"""What networks do to a line, and how long it takes to have one again."""

from __future__ import annotations

import asyncio
import datetime as dt
import socket
import threading
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from cableway import (
    Cable,
    ConnectTimeout,
    Disconnected,
    HostUnreachable,
    LineStale,
    NotAWebSocket,
    ProxyFailure,
    RetryScheduled,
    State,
    SubscriptionState,
    TLSFailure,
)
from cableway.errors import HandshakeRefused, ServerSilent
from cableway.transports.websocket import race
from tests.faults.rig import (
    PING,
    PROTOCOL,
    WELCOME,
    Rig,
    confirm,
    dials,
    eventually,
    near,
    now,
    rig,
    serve,
    text,
    trying,
    up,
)
from tests.simulation.network import Weather
from tests.transports.websocket.peers import (
    ConnectProxy,
    Peer,
    answering,
    client_tls,
    close_frame,
    server_tls,
    serving,
    unused_port,
)

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable

pytestmark = pytest.mark.looptime


# Lines that break ----------------------------------------------------------------------------------------------------


async def test_a_peer_that_vanishes_without_a_word() -> None:
    """Half open in both directions: noticed after two beats and the grace, and replaced at once."""
    async with up() as made:
        chat = made.cable.subscribe("Chat")
        await chat
        made.line.wire.dead = True
        died = made.line.wire.last_received
        await made.until(lambda: made.cable.state is not State.CONNECTED)
        assert 2 * 3 <= now() - died <= 2 * 3 + 3 + 0.1
        assert isinstance(made.cable.error, LineStale)
        assert await made.until(lambda: chat.state is SubscriptionState.SUBSCRIBED) < 2
        assert made.net.sockets == 1


async def test_only_what_we_write_is_lost() -> None:
    """The server still beats, so only the write shows it: it fails in time, and the line is replaced."""
    async with up() as made:
        chat = await made.cable.subscribe("Chat")
        made.line.wire.writable.clear()
        began = now()
        with pytest.raises(LineStale, match="took no more data"):
            await chat.perform("note", number=1)
        assert now() - began == pytest.approx(10, abs=0.1)
        assert await made.until(lambda: chat.state is SubscriptionState.SUBSCRIBED) < 2
        await chat.perform("note", number=2)
        await asyncio.sleep(1)
        assert made.net.performed == [2] or made.net.performed[-1] == 2


async def test_a_handshake_that_drips() -> None:
    """A byte a second is no answer: after ten seconds the dial has failed, and the server counts as overloaded."""

    async def script(peer: Peer) -> None:
        await peer.read_request()
        for byte in b"HTTP/1.1 101 Switching Protocols\r\n" * 10:
            try:
                await peer.send(bytes([byte]))
            except ConnectionError:
                return
            await asyncio.sleep(1)

    async with serving(script) as port, trying(near(port)) as events:
        began = now()
        await eventually(lambda: any(isinstance(event, RetryScheduled) for event in events))
        assert now() - began < 11
        (retry,) = [event for event in events if isinstance(event, RetryScheduled)]
        assert isinstance(retry.error, ServerSilent)


async def test_a_message_that_drips() -> None:
    """While one frame trickles in nothing else gets through: after half a minute that is silence."""

    async def script(peer: Peer) -> None:
        await peer.upgrade(PROTOCOL, after=WELCOME + PING)
        await peer.send(b"\x81\x7e\xff\xff")
        with suppress(ConnectionError):
            while True:
                await peer.send(b" ")
                await asyncio.sleep(1)

    async with serving(script) as port:
        cable = near(port)
        lost: list[float] = []
        cable.on(Disconnected, lambda _: lost.append(now()))
        await cable.open()
        began = now()
        await eventually(lambda: bool(lost))
        assert lost[0] - began <= 30 + 48 + 1
        await cable.close(flush=False)


def mid_frame(identifier: str) -> bytes:
    """Half of a message."""
    return text({"identifier": identifier, "message": "x" * 100})[:40]


async def _reset(peer: Peer) -> None:
    peer.reset()


async def _finish(peer: Peer) -> None:
    peer.writer.close()


async def _say_1000(peer: Peer) -> None:
    await peer.send(close_frame(1000))


async def _say_1001(peer: Peer) -> None:
    await peer.send(close_frame(1001))


@pytest.mark.parametrize(
    ("half", "end"),
    [
        pytest.param(True, _reset, id="reset in the middle of a frame"),
        pytest.param(True, _finish, id="closed in the middle of a frame"),
        pytest.param(False, _finish, id="closed without a close frame"),
        pytest.param(False, _say_1000, id="a clean goodbye"),
        pytest.param(False, _say_1001, id="a server that goes away"),
    ],
)
async def test_a_line_that_ends(*, half: bool, end: Callable[[Peer], Awaitable[None]]) -> None:
    """However it ends, half a message is none, and the line comes back with its subscription."""
    lines = 0
    go = asyncio.Event()
    identifier = '{"channel":"Chat"}'

    async def script(peer: Peer) -> None:
        nonlocal lines
        lines += 1
        if lines > 1:
            await serve(peer)
            return
        await peer.upgrade(PROTOCOL, after=WELCOME)
        await peer.read_frame()
        await peer.send(confirm(identifier))
        await go.wait()
        if half:
            await peer.send(mid_frame(identifier))
        await end(peer)

    async with serving(script) as port:
        cable = near(port)
        await cable.open()
        chat = await cable.subscribe("Chat")
        go.set()
        await eventually(lambda: cable.state is not State.CONNECTED)
        assert cable.state is State.DISCONNECTED
        await eventually(lambda: chat.state is SubscriptionState.SUBSCRIBED)
        assert chat.take() == []
        assert lines == 2
        await cable.close(flush=False)


# Names and addresses -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [socket.EAI_NONAME, socket.EAI_AGAIN, socket.EAI_FAIL])
async def test_a_name_that_is_not_found(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Unknown, or the name server fails: it is dialled again, soon and then less often."""

    def fail(*args: object, **options: object) -> None:
        raise socket.gaierror(code, "no answer")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    made = rig()
    cable = Cable("ws://nowhere.example/cable", proxy=None, dial_gate=None, open_timeout=20)
    cable.on(RetryScheduled, made.events.append)
    with pytest.raises(ConnectTimeout) as caught:
        await cable.open()
    assert isinstance(caught.value.__cause__, HostUnreachable)
    assert 3 <= len(made.events) <= 8


async def test_a_name_server_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop goes on, the dial ends in time, and the cable can be closed."""
    release = threading.Event()

    def hang(*args: object, **options: object) -> list[Any]:
        release.wait(30)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    cable = Cable("ws://slow.example/cable", proxy=None, dial_gate=None, dial_timeout=0.3)
    try:
        async with trying(cable) as events:
            began, ticks = now(), 0
            while not any(isinstance(event, RetryScheduled) for event in events):
                await asyncio.sleep(0.01)
                ticks += 1
            # A thread that waits cannot be hurried: this is real time.
            assert now() - began == pytest.approx(0.3, abs=0.2)
            assert ticks > 5
    finally:
        release.set()
    assert cable.state is State.CLOSED


async def test_an_address_that_changes_between_dials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each dial asks for the name anew."""
    async with serving(serve) as port:
        answers = [unused_port(), port]

        def resolve(*args: object, **options: object) -> list[Any]:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", answers.pop(0)))]

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        cable = Cable("ws://moving.example/cable", proxy=None, dial_gate=None)
        await cable.open()
        assert answers == []
        await cable.close(flush=False)


async def test_an_ipv6_route_that_leads_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other family is tried beside it, within a second."""
    connect = race._connect

    async def half_broken(family: socket.AddressFamily, address: Any) -> socket.socket:
        if family is socket.AF_INET6:
            await asyncio.sleep(3600)
        return await connect(family, address)

    monkeypatch.setattr(race, "_connect", half_broken)
    async with serving(serve) as port:
        found = [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: found)
        cable = Cable("ws://both.example/cable", proxy=None, dial_gate=None)
        began = now()
        await cable.open()
        assert now() - began < 1
        await cable.close(flush=False)


# Servers that cannot be reached --------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
async def test_refused_for_ten_minutes(seed: int) -> None:
    """At most 30 dials, and back within 45 s of the server's return."""
    async with up(seed=seed) as made:
        made.weather = Weather("unreachable")
        made.break_lines()
        await asyncio.sleep(600)
        assert 15 <= dials(made) <= 30
        made.weather = Weather()
        assert await made.until(lambda: made.cable.state is State.CONNECTED) <= 45


@pytest.mark.parametrize("seed", range(5))
async def test_accepted_and_dropped_for_ten_minutes(seed: int) -> None:
    """A welcome is no proof: at most 32 dials."""
    async with up(seed=seed) as made:
        made.weather = Weather("dropping", drop_after=(0.0, 0.25))
        made.break_lines()
        await asyncio.sleep(600)
        assert 15 <= dials(made) <= 32


FORMS = [
    ("7", 7.0),
    ("120", 120.0),
    ("Wed, 21 Oct 2065 07:28:00 GMT", 600.0),
    ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
    ("-5", 0.0),
    ("abc", 0.0),
    ("1000000000", 600.0),
    ("", 0.0),
    (None, 0.0),
]


@pytest.mark.parametrize(("value", "least"), FORMS)
@pytest.mark.parametrize(
    ("by_proxy", "status"),
    [(False, 429), (False, 502), (False, 503), (False, 504), (True, 502), (True, 503), (True, 504)],
)
async def test_turned_away_for_now(*, by_proxy: bool, status: int, value: str | None, least: float) -> None:
    """By the server or by a proxy: it says when to come back in two forms, or in none, or talks nonsense."""
    headers = {} if value is None else {"retry-after": value}
    async with up() as made:
        refusal = HandshakeRefused("ws://x", status, headers)
        proxied = ProxyFailure("ws://x", "no", status=status, headers=headers)
        made.net._reach = _raising(proxied if by_proxy else refusal)  # type: ignore[method-assign]
        made.break_lines()
        await made.until(lambda: dials(made) >= 1 and made.cable.state is State.DISCONNECTED)
        assert least <= made.retry.delay <= max(1.2 * least, 1.0)
        await asyncio.sleep(0.9 * least)
        assert dials(made) == 1 or least == 0


def _raising(error: Exception) -> Any:
    async def reach(*args: object) -> None:
        raise error

    return reach


async def test_a_server_that_says_when_in_bytes() -> None:
    """The same from a real answer."""
    script = answering("503 Service Unavailable", b"busy", "Retry-After: 120")
    async with serving(script) as port, trying(near(port)) as events:
        await eventually(lambda: any(isinstance(event, RetryScheduled) for event in events))
        (retry,) = [event for event in events if isinstance(event, RetryScheduled)]
        assert 120 <= retry.delay <= 144


async def test_a_proxy_that_wants_credentials() -> None:
    """There are none: it is not asked twice."""
    proxy = ConnectProxy(credentials="Basic c2VjcmV0")
    async with serving(proxy) as port:
        cable = near(unused_port(), proxy=f"http://127.0.0.1:{port}")
        with pytest.raises(ProxyFailure, match="credentials"):
            await cable.open()
        await asyncio.sleep(600)
    assert cable.state is State.CLOSED
    assert len(proxy.requests) == 1


async def test_a_proxy_that_closes_half_way() -> None:
    """A matter of the network: it is asked again."""
    asked = 0

    async def script(peer: Peer) -> None:
        nonlocal asked
        asked += 1
        await peer.read_request()
        await peer.send(b"HTTP/1.1 200 Connec")

    async with serving(script) as port:
        cable = near(unused_port(), proxy=f"http://127.0.0.1:{port}")
        async with trying(cable):
            await eventually(lambda: asked >= 3)
            assert cable.state is not State.CLOSED


# Lines that are not what they seem -----------------------------------------------------------------------------------


def _expired(ca: trustme.CA) -> ssl.SSLContext:
    return server_tls(ca, not_after=dt.datetime.now(dt.UTC) - dt.timedelta(days=1))


@pytest.mark.parametrize(
    "certificate",
    [
        pytest.param(_expired, id="expired"),
        pytest.param(lambda ca: server_tls(ca, "other.example"), id="for another host"),
        pytest.param(lambda _: server_tls(trustme.CA()), id="of an unknown authority"),
    ],
)
async def test_certificates_that_prove_nothing(certificate: Callable[[trustme.CA], ssl.SSLContext]) -> None:
    """No line is opened, and a person has to mend it: it is dialled again only now and then."""
    ca = trustme.CA()
    welcomed = 0

    async def script(peer: Peer) -> None:
        nonlocal welcomed
        await peer.upgrade(PROTOCOL, after=WELCOME)
        welcomed += 1

    async def tolerant(peer: Peer) -> None:
        with suppress(asyncio.IncompleteReadError, OSError):
            await script(peer)

    async with (
        serving(tolerant, tls=certificate(ca)) as port,
        trying(near(port, "wss", ssl=client_tls(ca), open_timeout=None)) as events,
    ):
        await eventually(lambda: sum(isinstance(event, RetryScheduled) for event in events) >= 3)
        for event in [event for event in events if isinstance(event, RetryScheduled)]:
            assert isinstance(event.error, TLSFailure)
            assert 15 <= event.delay <= 45
    assert welcomed == 0


@pytest.mark.parametrize(
    "answer",
    [
        ("200 OK", b"<html>Accept our terms", "Content-Type: text/html"),
        ("302 Found", b"", "Location: http://127.0.0.1:{port}/login"),
        ("511 Network Authentication Required", b"<html>Log in", "Content-Type: text/html"),
    ],
)
async def test_a_captive_portal(answer: tuple[str, bytes, str]) -> None:
    """Nobody is told our secrets a second time, and once the user has logged in the line comes up."""
    portal, seen = True, []

    async def other(peer: Peer) -> None:
        seen.append(await peer.read_request())

    async def script(peer: Peer) -> None:
        if portal:
            await answering(answer[0], answer[1], answer[2].format(port=login))(peer)
        else:
            await serve(peer)

    async with serving(other) as login, serving(script) as port:
        cable = near(port, headers={"Cookie": "session=secret"}, open_timeout=None)
        async with trying(cable) as events:
            await eventually(lambda: sum(isinstance(event, RetryScheduled) for event in events) >= 2)
            errors = [event.error for event in events if isinstance(event, RetryScheduled)]
            assert all(isinstance(error, NotAWebSocket | HandshakeRefused) for error in errors)
            assert "secret" not in "".join(map(repr, errors))
            portal = False
            await eventually(lambda: cable.state is State.CONNECTED)
    assert seen == []


# Clocks, sleep and moves ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("days", [1, -1, 3650, -3650])
async def test_a_wall_clock_that_jumps(days: int) -> None:
    """Nothing on the line is decided by it."""
    async with up() as made:
        made.wall += days * 86400
        await asyncio.sleep(600)
        assert made.events == []


async def test_a_night_s_sleep() -> None:
    """The dead line is dropped at the first look, and one dial brings another; what nobody said is not made up."""
    async with up() as made:
        chat = await made.cable.subscribe("Chat")
        made.events.clear()
        made.host.slept += 8 * 3600
        made.line.wire.dead = True
        assert await made.until(lambda: made.cable.state is not State.CONNECTED) <= 5.1
        assert await made.until(lambda: chat.state is SubscriptionState.SUBSCRIBED) <= 2
        assert dials(made) == 1


async def test_a_nap_that_the_line_survives() -> None:
    """A short sleep is no reason to drop a line that the server still beats on."""
    async with up() as made:
        made.host.slept += 8
        await asyncio.sleep(60)
        assert dials(made) == 0


async def test_sleep_during_a_long_wait() -> None:
    """Whoever wakes up does not wait out a backoff of half a minute."""
    async with up() as made:
        made.weather = Weather("unreachable")
        made.break_lines()
        await made.until(lambda: made.events != [] and dials(made) > 8 and made.retry.delay > 20)
        await made.until(lambda: made.cable.state is State.DISCONNECTED)
        made.weather = Weather()
        made.host.slept += 3600
        assert await made.until(lambda: made.cable.state is State.CONNECTED) <= 5 + 2 + 1


async def test_sleep_soon_after_a_hard_time() -> None:
    """A line that had come up just before the host slept is no reason to wait for long after it."""
    waits = []
    for seed in range(8):
        async with up(seed=seed) as made:
            made.weather = Weather("unreachable")
            made.break_lines()
            await asyncio.sleep(300)
            made.weather = Weather()
            await made.until(lambda: made.cable.state is State.CONNECTED)
            await asyncio.sleep(20)
            made.line.wire.dead = True
            made.host.slept += 8 * 3600
            await made.until(lambda: made.cable.state is not State.CONNECTED)
            waits.append(await made.until(lambda: made.cable.state is State.CONNECTED))
    assert max(waits) <= 3, waits


async def test_another_network() -> None:
    """The old address leads nowhere: known at the next look, found out within a beat, replaced at once."""
    async with up() as made:
        made.host.address += 1
        made.line.wire.dead = True
        assert await made.until(lambda: made.cable.state is not State.CONNECTED) <= 5 + 3 + 3 + 0.1
        assert await made.until(lambda: made.cable.state is State.CONNECTED) <= 2


async def test_another_network_that_the_line_survives() -> None:
    """As behind a VPN: who still hears the server keeps the line."""
    async with up() as made:
        made.host.address += 1
        await asyncio.sleep(120)
        assert dials(made) == 0


async def test_no_network_and_then_one() -> None:
    """When it is back nobody waits out a backoff."""
    async with up() as made:
        made.host.online = False
        made.weather = Weather("unreachable")
        made.line.wire.dead = True
        await asyncio.sleep(900)
        made.host.online = True
        made.weather = Weather()
        assert await made.until(lambda: made.cable.state is State.CONNECTED) <= 5 + 2 + 1


# Slow networks -------------------------------------------------------------------------------------------------------


def retransmitting(made: Rig, random: Random, latency: float, loss: float) -> None:
    """Have what the server sends take *latency* seconds, and longer where TCP has to send it again, in order."""
    wire = made.line.wire
    loop = asyncio.get_running_loop()
    arrive, last = wire.arrive, 0.0

    def slowly(frames: list[bytes]) -> None:
        nonlocal last
        due = loop.time() + latency
        while random.random() < loss:
            # A round trip more each time: the beats after it show TCP what is missing (RFC 8985).
            due += 2 * latency
        last = max(last, due)
        loop.call_at(last, arrive, frames)

    wire.arrive = slowly  # type: ignore[method-assign]


@pytest.mark.parametrize("seed", range(4))
async def test_latency_and_loss(seed: int) -> None:
    """Three seconds, and three packets in ten sent again: it learns to be patient, and a line lasts ten minutes."""
    random = Random(seed)
    async with up(good=0) as made:
        counts = []
        for _ in range(6):
            made.events.clear()
            until = now() + 600
            while now() < until:
                await made.until(lambda: made.cable.state is State.CONNECTED)
                if made.line.wire.arrive.__name__ == "arrive":
                    retransmitting(made, random, 3.0, 0.3)
                await asyncio.sleep(1)
            counts.append(dials(made))
        assert max(counts) <= 1, counts


async def test_a_black_hole_for_large_packets() -> None:
    """Small ones pass, a large one does not: its sender is told in time, and the line is not lost again and again."""
    async with up() as made:
        chat = await made.cable.subscribe("Chat")
        made.events.clear()
        send = made.net.lines

        def choke() -> None:
            for line in send:
                took = line.took

                def pick(frame: bytes, took: Any = took, line: Any = line) -> None:
                    if len(frame) > 1400:
                        line.wire.writable.clear()
                    else:
                        took(frame)

                line.took = pick  # type: ignore[method-assign]

        choke()
        with pytest.raises(LineStale):
            await chat.perform("note", number=1, filling="x" * 2000)
        await made.until(lambda: chat.state is SubscriptionState.SUBSCRIBED)
        choke()
        await chat.perform("note", number=2)
        await asyncio.sleep(600)
        assert made.net.performed[-1] == 2
        assert dials(made) == 1


async def test_a_blocked_loop_is_no_sleep() -> None:
    """Twenty seconds of the program's own: no drop, though it is noticed that nothing was read for so long."""
    async with up() as made:
        made.line.send({"type": "ping"})
        _block(20)
        made.line.send({"type": "ping"})
        await asyncio.sleep(60)
        assert dials(made) == 0


def _block(seconds: float) -> None:
    """Let time pass as a callback does that does not return."""
    loop: Any = asyncio.get_running_loop()
    loop.setup_looptime(start=loop.time() + seconds)
