"""A cable on event streams: subscriptions from the bundled gateway, and what becomes of them when the way is bad."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from cableway import (
    Cable,
    Connected,
    DialRequest,
    Event,
    EventStreamTransport,
    HandshakeRefused,
    HostUnreachable,
    InvalidURL,
    NotSupported,
    Recovered,
    Recovery,
    State,
    SubscriptionRejected,
    Unauthorized,
    UsageError,
)
from cableway.gateway import Channel, Gateway
from cableway.gateway.event_request import commands_of_query
from cableway.server import mint_token
from tests.interop.peers.rough import RoughRelay
from tests.scripted import STEADY
from tests.transports.polling.house import House, serving, status

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from tests.transports.websocket.peers import Recorder

pytestmark = pytest.mark.looptime

METHODS = pytest.mark.parametrize("method", ["POST", "GET"])

SECRET = "a secret of at least thirty-two bytes"


class Closed(Channel):
    """Lets nobody in."""

    async def subscribed(self) -> None:
        self.reject()


@asynccontextmanager
async def listening(events: list[Event] | None = None, **options: Any) -> AsyncIterator[tuple[Gateway, Cable]]:
    """A gateway, and a cable that listens to it."""
    given = {name: options.pop(name) for name in ("token",) if name in options}
    transport = EventStreamTransport(method=options.pop("method", "POST"))
    async with Gateway(**{"public": True, "sse": True, "channels": [Closed], **options}) as gateway:
        cable = Cable(gateway.url, transports=[transport], backoff=STEADY, **given)
        if events is not None:
            cable.on(Event, events.append)
        async with cable:
            yield gateway, cable


@METHODS
async def test_messages_arrive_in_order_on_many_subscriptions(method: str) -> None:
    """Each on its own, and all on one line."""
    events: list[Event] = []
    async with listening(events, method=method) as (gateway, cable):
        streams = [await cable.stream(f"s{number}") for number in range(5)]
        for number in range(20):
            for stream in range(5):
                await gateway.broadcast(f"s{stream}", number)
        for stream in streams:
            assert [(await stream.receive(timeout=5)).data for _ in range(20)] == list(range(20))
    assert [event.transport for event in events if isinstance(event, Connected)] == ["event_stream"]


@METHODS
async def test_a_rejection_is_for_the_one_it_concerns(method: str) -> None:
    """The others, asked for in the same moment, are confirmed."""
    async with listening(method=method) as (gateway, cable):
        handles = [cable.stream("a"), cable.subscribe("Closed"), cable.stream("b")]
        results = await asyncio.gather(*(_confirmed(handle) for handle in handles), return_exceptions=True)
        assert [type(result) for result in results] == [type(None), SubscriptionRejected, type(None)]
        await gateway.broadcast("b", 1)
        assert (await handles[2].receive(timeout=5)).data == 1


async def test_nothing_can_be_sent() -> None:
    """It says so, and what can."""
    async with listening() as (_, cable), cable.stream("news") as news:
        for attempt in (news.perform("speak"), news.whisper("psst"), news.presence.join("ada")):
            with pytest.raises(NotSupported, match=r"event_stream; it only listens\. WebSocketTransport and Long"):
                await attempt


@METHODS
async def test_what_was_published_meanwhile_is_recovered(method: str) -> None:
    """The past goes with the request."""
    async with listening(method=method) as (gateway, cable):
        news = await cable.stream("news")
        await gateway.broadcast("news", 1)
        assert (await news.receive(timeout=5)).data == 1
        told: asyncio.Queue[Recovered] = asyncio.Queue()
        news.on(Recovered, told.put_nowait)
        cable.pause()
        await gateway.broadcast("news", 2)
        cable.resume()
        assert (await news.receive(timeout=5)).data == 2
        async with asyncio.timeout(60):
            assert (await told.get()).recovery is Recovery.COMPLETE


@METHODS
async def test_a_stream_that_is_cut_in_the_middle_goes_on_exactly_where_it_was(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often, and wherever in an event: none is lost, none comes twice, none out of turn."""
    events: list[Event] = []
    lasts: list[str] = []

    def reads(query: Mapping[str, str], last: str) -> list[bytes]:
        lasts.append(last.split("/", maxsplit=1)[0])
        return commands_of_query(query, last)

    monkeypatch.setattr("cableway.gateway.events.commands_of_query", reads)
    async with Gateway(public=True, sse=True) as gateway, RoughRelay(gateway.port, 1) as relay:
        transports = [EventStreamTransport(method=method)]  # type: ignore[arg-type]
        cable = Cable(relay.url, transports=transports, backoff=STEADY)
        cable.on(Event, events.append)
        async with cable:
            news = await cable.stream("news")
            for number in range(0, 60, 6):
                await gateway.broadcast("news", {"n": number})
                # Half of what comes next, then none of the rest; then the line is gone, and more is published.
                await relay.halve()
                for later in range(number + 1, number + 4):
                    await gateway.broadcast("news", {"n": later})
                await asyncio.sleep(0.05)
                await relay.reset()
                await gateway.broadcast("news", {"n": number + 4})
                await asyncio.sleep(0.05)
                await gateway.broadcast("news", {"n": number + 5})
                got = [(await news.receive(timeout=60)).data["n"] for _ in range(6)]
                assert got == list(range(number, number + 6))
    assert len([event for event in events if isinstance(event, Connected)]) == 11
    # Offsets begin with 1: the first of each six was whole, the second was not.
    assert lasts == (["", *map(str, range(1, 60, 6))] if method == "GET" else [])


