"""What AnyCable's JavaScript client does over long polling, status by status and body by body: held here, or bettered.

Each test stands for one case that its own tests name, or for a defect that was found in it; the sentence below its name
says which of both. Where that client aborts a poll to send, ours waits unless it was told to do the same.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from attrs import define, field

from cableway import (
    Cable,
    Connected,
    DialRequest,
    Disconnected,
    Event,
    HandshakeRefused,
    LineLost,
    LongPollingTransport,
    NotAWebSocket,
    NotConnected,
    Recovered,
    Recovery,
    Unauthorized,
)
from cableway.transports.http.posting import Poster
from tests.scripted import STEADY
from tests.transports.polling.house import House, Visit, cut, serving, status, swallow

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cableway.transports.http.posting import Answer
    from cableway.transports.polling import PollingConnection
    from tests.transports.websocket.peers import Recorder

pytestmark = pytest.mark.looptime

EXTENDED = ("actioncable-v1-ext-json",)
EXPIRED = '{"type":"disconnect","reason":"session_expired","reconnect":true}\n'
REFUSED = '{"type":"disconnect","reason":"unauthorized","reconnect":false}\n'


@asynccontextmanager
async def line(house: House, sink: Recorder, **options: Any) -> AsyncIterator[PollingConnection]:
    """Open a line that leaves nothing open, and wait until it polls."""
    connection = await LongPollingTransport(**options).open(DialRequest(house.url, subprotocols=EXTENDED), sink)
    connection.resume()
    await house.until(lambda: house.session.polls == 1)
    try:
        yield connection
    finally:
        connection.abort()
        await connection.close()


@define
class Flights:
    """Requests in flight, as the client sees them."""

    now: int = 0
    most: int = 0


@pytest.fixture
def flights(monkeypatch: pytest.MonkeyPatch) -> Flights:
    """Count them."""
    counted, post = Flights(), Poster.post

    @asynccontextmanager
    async def posts(poster: Poster, *given: Any) -> AsyncIterator[Answer]:
        counted.now += 1
        counted.most = max(counted.most, counted.now)
        try:
            async with post(poster, *given) as answer:
                yield answer
        finally:
            counted.now -= 1

    monkeypatch.setattr(Poster, "post", posts)
    return counted


def act(number: int, action: str = "note") -> bytes:
    """Write a command; ``echo`` is answered."""
    data = json.dumps({"action": action, "n": number})
    return json.dumps({"command": "message", "identifier": "I", "data": data}).encode()


def numbers(house: House) -> list[int]:
    """Tell which commands were run, in order."""
    return [data["n"] for data in house.performed]


def says(code: int, text: str, **headers: str) -> Any:
    """Answer so, and run nothing."""

    async def answer(_: House, __: Visit) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=code, text=text, headers=named)

    return answer


def now() -> float:
    """Tell the time."""
    return asyncio.get_running_loop().time()


async def refusal(house: House, sink: Recorder, fault: Any) -> Exception:
    """Return how the opening request ends that meets *fault*."""
    house.faults.append(fault)
    with pytest.raises(Exception) as caught:  # noqa: PT011 - which one, is what is tested
        await LongPollingTransport().open(DialRequest(house.url, timeout=2.0), sink)
    assert not sink.losses
    assert len(house.visits) == 1
    return caught.value


# What it is, and what goes with a request -----------------------------------------------------------------------------


async def test_it_has_a_name_that_people_can_read() -> None:
    """Held: events tell it."""
    events: list[Event] = []
    async with serving() as house:
        cable = Cable(house.url, transports=[LongPollingTransport()])
        cable.on(Connected, events.append)
        async with cable:
            pass
    assert [event.transport for event in events if isinstance(event, Connected)] == ["long_polling"]


async def test_parameters_stand_beside_those_of_the_address() -> None:
    """Held: what the address has itself stays as it is, and one of the same name is replaced."""
    async with serving() as house, Cable(f"{house.url}?a=1&b=2%2F", params={"a": "x y", "c": "3"}, transports=polls()):
        await house.until(lambda: len(house.visits) == 2)
    assert {visit.request.raw_path for visit in house.visits} == {"/lp?b=2%2F&a=x%20y&c=3"}


async def test_a_token_travels_in_a_header() -> None:
    """Bettered: there it is a parameter of the address, which servers and proxies log."""
    async with serving() as house, Cable(house.url, token="s3cr3t", transports=polls()):
        await house.until(lambda: len(house.visits) == 2)
    assert {visit.request.headers["x-jid"] for visit in house.visits} == {"s3cr3t"}
    assert not any("s3cr3t" in visit.request.raw_path for visit in house.visits)


async def test_who_is_not_connected_cannot_send(sink: Recorder) -> None:
    """Held: a command is refused rather than kept for nobody; a line that is gone takes none."""
    async with serving() as house:
        cable = Cable(house.url, transports=polls())
        with pytest.raises(NotConnected):
            await cable.subscribe("Chat").perform("speak", timeout=0)
        async with line(house, sink) as connection:
            await connection.close()
            connection.send(act(1))
            await asyncio.sleep(20)
        assert numbers(house) == []


# Opening --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [200, 201, 204])
async def test_a_line_is_opened_by_a_post(sink: Recorder, code: int) -> None:
    """Held: without a body, and any status of success will do."""
    async with serving() as house:
        house.faults.append(says(code, "", X_Anycable_Poll_ID="pl_9"))
        connection = await LongPollingTransport().open(DialRequest(house.url), sink)
        await connection.close()
    assert (house.visits[0].request.method, house.visits[0].body) == ("POST", b"")


@pytest.mark.parametrize("code", [302, 400, 404, 418])
async def test_another_status_than_success_opens_nothing(sink: Recorder, code: int) -> None:
    """Held: the error has the status."""
    async with serving() as house:
        error = await refusal(house, sink, status(code))
    assert isinstance(error, HandshakeRefused)
    assert error.status == code


async def test_a_401_without_messages_opens_nothing(sink: Recorder) -> None:
    """Held: and the error asks for the credentials."""
    async with serving() as house:
        error = await refusal(house, sink, status(401))
    assert isinstance(error, HandshakeRefused)
    assert "Are the credentials right" in str(error)


async def test_a_401_with_messages_says_why(sink: Recorder) -> None:
    """Bettered: there the message arrives beside an error that knows nothing of it; here it is the error."""
    async with serving() as house:
        error = await refusal(house, sink, says(401, REFUSED))
    assert isinstance(error, Unauthorized)
    assert (error.reason, error.reconnect, error.status) == ("unauthorized", False, 401)


@pytest.mark.parametrize("code", [500, 502, 503, 504])
async def test_a_failing_server_opens_nothing(sink: Recorder, code: int) -> None:
    """Held: and what it says of coming back is kept."""
    async with serving() as house:
        error = await refusal(house, sink, status(code, Retry_After="7"))
    assert isinstance(error, HandshakeRefused)
    assert (error.status, error.headers["retry-after"]) == (code, "7")


# Polling --------------------------------------------------------------------------------------------------------------


async def test_each_poll_carries_the_id_that_the_server_gave(sink: Recorder) -> None:
    """Held: and what the welcome brings waits until it is there."""
    async with serving() as house, line(house, sink) as connection:
        connection.send(act(1))
        await house.until(lambda: len(house.visits) == 4)
    assert [visit.poll_id for visit in house.visits] == [None, "pl_1", "pl_1", "pl_1"]


async def test_polls_follow_each_other_at_the_interval(sink: Recorder) -> None:
    """Held: as long as the server holds each, and the pause of the pace between two; no request more."""
    async with serving(House(hold=2.0)) as house, line(house, sink, hold=2.0):
        await house.until(lambda: len(house.visits) == 8)
    gaps = [later.at - sooner.at for sooner, later in zip(house.visits[1:], house.visits[2:], strict=False)]
    assert gaps == pytest.approx([2.1, 2.2, 2.4, 2.8, 3.0, 3.0], abs=0.05)
    assert house.most_at_once == 1


@pytest.mark.parametrize("code", [200, 204])
async def test_an_answer_without_messages_goes_on(sink: Recorder, code: int) -> None:
    """Held: either status means that there is no news."""
    async with serving() as house, line(house, sink):
        house.faults += [says(code, "")] * 3
        house.session.say({"n": 1})
        await house.until(lambda: len(house.visits) == 6)
        assert not sink.losses
        assert [json.loads(message).get("n") for message in sink.messages] == [None, 1]


async def test_nothing_pretends_that_the_server_lives(sink: Recorder) -> None:
    """Bettered: there a ping is made up every three seconds, and a server that died is never missed."""
    events: list[Event] = []
    async with serving() as house:
        cable = Cable(house.url, transports=polls())
        cable.on(Event, events.append)
        async with cable:
            await asyncio.sleep(60)
            house.faults += [_never] * 100
            await asyncio.sleep(60)
    assert [event for event in events if isinstance(event, Disconnected)]
    async with serving() as house, line(house, sink):
        await asyncio.sleep(60)
    assert [json.loads(message)["type"] for message in sink.messages] == ["welcome"]


@pytest.mark.parametrize("fault", [status(500), status(502), status(404), cut, swallow])
async def test_a_poll_that_fails_ends_the_line_and_says_why(sink: Recorder, fault: Any) -> None:
    """Bettered: there the line ends without an error."""
    async with serving() as house:
        house.faults += [None, fault]
        connection = await LongPollingTransport().open(DialRequest(house.url, subprotocols=EXTENDED), sink)
        connection.resume()
        code, reason, error = await sink.end()
        assert (code, reason) == (None, "")
        assert isinstance(error, LineLost | HandshakeRefused)
        polls = len(house.visits)
        await asyncio.sleep(60)
        assert len(house.visits) == polls


async def test_a_poll_that_fails_with_401_delivers_its_messages(sink: Recorder) -> None:
    """Held: in order, before the end, and the error says what it was."""
    async with serving() as house:
        house.faults += [None, says(401, '{"n":1}\n' + EXPIRED)]
        connection = await LongPollingTransport().open(DialRequest(house.url, subprotocols=EXTENDED), sink)
        connection.resume()
        _, _, error = await sink.end()
    assert [json.loads(message).get("n", "") for message in sink.messages] == ["", 1, ""]
    assert json.loads(sink.messages[-1])["reason"] == "session_expired"
    assert isinstance(error, HandshakeRefused)
    assert (error.status, "with the next line it is asked back" in str(error)) == (401, True)


async def test_a_poll_that_fails_with_401_and_no_word_ends_the_line(sink: Recorder) -> None:
    """Held: the status says it."""
    async with serving() as house:
        house.faults += [None, status(401)]
        connection = await LongPollingTransport().open(DialRequest(house.url, subprotocols=EXTENDED), sink)
        connection.resume()
        _, _, error = await sink.end()
    assert isinstance(error, HandshakeRefused)
    assert error.status == 401


# Sending --------------------------------------------------------------------------------------------------------------


async def test_a_command_aborts_the_held_poll_where_that_is_wished(sink: Recorder, flights: Flights) -> None:
    """Held by ``sending="interrupt"``, and bettered: never are two polls in flight, and close() stops the one."""
    async with serving() as house, line(house, sink, sending="interrupt") as connection:
        for number in range(5):
            connection.send(act(number, "echo"))
            await asyncio.sleep(1)
        assert numbers(house) == list(range(5))
        assert (flights.now, flights.most) == (1, 1)
        await connection.close()
        requests = len(house.visits)
        await asyncio.sleep(60)
        assert (len(house.visits), flights.now) == (requests, 0)


async def test_a_command_waits_for_the_held_poll_by_default(sink: Recorder) -> None:
    """Bettered: there what the server had put into the aborted answer is lost."""
    async with serving() as house, line(house, sink) as connection:
        await asyncio.sleep(5)
        connection.send(act(1))
        await asyncio.sleep(5)
        house.session.say({"n": 1})
        await house.until(lambda: bool(house.performed))
        assert [json.loads(message).get("n") for message in sink.messages] == [None, 1]
        assert house.most_at_once == 1


async def test_a_poll_that_goes_while_commands_gather_takes_them_along(sink: Recorder) -> None:
    """Held: and they are not sent again when their own moment comes."""
    pace: Any = {"pace": "sparing"}
    async with serving(House(hold=0.2)) as house, line(house, sink, hold=0.2, **pace) as connection:
        connection.send(act(1))
        connection.send(act(2))
        await asyncio.sleep(10)
        assert numbers(house) == [1, 2]
        assert len([visit for visit in house.visits if visit.body]) == 1


async def test_commands_that_gather_when_it_is_closed_are_still_sent(sink: Recorder) -> None:
    """Bettered: there they are dropped."""
    async with serving() as house, line(house, sink, pace="sparing") as connection:
        connection.send(act(1))
        await connection.close(timeout=5)
        assert numbers(house) == [1]
        assert await sink.end() == (None, "", None)


async def test_commands_that_gather_when_the_line_is_lost_are_not_sent_by_a_ghost(sink: Recorder) -> None:
    """Held: nothing goes after the end, and the timer is gone with it."""
    async with serving() as house, line(house, sink, pace="sparing") as connection:
        house.faults.append(status(404))
        house.session.say({"n": 1})
        await sink.end()
        connection.send(act(1))
        requests = len(house.visits)
        await asyncio.sleep(60)
        assert (len(house.visits), numbers(house)) == (requests, [])
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "cableway-polling"]


@pytest.mark.parametrize("fault", [cut, status(503), status(502), says(429, "", Retry_After="2")])
async def test_commands_of_a_request_that_fails_go_again(sink: Recorder, fault: Any) -> None:
    """Bettered: there they are forgotten before anybody has taken them."""
    async with serving(House(hold=1.0)) as house, line(house, sink, hold=1.0) as connection:
        house.faults.append(fault)
        connection.send(act(1))
        connection.send(act(2))
        await house.until(lambda: len(house.performed) == 2)
        assert numbers(house) == [1, 2]


async def test_the_last_command_of_a_request_ends_its_line(sink: Recorder) -> None:
    """Bettered: the server's documentation asks for that, and there it is left out."""
    async with serving(House(hold=1.0)) as house, line(house, sink, hold=1.0) as connection:
        connection.send(act(1))
        connection.send(act(2))
        await house.until(lambda: len(house.performed) == 2)
    assert [visit.body for visit in house.visits if visit.body] == [act(1) + b"\n" + act(2) + b"\n"]


