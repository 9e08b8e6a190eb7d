"""Faults to order as a cable lives through them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from cableway import (
    Cable,
    CableError,
    Connected,
    Disconnected,
    Event,
    HandshakeRefused,
    LineStale,
    LongPollingTransport,
    RetryScheduled,
    WebSocketTransport,
)
from cableway.errors import ConnectError, ServerSilent
from cableway.gateway import Gateway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from cableway.gateway import Fault, Faults

pytestmark = pytest.mark.looptime

SERVED = {"public": True, "poll": True, "sse": True, "poll_flush_interval": 20, "history_limit": 1000}

E = TypeVar("E", bound=Event)


class Told(list[Event]):
    """What a cable tells."""

    def of(self, kind: type[E]) -> list[E]:
        """Return what it told of *kind*."""
        return [event for event in self if isinstance(event, kind)]

    def failures(self) -> list[CableError | None]:
        """Return why lines did not come up or stay."""
        return [event.error for event in self.of(Disconnected)]


@asynccontextmanager
async def served(**options: Any) -> AsyncIterator[tuple[Gateway, Cable, Told]]:
    """A gateway, and a cable that is not open yet."""
    async with Gateway(**SERVED) as gateway:
        told = Told()
        cable = Cable(gateway.url, **{"transports": [WebSocketTransport()], "open_timeout": None, **options})
        cable.on(Event, told.append)
        yield gateway, cable, told
        gateway.faults.heal()
        await cable.close()


@pytest.mark.parametrize(
    ("order", "kind"),
    [
        (lambda faults: faults.refuse(503, retry_after=40, times=1), HandshakeRefused),
        (lambda faults: faults.captive_portal(times=1), ConnectError),
        (lambda faults: faults.captive_portal(location="http://portal.example/", times=1), ConnectError),
        (lambda faults: faults.swallow(times=1), ServerSilent),
        (lambda faults: faults.silence(times=1), ServerSilent),
    ],
)
async def test_a_cable_gets_through_once_the_fault_is_over(
    order: Callable[[Faults], Fault], kind: type[CableError]
) -> None:
    """It says what it met, and comes back by itself; where the server named a time, not before."""
    async with served() as (gateway, cable, told):
        fault = order(gateway.faults)
        began = asyncio.get_running_loop().time()
        async with asyncio.timeout(300):
            await cable.open()
        (error,) = told.failures()
        assert fault.fired == 1
        assert isinstance(error, kind)
        if gateway.faults.fired == {"refuse": 1}:
            assert told.of(RetryScheduled)[0].delay >= 40
            assert asyncio.get_running_loop().time() - began >= 40


async def test_a_line_that_falls_silent_is_replaced() -> None:
    """And what was said into the silence is recovered."""
    async with served() as (gateway, cable, told):
        await cable.open()
        news = await cable.stream("news")
        await gateway.broadcast("news", 0)
        assert (await news.receive(timeout=5)).data == 0
        silence = gateway.faults.silence(times=1)
        await gateway.broadcast("news", 1)
        assert (await news.receive(timeout=60)).data == 1
        assert silence.fired == 1
        assert [type(error) for error in told.failures()] == [LineStale]


@pytest.mark.parametrize(
    "order",
    [
        lambda faults: faults.cut(after_bytes=3_000),
        lambda faults: faults.cut(after=2.5),
        lambda faults: faults.refuse(503, every=2),
    ],
)
async def test_a_counter_through_cut_lines_is_whole(order: Callable[[Faults], Fault]) -> None:
    """Nothing is lost, doubled or out of order."""
    async with served() as (gateway, cable, told):
        cuts = gateway.faults.cut(after_bytes=20_000)
        fault = order(gateway.faults)
        await cable.open()
        news = await cable.stream("news")
        heard = []
        for number in range(200):
            await gateway.broadcast("news", {"n": number, "text": "x" * 100})
            await asyncio.sleep(0.05)
        while len(heard) < 200:
            heard.append((await news.receive(timeout=60)).data["n"])
        assert heard == list(range(200))
        assert fault.fired + cuts.fired >= 3
        assert len(told.of(Connected)) >= 3


@pytest.mark.parametrize(
    "order",
    [
        lambda faults: faults.drop_polls(3, moment="arrived"),
        lambda faults: faults.drop_polls(3, moment="taken"),
        lambda faults: faults.drop_polls(3, moment="answered"),
        lambda faults: faults.answer_late(5),
        lambda faults: faults.delay(3, every=2),
    ],
)
async def test_a_counter_through_lost_polls_is_whole(order: Callable[[Faults], Fault]) -> None:
    """What an answer took along is asked of the past."""
    async with served(transports=[LongPollingTransport(hold=5)]) as (gateway, cable, told):
        await cable.open()
        news = await cable.stream("news")
        # A place in the stream, from which on nothing may be missed.
        await gateway.broadcast("news", 0)
        heard = [(await news.receive(timeout=60)).data]
        fault = order(gateway.faults)
        for number in range(1, 60):
            await gateway.broadcast("news", number)
            await asyncio.sleep(0.5)
        while len(heard) < 60:
            heard.append((await news.receive(timeout=120)).data)
        assert heard == list(range(60))
        assert fault.fired >= 2
        assert {event.transport for event in told.of(Connected)} == {"long_polling"}
