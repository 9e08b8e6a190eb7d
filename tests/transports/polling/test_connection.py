"""One open line: the contract of the seam, and what becomes of it when requests go wrong."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from cableway import DialRequest, HandshakeRefused, LineLost, LongPollingTransport, MalformedFrame
from tests.scripted import background
from tests.transports.polling.house import House, Visit, break_off, cut, serving, status, swallow

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cableway.transports.polling import PollingConnection
    from tests.transports.websocket.peers import Recorder

pytestmark = pytest.mark.looptime

EXTENDED = ("actioncable-v1-ext-json",)
BASE = ("actioncable-v1-json", "actioncable-unsupported")


@asynccontextmanager
async def line(
    house: House, sink: Recorder, *, offer: tuple[str, ...] = EXTENDED, read: bool = True, **options: Any
) -> AsyncIterator[PollingConnection]:
    """Open a line that leaves nothing open."""
    connection = await LongPollingTransport(**options).open(DialRequest(house.url, subprotocols=offer), sink)
    if read:
        connection.resume()
    try:
        yield connection
    finally:
        connection.abort()
        await connection.close()


def act(number: int, action: str = "note") -> bytes:
    """Write a command."""
    data = json.dumps({"action": action, "n": number})
    return json.dumps({"command": "message", "identifier": "I", "data": data}).encode()


def numbers(house: House) -> list[int]:
    """Tell which commands were run, in order."""
    return [data["n"] for data in house.performed]


def now() -> float:
    """Tell the time."""
    return asyncio.get_running_loop().time()


# Receiving ------------------------------------------------------------------------------------------------------------


async def test_nothing_is_pushed_or_polled_before_the_first_resume(sink: Recorder) -> None:
    """The welcome comes then, and the first poll after it."""
    async with serving() as house, line(house, sink, read=False) as connection:
        await asyncio.sleep(1)
        assert (sink.messages, len(house.visits)) == ([], 1)
        connection.resume()
        await house.until(lambda: len(house.visits) == 2)
        assert [json.loads(message)["type"] for message in sink.messages] == ["welcome"]


async def test_messages_arrive_in_order_with_one_poll_at_a_time(sink: Recorder) -> None:
    """The poll id goes with each, and nothing is asked twice."""
    async with serving() as house, line(house, sink):
        for number in range(50):
            house.session.say({"n": number})
            await asyncio.sleep(0.03)
        await sink.until(lambda: len(sink.messages) == 51)
        assert [json.loads(message)["n"] for message in sink.messages[1:]] == list(range(50))
        assert {visit.poll_id for visit in house.visits[1:]} == {"pl_1"}
        assert house.most_at_once == 1


async def test_a_held_poll_is_answered_at_once(sink: Recorder) -> None:
    """That is what it is held for."""
    async with serving() as house, line(house, sink):
        await house.until(lambda: house.session.polls == 1)
        await asyncio.sleep(5)
        started = now()
        house.session.say({"n": 1})
        await sink.until(lambda: len(sink.messages) == 2)
        assert now() - started < 0.1


async def test_an_answer_without_messages_is_a_sign_of_life(sink: Recorder) -> None:
    """Nothing is made up: the sink hears of no beat."""
    async with serving() as house, line(house, sink) as connection:
        started = connection.last_received
        await house.until(lambda: len(house.visits) == 4)
        assert connection.last_received >= started + 30
        assert sink.batches[1:] == [[], []]
        assert len(sink.messages) == 1


async def test_an_idle_line_keeps_its_session(sink: Recorder) -> None:
    """However sparing it is, and however short the server's patience."""
    options: dict[str, Any] = {"pace": "sparing", "keepalive": 1.0, "hold": 0.2}
    async with serving(House(hold=0.2, keepalive=1.0)) as house, line(house, sink, **options):
        await house.until(lambda: len(house.visits) == 40)
        assert not sink.losses
        assert now() > 30


async def test_an_answer_without_messages_tells_the_server_s_time(sink: Recorder) -> None:
    """One with messages may have been full, and says nothing of what is left."""
    date = {"Date": "Tue, 22 Sep 2026 10:00:00 GMT"}
    async with serving(House(headers=date)) as house, line(house, sink) as connection:
        house.session.say({"n": 1})
        await house.until(lambda: len(house.visits) == 3)
        assert connection.server_time is None
        await house.until(lambda: len(house.visits) == 4)
        assert connection.server_time == datetime(2026, 9, 22, 10, tzinfo=UTC).timestamp()


