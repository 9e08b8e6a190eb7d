"""Conformance: what clients say to each other, past the application."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest

from cableway.gateway import Channel, Gateway, action
from tests.conformance.raw_client import RawClient, extended, identifier, stream

if TYPE_CHECKING:
    from tests.conformance.servers import Server

ROOM = stream("room")


@pytest.mark.parametrize("speaks", [RawClient, extended], ids=["base", "extended"])
async def test_a_whisper_reaches_all_others(server: Server, speaks: Any) -> None:
    """As it was said, and nothing more than that; whoever says it does not hear it."""
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(speaks(server.url)) for _ in range(3)]
        for client in clients:
            await client.welcomed()
            await client.subscribe(ROOM)
        await clients[0].command("whisper", identifier=ROOM, data={"event": "typing", "user": "ann"})
        for client in clients[1:]:
            assert await client.frame() == {"identifier": ROOM, "message": {"event": "typing", "user": "ann"}}
        await clients[0].expect_silence()


async def test_a_whisper_leaves_out_the_whole_session(server: Server) -> None:
    """Others hear it once by each of their identifiers."""
    both = [ROOM, stream("room", id=2)]
    async with RawClient(server.url) as one, RawClient(server.url) as two:
        for client in (one, two):
            await client.welcomed()
            for target in both:
                await client.subscribe(target)
        await one.command("whisper", identifier=ROOM, data=1)
        assert sorted([(await two.frame())["identifier"] for _ in both]) == sorted(both)
        await one.expect_silence()


@pytest.mark.parametrize(
    ("fields", "heard"),
    [
        ({"data": "hush"}, "hush"),
        ({"data": '{"a":1}'}, '{"a":1}'),
        ({"data": [1, None]}, [1, None]),
        ({"data": False}, False),
        ({"data": 0}, 0),
        ({"data": None}, "null"),
        ({}, "null"),
    ],
)
async def test_a_whisper_may_be_any_value(server: Server, fields: dict[str, Any], heard: Any) -> None:
    """Text stays text; nothing becomes the word for it."""
    async with RawClient(server.url) as one, RawClient(server.url) as two:
        for client in (one, two):
            await client.welcomed()
            await client.subscribe(ROOM)
        await one.command("whisper", identifier=ROOM, **fields)
        assert await two.frame() == {"identifier": ROOM, "message": heard}


async def test_a_whisper_is_not_kept(server: Server) -> None:
    """Nor does it take a place from what is published."""
    async with RawClient(server.url) as one, RawClient(server.url) as two:
        for client in (one, two):
            await client.welcomed()
            await client.subscribe(ROOM)
        await one.command("whisper", identifier=ROOM, data="hush")
        await two.expect_message(ROOM, "hush")
        await two.command("history", identifier=ROOM, history={"since": 1})
        await two.expect(type="confirm_history", identifier=ROOM)


async def test_who_is_not_subscribed_cannot_whisper(server: Server) -> None:
    """Not yet, and not any more."""
    async with RawClient(server.url) as one, RawClient(server.url) as two:
        await one.welcomed()
        await two.welcomed()
        await two.subscribe(ROOM)
        await one.command("whisper", identifier=ROOM, data="before")
        await one.subscribe(ROOM)
        await one.command("unsubscribe", identifier=ROOM)
        await one.command("whisper", identifier=ROOM, data="after")
        await one.expect_silence()
        await two.expect_silence()


# What only a server with Python channels can be asked ---------------------------------------------------------------


class Speaker(Channel):
    async def subscribed(self) -> None:
        self.stream_from("room")
        self.allow_whispers("room")

    @action
    async def speak(self, data: dict[str, str]) -> None:
        await self.broadcast("room", data, to_others=True)


async def test_an_action_may_broadcast_to_the_others_alone() -> None:
    """Whose action it was does not hear it."""
    target = identifier("Speaker")
    async with Gateway([Speaker]) as gateway, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(RawClient(gateway.url)) for _ in range(3)]
        for client in clients:
            await client.welcomed()
            await client.subscribe(target)
        await clients[0].perform(target, "speak", content="the other side")
        for client in clients[1:]:
            await client.expect_message(target, {"content": "the other side"})
        await clients[0].expect_silence()


async def test_a_channel_may_allow_whispers() -> None:
    """They go past it to those who listen to the stream."""
    target = identifier("Speaker")
    async with Gateway([Speaker]) as gateway, RawClient(gateway.url) as one, RawClient(gateway.url) as two:
        for client in (one, two):
            await client.welcomed()
            await client.subscribe(target)
        await one.command("whisper", identifier=target, data={"typing": True})
        await two.expect_message(target, {"typing": True})
        await one.expect_silence()
