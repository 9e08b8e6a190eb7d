"""Event streams from the real AnyCable server."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from cableway import Cable, EventStreamTransport, Recovered, Recovery, SubscriptionRejected
from tests.interop.peers import anycable as anycable_peer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.interop.peers.anycable import AnyCable

LIMIT = 15.0


@pytest.fixture
def streaming(tmp_path: Path) -> Iterator[AnyCable]:
    """A server that gives event streams."""
    yield from anycable_peer.running(tmp_path, "--sse")


def listener(anycable: AnyCable) -> Cable:
    """Make a cable that listens by event streams."""
    return Cable(anycable.url, transports=[EventStreamTransport()])


async def publish(anycable: AnyCable, stream: str, *values: object) -> None:
    """Publish without holding up the client under test."""
    for value in values:
        await asyncio.to_thread(anycable.publish, stream, value)


async def test_streams_deliver_in_order_and_the_past_is_there(streaming: AnyCable) -> None:
    """Several on one line; what was published is shown to who asks for it."""
    async with listener(streaming) as cable:
        one, two = cable.stream("one"), cable.stream("two")
        await one
        await two
        for number in range(10):
            await publish(streaming, "one", number)
            await publish(streaming, "two", -number)
        assert [(await one.receive(timeout=LIMIT)).data for _ in range(10)] == list(range(10))
        assert [(await two.receive(timeout=LIMIT)).data for _ in range(10)] == [-number for number in range(10)]
        assert [message.data for message in await one.history(since=timedelta(minutes=1))] == list(range(10))


async def test_what_was_published_meanwhile_is_recovered(streaming: AnyCable) -> None:
    """The past goes with the request."""
    async with listener(streaming) as cable:
        news = await cable.stream("news")
        await publish(streaming, "news", 1)
        assert (await news.receive(timeout=LIMIT)).data == 1
        told: asyncio.Queue[Recovered] = asyncio.Queue()
        news.on(Recovered, told.put_nowait)
        cable.pause()
        await publish(streaming, "news", 2, 3)
        cable.resume()
        assert [(await news.receive(timeout=LIMIT)).data for _ in range(2)] == [2, 3]
        async with asyncio.timeout(LIMIT):
            assert (await told.get()).recovery is Recovery.COMPLETE


async def test_a_rejection_is_for_the_one_it_concerns(streaming: AnyCable) -> None:
    """The others, asked for in the same moment, are confirmed."""
    async with listener(streaming) as cable:
        good, bad = cable.stream("good"), cable.subscribe("ChatChannel", room=1)
        with pytest.raises(SubscriptionRejected):
            await bad
        await good
        await publish(streaming, "good", 1)
        assert (await good.receive(timeout=LIMIT)).data == 1
