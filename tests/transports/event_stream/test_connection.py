"""One open line: the contract of the seam, against a server that says what a test wants."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from attrs import define, field

from cableway import DialRequest, EventStreamTransport, HandshakeRefused, LineLost, MalformedFrame, ServerSilent
from tests.scripted import background

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cableway.transports.event_stream import EventStreamConnection
    from tests.transports.websocket.peers import Recorder

pytestmark = pytest.mark.looptime

WELCOME = b'event: welcome\ndata: {"type":"welcome"}\n\n'


@define
class Visit:
    """One request, which the test answers bit by bit."""

    request: web.BaseRequest
    body: bytes
    words: asyncio.Queue[bytes | int | None] = field(factory=asyncio.Queue)

    def say(self, *words: bytes | int | None) -> None:
        """Write bytes; refuse with a status; ``None``: end the stream."""
        for word in words:
            self.words.put_nowait(word)


@define
class Desk:
    """A server, and who asked it."""

    visits: list[Visit] = field(factory=list)
    port: int = 0
    _news: asyncio.Event = field(factory=asyncio.Event)

    async def visit(self, number: int) -> Visit:
        """Wait for a request."""
        async with asyncio.timeout(20):
            while len(self.visits) <= number:
                self._news.clear()
                await self._news.wait()
        return self.visits[number]

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Say what the test says."""
        visit = Visit(request, await request.read())
        self.visits.append(visit)
        self._news.set()
        word = await visit.words.get()
        if isinstance(word, int):
            return web.Response(status=word, headers={"Retry-After": "7"})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        while isinstance(word, bytes):
            await response.write(word)
            word = await visit.words.get()
        return response