async def test_values_come_as_they_were_published() -> None:
    """A bare message does not tell text from what the text says, which is why addresses are not the default."""
    values: list[Any] = ["hi", "5", "null", '{"a":1}', 5, None, "", {"a": 1}, "a\r\nb"]
    bare: list[Any] = ["hi", 5, None, {"a": 1}, 5, None, "", {"a": 1}, "a\nb"]
    for method, expected in (("POST", values), ("GET", bare)):
        async with listening(method=method) as (gateway, cable), cable.stream("news") as news:
            for value in values:
                await gateway.broadcast("news", value)
            assert [(await news.receive(timeout=5)).data for _ in values] == expected


@METHODS
async def test_the_past_can_be_looked_at(method: str) -> None:
    """By a request of its own, which disturbs nobody."""
    async with listening(method=method) as (gateway, cable), cable.stream("news") as news:
        for number in range(3):
            await gateway.broadcast("news", number)
        assert [(await news.receive(timeout=5)).data for _ in range(3)] == [0, 1, 2]
        assert [message.data for message in await news.history(since=timedelta(minutes=1))] == [0, 1, 2]
        await gateway.broadcast("news", 3)
        assert (await news.receive(timeout=5)).data == 3


@METHODS
async def test_who_left_is_not_sent_anything_any_more(method: str) -> None:
    """The request is given up; who comes back makes a new one."""
    async with listening(method=method) as (gateway, cable):
        stays = await cable.stream("stays")
        async with cable.stream("news"):
            pass
        again = await cable.stream("news")
        await gateway.broadcast("news", 1)
        await gateway.broadcast("stays", 2)
        assert (await again.receive(timeout=5)).data == 1
        assert (await stays.receive(timeout=5)).data == 2


async def test_a_token_travels_with_each_request() -> None:
    """And a bad one is refused as on any line."""
    token = mint_token({"who": "ada"}, secret=SECRET)
    async with listening(jwt_secret=SECRET, token=token, public=False, public_streams=True) as (gateway, cable):
        news = await cable.stream("news")
        await gateway.broadcast("news", 1)
        assert (await news.receive(timeout=5)).data == 1
    with pytest.raises(Unauthorized):
        async with listening(jwt_secret=SECRET, token="junk"):
            pytest.fail("it was let in")


async def test_a_quiet_line_lives_and_leaves_nothing() -> None:
    """The server beats on each request."""
    events: list[Event] = []
    async with listening(events) as (_, cable):
        await cable.stream("news")
        await asyncio.sleep(300)
        assert cable.state is State.CONNECTED
    assert len([event for event in events if isinstance(event, Connected)]) == 1
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("cableway-event-stream")]


# The recipe -----------------------------------------------------------------------------------------------------------


async def test_a_refusal_has_its_error(sink: Recorder, unused_port: int) -> None:
    """That of any transport for the same thing."""
    async with serving(House()) as house:
        house.faults.append(status(404))
        with pytest.raises(HandshakeRefused, match="a request for an event stream with HTTP 404"):
            await EventStreamTransport().open(DialRequest(house.url, timeout=2.0), sink)
    with pytest.raises(HostUnreachable, match="refused the connection"):
        await EventStreamTransport().open(DialRequest(f"http://127.0.0.1:{unused_port}/events"), sink)
    with pytest.raises(InvalidURL):
        await EventStreamTransport().open(DialRequest("ftp://example.com"), sink)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"path": "events"}, "does not begin with a slash"),
        ({"method": "get"}, "method='get' is none: give 'POST' or 'GET'"),
        ({"max_message_size": 0}, "max_message_size=0 leaves no room"),
    ],
)
def test_options_are_checked(options: Any, text: str) -> None:
    """Each text names the option, and what may be given."""
    with pytest.raises(UsageError, match=text):
        EventStreamTransport(**options)


async def _confirmed(handle: Any) -> None:
    await handle
