"""A default cable and a gateway, with faults to order between them: it falls, climbs back, and loses nothing."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import pytest
from attrs import define, field

from cableway import (
    Cable,
    CableError,
    Connected,
    Connecting,
    Disconnected,
    Event,
    HandedOver,
    OnDemandMonitor,
    PresenceJoined,
    PresenceLeft,
    Recovery,
    SubscriptionOptions,
    TransportChanged,
    WebSocketTransport,
)
from cableway.gateway import Channel, Gateway, action

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from cableway import Subscription
    from cableway.gateway import Fault, Faults

pytestmark = pytest.mark.looptime

SERVED = {"public": True, "poll": True, "sse": True, "poll_flush_interval": 20, "history_limit": 5000}

E = TypeVar("E", bound=Event)


class Log(Channel):
    """Notes what it is told."""

    noted: ClassVar[list[int]] = []

    async def subscribed(self) -> None:
        """Listen, and let others see who is there."""
        self.stream_from("log")
        self.allow_whispers("log")
        self.allow_presence("log")

    @action
    async def note(self, data: dict[str, Any]) -> None:
        """Take down a number; no answer to that makes a poll return."""
        self.noted.append(data["n"])


@define
class Lab:
    """A gateway, a cable, and what that tells."""

    gateway: Gateway
    cable: Cable
    told: list[Event] = field(factory=list)

    def of(self, kind: type[E]) -> list[E]:
        """Return what was told of *kind*."""
        return [event for event in self.told if isinstance(event, kind)]

    async def on(self, transport: str, limit: float = 900) -> None:
        """Wait until the line stands on *transport*."""
        await until(lambda: self.cable.stats().transport == transport, limit)


@asynccontextmanager
async def lab(**options: Any) -> AsyncIterator[Lab]:
    """A gateway with everything, and a cable by default, not opened yet."""
    Log.noted.clear()
    async with Gateway([Log], **SERVED) as gateway:
        made = Lab(gateway, Cable(gateway.url, **options))
        made.cable.on(Event, made.told.append)
        try:
            yield made
        finally:
            gateway.faults.heal()
            await made.cable.close()


async def until(condition: Callable[[], Any], limit: float = 900) -> None:
    """Wait until *condition* holds."""
    async with asyncio.timeout(limit):
        while not condition():  # noqa: ASYNC110 - virtual time
            await asyncio.sleep(0.05)


class Counting:
    """A stream on which numbers are published, and what of them is heard."""

    def __init__(self, made: Lab, stream: str, handle: Subscription[Any], *, every: float = 0.3) -> None:
        self.heard: list[int] = []
        self.sent = 0
        self._every = every
        self._made = made
        self._stream = stream
        self._tasks = [asyncio.ensure_future(self._speak()), asyncio.ensure_future(self._listen(handle))]

    async def _speak(self) -> None:
        while True:
            await self._made.gateway.broadcast(self._stream, self.sent)
            self.sent += 1
            await asyncio.sleep(self._every)

    async def _listen(self, handle: Subscription[Any]) -> None:
        async for message in handle:
            self.heard.append(message.data)

    async def whole(self, limit: float = 120) -> None:
        """Publish no more, and see that all was heard once, in order."""
        self._tasks[0].cancel()
        try:
            await until(lambda: len(self.heard) >= self.sent, limit)
        finally:
            self._tasks[1].cancel()
            await asyncio.wait(self._tasks)
        assert self.heard == list(range(self.sent))
        assert self.sent > 20


async def fallen(made: Lab) -> Fault:
    """Have the line come up by long polling; return what stands in the way of the WebSocket."""
    fault = made.gateway.faults.swallow()
    await made.cable.open()
    assert made.cable.stats().transport == "long_polling"
    return fault


# Falling, and climbing -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "order",
    [
        lambda faults: faults.swallow(),
        lambda faults: faults.refuse(426),
        lambda faults: faults.refuse(302, headers={"Location": "http://portal.example/"}),
        lambda faults: faults.captive_portal(on="websocket"),
        lambda faults: faults.silence(),
    ],
    ids=["swallowed", "426", "redirected", "a page", "no welcome"],
)
async def test_it_falls_within_ten_seconds_and_climbs_back(order: Callable[[Faults], Fault]) -> None:
    """Nothing is lost, doubled or out of order on the way up, and nobody is told of a loss."""
    async with lab() as made:
        fault = order(made.gateway.faults)
        began = asyncio.get_running_loop().time()
        await made.cable.open()
        assert asyncio.get_running_loop().time() - began < 10
        count = Counting(made, "news", await made.cable.stream("news"))
        falls = len(made.of(Disconnected))
        await asyncio.sleep(5)
        fault.lift()
        await made.on("websocket")
        await asyncio.sleep(2)
        await count.whole()
        assert len(made.of(Disconnected)) == falls
        assert len(made.of(Connected)) == 1
        assert [event.recovery for event in made.of(HandedOver)] == [Recovery.COMPLETE]
        assert [event.transport for event in made.of(TransportChanged)] == ["long_polling", "websocket"]


@pytest.mark.parametrize("status", [401, 403, 404, 410, 429, 500, 502, 503, 504])
async def test_what_says_nothing_about_the_transport_starts_no_fallback(status: int) -> None:
    """It is about us, or the server: no poll is sent."""
    async with lab(open_timeout=20) as made:
        made.gateway.faults.refuse(status)
        with pytest.raises(CableError):
            await made.cable.open()
        assert made.gateway.stats().poll_sessions == 0
        assert made.of(TransportChanged) == []


@pytest.mark.parametrize(
    "order",
    [lambda faults: faults.cut(after=2), lambda faults: faults.cut(after_bytes=3000)],
    ids=["after 2 s", "after 3000 bytes"],
)
async def test_a_network_that_cuts_each_websocket(order: Callable[[Faults], Fault]) -> None:
    """The line ends up on polls, tries again later and later, and the counter is whole all the time."""
    async with lab() as made:
        fault = order(made.gateway.faults)
        await made.cable.open()
        count = Counting(made, "news", await made.cable.stream("news"), every=0.5)
        await made.on("long_polling")
        await asyncio.sleep(120)
        climbs = sum(event.transport == "websocket" for event in made.of(TransportChanged))
        assert 1 <= climbs <= 4
        fault.lift()
        await made.on("websocket")
        await asyncio.sleep(60)
        await count.whole()
        assert made.of(TransportChanged)[-1].transport == "websocket"


@pytest.mark.parametrize(
    "order",
    [
        lambda faults: faults.drop_polls(3, moment="arrived"),
        lambda faults: faults.drop_polls(3, moment="taken"),
        lambda faults: faults.drop_polls(3, moment="answered"),
        lambda faults: faults.answer_late(5),
        lambda faults: faults.delay(2, on="polling"),
        lambda faults: faults.silence(0, times=1),
        lambda faults: faults.silence(0.02, times=1),
        lambda faults: faults.silence(1, times=1),
        lambda faults: faults.cut(after=0.3, times=1),
        lambda faults: faults.swallow(times=1),
    ],
    ids=[
        "polls dropped as they come",
        "polls dropped when taken",
        "answers lost",
        "answers late",
        "polls slow",
        "the new line dumb",
        "the new line dies as it comes up",
        "the new line dies as it takes over",
        "the new line cut",
        "the next try swallowed",
    ],
)
async def test_trouble_while_it_climbs(order: Callable[[Faults], Fault]) -> None:
    """Whatever happens to either line meanwhile, the counter is whole, and the line gets up in the end."""
    async with lab() as made:
        obstacle = await fallen(made)
        count = Counting(made, "news", await made.cable.stream("news"), every=0.7)
        await asyncio.sleep(5)
        trouble = order(made.gateway.faults)
        obstacle.lift()
        await made.on("websocket")
        await asyncio.sleep(10)
        await count.whole()
        assert trouble.fired > 0


async def test_a_gateway_that_is_killed_under_polls() -> None:
    """Its next life knows nothing of what it sent before, and says so; the line climbs back as ever."""
    async with lab() as made:
        obstacle = await fallen(made)
        news = await made.cable.stream("news")
        await made.gateway.broadcast("news", 1)
        assert (await news.receive(timeout=10)).data == 1
        made.gateway.kill()
        await asyncio.sleep(3)
        await made.gateway.start()
        await until(lambda: len(made.of(Connected)) == 2)
        obstacle.lift()
        await made.on("websocket")
        await made.gateway.broadcast("news", 2)
        assert (await news.receive(timeout=10)).data == 2


# What is under way while it climbs -----------------------------------------------------------------------------------


@pytest.mark.parametrize("gap", [0.02, 0.35])
async def test_commands_go_once_and_in_the_order_of_the_calls(gap: float) -> None:
    """Those that wait for a poll to return are not lost with the line, nor overtaken by those of the next one."""
    async with lab() as made:
        obstacle = await fallen(made)
        log = await made.cable.subscribe("Log")
        obstacle.lift()
        number = 0
        after: float | None = None
        clock = asyncio.get_running_loop().time
        while after is None or clock() < after:
            await log.perform("note", n=number)
            number += 1
            await asyncio.sleep(gap)
            if made.of(HandedOver) and after is None:
                after = clock() + 20
        await until(lambda: len(Log.noted) >= number, 60)
        assert Log.noted == list(range(number))
        assert len(made.of(Disconnected)) == 1


async def test_commands_that_wait_for_a_poll_when_the_line_is_handed_over() -> None:
    """One is in a poll that is held, others behind it, one comes after: the cable can be closed at once, too."""
    async with lab() as made:
        obstacle = await fallen(made)
        log = await made.cable.subscribe("Log")
        obstacle.lift()
        engine = made.cable._engine
        await until(lambda: engine.handover.busy)
        polls, number = -1.0, 0
        while not made.of(HandedOver):
            if engine.up.connection.last_received != polls:
                polls = engine.up.connection.last_received
                for _ in range(2):
                    await log.perform("note", n=number)
                    number += 1
                    await asyncio.sleep(0.1)
            await asyncio.sleep(0.01)
        await log.perform("note", n=number)
        await made.cable.close(timeout=40)
        assert number >= 2
        await until(lambda: len(Log.noted) > number, 10)
        assert Log.noted == list(range(number + 1))


async def test_presence_and_whispers_pass_over() -> None:
    """Others see nobody leave, and hear each whisper once."""
    async with lab() as made, Cable(made.gateway.url, transports=[WebSocketTransport()]) as other:
        theirs = await other.subscribe("Log")
        seen: list[Event] = []
        for kind in (PresenceJoined, PresenceLeft):
            theirs.on(kind, seen.append)
        await theirs.presence.get()
        obstacle = await fallen(made)
        log = await made.cable.subscribe("Log")
        await log.presence.join("me")
        obstacle.lift()
        for number in range(60):
            await log.whisper(number)
            await asyncio.sleep(1.1)
        assert made.cable.stats().transport == "websocket"
        await asyncio.sleep(20)
        assert [type(event) for event in seen] == [PresenceJoined]
        assert [message.data for message in theirs.take(100)] == list(range(60))


async def test_mailboxes_that_hold_the_line_up() -> None:
    """Nothing that lies unread on the old line is lost with it."""
    async with lab() as made:
        obstacle = await fallen(made)
        options = SubscriptionOptions(overflow="pause", max_messages=5)
        news = await made.cable.stream("news", options=options)
        heard: list[int] = []

        async def listen() -> None:
            async for message in news:
                heard.append(message.data)
                await asyncio.sleep(0.9 if len(heard) % 7 == 0 else 0.01)

        listening = asyncio.ensure_future(listen())
        await asyncio.sleep(5)
        obstacle.lift()
        number = 0
        while made.cable.stats().transport != "websocket" or number < 100:
            await made.gateway.broadcast("news", number)
            number += 1
            await asyncio.sleep(0.25)
        await until(lambda: len(heard) >= number)
        listening.cancel()
        assert heard == list(range(number))


async def test_many_subscriptions() -> None:
    """Three hundred of them go over in one piece."""
    async with lab() as made:
        obstacle = await fallen(made)
        handles = [made.cable.stream(f"s{number}") for number in range(300)]
        for handle in handles:
            await handle
        counts = [Counting(made, f"s{number}", handle, every=2.0) for number, handle in enumerate(handles)]
        obstacle.lift()
        await made.on("websocket")
        await asyncio.sleep(20)
        for count in counts:
            await count.whole()
        assert [event.recovery for event in made.of(HandedOver)] == [Recovery.COMPLETE]


async def test_the_past_can_be_asked_for_meanwhile() -> None:
    """A question that is under way is answered, or asked once more."""
    async with lab() as made:
        obstacle = await fallen(made)
        news = await made.cable.stream("news")
        for number in range(5):
            await made.gateway.broadcast("news", number)
        await asyncio.sleep(20)
        obstacle.lift()
        while made.cable.stats().transport != "websocket":
            past = await news.history(since=timedelta(hours=1), timeout=40)
            assert [message.data for message in past] == list(range(5))
            await asyncio.sleep(1)


async def test_a_server_that_asks_to_be_left_alone_while_it_climbs() -> None:
    """``Retry-After`` is obeyed by tries beside the line, too."""
    async with lab() as made:
        obstacle = await fallen(made)
        obstacle.lift()
        refusal = made.gateway.faults.refuse(503, retry_after=300)
        await asyncio.sleep(305)
        assert refusal.fired == 1


async def test_closed_and_opened_again() -> None:
    """After a long while on polls, beside which better ones were tried in vain: it begins with what worked."""
    async with lab() as made:
        await fallen(made)
        await asyncio.sleep(620)
        await made.cable.close()
        count = len(made.of(Connecting))
        await made.cable.open()
        assert [event.transport for event in made.of(Connecting)[count:]] == ["long_polling"]


async def test_lines_too_short_to_climb_from() -> None:
    """On demand, with a command every twenty seconds: a better transport has its turn again all the same."""
    async with lab(monitor=OnDemandMonitor(linger=2)) as made:
        obstacle = made.gateway.faults.swallow()
        await made.cable.open()
        log = made.cable.subscribe("Log")
        await log.perform("note", n=0)
        obstacle.lift()
        for number in range(1, 40):
            await log.perform("note", n=number)
            await asyncio.sleep(20)
        assert Log.noted == list(range(40))
        assert made.of(TransportChanged)[-1].transport == "websocket"
        changes = [event.transport for event in made.of(TransportChanged)]
        assert all(one != other for one, other in pairwise(changes))
