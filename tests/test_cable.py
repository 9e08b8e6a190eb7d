"""The client a program holds: what it takes, what it shows, and what it does on its own."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest

import cableway
from cableway import (
    Cable,
    CableError,
    CallbackFailed,
    Channel,
    Closed,
    Connected,
    Connecting,
    Disconnected,
    Event,
    InvalidIdentifier,
    InvalidURL,
    MemoryTransport,
    RetryScheduled,
    State,
    UsageError,
    WebSocketTransport,
)
from tests.scripted import URL, Model, background, confirmation, connected, line, refusal, settle

# Building ------------------------------------------------------------------------------------------------------------


def test_building_a_cable_does_nothing() -> None:
    """No loop is needed, nothing is dialled, and the state is IDLE."""
    transport = MemoryTransport()
    cable = Cable(URL, transports=[transport])
    assert (cable.state, cable.error, transport.dials) == (State.IDLE, None, 0)
    assert repr(cable) == "<Cable idle, 0 subscriptions>"


@pytest.mark.parametrize("url", ["ws://h/cable", "wss://h/cable", "http://h/cable", "HTTPS://h:8080/cable?a=1"])
def test_addresses_of_every_kind_are_taken(url: str) -> None:
    """Those of http and https too: they are mapped where a WebSocket is needed."""
    assert Cable(url).state is State.IDLE


@pytest.mark.parametrize(
    "url", ["", "example.com/cable", "ftp://h/", "ws://", "ws://h:99999/", "ws://h h/", "ws://h/\n", "ws://h:0/", None]
)
def test_addresses_that_cannot_be_dialled_are_refused(url: Any) -> None:
    """At once, with the rule that was broken."""
    with pytest.raises(InvalidURL, match="for example wss://"):
        Cable(url)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"protocol": "graphql-ws"}, "protocol='graphql-ws'"),
        ({"transports": []}, r"transports=\[\]"),
        ({"transports": "websocket"}, "transports='websocket'"),
        ({"transports": [MemoryTransport(), MemoryTransport()]}, "one transport"),
    ],
)
def test_arguments_that_are_no_choice_are_refused(options: Any, text: str) -> None:
    """The text names the argument and the choice."""
    with pytest.raises(UsageError, match=text):
        Cable(URL, **options)


@pytest.mark.parametrize("name", ["open_timeout", "dial_timeout", "write_timeout"])
@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), timedelta(seconds=-1)])
def test_durations_that_are_none_are_refused(name: str, value: Any) -> None:
    """The text names the argument."""
    with pytest.raises(ValueError, match=name):
        Cable(URL, **{name: value})


def test_every_public_name_is_there() -> None:
    """Each can be imported from the package, and the list is complete."""
    for name in cableway.__all__:
        assert getattr(cableway, name) is not None
    errors = {name for name, value in vars(cableway.errors).items() if _is_error(value)}
    events = {kind.__name__ for kind in Event.__subclasses__() if kind.__module__ == "cableway.events"}
    assert errors | events <= set(cableway.__all__)
    assert {"Cable", "Subscription", "Message", "Channel", "State", "MemoryTransport"} <= set(dir(cableway))
    with pytest.raises(AttributeError, match="Nonsense"):
        cableway.Nonsense  # noqa: B018 - for its error


def _is_error(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, CableError)


def test_the_import_is_light() -> None:
    """No heavy dependency is loaded by it, nor by building a cable on a line within the process."""
    program = (
        "import sys; from cableway import Cable, MemoryTransport; Cable('ws://h/', transports=[MemoryTransport()]);"
        "print(sorted({'aiohttp','httpx2','jwt','tenacity','sqlite3','rich','click'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# Subscribing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("channel", "params", "more"),
    [
        ("", None, {}),
        ("  ", None, {}),
        (None, None, {}),
        (7, None, {}),
        ("Chat", {"room": object()}, {}),
        ("Chat", {"room": float("nan")}, {}),
        ("Chat", {1: 2}, {}),
        ("Chat", {"room": 1}, {"room": 2}),
        ("Chat", {"channel": "Other"}, {}),
    ],
)
def test_what_is_no_identifier_is_refused(channel: Any, params: Any, more: Any) -> None:
    """At the call, before anything is sent."""
    with pytest.raises(InvalidIdentifier):
        Cable(URL).subscribe(channel, params, **more)


def test_parameters_may_have_any_name() -> None:
    """In a mapping any at all, ``options`` and ``self`` included."""
    handle = Cable(URL).subscribe("Chat", {"options": 1, "self": 2, "not a name": 3}, params=4)
    assert handle.identifier == '{"channel":"Chat","not a name":3,"options":1,"params":4,"self":2}'


def test_raw_identifiers_are_taken_as_they_are() -> None:
    """For servers that want another form."""
    assert Cable(URL).subscribe_raw('{ "channel": "Chat" }').identifier == '{ "channel": "Chat" }'
    with pytest.raises(InvalidIdentifier):
        Cable(URL).subscribe_raw("")


@pytest.mark.parametrize("name", ["", None, 7])
def test_streams_need_a_name(name: Any) -> None:
    """Public and signed ones."""
    with pytest.raises(InvalidIdentifier):
        Cable(URL).stream(name)
    with pytest.raises(InvalidIdentifier):
        Cable(URL).signed_stream(name)


def test_a_channel_class_without_a_name_is_refused() -> None:
    """The text tells how to give it one."""

    class Nameless(Channel[Any]):
        room: int

    with pytest.raises(InvalidIdentifier, match="name ="):
        Cable(URL).subscribe(Nameless(room=1))


@pytest.mark.looptime
async def test_the_readme_s_first_program() -> None:
    """Subscribe, perform, read, leave: the whole way with a server that takes its time."""
    transport = MemoryTransport()
    async with Model(transport).serving() as rails:
        async with Cable(URL, transports=[transport]) as cable, cable.subscribe("ChatChannel", room=42) as chat:
            await chat.perform("speak", text="hi")
            rails.line.message(chat.identifier, {"text": "hi"})
            async for message in chat:
                assert message.data == {"text": "hi"}
                break
        assert cable.state is State.CLOSED
        assert rails.performed == [(chat.identifier, {"text": "hi", "action": "speak"})]
        assert rails.faults == []


@pytest.mark.looptime
async def test_a_perform_arrives_though_the_block_is_left_at_once() -> None:
    """Rails runs a command a while after it came, and drops it if the line is gone by then."""
    transport = MemoryTransport()
    async with Model(transport, delay=lambda: 0.2).serving() as rails:
        for number in range(20):
            async with Cable(URL, transports=[transport]) as cable:
                chat = await cable.subscribe("Chat")
                await chat.perform("speak", n=number)
            async with Cable(URL, transports=[transport]) as cable, cable.subscribe("Chat") as chat:
                await chat.perform("speak", n=number)
        assert [data["n"] for _, data in rails.performed] == [n for n in range(20) for _ in range(2)]


@pytest.mark.looptime
async def test_many_subscriptions_come_back_after_a_drop() -> None:
    """Every one, with a few unanswered at a time."""
    made = line()
    async with Model(made.transport).serving() as rails:
        await made.cable.open()
        handles = [made.cable.subscribe("Chat", n=n) for n in range(300)]
        await asyncio.gather(*map(confirmation, handles))
        for _ in range(3):
            rails.line.cut()
            await settle()
            await asyncio.gather(*map(confirmation, handles))
            assert len(rails.subscribed) == 300
        assert made.cable.stats().subscriptions == 300
        assert rails.faults == []
        await made.cable.close()


# Events --------------------------------------------------------------------------------------------------------------


@pytest.mark.looptime
async def test_the_story_of_a_cable() -> None:
    """Each event once, in order, and the iterator ends after Closed."""
    made = line()
    stream = made.cable.events()
    opening = background(made.cable.open())
    error = refusal()
    await made.transport.refuse(error)
    await made.welcome()
    await opening
    await made.cable.close()
    assert [event async for event in stream] == [
        Connecting(1, URL),
        Disconnected(error),
        RetryScheduled(1.0, 2, error),
        Connecting(2, URL),
        Connected(reconnected=False, transport="memory", protocol="actioncable-v1-json"),
        Closed(None),
    ]
    assert [event async for event in stream] == []


@pytest.mark.looptime
async def test_several_iterators_hear_everything() -> None:
    """Also one that is shared by two tasks: neither is forgotten."""
    made = line()
    one, two = made.cable.events(), made.cable.events()

    async def all_of(stream: Any) -> list[Event]:
        return [event async for event in stream]

    listening = [background(all_of(one)), background(all_of(two)), background(all_of(two))]
    await made.connect()
    await made.cable.close()
    first, second, third = await asyncio.wait_for(asyncio.gather(*listening), 1)
    assert first == made.events
    assert sorted(second + third, key=made.events.index) == made.events


@pytest.mark.looptime
async def test_callbacks_hear_their_kind_until_they_are_stopped() -> None:
    """Of a class, or of its subclasses."""
    made = line()
    connected_events: list[Event] = []
    stop = made.cable.on(Connected, connected_events.append)
    await made.connect()
    await settle()
    assert [type(event) for event in connected_events] == [Connected]
    stop()
    stop()
    made.server.cut()
    await made.welcome()
    assert len(connected_events) == 1
    await made.cable.close()


@pytest.mark.looptime
@pytest.mark.parametrize("error", [ValueError("mine"), asyncio.CancelledError(), GeneratorExit()])
@pytest.mark.parametrize("kind", ["plain", "async"])
async def test_a_failing_callback_stops_no_other(error: BaseException, kind: str) -> None:
    """Its failure is an event of its own; the cable does not notice."""

    def plain(event: Event) -> None:
        raise error

    async def later(event: Event) -> None:
        raise error

    async with connected() as made:
        made.cable.on(Disconnected, plain if kind == "plain" else later)
        heard: list[Event] = []
        made.cable.on(Disconnected, heard.append)
        made.server.cut()
        await made.welcome()
        assert len(heard) == 1
        failures = made.told(CallbackFailed)
        if not (kind == "async" and isinstance(error, asyncio.CancelledError)):
            [failure] = failures
            assert isinstance(failure, CallbackFailed)
            assert failure.error is error
            assert failure.callback.endswith("plain" if kind == "plain" else "later")
        assert made.cable.state is State.CONNECTED


@pytest.mark.looptime
async def test_slow_callbacks_delay_nobody() -> None:
    """An async callback that takes its time holds up neither messages nor the line."""
    async with connected() as made:
        made.cable.on(Disconnected, lambda event: asyncio.sleep(1000))
        chat = await made.live()
        made.server.cut()
        await made.welcome()
        made.server.confirm(chat.identifier)
        made.server.message(chat.identifier, 1)
        assert (await chat.receive(timeout=1)).data == 1


@pytest.mark.parametrize(("kind", "callback"), [("Connected", print), (int, print), (Connected, "print"), (None, None)])
def test_what_cannot_be_a_callback_is_refused(kind: Any, callback: Any) -> None:
    """The text shows what is wanted."""
    with pytest.raises(TypeError, match="give an event class"):
        Cable(URL).on(kind, callback)


# What it shows -------------------------------------------------------------------------------------------------------


@pytest.mark.looptime
async def test_error_is_none_while_all_is_well() -> None:
    """It tells what last broke the line only while that is broken."""
    async with connected() as made:
        assert made.cable.error is None
        made.server.close(1011, "over")
        await settle()
        assert "1011" in str(made.cable.error)
        await made.welcome()
        assert made.cable.error is None


@pytest.mark.looptime
async def test_the_default_transport_is_the_websocket() -> None:
    """Loaded only when it is used."""
    cable = Cable(URL)
    assert isinstance(cable._engine.settings.transports[0], WebSocketTransport)


@pytest.mark.looptime
@pytest.mark.parametrize("timeout", [0, 0.5, timedelta(seconds=0.5)])
async def test_open_timeout_takes_seconds_or_a_timedelta(timeout: Any) -> None:
    """Zero included, though nobody will be glad of it."""
    made = line(open_timeout=timeout)
    with pytest.raises(TimeoutError):
        await made.cable.open()
    assert made.cable.state is State.CLOSED


@pytest.mark.looptime
async def test_close_refuses_a_timeout_that_is_none() -> None:
    """Before anything is closed."""
    async with connected() as made:
        with pytest.raises(ValueError, match="timeout"):
            await made.cable.close(timeout=-1)
        assert made.cable.state is State.CONNECTED
