"""Event streams from the real AnyCable server."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from cableway import Cable, EventStreamTransport, Recovered, Recovery, SubscriptionOptions, SubscriptionRejected
from cableway.transports.http.posting import Poster
from tests.conformance.event_client import EventClient
from tests.interop.peers import anycable as anycable_peer
from tests.interop.peers.rough import RoughRelay

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.interop.peers.anycable import AnyCable

LIMIT = 15.0


@pytest.fixture
def streaming(tmp_path: Path) -> Iterator[AnyCable]:
    """A server that gives event streams."""
    yield from anycable_peer.running(tmp_path, "--sse")


@pytest.fixture(params=["POST", "GET"])
def method(request: pytest.FixtureRequest) -> Any:
    """Give a way to ask for them."""
    return request.param


def listener(anycable: AnyCable | RoughRelay, method: Any) -> Cable:
    """Make a cable that listens by event streams."""
    return Cable(anycable.url, transports=[EventStreamTransport(method=method)])


async def publish(anycable: AnyCable, stream: str, *values: object) -> None:
    """Publish without holding up the client under test."""
    for value in values:
        await asyncio.to_thread(anycable.publish, stream, value)


async def test_streams_deliver_in_order_and_the_past_is_there(streaming: AnyCable, method: Any) -> None:
    """Several on one line; what was published is shown to who asks for it."""
    async with listener(streaming, method) as cable:
        one, two = cable.stream("one"), cable.stream("two")
        await one
        await two
        for number in range(10):
            await publish(streaming, "one", number)
            await publish(streaming, "two", -number)
        assert [(await one.receive(timeout=LIMIT)).data for _ in range(10)] == list(range(10))
        assert [(await two.receive(timeout=LIMIT)).data for _ in range(10)] == [-number for number in range(10)]
        assert [message.data for message in await one.history(since=timedelta(minutes=1))] == list(range(10))


async def test_what_was_published_meanwhile_is_recovered(streaming: AnyCable, method: Any) -> None:
    """The past goes with the request."""
    async with listener(streaming, method) as cable:
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


async def test_a_rejection_is_for_the_one_it_concerns(streaming: AnyCable, method: Any) -> None:
    """The others, asked for in the same moment, are confirmed."""
    async with listener(streaming, method) as cable:
        good, bad = cable.stream("good"), cable.subscribe("ChatChannel", room=1)
        with pytest.raises(SubscriptionRejected):
            await bad
        await good
        await publish(streaming, "good", 1)
        assert (await good.receive(timeout=LIMIT)).data == 1


async def test_a_stream_that_is_cut_in_the_middle_goes_on_exactly_where_it_was(
    streaming: AnyCable, method: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Published while it is up, while half of it comes, and while there is none: all arrive, in order, each once."""
    lasts: list[str] = []
    real = Poster.get

    def gets(poster: Poster, query: str, headers: dict[str, str], limit: float | None) -> Any:
        lasts.append(headers.get("last-event-id", "").split("/")[0])
        return real(poster, query, headers, limit)

    monkeypatch.setattr(Poster, "get", gets)
    async with RoughRelay(streaming.port, 1) as relay, listener(relay, method) as cable:
        news = await cable.stream("news")
        for number in range(0, 20, 4):
            await publish(streaming, "news", {"n": number})
            assert (await news.receive(timeout=LIMIT)).data == {"n": number}
            await relay.halve()
            await publish(streaming, "news", {"n": number + 1})
            await asyncio.sleep(0.2)
            await relay.reset()
            await publish(streaming, "news", {"n": number + 2})
            got = [(await news.receive(timeout=LIMIT)).data["n"] for _ in range(2)]
            await publish(streaming, "news", {"n": number + 3})
            got.append((await news.receive(timeout=LIMIT)).data["n"])
            assert got == [number + 1, number + 2, number + 3]
    assert lasts == (["", "1", "5", "9", "13", "17"] if method == "GET" else [])


async def test_a_stream_begins_in_the_past(streaming: AnyCable, method: Any) -> None:
    """By a time in the address, or in the body."""
    await publish(streaming, "news", 1, 2)
    async with listener(streaming, method) as cable:
        options = SubscriptionOptions(since=timedelta(minutes=1))
        news = await cable.stream("news", options=options)
        assert [(await news.receive(timeout=LIMIT)).data for _ in range(2)] == [1, 2]
        await publish(streaming, "news", 3)
        assert (await news.receive(timeout=LIMIT)).data == 3


@pytest.mark.parametrize("first", ["browser", "cable"])
async def test_beside_a_browser_on_the_same_stream_messages_are_read(
    streaming: AnyCable, method: Any, first: str
) -> None:
    """The server gives both the form that one of them asked for, and which one's, is a matter of chance."""
    browser = EventClient(f"http://127.0.0.1:{streaming.port}", {"stream": "news"})
    async with listener(streaming, method) as cable:
        if first == "cable":
            await cable.stream("news")
        async with browser:
            await browser.begun()
            news = await cable.stream("news")
            values = [{"n": number} for number in range(20)]
            await publish(streaming, "news", *values)
            assert [(await news.receive(timeout=LIMIT)).data for _ in values] == values
            told = [(await browser.expect("")).value for _ in values]
            if method == "GET":
                assert told == values
            else:
                assert [one.get("message", one) for one in told] == values
