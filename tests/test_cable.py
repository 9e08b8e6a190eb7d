"""The client a program holds: what it takes, what it shows, and what it does on its own."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

import cableway
from cableway import (
    Cable,
    CableError,
    CallbackFailed,
    Channel,
    Closed,
    ConfirmationTimedOut,
    Connected,
    Connecting,
    ConnectTimeout,
    Demanded,
    Disconnected,
    Dormant,
    Event,
    EventStreamTransport,
    InvalidIdentifier,
    InvalidURL,
    LongPollingTransport,
    ManualMonitor,
    MemoryTransport,
    NotConnected,
    OnDemandMonitor,
    RetryScheduled,
    State,
    SubscriptionRejected,
    SubscriptionState,
    SubscriptionTimeout,
    Unauthorized,
    UsageError,
    WebSocketTransport,
)
from tests.scripted import URL, Line, Model, background, confirmation, connected, line, refusal, settle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

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
        ({"transports": [MemoryTransport]}, "or a Fallback"),
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
        Connecting(1, URL, "memory"),
        Disconnected(error),
        RetryScheduled(1.0, 2, error),
        Connecting(2, URL, "memory"),
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
async def test_by_default_all_transports_are_tried() -> None:
    """The WebSocket first."""
    cable = Cable(URL)
    kinds = [type(transport) for transport in cable._engine.settings.fallback.transports]
    assert kinds == [WebSocketTransport, LongPollingTransport, EventStreamTransport]


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


# A line on demand ----------------------------------------------------------------------------------------------------


@asynccontextmanager
async def on_demand(*, delay: Any = lambda: 0.01, **options: Any) -> AsyncIterator[tuple[Line, Model]]:
    """A cable that is open and dormant, before a server that behaves as Rails does."""
    monitor = {name: options.pop(name) for name in ("linger", "every", "budget", "minimum_on") if name in options}
    made = line(monitor=OnDemandMonitor(**monitor), **options)
    async with Model(made.transport, delay=delay).serving() as rails:
        await made.cable.open()
        try:
            yield made, rails
        finally:
            await made.cable.close(flush=False)
    assert rails.faults == []


def now() -> float:
    """Return the loop's time."""
    return asyncio.get_running_loop().time()


@pytest.mark.looptime
async def test_a_command_wakes_the_line_and_waits_for_it() -> None:
    """It is sent once its subscription is live, and has its time to be run before the line is let go."""
    async with on_demand(linger=0, delay=lambda: 0.2) as (made, rails):
        chat = made.cable.subscribe("Chat")
        for number in range(5):
            assert made.cable.state is State.DORMANT
            await chat.perform("speak", n=number)
            assert made.cable.state is State.CONNECTED
            await asyncio.sleep(100)
        assert [data["n"] for _, data in rails.performed] == [0, 1, 2, 3, 4]
        assert len(rails.lines) == 5
        assert made.told(Demanded) == [Demanded("a command")] * 5


@pytest.mark.looptime
async def test_commands_together_share_one_wake_and_keep_their_order() -> None:
    """A hundred calls by ten subscriptions."""
    async with on_demand(linger=0, delay=lambda: 0.001) as (made, rails):
        handles = [made.cable.subscribe("Chat", n=n) for n in range(10)]
        await asyncio.gather(*(handles[n % 10].perform("speak", n=n) for n in range(100)))
        await asyncio.sleep(10)
        assert len(rails.lines) == 1
        assert made.cable.state is State.DORMANT
        for room, handle in enumerate(handles):
            told = [data["n"] for identifier, data in rails.performed if identifier == handle.identifier]
            assert told == list(range(room, 100, 10))


@pytest.mark.looptime
async def test_a_command_s_wait_for_the_line_is_bounded() -> None:
    """By ``open_timeout``; nothing was sent, nothing waits on, and the cable stays open."""
    made = line(monitor=OnDemandMonitor(linger=0), open_timeout=7)
    await made.cable.open()
    chat = made.cable.subscribe("Chat")
    started = now()
    with pytest.raises(ConnectTimeout, match="no line came up within 7 s"):
        await chat.perform("speak")
    assert now() - started == pytest.approx(7)
    await settle()
    assert made.cable.state is State.DORMANT
    made.cable.wake()
    server = await made.welcome()
    server.confirm(chat.identifier)
    await settle()
    assert [command["command"] for command in server.received] == ["subscribe"]
    await made.cable.close()


