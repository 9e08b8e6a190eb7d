"""Our client against the real AnyCable server, on the base protocol."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from cableway import Cable, Connected, State, SubscriptionRejected

if TYPE_CHECKING:
    from tests.interop.peers.anycable import AnyCable

LIMIT = 15.0


async def publish(anycable: AnyCable, stream: str, value: object) -> None:
    """Publish without holding up the client under test."""
    await asyncio.to_thread(anycable.publish, stream, value)


async def test_a_public_stream_delivers(anycable: AnyCable) -> None:
    """What is published to a stream arrives, in order, and ends with the block."""
    async with Cable(anycable.url) as cable:
        assert cable.state is State.CONNECTED
        async with cable.stream("news") as news:
            for number in range(20):
                await publish(anycable, "news", {"number": number})
            received = [(await news.receive(timeout=LIMIT)).data for _ in range(20)]
            assert received == [{"number": number} for number in range(20)]


async def test_streams_are_apart(anycable: AnyCable) -> None:
    """Two streams on one line, each with its own messages."""
    async with Cable(anycable.url) as cable, cable.stream("one") as one, cable.stream("two") as two:
        await publish(anycable, "two", "for two")
        await publish(anycable, "one", "for one")
        assert (await one.receive(timeout=LIMIT)).data == "for one"
        assert (await two.receive(timeout=LIMIT)).data == "for two"


async def test_falsy_values_arrive(anycable: AnyCable) -> None:
    """Zero, nothing and emptiness are messages; AnyCable itself turns null into the text ``null``."""
    values = [0, "", False, [], {}, None]
    async with Cable(anycable.url) as cable, cable.stream("falsy") as falsy:
        for value in values:
            await publish(anycable, "falsy", value)
        received = [(await falsy.receive(timeout=LIMIT)).data for _ in values]
        assert received == [0, "", False, [], {}, "null"]


async def test_a_stream_signed_with_another_secret_is_rejected(anycable: AnyCable) -> None:
    """A signature that the server cannot verify is a rejection."""
    async with Cable(anycable.url) as cable:
        with pytest.raises(SubscriptionRejected):
            await cable.signed_stream("InJvb20vNyI=--" + "0" * 64)


async def test_a_channel_without_application_is_rejected(anycable: AnyCable) -> None:
    """AnyCable without an application behind it rejects what it cannot route."""
    async with Cable(anycable.url) as cable:
        with pytest.raises(SubscriptionRejected):
            await cable.subscribe("ChatChannel", room=1)


async def test_streams_survive_a_killed_server(anycable: AnyCable) -> None:
    """Killed and started again, the server gets all streams back, with no action by the user."""
    async with Cable(anycable.url) as cable, cable.stream("steady") as steady:
        back = asyncio.Event()
        steady.on(Connected, lambda event: event.reconnected and back.set())
        await asyncio.to_thread(anycable.restart)
        async with asyncio.timeout(LIMIT):
            await back.wait()
        await publish(anycable, "steady", "still here")
        assert (await steady.receive(timeout=LIMIT)).data == "still here"
