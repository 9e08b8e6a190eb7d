"""Lines within the process: they keep the contract of the seam, as far as tests lean on it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cableway import ConnectTimeout, DialRequest, LineClosed, MemoryServer, MemoryTransport
from cableway.wire.codecs.choice import codec_for
from cableway.wire.subprotocols import ALL, BASE_JSON, subprotocol
from tests.scripted import background, refusal, settle

pytestmark = pytest.mark.looptime

REQUEST = DialRequest("ws://one.example/?token=secret", timeout=5.0)


class Recorder:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.batches: list[list[bytes]] = []
        self.endings: list[Any] = []

    def frames(self, batch: list[bytes]) -> None:
        """Keep a batch."""
        self.batches.append(batch)

    def lost(self, code: int | None, reason: str, error: BaseException | None) -> None:
        """Keep the end."""
        self.endings.append((code, reason, error))


async def pair(sink: Recorder) -> tuple[Any, MemoryServer]:
    """Open a line and return both ends."""
    transport = MemoryTransport()
    opening = background(transport.open(REQUEST, sink))
    server = await transport.accept()
    connection = await opening
    connection.resume()
    return connection, server


# Dialling ------------------------------------------------------------------------------------------------------------


async def test_a_dial_waits_until_it_is_taken() -> None:
    """Whoever comes first waits for the other."""
    transport = MemoryTransport()
    accepting = background(transport.accept("chosen"))
    await settle()
    connection = await transport.open(REQUEST, Recorder())
    server = await accepting
    assert server.request is REQUEST
    assert (connection.subprotocol, transport.dials) == ("chosen", 1)


async def test_what_is_spoken_may_be_chosen_by_what_a_dial_asks_for() -> None:
    """As a server does it, which sees the offers first."""
    transport = MemoryTransport()
    request = DialRequest("ws://one.example/", subprotocols=("a", "b"))
    opening = background(transport.open(request, Recorder()))
    await transport.accept(lambda request: request.subprotocols[1])
    assert (await opening).subprotocol == "b"


async def test_dials_are_taken_in_order() -> None:
    """Each by one call."""
    transport = MemoryTransport()
    first = background(transport.open(REQUEST, Recorder()))
    second = background(transport.open(REQUEST, Recorder()))
    one, two = await transport.accept("one"), await transport.accept("two")
    assert ((await first).subprotocol, (await second).subprotocol) == ("one", "two")
    assert one.connection is first.result()
    assert two.connection is second.result()


async def test_a_dial_can_be_refused() -> None:
    """With any error."""
    transport = MemoryTransport()
    error = refusal()
    opening = background(transport.open(REQUEST, Recorder()))
    assert await transport.refuse(error) is REQUEST
    with pytest.raises(type(error)) as caught:
        await opening
    assert caught.value is error


async def test_a_dial_that_nobody_takes_times_out() -> None:
    """The address is redacted."""
    transport = MemoryTransport()
    with pytest.raises(ConnectTimeout, match="nobody accepted within 5 s") as caught:
        await transport.open(REQUEST, Recorder())
    assert "secret" not in str(caught.value)


async def test_a_cancelled_dial_leaves_nothing() -> None:
    """It is not taken any more; cancelled in the turn of its acceptance, the line is ended."""
    transport = MemoryTransport()
    cancelled = background(transport.open(REQUEST, Recorder()))
    await settle()
    cancelled.cancel()
    await settle()
    accepting = background(transport.accept())
    await settle()
    assert not accepting.done()
    accepting.cancel()
    late = background(transport.open(REQUEST, Recorder()))
    await settle()
    server = await transport.accept()
    late.cancel()
    await settle()
    assert late.cancelled()
    assert server.over.is_set()


async def test_a_cancelled_accept_takes_nothing() -> None:
    """The next call gets the dial."""
    transport = MemoryTransport()
    accepting = background(transport.accept())
    await settle()
    accepting.cancel()
    await settle()
    opening = background(transport.open(REQUEST, Recorder()))
    await transport.accept()
    await opening


# The line ------------------------------------------------------------------------------------------------------------


async def test_frames_arrive_in_batches_and_in_order() -> None:
    """Mappings as JSON, text and bytes as they are."""
    sink = Recorder()
    _, server = await pair(sink)
    server.send({"a": "ä"}, "text", b"bytes")
    server.welcome()
    await settle()
    assert sink.batches == [[b'{"a":"\xc3\xa4"}', b"text", b"bytes", b'{"type":"welcome"}']]


async def test_a_line_is_handed_over_paused() -> None:
    """Nothing comes before the first resume, not even the end."""
    transport, sink = MemoryTransport(), Recorder()
    opening = background(transport.open(REQUEST, sink))
    server = await transport.accept()
    connection = await opening
    server.send("early")
    server.close(1011, "gone")
    await settle()
    assert (sink.batches, sink.endings, connection.paused) == ([], [], True)
    connection.resume()
    await settle()
    assert (sink.batches, sink.endings) == ([[b"early"]], [(1011, "gone", None)])


async def test_pausing_holds_frames_back() -> None:
    """They come with the resume."""
    sink = Recorder()
    connection, server = await pair(sink)
    connection.pause()
    connection.pause()
    server.send("1")
    await settle()
    assert sink.batches == []
    server.send("2")
    connection.resume()
    connection.resume()
    await settle()
    assert sink.batches == [[b"1", b"2"]]


async def test_last_received_tells_when_something_came() -> None:
    """By the loop's clock."""
    connection, server = await pair(Recorder())
    await asyncio.sleep(7)
    server.send("1")
    await settle()
    assert connection.last_received == pytest.approx(7, abs=0.01)