@pytest.mark.looptime
async def test_a_command_that_woke_the_line_for_a_silent_subscription_says_what_it_waited_for() -> None:
    """The line was up; what was missing is named."""
    async with on_demand(linger=0, open_timeout=3) as (made, _):
        with pytest.raises(ConnectTimeout, match="the subscription was not confirmed within 3 s"):
            await made.cable.subscribe("Silent").perform("speak")
    async with on_demand(linger=0, open_timeout=60) as (made, _):
        with pytest.raises(SubscriptionTimeout):
            await made.cable.subscribe("Silent").perform("speak")


@pytest.mark.looptime
async def test_a_command_for_a_subscription_that_is_refused_lets_the_line_go() -> None:
    """Nobody holds it after the failure."""
    async with on_demand(linger=0) as (made, _):
        with pytest.raises(SubscriptionRejected):
            await made.cable.subscribe("Rejected").perform("speak")
        await asyncio.sleep(1)
        assert made.cable.state is State.DORMANT


@pytest.mark.looptime
async def test_a_command_that_is_cancelled_holds_nothing() -> None:
    """Its demand lingers, then the line is let go, or its dial given up."""
    made = line(monitor=OnDemandMonitor(linger=2))
    await made.cable.open()
    chat = made.cable.subscribe("Chat")
    performing = background(chat.perform("speak"))
    await settle()
    performing.cancel()
    await asyncio.wait([performing])
    assert made.cable.state is State.CONNECTING
    await asyncio.sleep(2.1)
    assert made.cable.state is State.DORMANT
    await made.cable.close()


@pytest.mark.looptime
async def test_blocks_that_overlap_share_the_line() -> None:
    """It is held from the first to the last, and lingers after that."""
    async with on_demand(linger=3) as (made, rails):
        times: list[float] = []

        async def use(begin: float, seconds: float) -> None:
            await asyncio.sleep(begin)
            async with made.cable.awake(f"from {begin}"):
                assert made.cable.state is State.CONNECTED
                await asyncio.sleep(seconds)
            times.append(now())

        await asyncio.gather(use(0, 10), use(5, 10), use(5, 1), use(14, 20))
        assert made.cable.state is State.CONNECTED
        await asyncio.sleep(2.9)
        assert made.cable.state is State.CONNECTED
        await asyncio.sleep(0.2)
        assert (made.cable.state, len(rails.lines)) == (State.DORMANT, 1)
        assert made.told(Demanded) == [Demanded("from 0")]


@pytest.mark.looptime
async def test_a_block_that_fails_lets_the_line_go() -> None:
    """Its error comes out."""
    async with on_demand(linger=0) as (made, _):
        with pytest.raises(LookupError, match="mine"):
            async with made.cable.awake():
                raise LookupError("mine")  # noqa: EM101 - of the test
        await settle()
        assert made.cable.state is State.DORMANT


@pytest.mark.looptime
async def test_a_block_whose_line_breaks_gets_another() -> None:
    """It is held all the while."""
    async with on_demand(linger=0) as (made, rails):
        async with made.cable.awake():
            for lines in (2, 3):
                rails.line.cut()
                await settle()
                assert made.cable.state is State.DISCONNECTED
                await asyncio.sleep(2)
                assert (made.cable.state, len(rails.lines)) == (State.CONNECTED, lines)
        await settle()
        assert made.cable.state is State.DORMANT


@pytest.mark.looptime
async def test_wake_and_rest() -> None:
    """One has the line up for its linger, the other cuts that short, but holds nobody's line back."""
    async with on_demand(linger=60) as (made, rails):
        made.cable.wake("a look")
        await asyncio.sleep(59)
        assert made.cable.state is State.CONNECTED
        made.cable.wake()
        await asyncio.sleep(59)
        assert made.cable.state is State.CONNECTED
        made.cable.rest()
        assert made.cable.state is State.DORMANT
        async with made.cable.awake():
            made.cable.rest()
            await asyncio.sleep(100)
            assert made.cable.state is State.CONNECTED
        made.cable.rest()
        made.cable.rest()
        assert (made.cable.state, len(rails.lines)) == (State.DORMANT, 2)


@pytest.mark.looptime
async def test_rest_during_a_dial_gives_it_up() -> None:
    """Nobody needs it any more."""
    made = line(monitor=OnDemandMonitor())
    await made.cable.open()
    made.cable.wake()
    await settle()
    assert made.cable.state is State.CONNECTING
    made.cable.rest()
    await settle()
    assert (made.cable.state, made.cable.stats().failures) == (State.DORMANT, 0)
    await made.cable.close()