async def test_close_gives_up_the_held_poll_and_polls_no_more(sink: Recorder, flights: Flights) -> None:
    """Held: at once, and nothing arrives after it."""
    async with serving() as house, line(house, sink) as connection:
        started = now()
        await connection.close()
        assert now() - started < 0.1
        assert flights.now == 0
        house.session.say({"n": 1})
        requests = len(house.visits)
        await asyncio.sleep(60)
        assert (len(house.visits), len(sink.messages), flights.now) == (requests, 1, 0)


# What its tests do not know -------------------------------------------------------------------------------------------


async def test_an_answer_that_is_cut_in_a_line_is_made_good_by_the_next_line() -> None:
    """Whole lines are delivered, half of one is not; what was in the rest comes from the past, once and in order."""
    told: asyncio.Queue[Recovered] = asyncio.Queue()
    async with serving() as house, Cable(house.url, transports=polls(), backoff=STEADY) as cable:
        news = await cable.stream("news")
        news.on(Recovered, told.put_nowait)
        identifier = next(iter(house.session.subscribed))
        house.publish(identifier, 1)
        assert (await news.receive(timeout=60)).data == 1
        await house.until(lambda: house.session.polls == 1)
        house.faults.append(_cut_in_a_line)
        house.publish(identifier, 2)
        assert (await news.receive(timeout=60)).data == 2
        await house.until(lambda: not house.faults)
        assert [(await news.receive(timeout=60)).data for _ in range(3)] == [3, 4, 5]
        async with asyncio.timeout(60):
            assert (await told.get()).recovery is Recovery.COMPLETE
        house.publish(identifier, 6)
        assert (await news.receive(timeout=60)).data == 6
        assert news.stats().unread == 0


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "TEXT/HTML"])
async def test_a_page_in_place_of_an_answer_has_taken_nothing(sink: Recorder, kind: str) -> None:
    """A login page of the network: its lines are no messages, the command goes again, and the line ends by it."""
    page = says(200, "<html>\n<body>\nlog in\n</body>\n</html>\n", Content_Type=kind)
    async with serving(House(hold=1.0)) as house, line(house, sink, hold=1.0) as connection:
        house.faults.append(page)
        connection.send(act(1))
        _, _, error = await sink.end()
        assert numbers(house) == [1]
    assert isinstance(error, NotAWebSocket)
    assert "a web page came" in str(error)
    assert [json.loads(message)["type"] for message in sink.messages] == ["welcome"]


