"""An open line: receiving, sending, pausing and ending."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from cableway.errors import MalformedFrame, UsageError
from cableway.transports.websocket import WebSocketConnection, WebSocketTransport
from tests.transports.websocket.peers import (
    Peer,
    Recorder,
    client_tls,
    close_frame,
    dial,
    eventually,
    frame,
    server_tls,
    serving,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import trustme

    from tests.transports.websocket.peers import Script


@asynccontextmanager
async def line(
    script: Script,
    sink: Recorder,
    *,
    tls: tuple[ssl.SSLContext, ssl.SSLContext] | None = None,
    **options: Any,
) -> AsyncIterator[WebSocketConnection]:
    """A line to *script*, which runs after the upgrade; over TLS with a server's and a client's context."""

    async def upgraded(peer: Peer) -> None:
        await peer.upgrade()
        await script(peer)

    server, client = tls or (None, None)
    async with serving(upgraded, tls=server) as port:
        scheme = "wss" if tls else "ws"
        connection = await WebSocketTransport(**options).open(dial(port, scheme, ssl=client), sink)
        try:
            yield connection
        finally:
            connection.abort()


@pytest.fixture(params=["plain", "tls"])
def tls(request: pytest.FixtureRequest, ca: trustme.CA) -> tuple[ssl.SSLContext, ssl.SSLContext] | None:
    """Each test that takes this runs over TCP, and over TLS."""
    return (server_tls(ca), client_tls(ca)) if request.param == "tls" else None


# Receiving -----------------------------------------------------------------------------------------------------------


async def test_messages_arrive_in_order_and_pings_are_answered(sink: Recorder, tls: Any) -> None:
    """Many frames of all kinds, over TCP and TLS."""
    texts = [b'{"n":%d,"text":"%s"}' % (n, b"x" * (n % 700)) for n in range(5000)]
    answers: list[tuple[int, bytes]] = []

    async def script(peer: Peer) -> None:
        for start in range(0, len(texts), 100):
            await peer.send(b"".join(map(frame, texts[start : start + 100])) + frame(b"%d" % start, 9))
        answers.extend([await peer.read_frame() for _ in range(50)])
        await peer.send(close_frame(1000, b"done"))
        await peer.read_close()

    async with line(script, sink, tls=tls) as connection:
        connection.resume()
        assert await sink.end() == (1000, "done", None)

    assert sink.messages == texts
    assert answers == [(10, b"%d" % start) for start in range(0, 5000, 100)]
    assert len(sink.batches) < 2500, "a batch a read, not a message a batch"


async def test_a_big_message_in_many_reads_arrives_whole(sink: Recorder, tls: Any) -> None:
    """One megabyte, and the next message after it."""
    big = bytes(range(48, 123)) * 13_000

    async def script(peer: Peer) -> None:
        await peer.send(frame(big) + frame(b"next"))
        await peer.silence()

    async with line(script, sink, tls=tls) as connection:
        connection.resume()
        await sink.until(lambda: len(sink.messages) == 2)

    assert sink.messages == [big, b"next"]


async def test_nothing_is_pushed_before_the_first_resume(sink: Recorder) -> None:
    """What came with the response waits, and then comes first."""
    go = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.upgrade(after=frame(b"welcome") + frame(b"half")[:3])
        await go.wait()
        await peer.send(frame(b"half")[3:] + frame(b"later"))
        await peer.silence()

    async with serving(script) as port:
        connection = await WebSocketTransport().open(dial(port), sink)
        for _ in range(20):
            await asyncio.sleep(0)
        assert sink.batches == []

        connection.resume()
        connection.resume()
        await sink.until(lambda: len(sink.messages) == 1)
        go.set()
        await sink.until(lambda: len(sink.messages) == 3)
        connection.abort()

    assert sink.batches[0] == [b"welcome"]
    assert sink.messages == [b"welcome", b"half", b"later"]


@pytest.mark.parametrize("answer", [frame(b"welcome") + close_frame(1000, b"bye"), close_frame(1000, b"bye")])
async def test_a_line_lost_before_the_first_resume_says_so_then(sink: Recorder, answer: bytes) -> None:
    """Messages first, then the end; nothing before."""

    async def script(peer: Peer) -> None:
        await peer.upgrade(after=answer)

    async with serving(script) as port:
        connection = await WebSocketTransport().open(dial(port), sink)
        for _ in range(20):
            await asyncio.sleep(0)
        assert (sink.batches, sink.losses) == ([], [])

        connection.resume()

        assert await sink.end() == (1000, "bye", None)
    assert sink.messages == [b"welcome"] * (len(answer) > 7)


async def test_a_line_dropped_before_the_first_resume_says_so_then(sink: Recorder) -> None:
    """Even when we dropped it ourselves."""
    async with line(Peer.silence, sink) as connection:
        await connection.close()
        assert sink.losses == []
        connection.resume()

        assert (await sink.end())[2] is None


async def test_a_paused_line_pushes_at_most_one_more_batch(sink: Recorder, tls: Any) -> None:
    """And after resume() nothing is missing."""
    sent = 0
    padding = b"x" * 4000
    stop = asyncio.Event()

    async def script(peer: Peer) -> None:
        nonlocal sent
        while not stop.is_set():
            await peer.send(b"".join(frame(b"%d " % n + padding) for n in range(sent, sent + 10)))
            sent += 10
            await asyncio.sleep(0)  # a drain that need not wait gives nobody else a turn
        await peer.send(close_frame(1000))
        await peer.read_close()

    async with line(script, sink, tls=tls) as connection:
        connection.resume()
        await sink.until(lambda: len(sink.batches) > 3)
        connection.pause()
        connection.pause()
        batches = len(sink.batches)
        for _ in range(50):
            await asyncio.sleep(0)
        assert len(sink.batches) <= batches + 1

        stop.set()
        connection.resume()
        await sink.end()

    assert [message.removesuffix(b" " + padding) for message in sink.messages] == [b"%d" % n for n in range(sent)]


async def test_a_sink_may_pause_from_within_its_batch() -> None:
    """As a full mailbox does."""

    class Pausing(Recorder):
        connection: WebSocketConnection

        def frames(self, batch: list[bytes]) -> None:
            super().frames(batch)
            self.connection.pause()

    sink = Pausing()

    async def script(peer: Peer) -> None:
        for n in range(3):
            await peer.send(frame(b"%d" % n) * 20_000)
        await peer.silence()

    async with line(script, sink) as connection:
        sink.connection = connection
        for expected in range(1, 4):
            connection.resume()
            await sink.until(lambda expected=expected: len(sink.batches) == expected)  # type: ignore[misc]
            for _ in range(20):
                await asyncio.sleep(0)
            assert len(sink.batches) == expected


async def test_any_byte_is_a_sign_of_life(sink: Recorder) -> None:
    """Also a part of a message that is not whole yet."""
    go = asyncio.Event()

    async def script(peer: Peer) -> None:
        await go.wait()
        await peer.send(frame(b"x" * 1000)[:500])
        await peer.silence()

    async with line(script, sink) as connection:
        connection.resume()
        opened = connection.last_received
        go.set()
        await eventually(lambda: connection.last_received != opened)

    assert sink.messages == []


# Ending by the server ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "reason"), [(1000, "Closed remotely"), (1001, "Server restart"), (1006, "Command Failed"), (4000, "")]
)
async def test_code_and_reason_of_the_server_are_told(sink: Recorder, code: int, reason: str, tls: Any) -> None:
    """The one AnyCable must not send (1006) is an ordinary loss, too."""
    answers = []

    async def script(peer: Peer) -> None:
        await peer.send(frame(b"last") + close_frame(code, reason.encode()))
        answers.append(await peer.read_close())

    async with line(script, sink, tls=tls) as connection:
        connection.resume()
        assert await sink.end() == (code, reason, None)

    assert sink.messages == [b"last"]
    assert answers[0][0] == (1002 if code == 1006 else code)


async def test_an_end_without_a_close_frame_has_no_code(sink: Recorder, tls: Any) -> None:
    """Half a message is not delivered."""

    async def script(peer: Peer) -> None:
        await peer.send(frame(b"whole") + frame(b"half of it")[:-4])

    async with line(script, sink, tls=tls) as connection:
        connection.resume()
        assert await sink.end() == (None, "", None)

    assert sink.messages == [b"whole"]


async def test_a_reset_in_the_middle_of_a_frame_is_told_with_its_error(sink: Recorder) -> None:
    """Half a message is not delivered, and the error of the network is kept."""
    read = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.send(frame(b"whole") + frame(b"half of it")[:-4])
        await read.wait()
        peer.reset()

    async with line(script, sink) as connection:
        connection.resume()
        await sink.until(lambda: bool(sink.messages))
        read.set()
        code, reason, error = await sink.end()

    assert (code, reason) == (None, "")
    assert isinstance(error, ConnectionResetError)
    assert sink.messages == [b"whole"]


@pytest.mark.looptime
async def test_half_a_frame_and_then_silence_delivers_nothing(sink: Recorder) -> None:
    """However long one waits; when to give up is the engine's business."""

    async def script(peer: Peer) -> None:
        await peer.send(frame(b"whole") + frame(b"half of it")[:-4])
        await peer.silence()

    async with line(script, sink) as connection:
        connection.resume()
        await asyncio.sleep(3600)

        assert sink.messages == [b"whole"]
        assert sink.losses == []