@pytest.mark.looptime
async def test_a_schedule_wakes_the_line_by_itself() -> None:
    """A sign of life every fifteen minutes; a demand in between changes nothing about it."""
    async with on_demand(linger=2, every=900) as (made, rails):
        ups: list[float] = []
        made.cable.on(Connected, lambda _: ups.append(now()))
        await asyncio.sleep(1000)
        made.cable.wake()
        await asyncio.sleep(3 * 900)
        assert ups == pytest.approx([900, 1000, 1800, 2700, 3600], abs=0.1)
        assert len(rails.lines) == 5


@pytest.mark.looptime
async def test_the_linger_begins_when_the_line_is_up() -> None:
    """A demand that waited half a minute for its line has it for as long as any other."""
    made = line(monitor=OnDemandMonitor(linger=5), dial_timeout=60)
    await made.cable.open()
    made.cable.wake()
    await asyncio.sleep(30)
    await made.welcome()
    await asyncio.sleep(4.9)
    assert made.cable.state is State.CONNECTED
    await asyncio.sleep(0.2)
    assert made.cable.state is State.DORMANT
    await made.cable.close()


@pytest.mark.looptime
async def test_a_budget_is_kept() -> None:
    """However often somebody asks: in no hour is the line up for longer, and then it comes back."""
    async with on_demand(linger=20, budget=60) as (made, _):
        spells: list[tuple[float, float]] = []
        began = [0.0]

        def up(_: Event) -> None:
            began[0] = now()

        made.cable.on(Connected, up)
        made.cable.on(Dormant, lambda _: spells.append((began[0], now())))
        for _ in range(4 * 360):
            made.cable.wake()
            await asyncio.sleep(10)
        assert len(spells) > 4
        for start in {begin for begin, _ in spells}:
            spent = sum(max(0.0, min(end, start + 3600) - max(begin, start)) for begin, end in spells)
            assert spent <= 61.5
        assert 200 <= sum(end - begin for begin, end in spells) <= 310


@pytest.mark.looptime
async def test_subscriptions_stay_wished_for_and_come_back_with_each_wake() -> None:
    """Pending while dormant, asked for once a wake; one that was given up meanwhile is not."""
    async with on_demand(linger=1) as (made, rails):
        handles = [made.cable.subscribe("Chat", n=n) for n in range(40)]
        for _ in range(3):
            made.cable.wake()
            await asyncio.gather(*map(confirmation, handles))
            assert rails.subscribed == {handle.identifier for handle in handles}
            await asyncio.sleep(10)
            assert made.cable.state is State.DORMANT
            assert {handle.state for handle in handles} == {SubscriptionState.PENDING}
            await asyncio.wait_for(handles.pop().unsubscribe(), 0.01)
        assert made.cable.stats().subscriptions == 37


@pytest.mark.looptime
async def test_a_line_that_nobody_needs_waits_for_the_answers() -> None:
    """Even with no linger at all, those who wait for a confirmation get it by a wake."""
    async with on_demand(linger=0, delay=lambda: 0.3) as (made, rails):
        handles = [made.cable.subscribe("Chat", n=n) for n in range(3)]
        made.cable.wake()
        await asyncio.wait_for(asyncio.gather(*map(confirmation, handles)), 5)
        await asyncio.sleep(5)
        assert (made.cable.state, len(rails.lines)) == (State.DORMANT, 1)


@pytest.mark.looptime
async def test_awaiting_and_iterating_are_no_demand() -> None:
    """They wait for the next time the line is up, and the confirmation does not time out before that."""
    async with on_demand(linger=60) as (made, rails):
        chat = made.cable.subscribe("Chat")
        waiting = [background(confirmation(chat)), background(anext(chat))]
        await asyncio.sleep(3600)
        assert (made.cable.state, made.transport.dials) == (State.DORMANT, 0)
        assert not any(task.done() for task in waiting)
        assert made.told(ConfirmationTimedOut) == []
        made.cable.wake()
        assert await asyncio.wait_for(waiting[0], 1) is chat
        rails.line.message(chat.identifier, "hi")
        assert (await waiting[1]).data == "hi"


@pytest.mark.looptime
async def test_the_confirmation_s_time_begins_anew_with_each_line() -> None:
    """What was left of it before the line was let go is of no matter."""
    async with on_demand(linger=0) as (made, _):
        silent = made.cable.subscribe("Silent")
        waiting = background(confirmation(silent))
        for _ in range(20):
            async with made.cable.awake():
                await asyncio.sleep(2)
            await asyncio.sleep(1000)
        assert not waiting.done()
        waiting.cancel()


