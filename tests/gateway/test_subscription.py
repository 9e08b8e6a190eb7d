"""One subscription: streams, transforms, timers."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from cableway.errors import UsageError
from cableway.gateway import Channel, Connection, periodically
from cableway.gateway.streams import Broadcast, Streams, broadcast_data, broadcast_value
from cableway.gateway.subscription import Subscription, run
from tests.gateway.test_connection import Outlet, request


class Outbox:
    """Keeps what a subscription sends."""

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.revoked: list[str] = []

    def deliver(self, identifier: str, broadcast: Broadcast) -> None:
        """Keep the message."""
        assert identifier == "A"
        self.messages.append(broadcast.value)

    def revoke(self, identifier: str) -> None:
        """Keep it."""
        self.revoked.append(identifier)


def subscription(streams: Streams, outbox: Outbox) -> Subscription:
    """Give a subscription named A."""
    return Subscription("A", {}, connection=Connection(request(), Outlet()), outbox=outbox, streams=streams)


def test_a_transform_decides_what_is_sent() -> None:
    """The newest one counts; without one the message goes as it is."""
    streams, outbox = Streams(), Outbox()
    one = subscription(streams, outbox)
    one.stream_from("a", lambda value: [value], raw=False)
    one.stream_from("a", lambda text: f"<{text}>", raw=True)
    one.stream_from("b", None, raw=False)
    streams.publish("a", broadcast_value({"n": 1}))
    streams.publish("b", broadcast_value({"n": 2}))
    assert outbox.messages == ['<{"n":1}>', {"n": 2}]


def test_what_a_transform_raises_costs_that_message_alone(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and the others hear the message."""
    streams, broken, well = Streams(), Outbox(), Outbox()
    subscription(streams, broken).stream_from("a", lambda value: 1 / value, raw=False)
    subscription(streams, well).stream_from("a", None, raw=False)
    streams.publish("a", broadcast_value(0))
    streams.publish("a", broadcast_value(2))
    assert broken.messages == [0.5]
    assert well.messages == [0, 2]
    assert "the transform of a stream failed" in caplog.text


def test_a_transform_may_stop_another_listener() -> None:
    """Who was stopped hears no more, that message included."""
    streams, outbox = Streams(), Outbox()
    first, second = subscription(streams, Outbox()), subscription(streams, outbox)
    first.stream_from("a", lambda value: second.stop_all_streams(), raw=False)  # type: ignore[func-returns-value]
    second.stream_from("a", None, raw=False)
    streams.publish("a", broadcast_value(1))
    assert outbox.messages == []


def test_the_session_that_is_left_out_hears_nothing() -> None:
    """By its id."""
    streams, outbox = Streams(), Outbox()
    subscription(streams, outbox).stream_from("a", None, raw=False)
    streams.publish("a", broadcast_data("1", "hush-sid"))
    streams.publish("a", broadcast_data("2", "another"))
    assert outbox.messages == [2]


def test_what_cannot_be_a_stream_is_refused() -> None:
    """A stream has a name, and a transform is a plain function."""

    async def late(value: Any) -> Any:
        return value

    one = subscription(Streams(), Outbox())
    for name in ("", 7):
        with pytest.raises(UsageError, match="a stream needs a name"):
            one.stream_from(name, None, raw=False)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="must be a plain function"):
        one.stream_from("a", late, raw=False)


def test_transmitting_what_is_no_json_is_the_channels_error() -> None:
    """It is raised where it was transmitted."""
    outbox = Outbox()
    one = subscription(Streams(), outbox)
    one.transmit(None)
    with pytest.raises(TypeError):
        one.transmit(object())
    assert outbox.messages == [None]


async def test_rejecting_later_takes_the_subscription_back() -> None:
    """Before the confirmation it only says no."""
    outbox = Outbox()
    one = subscription(Streams(), outbox)
    one.reject()
    assert (one.rejected, outbox.revoked) == (True, [])
    one.start(Channel(one))
    one.reject()
    assert outbox.revoked == ["A"]


class Ticker(Channel):
    """Transmits the time, and fails now and then."""

    slow = 0.0

    @periodically(1)
    async def tick(self) -> None:
        """Tell the time."""
        now = round(asyncio.get_running_loop().time() - STARTED.get("at", 0.0), 3)
        await asyncio.sleep(self.slow)
        if now == 2.0:
            msg = "not now"
            raise RuntimeError(msg)
        self.transmit(now)


STARTED: dict[str, float] = {}


@pytest.mark.looptime
@pytest.mark.parametrize(("slow", "ticks"), [(0.0, [1.0, 3.0, 4.0]), (0.5, [1.0, 3.0, 4.0]), (1.5, [1.0, 2.5, 4.0])])
async def test_timers_keep_time_and_survive_errors(
    slow: float, ticks: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    """One call at a time, each due when it should be; a slow one delays the next; an error is logged."""
    caplog.set_level(logging.ERROR)
    STARTED["at"] = asyncio.get_running_loop().time()
    outbox = Outbox()
    one = subscription(Streams(), outbox)
    channel = Ticker(one)
    channel.slow = slow
    one.start(channel)
    await asyncio.sleep(5.9)
    await one.end()
    await asyncio.sleep(10)
    assert outbox.messages[:3] == ticks
    assert outbox.messages[-1] < 6
    assert ("the timer Ticker.tick failed; it goes on" in caplog.text) == (2.0 not in ticks and slow < 1)


async def test_ending_leaves_no_stream_and_no_task() -> None:
    """May be done twice."""
    streams = Streams()
    one = subscription(streams, Outbox())
    one.stream_from("a", None, raw=False)
    before = asyncio.all_tasks()
    one.start(Ticker(one))
    assert len(asyncio.all_tasks()) == len(before) + 1
    await one.end()
    await one.end()
    assert asyncio.all_tasks() == before
    assert len(streams) == 0


async def test_plain_and_async_methods_are_run_alike() -> None:
    """What users write may be either."""
    seen: list[int] = []

    async def late(number: int) -> None:
        seen.append(number)

    await run(seen.append, 1)
    await run(late, 2)
    assert seen == [1, 2]