@pytest.mark.parametrize(
    ("data", "code", "what"),
    [
        (frame(b"x" * 5000), 1009, "max_message_size=1000"),
        (frame(b"x" * 900, fin=False) + frame(b"x" * 900, 0, fin=False) * 50, 1009, "max_message_size=1000"),
        (frame(b"\xff"), 1007, "UTF-8"),
        (frame(b"", 0), 1002, "continuation"),
    ],
    ids=["too-large", "too-large-in-fragments", "not-text", "no-frame"],
)
async def test_a_server_that_breaks_the_rules_is_told_why_and_left(
    sink: Recorder, data: bytes, code: int, what: str
) -> None:
    """The messages before are delivered, the server hears the code, the sink the reason."""
    answers = []

    async def script(peer: Peer) -> None:
        await peer.send(frame(b"fine") + data)
        answers.append(await peer.read_close())

    async with line(script, sink, max_message_size=1000) as connection:
        connection.resume()
        closed_by, reason, error = await sink.end()

    assert (closed_by, reason) == (None, "")
    assert isinstance(error, MalformedFrame)
    assert what in str(error)
    assert answers[0][0] == code
    assert sink.messages == [b"fine"]


@pytest.mark.looptime
async def test_a_server_that_does_not_hang_up_is_left_after_a_second(sink: Recorder) -> None:
    """After its close frame nothing can come, so nobody waits for long."""

    async def script(peer: Peer) -> None:
        await peer.send(close_frame(1000))
        await peer.silence()

    loop = asyncio.get_running_loop()
    async with line(script, sink) as connection:
        started = loop.time()
        connection.resume()
        assert await sink.end() == (1000, "", None)
        assert 0.9 <= loop.time() - started <= 1.5


