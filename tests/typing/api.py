"""The public surface as a type checker sees it. Never run: ``make check`` shows it to mypy and pyright."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, assert_type

from attrs import frozen

import cableway.sync
from cableway import (
    Bookmark,
    Cable,
    CableError,
    CableStats,
    Channel,
    Closed,
    Connected,
    ConnectTimeout,
    DialRequest,
    Disconnected,
    Event,
    EventStreamTransport,
    ExponentialBackoff,
    LongPollingTransport,
    MemoryPositions,
    MemoryServer,
    MemoryTransport,
    Message,
    Pace,
    PositionStore,
    RetryScheduled,
    Sink,
    SQLitePositions,
    State,
    Subscription,
    SubscriptionOptions,
    SubscriptionRejected,
    SubscriptionState,
    SubscriptionStats,
    Transport,
    Unauthorized,
    WebSocketTransport,
    action,
    latest_by,
)
from cableway.gateway import Channel as ServedChannel
from cableway.gateway import Gateway
from cableway.gateway import action as served_action

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


async def cookies() -> Mapping[str, str]:
    """Give headers, as an async function may."""
    return {"Cookie": "session=1"}


class ChatChannel(Channel[Any]):
    """A channel as a class, on the client's side."""

    name = "ChatChannel"
    room: int

    @action
    async def speak(self, text: str, *, loud: bool = False) -> None:
        """Say something."""


@frozen
class Position:
    """A type of the user's own."""

    lat: float
    lon: float


def position(value: Any) -> Position:
    """Make one from JSON."""
    return Position(**value)


class TrackChannel(Channel[Position]):
    """A channel whose messages are positions."""

    name = "TrackChannel"
    decode = position
    vehicle: str
    rate: float = 1.0

    @action(name="set-rate")
    async def set_rate(self, rate: float) -> None:
        """Report more often."""


class OwnTransport:
    """A transport that a user wrote."""

    name = "own"

    async def open(self, request: DialRequest, sink: Sink) -> cableway.Connection:
        """Leave it to another."""
        return await MemoryTransport().open(request, sink)


class ServedChat(ServedChannel):
    """A channel as a class, on the gateway's side."""

    async def subscribed(self) -> None:
        """Start."""
        self.stream_from("chat", lambda message: message)

    @served_action
    async def speak(self, data: dict[str, Any]) -> None:
        """Say something."""
        await self.broadcast("chat", data)


async def client() -> None:
    """Use every part of the client."""
    cable = Cable(
        ["wss://one.example/cable", "wss://two.example/cable"],
        backoff=ExponentialBackoff(minimum=0.5, maximum=60),
        transports=[WebSocketTransport()],
        headers=cookies,
        params=lambda: {"locale": "en"},
        origin="https://example.com",
        proxy=None,
        open_timeout=timedelta(minutes=1),
        write_timeout=5,
    )
    assert_type(cable.state, State)
    assert_type(cable.error, CableError | None)
    stop = cable.on(Connected, lambda event: event.reconnected)
    stop()
    async with cable:
        options = SubscriptionOptions(overflow=latest_by(lambda message: message.data["id"]), confirm_timeout=2.0)
        handle = cable.subscribe("ChatChannel", {"room": 42}, options=options)
        assert_type(handle.state, SubscriptionState)
        assert_type(await handle, Subscription[Any])
        async with cable.subscribe("ChatChannel", room=42) as chat:
            await chat.perform("speak", text="hi")
            await chat.perform("speak", {"text": "hi"})
            await chat.send({"text": "hi"})
            assert_type(await chat.receive(lambda message: bool(message.data), timeout=5), Message[Any])
            async for message in chat:
                assert_type(message, Message[Any])
        async with cable.stream("news") as news:
            await news.unsubscribe(flush=False)
        async with cable.subscribe(ChatChannel(room=42)) as typed:
            await typed.channel.speak("hi", loud=True)
    await cable.close(flush=False, timeout=timedelta(seconds=1))