async def test_a_request_that_is_too_large_says_what_to_set(sink: Recorder) -> None:
    """A server, or a proxy before it, that takes less than is usual."""
    async with serving(House(hold=1.0)) as house, line(house, sink, hold=1.0) as connection:
        house.faults.append(status(413))
        connection.send(act(1))
        _, _, error = await sink.end()
    assert isinstance(error, HandshakeRefused)
    assert (error.status, "lower max_request_size=" in str(error)) == (413, True)


async def test_a_balancer_that_is_not_sticky_is_named() -> None:
    """Each second request reaches the other server, which does not know the session: not for want of credentials."""
    losses: asyncio.Queue[Disconnected] = asyncio.Queue()
    async with balancing() as balancer:
        cable = Cable(balancer.url, transports=polls(), backoff=STEADY)
        cable.on(Disconnected, losses.put_nowait)
        async with cable, asyncio.timeout(600):
            errors = [str((await losses.get()).error) for _ in range(5)]
            balancer.sticky = True
            await asyncio.sleep(300)
            assert losses.qsize() <= 1
    hints = ["the balancer must be sticky" in error for error in errors]
    assert hints == [False, False, True, True, True]
    assert "the server disconnected us: session_expired" in errors[0]


async def test_another_reason_than_expiry_is_never_taken_for_a_balancer(sink: Recorder) -> None:
    """However many sessions were not known before: what the server says arrives."""
    transport = LongPollingTransport()
    async with serving() as house:
        for number in range(5):
            lost = type(sink)()
            house.faults += [None, says(401, EXPIRED if number < 4 else REFUSED)]
            connection = await transport.open(DialRequest(house.url, subprotocols=EXTENDED), lost)
            connection.resume()
            _, _, error = await lost.end()
    assert json.loads(lost.messages[-1])["reason"] == "unauthorized"
    assert "sticky" not in str(error)