async def test_an_answer_is_told_after_its_messages(sink: Recorder) -> None:
    """And not at all to who does not read: it counts with one that comes later."""
    async with serving() as house, line(house, sink) as connection:
        await house.until(lambda: house.session.polls == 1)
        house.session.say({"n": 1})
        await house.until(lambda: len(house.visits) == 3)
        connection.pause()
        house.session.say({"n": 2})
        await house.until(lambda: len(house.visits) == 4)
        assert sink.batches[1:] == [[b'{"n": 1}'], []]


async def test_who_does_not_read_gets_nothing_and_keeps_the_session(sink: Recorder) -> None:
    """What came meanwhile is there when he does."""
    async with serving() as house, line(house, sink) as connection:
        await sink.until(lambda: len(sink.messages) == 1)
        connection.pause()
        for number in range(3):
            house.session.say({"n": number})
            await asyncio.sleep(10)
        assert len(sink.messages) == 1
        connection.resume()
        await sink.until(lambda: len(sink.messages) == 4)
        assert [json.loads(message)["n"] for message in sink.batches[1]] == [0, 1, 2]


async def test_who_does_not_read_is_not_polled_for_when_too_much_is_unread(sink: Recorder) -> None:
    """The session may lapse then, and the next line recovers."""
    async with serving() as house, line(house, sink, max_message_size=1000) as connection:
        await house.until(lambda: house.session.polls == 1)
        connection.pause()
        house.session.say(*({"n": "x" * 300} for _ in range(4)))
        await asyncio.sleep(60)
        assert len(house.visits) == 2
        connection.resume()
        await sink.end()
        assert len(sink.messages) == 6
        assert b"session_expired" in sink.messages[-1]


async def test_a_message_that_is_too_large_loses_the_line(sink: Recorder) -> None:
    """Those before it arrive."""
    async with serving() as house, line(house, sink, max_message_size=1000):
        await house.until(lambda: house.session.polls == 1)
        house.session.say({"n": 1}, {"n": "x" * 2000})
        _, _, error = await sink.end()
        assert isinstance(error, MalformedFrame)


# Sending --------------------------------------------------------------------------------------------------------------


async def test_a_command_waits_for_the_held_poll_and_is_run_once(sink: Recorder) -> None:
    """Nothing is given up for it."""
    async with serving(House(hold=15)) as house, line(house, sink) as connection:
        await house.until(lambda: house.session.polls == 1)
        await asyncio.sleep(5)
        started = now()
        connection.send(act(1))
        assert connection.command_latency == 15
        await house.until(lambda: bool(house.performed))
        assert now() - started == pytest.approx(10, abs=0.5)
        assert (numbers(house), house.most_at_once) == ([1], 1)


async def test_a_command_takes_the_place_of_the_held_poll_where_that_is_wished(sink: Recorder) -> None:
    """It goes at once."""
    async with serving() as house, line(house, sink, sending="interrupt") as connection:
        await house.until(lambda: house.session.polls == 1)
        await asyncio.sleep(5)
        started = now()
        connection.send(act(1))
        await house.until(lambda: bool(house.performed))
        assert now() - started < 0.5
        assert not sink.losses


async def test_a_poll_with_commands_is_not_given_up_for_more_of_them(sink: Recorder) -> None:
    """They wait for as long as it is held, and the line says so."""
    async with serving(House(hold=15)) as house, line(house, sink, sending="interrupt") as connection:
        connection.send(act(1))
        await house.until(lambda: bool(house.performed))
        started, gone = now(), connection.written
        connection.send(act(2))
        await house.until(lambda: len(house.performed) == 2)
        assert now() - started == pytest.approx(15, abs=0.5)
        assert connection.command_latency == 15
        assert connection.written == gone + len(act(2)) + 1


async def test_on_the_base_protocol_nothing_is_interrupted(sink: Recorder) -> None:
    """Nobody could tell what was lost with the answer."""
    async with serving() as house, line(house, sink, sending="interrupt", offer=BASE) as connection:
        assert connection.subprotocol == "actioncable-v1-json"
        await house.until(lambda: house.session.polls == 1)
        connection.send(act(1))
        await asyncio.sleep(5)
        assert not house.performed
        await house.until(lambda: bool(house.performed))