@pytest.mark.looptime
async def test_a_wake_during_the_goodbye_gets_a_line_of_its_own() -> None:
    """The one that is being closed is not taken up again, nor does its end harm the new one."""
    async with on_demand(linger=0) as (made, rails):
        chat = made.cable.subscribe("Chat")
        for _ in range(10):
            async with made.cable.awake():
                await chat
            made.cable.rest()
            assert made.cable.state is State.DORMANT
            async with made.cable.awake():
                await chat
                await chat.perform("speak")
                rails.line.message(chat.identifier, "hi")
                assert (await chat.receive(timeout=1)).data == "hi"
                await asyncio.sleep(0.3)
        assert len(rails.performed) == 10
        assert made.told(Closed) == []


@pytest.mark.looptime
async def test_a_thousand_wakes_leave_nothing_behind() -> None:
    """No task, no line, no timer, no memory."""
    made = line(monitor=OnDemandMonitor(linger=1))
    await made.cable.open()
    chat = made.cable.subscribe("Chat")

    async def serve() -> None:
        while True:
            server = await made.transport.accept()
            server.welcome()
            await server.receive()
            server.confirm(chat.identifier)
            await server.over.wait()

    async def wakes(times: int) -> None:
        for _ in range(times):
            await chat.perform("speak")
            await asyncio.sleep(5)
            made.events.clear()
        gc.collect()

    serving = background(serve())
    await wakes(100)
    tasks, objects = len(asyncio.all_tasks()), len(gc.get_objects())
    await wakes(1000)
    assert len(asyncio.all_tasks()) == tasks
    assert len(gc.get_objects()) - objects < 500
    engine = made.cable._engine
    assert (engine._tasks, engine.farewells.pending, engine.waiting.empty) == (set(), False, True)
    assert (made.cable.state, made.cable.stats().dials) == (State.DORMANT, 1100)
    serving.cancel()
    await made.cable.close()


@pytest.mark.looptime
async def test_a_cable_that_is_closed_while_dormant_is_closed() -> None:
    """Those who wait hear of it, those who iterate end, and it can be opened anew."""
    async with on_demand() as (made, _):
        chat = made.cable.subscribe("Chat")
        waiting = background(confirmation(chat))
        messages = background(anext(chat, None))
        await settle()
        await made.cable.close()
        with pytest.raises(NotConnected):
            await waiting
        assert await messages is None
        await made.cable.open()
        assert (made.cable.state, chat.state) == (State.DORMANT, SubscriptionState.PENDING)
        await chat.perform("speak")


@pytest.mark.looptime
async def test_a_refusal_during_a_wake_ends_the_cable() -> None:
    """Whoever woke it hears why, and nothing is dialled any more."""
    made = line(monitor=OnDemandMonitor(linger=0))
    await made.cable.open()
    performing = background(made.cable.subscribe("Chat").perform("speak"))
    server = await made.transport.accept()
    server.send({"type": "disconnect", "reason": "unauthorized", "reconnect": False})
    with pytest.raises(Unauthorized):
        await performing
    assert made.cable.state is State.CLOSED
    assert made.cable._engine.overseer.oversight.holds == 0
    with pytest.raises(Unauthorized):
        async with made.cable.awake():
            pytest.fail("there is no line")


@pytest.mark.looptime
async def test_a_manual_line_is_up_between_wake_and_rest() -> None:
    """A command wakes nothing there: it says what to do instead."""
    made = line(monitor=ManualMonitor())
    async with Model(made.transport).serving() as rails:
        await made.cable.open()
        chat = made.cable.subscribe("Chat")
        with pytest.raises(NotConnected, match=r"call cable\.wake\(\)"):
            await chat.perform("speak")
        made.cable.wake()
        await chat
        await asyncio.sleep(3600)
        assert (made.cable.state, len(rails.lines)) == (State.CONNECTED, 1)
        made.cable.rest()
        assert made.cable.state is State.DORMANT
        await made.cable.close()


@pytest.mark.looptime
async def test_a_persistent_line_is_held_by_nobody_and_up_all_the_same() -> None:
    """awake(), wake() and rest() change nothing about it."""
    async with connected() as made:
        async with made.cable.awake():
            made.cable.rest()
        made.cable.wake()
        made.cable.rest()
        await asyncio.sleep(1)
        assert (made.cable.state, made.transport.dials, made.told(Demanded)) == (State.CONNECTED, 1, [])