async def test_a_401_that_breaks_off_is_one_all_the_same(sink: Recorder) -> None:
    """What was whole of its messages arrives."""
    async with serving() as house:
        house.faults += [None, _cut_401]
        connection = await LongPollingTransport().open(DialRequest(house.url, subprotocols=EXTENDED), sink)
        connection.resume()
        _, _, error = await sink.end()
    assert [json.loads(message).get("n") for message in sink.messages] == [None, 1]
    assert isinstance(error, HandshakeRefused)
    assert error.status == 401


@define
class Balancer:
    """Two servers behind one address, taken in turn."""

    houses: tuple[House, House] = field(factory=lambda: (House(), House()))
    sticky: bool = False
    url: str = ""
    _turn: int = 0

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Give the request to one of both."""
        self._turn += not self.sticky
        return await self.houses[self._turn % 2].answer(request)


@asynccontextmanager
async def balancing() -> AsyncIterator[Balancer]:
    """Give a balancer on this machine."""
    balancer = Balancer()
    runner = web.ServerRunner(web.Server(balancer.answer, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    balancer.url = f"http://127.0.0.1:{runner.addresses[0][1]}/lp"
    try:
        yield balancer
    finally:
        await runner.cleanup()


def polls() -> list[Any]:
    """Give what a cable polls by."""
    return [LongPollingTransport()]


async def _never(_: House, __: Visit) -> web.StreamResponse:
    await asyncio.sleep(3600)
    return web.Response()


async def _cut_401(_: House, visit: Visit) -> web.StreamResponse:
    response = web.StreamResponse(status=401, headers={"Content-Length": "1000"})
    await response.prepare(visit.request)
    await response.write(b'{"n":1}\n{"type":"discon')
    assert visit.request.transport is not None
    visit.request.transport.close()
    return response


async def _cut_in_a_line(house: House, visit: Visit) -> web.StreamResponse:
    """Publish three messages, write one of them and half of the next, and hang up."""
    session = house.session
    house.publish(next(iter(session.subscribed)), 3, 4, 5)
    lines = [json.dumps(frame).encode() + b"\n" for frame in session.waiting]
    session.waiting.clear()
    response = web.StreamResponse(headers={"Content-Length": str(sum(map(len, lines)))})
    await response.prepare(visit.request)
    await response.write(lines[0] + lines[1][:20])
    assert visit.request.transport is not None
    visit.request.transport.close()
    return response