# Sending -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 5, 200, 70_000])
async def test_messages_are_sent_as_text(sink: Recorder, size: int, tls: Any) -> None:
    """Masked, in one frame each."""
    got = asyncio.Queue[tuple[int, bytes]]()

    async def script(peer: Peer) -> None:
        for _ in range(2):
            got.put_nowait(await peer.read_frame())
        await peer.silence()

    async with line(script, sink, tls=tls) as connection:
        connection.send(b"x" * size)
        connection.send("ü".encode())
        await connection.drain()

        assert await got.get() == (1, b"x" * size)
        assert await got.get() == (1, "ü".encode())


@pytest.mark.parametrize(("spoken", "opcode"), [("actioncable-v1-ext-json", 1), ("actioncable-v1-ext-msgpack", 2)])
async def test_the_subprotocol_decides_whether_messages_are_text(sink: Recorder, spoken: str, opcode: int) -> None:
    """Both ways: bytes that are no text pass on a line that speaks a binary encoding, and on no other."""
    got = asyncio.Queue[tuple[int, bytes]]()

    async def script(peer: Peer) -> None:
        await peer.upgrade(f"Sec-WebSocket-Protocol: {spoken}", after=frame(b"\xc0", opcode))
        got.put_nowait(await peer.read_frame())
        await peer.silence()

    async with serving(script) as port:
        connection = await WebSocketTransport().open(dial(port, subprotocols=[spoken]), sink)
        connection.send(b"\x80")
        assert await got.get() == (opcode, b"\x80")
        connection.resume()
        await sink.until(lambda: bool(sink.messages or sink.losses))
        connection.abort()
    assert sink.messages == ([b"\xc0"] if opcode == 2 else [])


async def test_drain_waits_until_the_server_reads(sink: Recorder, tls: Any) -> None:
    """A sender that drains stops when the server does not read, and goes on when it does; nothing is lost."""
    read = asyncio.Event()
    total = 64
    got = []
    sent = 0

    async def script(peer: Peer) -> None:
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await read.wait()
        peer.writer.transport.resume_reading()  # type: ignore[attr-defined]
        got.extend([await peer.read_frame() for _ in range(total)])
        await peer.read_close()

    async with line(script, sink, tls=tls, write_limit=10_000) as connection:

        async def send_all() -> None:
            nonlocal sent
            for n in range(total):
                connection.send(b"%d" % n + b"x" * 200_000)
                sent += 1
                await connection.drain()

        sending = asyncio.create_task(send_all())
        quiet = before = 0
        while quiet < 100:
            await asyncio.sleep(0)
            quiet, before = (quiet + 1 if sent == before else 0), sent
        assert 0 < sent < total
        assert 0 < connection.written < sent * 200_001
        impatient = asyncio.create_task(connection.drain())
        await asyncio.sleep(0)
        impatient.cancel()

        read.set()
        await asyncio.wait_for(sending, 30)
        await connection.close(timeout=20)

    assert [payload.rstrip(b"x") for _, payload in got] == [b"%d" % n for n in range(total)]