async def test_many_commands_go_in_few_requests_under_the_limit(sink: Recorder) -> None:
    """In order, with a line end after each."""
    async with serving(House(hold=0.1)) as house, line(house, sink, max_request_size=2000, hold=0.1) as connection:
        for number in range(200):
            connection.send(act(number))
        await house.until(lambda: len(house.performed) == 200)
        assert numbers(house) == list(range(200))
        sizes = [len(visit.body) for visit in house.visits[1:]]
        assert max(sizes) <= 2000
        assert sum(sizes) / 2000 <= len(sizes) < 20
        assert all(visit.body.endswith(b"\n") for visit in house.visits if visit.body)


async def test_drain_waits_until_the_server_has_taken_enough(sink: Recorder) -> None:
    """Below the limit it does not wait at all."""
    async with serving(House(hold=3)) as house, line(house, sink, write_limit=200, hold=3) as connection:
        await house.until(lambda: house.session.polls == 1)
        connection.send(act(0))
        await connection.drain()
        assert not house.performed
        for number in range(1, 10):
            connection.send(act(number))
        await connection.drain()
        assert numbers(house) == list(range(10))


async def test_more_commands_than_polls_take_along_are_a_jam(sink: Recorder) -> None:
    """Until they have gone, and their answers had the time to come."""
    async with (
        serving(House(hold=3)) as house,
        line(house, sink, max_request_size=1000, hold=3) as connection,
    ):
        for number in range(200):
            connection.send(act(number))
        assert not connection.jammed
        await asyncio.sleep(5)
        assert connection.jammed
        await house.until(lambda: len(house.performed) == 200)
        assert connection.jammed
        await asyncio.sleep(5)
        assert not connection.jammed


async def test_drain_ends_with_the_line(sink: Recorder) -> None:
    """Who waits need not wait for ever."""
    async with serving() as house, line(house, sink, write_limit=1) as connection:
        await house.until(lambda: house.session.polls == 1)
        connection.send(act(0))
        waiting = background(connection.drain())
        await asyncio.sleep(0.1)
        assert not waiting.done()
        connection.abort()
        await waiting


# Failures -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [429, 503])
async def test_a_server_that_is_too_busy_is_obeyed(sink: Recorder, code: int) -> None:
    """The command goes again when it said, and the line goes on."""
    async with serving(House(hold=1)) as house, line(house, sink) as connection:
        house.faults += [status(code, Retry_After="3")]
        connection.send(act(1))
        await house.until(lambda: bool(house.performed))
        assert house.visits[2].at - house.visits[1].at == pytest.approx(3, abs=0.2)
        assert numbers(house) == [1]
        assert not sink.losses


async def test_a_server_that_is_too_busy_for_longer_than_the_session_lives_ends_the_line(sink: Recorder) -> None:
    """The error has what it said: the next dial obeys."""
    async with serving() as house, line(house, sink):
        house.faults += [status(503, Retry_After="60")]
        _, _, error = await sink.end()
        assert isinstance(error, HandshakeRefused)
        assert (error.status, error.headers["retry-after"]) == (503, "60")


async def test_an_expired_session_says_so_and_ends(sink: Recorder) -> None:
    """What stands in the refusal arrives before the end."""
    async with serving() as house, line(house, sink):
        await house.until(lambda: house.session.polls == 1)
        house.session.say({"n": 1})
        house.sessions.clear()
        _, _, error = await sink.end()
        assert json.loads(sink.messages[-1])["reason"] == "session_expired"
        assert isinstance(error, HandshakeRefused)
        assert error.status == 401


async def test_a_refusal_ends_the_line_at_once(sink: Recorder) -> None:
    """A server that does not know the way any more will not take it the next time."""
    async with serving() as house, line(house, sink):
        house.faults += [status(404)]
        _, _, error = await sink.end()
        assert "a poll with HTTP 404" in str(error)
        assert len(house.visits) == 2


@pytest.mark.parametrize("fault", [swallow, cut, status(502), status(500), status(504)])
async def test_a_lost_answer_is_told_as_a_loss(sink: Recorder, fault: Any) -> None:
    """There may have been messages in it."""
    async with serving() as house, line(house, sink):
        house.faults += [fault]
        code, reason, error = await sink.end()
        assert (code, reason) == (None, "")
        assert isinstance(error, LineLost | HandshakeRefused)


