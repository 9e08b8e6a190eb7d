"""Events: who hears them, in which order, and what listeners cannot do."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from cableway.events import CallbackFailed, Closed, Connected, Connecting, Event
from cableway.telemetry.feed import BACKLOG, EventFeed
from tests.scripted import background, settle

pytestmark = pytest.mark.looptime

ONE, TWO, THREE = (Connecting(n, "ws://one.example/") for n in (1, 2, 3))


def fail(event: Event) -> None:
    """Fail."""
    msg = "mine"
    raise ValueError(msg)


async def test_events_are_told_in_order_in_the_next_turn() -> None:
    """Not before: a callback registered right after the cause misses nothing."""
    feed, told = EventFeed("test"), list[Event]()
    feed.emit(ONE)
    feed.emit(TWO)
    feed.on(Event, told.append)
    assert told == []
    await settle()
    assert told == [ONE, TWO]


async def test_what_a_callback_emits_comes_after_what_was_emitted_before() -> None:
    """Causes before effects."""
    feed, told = EventFeed("test"), list[Event]()
    feed.on(Connecting, lambda event: feed.emit(Closed(None)) if event is ONE else None)
    feed.on(Event, told.append)
    feed.emit(ONE)
    feed.emit(TWO)
    await settle()
    assert told == [ONE, TWO, Closed(None)]


async def test_a_callback_may_remove_itself_and_others() -> None:
    """Nobody is skipped for it."""
    feed, told = EventFeed("test"), list[str]()
    stops: list[Any] = []
    stops.append(feed.on(Event, lambda event: (told.append("first"), stops[0]())))
    feed.on(Event, lambda event: told.append("second"))
    feed.emit(ONE)
    feed.emit(TWO)
    await settle()
    assert told == ["first", "second", "second"]


async def test_one_callback_registered_twice_is_called_twice() -> None:
    """And each registration is stopped by itself."""
    feed, told = EventFeed("test"), list[Event]()
    stop = feed.on(Event, told.append)
    feed.on(Event, told.append)
    feed.emit(ONE)
    await settle()
    assert len(told) == 2
    stop()
    stop()
    feed.emit(TWO)
    await settle()
    assert told == [ONE, ONE, TWO]


async def test_iterators_hear_what_comes_after_their_making() -> None:
    """In order, and end after the last event."""
    feed = EventFeed("test")
    feed.emit(ONE)
    await settle()
    stream = feed.stream()
    feed.emit(TWO)
    feed.emit(THREE, last=True)
    assert [event async for event in stream] == [TWO, THREE]
    assert [event async for event in stream] == []


async def test_a_feed_goes_on_after_its_last_event() -> None:
    """A cable may be opened again; new iterators hear it."""
    feed = EventFeed("test")
    feed.emit(ONE, last=True)
    await settle()
    stream = feed.stream()
    feed.emit(TWO, last=True)
    assert [event async for event in stream] == [TWO]


async def test_a_cancelled_wait_loses_no_event() -> None:
    """Also when it is cancelled in the turn in which the event comes."""
    feed = EventFeed("test")
    stream = feed.stream()
    for event in (ONE, TWO, THREE):
        waiting = background(anext(stream))
        await settle()
        feed.emit(event)
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled()
        assert await anext(stream) is event


async def test_a_slow_iterator_loses_the_oldest() -> None:
    """A thousand events are kept for it."""
    feed = EventFeed("test")
    stream = feed.stream()
    for number in range(BACKLOG + 5):
        feed.emit(Connecting(number, ""))
    feed.end_soon()
    await settle()
    numbers = [event.attempt async for event in stream if isinstance(event, Connecting)]
    assert numbers == list(range(5, BACKLOG + 5))


async def test_a_forgotten_iterator_is_let_go() -> None:
    """Nothing is kept for one that nobody holds."""
    feed = EventFeed("test")
    feed.stream()
    gc.collect()
    assert len(feed._streams) == 0


async def test_the_failure_of_a_callback_is_an_event() -> None:
    """It names the callback and keeps the error."""
    feed, told = EventFeed("test"), list[CallbackFailed]()
    feed.on(Connecting, fail)
    feed.on(CallbackFailed, told.append)
    feed.emit(ONE)
    await settle()
    [failure] = told
    assert failure.callback == "fail"
    assert isinstance(failure.error, ValueError)


async def test_a_callback_that_fails_at_everything_is_not_told_for_ever() -> None:
    """Its failure to hear of its failure is only logged."""
    feed, told = EventFeed("test"), list[Event]()
    feed.on(Event, fail)
    feed.on(Event, told.append)
    feed.emit(ONE)
    await asyncio.sleep(10)
    assert [type(event) for event in told] == [Connecting, CallbackFailed]


async def test_a_failing_callback_does_not_keep_iterators_from_ending() -> None:
    """Whatever it raises."""

    def cancelled(event: Event) -> None:
        raise asyncio.CancelledError

    feed = EventFeed("test")
    feed.on(Event, cancelled)
    stream = feed.stream()
    feed.emit(ONE, last=True)
    assert [event async for event in stream] == [ONE]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
@pytest.mark.looptime(False)
def test_the_end_of_the_program_is_no_failure_of_a_callback(error: type[BaseException]) -> None:
    """Ctrl-C in a callback ends the program."""

    def end(event: Event) -> None:
        raise error

    async def run() -> None:
        feed = EventFeed("test")
        feed.on(Event, end)
        feed.emit(ONE)
        await asyncio.sleep(10)

    with pytest.raises(error):
        asyncio.run(run())


async def test_settling_waits_for_async_callbacks() -> None:
    """Those of child feeds included; late ones are cancelled."""
    feed = EventFeed("cable")
    child = EventFeed("subscription", feed)
    ended: list[str] = []

    async def quick(event: Event) -> None:
        await asyncio.sleep(1)
        ended.append("quick")

    async def slow(event: Event) -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            ended.append("slow, cancelled")

    feed.on(Connecting, quick)
    child.on(Connected, slow)
    feed.emit(ONE)
    child.emit(Connected(reconnected=False))
    await feed.settle(5)
    assert ended == ["quick", "slow, cancelled"]
    assert asyncio.get_running_loop().time() == pytest.approx(5)


async def test_settling_from_a_callback_waits_for_none() -> None:
    """They might wait for each other."""
    feed = EventFeed("test")
    done: list[float] = []

    async def settle_it(event: Event) -> None:
        await feed.settle(100)
        done.append(asyncio.get_running_loop().time())

    feed.on(Event, settle_it)
    feed.on(Event, settle_it)
    feed.emit(ONE)
    await asyncio.sleep(200)
    assert done == [0, 0]


@pytest.mark.parametrize(("kind", "callback"), [(int, print), ("Connected", print), (Connected, 7)])
async def test_what_cannot_be_registered(kind: Any, callback: Any) -> None:
    """The text shows what was given."""
    with pytest.raises(TypeError, match=r"on\("):
        EventFeed("test").on(kind, callback)