async def typed_channels(cable: Cable) -> None:
    """Parameters, actions and messages have the types that the class gives them."""
    channel = TrackChannel(vehicle="7")
    assert_type(channel.vehicle, str)
    async with cable.subscribe(channel) as track:
        assert_type(track, Subscription[Position])
        await channel.set_rate(2.0)
        sending = asyncio.create_task(channel.set_rate(rate=0.5))
        await sending
        message = await track.receive(lambda message: message.data.lat > 0)
        assert_type(message.data, Position)
        assert_type(message.received_at, datetime)
        assert_type([item.data for item in track.take()], list[Position])
        async for item in track:
            assert_type(item, Message[Position])
    assert_type(cable.subscribe(TrackChannel, vehicle="7"), Subscription[Position])
    TrackChannel(vehicle=7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    TrackChannel()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await channel.set_rate("fast")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def events(cable: Cable) -> None:
    """Events by iterator and by callback, plain or async."""

    async def later(event: Disconnected) -> None:
        assert_type(event.error, CableError | None)

    def retried(event: RetryScheduled) -> None:
        assert_type(event.delay, float)

    stops = [cable.on(Disconnected, later), cable.on(RetryScheduled, retried), cable.on(Event, print)]
    for stop in stops:
        stop()
    async for event in cable.events():
        assert_type(event, Event)
        match event:
            case Closed(error):
                assert_type(error, CableError | None)
            case Connected(reconnected):
                assert_type(reconnected, bool)
    assert_type(cable.stats(), CableStats)
    chat = cable.subscribe("ChatChannel")
    assert_type(chat.stats(), SubscriptionStats)
    assert_type(chat.identifier, str)
    async for event in chat.events():
        assert_type(event, Event)


async def errors(cable: Cable) -> None:
    """Errors carry their facts as fields."""
    try:
        await cable.open()
    except Unauthorized as error:
        assert_type(error.status, int | None)
    except ConnectTimeout as error:
        assert_type(error.seconds, float)
    try:
        await asyncio.wait_for(cable.subscribe("ChatChannel"), 5)
    except SubscriptionRejected as error:
        assert_type(error.revoked, bool)


async def waiting(cable: Cable) -> None:
    """Handles go wherever awaitables go."""
    first, second = await asyncio.gather(cable.subscribe("One"), cable.signed_stream(lambda: "signed"))
    assert_type(first, Subscription[Any])
    assert_type(second, Subscription[Any])
    raw = cable.subscribe_raw('{"channel":"Raw"}', options=SubscriptionOptions(overflow="pause"))
    assert_type(raw, Subscription[Any])
    opened = await cable.open()
    assert_type(opened, Cable)


async def within_the_process() -> None:
    """The transports that users pass or write."""
    transport = MemoryTransport()
    transports: list[Transport] = [
        transport,
        OwnTransport(),
        WebSocketTransport(),
        LongPollingTransport(sending="interrupt", pace=Pace(gather=timedelta(seconds=1))),
        EventStreamTransport(path="/events", method="GET"),
    ]
    Cable(lambda: "ws://one.example/", transports=transports[:1], shuffle=False)
    server = await transport.accept()
    assert_type(server, MemoryServer)
    assert_type(await server.receive(), dict[str, Any])


def positions(folder: Path) -> None:
    """Keep positions."""
    stores: list[PositionStore] = [MemoryPositions(), SQLitePositions(folder / "p.db", scope="a", durable=True)]
    for store in stores:
        store.save("x", Bookmark({"a": cableway.Position("e", 1)}, since=1_700_000_000))
        assert_type(store.load("x"), Bookmark)
        assert_type(store.load("x").since, int | None)
        store.forget("x")
        store.close()


def blocking() -> None:
    """Use the client without asyncio."""
    with cableway.sync.Cable("wss://example.com/cable") as cable:
        assert_type(cable.state, State)
        with cable.subscribe("ChatChannel", room=42) as chat:
            chat.perform("speak", text="hi")
            for message in chat:
                assert_type(message, Message[Any])


async def gateway() -> None:
    """Use the gateway."""
    async with Gateway([ServedChat], port=8080, ping_interval=1) as running:
        assert_type(running.url, str)
        await running.broadcast("chat", {"text": "hi"})