@asynccontextmanager
async def line(
    sink: Recorder, *, read: bool = True, **options: Any
) -> AsyncIterator[tuple[Desk, EventStreamConnection]]:
    """A line that was opened, and the server."""
    desk = Desk()
    runner = web.ServerRunner(web.Server(desk.answer, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    desk.port = runner.addresses[0][1]
    request = DialRequest(
        f"http://127.0.0.1:{desk.port}/cable?room=7", headers={"X-ANYCABLE-RESTORE-SID": "s1", "x-jid": "t"}
    )
    opening = background(EventStreamTransport(**options).open(request, sink))
    (await desk.visit(0)).say(WELCOME)
    connection = await opening
    if read:
        connection.resume()
    try:
        yield desk, connection
    finally:
        await connection.close()
        for visit in desk.visits:
            visit.say(None)
        await runner.cleanup()


def subscribe(name: str, history: Any = None) -> bytes:
    """Write a command."""
    past = {} if history is None else {"history": history}
    return json.dumps({"command": "subscribe", "identifier": name, **past}).encode()


def event(name: str, value: Any) -> bytes:
    """Write a message."""
    return b"data: " + json.dumps({"identifier": name, "message": value}).encode() + b"\n\n"


async def test_the_first_request_is_bare_and_each_further_one_brings_subscriptions(sink: Recorder) -> None:
    """With the headers of the dial, but for a session that could not be taken up."""
    async with line(sink) as (desk, connection):
        connection.send(subscribe("A"))
        connection.send(subscribe("B"))
        visit = await desk.visit(1)
        assert desk.visits[0].body == b""
        assert visit.body == subscribe("A") + b"\n" + subscribe("B") + b"\n"
        for one in desk.visits:
            assert (one.request.method, one.request.path, one.request.headers["x-jid"]) == ("POST", "/events", "t")
            assert "X-ANYCABLE-RESTORE-SID" not in one.request.headers


async def test_one_subscription_is_an_address_where_that_is_wanted(sink: Recorder) -> None:
    """Before what the address asks for itself, as servers take the first of two; from the last event on."""
    async with line(sink, method="GET") as (desk, connection):
        connection.send(subscribe("A b", {"streams": {"room/7": {"epoch": "e", "offset": 4}}, "since": 9}))
        connection.send(subscribe("B"))
        first, second = await desk.visit(1), await desk.visit(2)
        assert first.request.raw_path == "/events?identifier=A%20b&history_since=9&room=7"
        assert first.request.headers["Last-Event-ID"] == "4/e/room/7"
        assert second.request.raw_path == "/events?identifier=B&room=7"
        assert "Last-Event-ID" not in second.request.headers
        for one in (first, second):
            headers = one.request.headers
            assert (one.request.method, one.body, headers["x-jid"]) == ("GET", b"", "t")
            assert (headers["accept"], headers["cache-control"]) == ("text/event-stream", "no-store")
            assert "content-type" not in headers
        assert desk.visits[0].request.method == "POST"


async def test_what_no_address_can_say_is_posted(sink: Recorder) -> None:
    """Two places cannot be one last event."""
    streams = {name: {"epoch": "e", "offset": 4} for name in "ab"}
    async with line(sink, method="GET") as (desk, connection):
        connection.send(subscribe("A", {"streams": streams}))
        visit = await desk.visit(1)
        assert (visit.request.method, visit.body) == ("POST", subscribe("A", {"streams": streams}) + b"\n")


async def test_bare_messages_arrive_as_frames(sink: Recorder) -> None:
    """With the place that their ids tell; an event that was cut off is not delivered by half."""
    async with line(sink, method="GET") as (desk, connection):
        connection.send(subscribe("A"))
        visit = await desk.visit(1)
        visit.say(WELCOME, b'data: {"a":1}\nid: 4/e/s\n\ndata: hi\nid: 5/', b"e/s\n\ndata: lo", None)
        await sink.end()
        assert [json.loads(message) for message in sink.messages[1:]] == [
            {"identifier": "A", "message": {"a": 1}, "stream_id": "s", "epoch": "e", "offset": 4},
            {"identifier": "A", "message": "hi", "stream_id": "s", "epoch": "e", "offset": 5},
        ]


async def test_an_address_is_in_no_log_text_or_repr(sink: Recorder, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever knows a signed name may listen; the libraries log addresses at their most talkative."""
    caplog.set_level(logging.DEBUG)
    async with line(sink, method="GET") as (desk, connection):
        connection.send(subscribe("s3cr3t", {"streams": {"s3cr3t": {"epoch": "e", "offset": 4}}}))
        visit = await desk.visit(1)
        assert "s3cr3t" in visit.request.raw_path + visit.request.headers["Last-Event-ID"]
        visit.say(503)
        _, _, error = await sink.end()
        assert "s3cr3t" not in caplog.text + str(error) + repr(error) + repr(connection)


async def test_all_requests_feed_one_sink(sink: Recorder) -> None:
    """In the order of each, as it comes; what each says of itself counts once."""
    async with line(sink) as (desk, connection):
        connection.send(subscribe("A"))
        visit = await desk.visit(1)
        visit.say(WELCOME, event("A", 1), event("A", 2))
        await sink.until(lambda: len(sink.messages) == 3)
        desk.visits[0].say(b'event: ping\ndata: {"type":"ping"}\n\n')
        await sink.until(lambda: len(sink.messages) == 4)
        kinds = [json.loads(message).get("type") or json.loads(message)["message"] for message in sink.messages]
        assert kinds == ["welcome", 1, 2, "ping"]


async def test_nothing_is_pushed_before_the_first_resume_nor_while_paused(sink: Recorder) -> None:
    """What was read already waits."""
    async with line(sink, read=False) as (desk, connection):
        await asyncio.sleep(0.1)
        assert sink.messages == []
        connection.resume()
        await sink.until(lambda: len(sink.messages) == 1)
        connection.pause()
        desk.visits[0].say(event("A", 1), event("A", 2))
        await asyncio.sleep(0.1)
        assert len(sink.messages) == 1
        connection.resume()
        await sink.until(lambda: len(sink.messages) == 3)


async def test_the_request_that_is_silent_for_the_longest_time_counts(sink: Recorder) -> None:
    """One that died does not hide behind another that lives."""
    async with line(sink) as (desk, connection):
        connection.send(subscribe("A"))
        (await desk.visit(1)).say(WELCOME)
        await asyncio.sleep(10)
        silent_since = connection.last_received
        desk.visits[0].say(b": still here\n\n")
        await asyncio.sleep(10)
        assert connection.last_received == silent_since
        desk.visits[1].say(b": me, too\n\n")
        await asyncio.sleep(0.1)
        assert connection.last_received > silent_since + 9


@pytest.mark.parametrize("number", [0, 1])
async def test_the_end_of_any_request_is_the_end_of_the_line(sink: Recorder, number: int) -> None:
    """What came before it arrives."""
    async with line(sink) as (desk, connection):
        connection.send(subscribe("A"))
        (await desk.visit(1)).say(WELCOME)
        desk.visits[number].say(event("A", "last"), None)
        code, reason, error = await sink.end()
        assert (code, reason) == (None, "")
        assert isinstance(error, LineLost)
        assert b"last" in sink.messages[-1]


async def test_a_refusal_but_of_a_subscription_ends_the_line(sink: Recorder) -> None:
    """With what the server said of coming back."""
    async with line(sink) as (desk, connection):
        connection.send(subscribe("A"))
        (await desk.visit(1)).say(503)
        _, _, error = await sink.end()
        assert isinstance(error, HandshakeRefused)
        assert (error.status, error.headers["retry-after"]) == (503, "7")


async def test_a_subscription_that_is_refused_is_rejected(sink: Recorder) -> None:
    """And the line goes on."""
    async with line(sink) as (desk, connection):
        connection.send(subscribe("A"))
        (await desk.visit(1)).say(400)
        await sink.until(lambda: len(sink.messages) == 2)
        assert json.loads(sink.messages[1]) == {"type": "reject_subscription", "identifier": "A"}
        desk.visits[0].say(event("B", 1))
        await sink.until(lambda: len(sink.messages) == 3)


async def test_who_leaves_ends_the_request(sink: Recorder) -> None:
    """The line does not end with it."""
    async with line(sink) as (desk, connection):
        connection.send(subscribe("A"))
        (await desk.visit(1)).say(WELCOME)
        await asyncio.sleep(0.1)
        connection.send(json.dumps({"command": "unsubscribe", "identifier": "A"}).encode())
        await asyncio.sleep(0.1)
        desk.visits[1].say(event("A", 1))
        desk.visits[0].say(event("B", 2))
        await sink.until(lambda: len(sink.messages) == 2)
        assert json.loads(sink.messages[1])["message"] == 2
        assert not sink.losses


async def test_an_event_that_is_too_large_loses_the_line(sink: Recorder) -> None:
    """It is told why."""
    async with line(sink, max_message_size=100) as (desk, _):
        desk.visits[0].say(event("A", "x" * 200))
        _, _, error = await sink.end()
        assert isinstance(error, MalformedFrame)


async def test_close_is_at_once_and_nothing_arrives_after_it(sink: Recorder) -> None:
    """May be called again; what is sent then is dropped."""
    async with line(sink) as (desk, connection):
        await sink.until(lambda: len(sink.messages) == 1)
        assert repr(connection) == "<EventStreamConnection open>"
        await connection.drain()
        await connection.close()
        await connection.close()
        connection.send(subscribe("A"))
        assert await sink.end() == (None, "", None)
        await asyncio.sleep(1)
        assert len(desk.visits) == 1
        assert repr(connection) == "<EventStreamConnection lost>"


async def test_a_dial_that_is_not_answered_leaves_nothing(sink: Recorder) -> None:
    """Nor does one that is cancelled."""
    asked = asyncio.Event()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    request = DialRequest(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/events", timeout=3.0)
    async with server:
        with pytest.raises(ServerSilent):
            await EventStreamTransport().open(request, sink)
        asked.clear()
        opening = background(EventStreamTransport().open(request, sink))
        await asked.wait()
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("cableway-event-stream")]
    assert not sink.losses