async def test_what_the_client_sends_is_received() -> None:
    """One by one, or all that is there."""
    connection, server = await pair(Recorder())
    for number in range(3):
        connection.send(b'{"n":%d}' % number)
    assert await server.receive() == {"n": 0}
    assert server.received == [{"n": 1}, {"n": 2}]
    assert server.received == []


async def test_drain_waits_for_a_jammed_network() -> None:
    """Until it takes more, or the line has ended and the sink knows."""
    sink = Recorder()
    connection, server = await pair(sink)
    await connection.drain()
    connection.writable.clear()
    draining = background(connection.drain())
    await settle()
    assert not draining.done()
    connection.writable.set()
    await draining
    connection.writable.clear()

    async def drained() -> int:
        await connection.drain()
        return len(sink.endings)

    knowing = background(drained())
    await settle()
    server.cut()
    assert await knowing == 1


async def test_a_paused_line_that_ends_does_not_hold_the_writer() -> None:
    """Who does not read cannot be told, but need not wait either."""
    connection, server = await pair(Recorder())
    connection.pause()
    connection.writable.clear()
    draining = background(connection.drain())
    await settle()
    server.cut()
    await asyncio.wait_for(draining, 1)


# The end -------------------------------------------------------------------------------------------------------------


async def test_the_end_is_told_once() -> None:
    """Whoever ended it, and however often."""
    sink = Recorder()
    connection, server = await pair(sink)
    server.close(1001, "bye")
    server.cut()
    await connection.close()
    connection.abort()
    await settle()
    assert sink.endings == [(1001, "bye", None)]
    assert server.closed_by_client == (1000, "")
    assert server.over.is_set()


async def test_a_cut_has_no_code() -> None:
    """As a network does it."""
    sink = Recorder()
    _, server = await pair(sink)
    server.cut()
    await settle()
    [(code, reason, error)] = sink.endings
    assert (code, reason, type(error)) == (None, "", LineClosed)


async def test_frames_before_the_end_still_arrive() -> None:
    """In the same turn, and before it."""
    sink = Recorder()
    _, server = await pair(sink)
    server.send("last")
    server.close()
    await settle()
    assert (sink.batches, len(sink.endings)) == ([[b"last"]], 1)


async def test_nothing_is_sent_after_the_end() -> None:
    """And nothing is raised."""
    connection, server = await pair(Recorder())
    connection.abort()
    connection.send(b"{}")
    await settle()
    assert server.received == []
    assert server.closed_by_client is None


@pytest.mark.parametrize("spoken", [one.name for one in ALL])
async def test_the_test_speaks_the_encoding_that_it_selected(spoken: str) -> None:
    """Mappings are written and read in it; bytes go as they are."""
    sink = Recorder()
    transport = MemoryTransport()
    connection, server = await asyncio.gather(transport.open(DialRequest("ws://x"), sink), transport.accept(spoken))
    connection.resume()
    codec = codec_for(subprotocol(spoken) or BASE_JSON)
    connection.send(codec.encode({"command": "subscribe", "identifier": "I"}))
    assert await server.receive() == {"command": "subscribe", "identifier": "I"}
    server.confirm("I")
    server.send(b"\x00")
    await settle()
    [[confirmation, raw]] = sink.batches
    assert codec.decode(confirmation) == {"type": "confirm_subscription", "identifier": "I"}
    assert raw == b"\x00"