async def test_drain_ends_when_the_line_does(sink: Recorder) -> None:
    """Nobody waits for a line that is gone, and sending on it does nothing."""

    async def script(peer: Peer) -> None:
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.Event().wait()

    async with line(script, sink) as connection:
        connection.resume()
        connection.send(b"x" * 10_000_000)
        waiting = asyncio.create_task(connection.drain())
        await asyncio.sleep(0)
        assert not waiting.done()

        connection.abort()
        await asyncio.wait_for(waiting, 20)
        await sink.end()
        for _ in range(10):
            connection.send(b"more")
        await connection.drain()


# Ending by us --------------------------------------------------------------------------------------------------------


async def test_close_says_goodbye_and_is_gone(sink: Recorder, tls: Any) -> None:
    """What was sent before arrives; the answer of the server is told; more calls do nothing."""
    got: list[Any] = []

    async def script(peer: Peer) -> None:
        got.append(await peer.read_frame())
        got.append(await peer.read_close())
        await peer.send(frame(b"too late") + close_frame(1000, b"bye"))

    async with line(script, sink, tls=tls) as connection:
        connection.resume()
        connection.send(b"last words")
        await connection.close(3000, "the end")

        assert sink.losses == [(1000, "bye", None)]
        await connection.close()
        connection.abort()
        connection.pause()
        connection.resume()
        await asyncio.sleep(0)

    assert got == [(1, b"last words"), (3000, b"the end")]
    assert sink.messages == []
    assert len(sink.losses) == 1
    assert repr(connection) == "<WebSocketConnection lost>"


@pytest.mark.looptime
@pytest.mark.parametrize("paused", [True, False])
async def test_close_waits_no_longer_than_told(sink: Recorder, *, paused: bool) -> None:
    """A server that does not answer is dropped."""
    loop = asyncio.get_running_loop()
    async with line(Peer.silence, sink) as connection:
        connection.resume()
        await asyncio.sleep(0.1)
        if paused:
            connection.pause()
        started = loop.time()

        await connection.close(timeout=3)

        assert 2.9 <= loop.time() - started <= 3.5
        assert sink.losses == [(None, "", None)]


@pytest.mark.looptime
async def test_a_cancelled_close_drops_the_line(sink: Recorder) -> None:
    """At once, without waiting for the answer."""
    async with line(Peer.silence, sink) as connection:
        connection.resume()
        closing = asyncio.create_task(connection.close(timeout=60))
        await asyncio.sleep(1)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        started = asyncio.get_running_loop().time()
        await sink.end()

        assert asyncio.get_running_loop().time() - started < 0.5


@pytest.mark.parametrize("reason", ["x" * 500, "ü" * 500, "x" + "😀" * 100])
async def test_a_long_reason_is_cut_to_whole_characters(sink: Recorder, reason: str) -> None:
    """A close frame holds 123 bytes of it."""
    got = []

    async def script(peer: Peer) -> None:
        got.append(await peer.read_close())

    async with line(script, sink) as connection:
        await connection.close(1000, reason)

    code, told = got[0]
    assert code == 1000
    assert 119 < len(told) <= 123
    assert reason.startswith(told.decode())


@pytest.mark.parametrize("code", [0, 1005, 1006, 1015, 5000])
async def test_a_code_that_must_not_be_sent_is_refused(sink: Recorder, code: int) -> None:
    """The line stays open."""
    async with line(Peer.silence, sink) as connection:
        with pytest.raises(UsageError, match=str(code)):
            await connection.close(code)

        assert repr(connection) == "<WebSocketConnection open paused>"


async def test_abort_is_at_once_and_without_a_word(sink: Recorder, tls: Any) -> None:
    """May be called again."""
    got = []

    async def script(peer: Peer) -> None:
        try:
            got.append(await peer.reader.read())
        except (ConnectionError, ssl.SSLError):
            got.append(b"")

    async with line(script, sink, tls=tls) as connection:
        connection.resume()
        connection.abort()
        connection.abort()

        assert await sink.end() == (None, "", None)
        await asyncio.sleep(0.01)

    assert got == [b""]