async def test_an_answer_that_breaks_off_gives_what_came_and_is_told_as_a_loss(sink: Recorder) -> None:
    """The half of a message is none."""
    async with serving() as house, line(house, sink) as connection:
        house.faults += [break_off]
        connection.send(act(1))
        _, _, error = await sink.end()
        assert "messages may have been lost" in str(error)
        assert json.loads(sink.messages[-1])["type"] == "ping"
        assert numbers(house) == [1]


@pytest.mark.parametrize(("fault", "run"), [(cut, [1, 2]), (swallow, [1, 2, 1, 2])])
async def test_commands_of_a_lost_answer_go_again_before_the_line_ends(
    sink: Recorder, fault: Any, run: list[int]
) -> None:
    """At least once and in order; what the server had run already it runs again."""
    async with serving(House(hold=1)) as house, line(house, sink) as connection:
        house.faults += [fault]
        connection.send(act(1))
        connection.send(act(2))
        await sink.end()
        assert numbers(house) == run


async def test_a_server_that_is_gone_is_given_up_when_the_session_must_be(sink: Recorder) -> None:
    """Not sooner: it may come back in a moment."""
    async with serving(House(hold=1)) as house, line(house, sink, hold=1):
        await house.until(lambda: len(house.visits) == 3)
        house.faults += [status(503)] * 20
        await sink.end()
        refused = [visit.at for visit in house.visits[3:]]
        assert 2 <= refused[-1] - refused[0] <= 5
        assert len(refused) == 6


async def test_a_poll_that_is_not_answered_in_time_has_ended_the_line(sink: Recorder) -> None:
    """Ten seconds after the server should have."""
    async with serving() as house, line(house, sink, hold=5):
        house.faults += [_never]
        await sink.end()
        assert now() - house.visits[-1].at == pytest.approx(15, abs=0.5)


# Ending ---------------------------------------------------------------------------------------------------------------


async def test_close_has_the_server_take_what_is_left(sink: Recorder) -> None:
    """The held poll is given up for it, and nothing more arrives."""
    async with serving() as house, line(house, sink) as connection:
        await house.until(lambda: house.session.polls == 1)
        connection.send(act(1))
        await connection.close(timeout=2)
        assert numbers(house) == [1]
        assert await sink.end() == (None, "", None)
        assert len(sink.messages) == 1
        connection.send(act(2))
        await asyncio.sleep(20)
        assert numbers(house) == [1]


@pytest.mark.parametrize(("told", "waited"), [(0.5, 0.5), (60.0, 1.0)])
async def test_close_waits_no_longer_than_told(sink: Recorder, told: float, waited: float) -> None:
    """A server may hold the last request, too: it has a second at most to say that it has the commands."""
    async with serving() as house, line(house, sink) as connection:
        house.faults += [_never]
        connection.send(act(1))
        await house.until(lambda: len(house.visits) == 2)
        started = now()
        await connection.close(timeout=told)
        assert now() - started == pytest.approx(waited, abs=0.2)
        await connection.close()


async def test_a_cancelled_close_drops_the_line(sink: Recorder) -> None:
    """At once."""
    async with serving() as house, line(house, sink) as connection:
        house.faults += [_never]
        connection.send(act(1))
        closing = background(connection.close(timeout=60))
        await house.until(lambda: len(house.visits) == 2)
        closing.cancel()
        assert await sink.end() == (None, "", None)


async def test_a_line_lost_before_the_first_resume_says_so_then(sink: Recorder) -> None:
    """Who does not listen is told nothing."""
    async with serving() as house, line(house, sink, read=False) as connection:
        connection.abort()
        await asyncio.sleep(0.1)
        assert not sink.losses
        connection.resume()
        assert await sink.end() == (None, "", None)
        assert not sink.messages


async def test_its_text_holds_no_secret(sink: Recorder) -> None:
    """Who knows the id of the poll could read along."""
    async with serving() as house, line(house, sink) as connection:
        assert repr(connection) == "<PollingConnection open>"
        assert "x-anycable-poll-id" not in connection.response_headers
        connection.pause()
        assert repr(connection) == "<PollingConnection open paused>"
        connection.abort()
        assert repr(connection) == "<PollingConnection closing paused>"
        connection.resume()
        await sink.end()
        assert repr(connection) == "<PollingConnection lost>"


async def _never(_: House, __: Visit) -> web.StreamResponse:
    await asyncio.sleep(3600)
    return web.Response()
