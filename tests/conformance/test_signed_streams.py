"""Conformance: streams by plain and by signed name, and what may be done in them."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance.conftest import KINDS
from tests.conformance.handmade import good, signed, with_signature
from tests.conformance.raw_client import RawClient, extended, identifier, stream
from tests.conformance.servers import post, token_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.conformance.servers import Server

ROOM = identifier("$pubsub", signed_stream_name=signed("room"))
TURBO = identifier("Turbo::StreamsChannel", signed_stream_name=signed("room"))
READY = identifier("CableReady::Stream", identifier=signed("room"))


@pytest.fixture(params=KINDS)
async def whispering(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    """Give a server on whose signed streams clients may whisper, and not be present."""
    async with token_server(request.param, streams_whisper=True, streams_presence=False) as running:
        yield running


@pytest.fixture(params=KINDS)
async def hotwired(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    """Give a server that takes Turbo's and CableReady's streams, these with a secret of their own."""
    options = {"turbo_streams": True, "cable_ready": True, "cable_ready_secret": "ready"}
    async with token_server(request.param, streams_whisper=True, **options) as running:
        yield running


async def rejected(client: RawClient, target: str) -> None:
    """Check that it is, by its name."""
    await client.command("subscribe", identifier=target)
    await client.expect(type="reject_subscription", identifier=target)


def bearer(server: Server) -> RawClient:
    """Bring a token."""
    return extended(server.url, headers={"x-jid": good()})


async def test_a_signed_name_opens_the_stream(standalone: Server) -> None:
    """Two of one name are two subscriptions; a message is told by the stream's name, which the client never sent."""
    async with bearer(standalone) as client:
        await client.welcomed()
        await client.subscribe(ROOM)
        await client.subscribe(identifier("$pubsub", signed_stream_name=signed("room"), id=2))
        assert await post(standalone, {"stream": "room", "data": "1"}) == 201
        frames = [await client.frame() for _ in range(2)]
        assert [(frame["message"], frame["stream_id"]) for frame in frames] == [(1, "room")] * 2
        assert ROOM in [frame["identifier"] for frame in frames]


async def test_a_name_is_signed_as_json_however_that_is_written(standalone: Server) -> None:
    """Escaped or not: one stream, though the signatures differ."""
    plain = with_signature(base64.b64encode('"café"'.encode()).decode())
    assert plain != signed("café")
    async with bearer(standalone) as client:
        await client.welcomed()
        for name in (plain, signed("café")):
            target = await client.subscribe(identifier("$pubsub", signed_stream_name=name))
            assert await post(standalone, {"stream": "café", "data": "1"}) == 201
            await client.expect_message(target, 1)
            await client.command("unsubscribe", identifier=target)


WRONG: dict[str, dict[str, Any]] = {
    "a plain name": {"stream_name": "room"},
    "no name": {},
    "empty names": {"stream_name": "", "signed_stream_name": ""},
    "another secret": {"signed_stream_name": signed("room", secret="another")},
    "another name": {"signed_stream_name": signed("hall").split("--")[0] + "--" + signed("room").split("--")[1]},
    "a digit more": {"signed_stream_name": signed("room") + "0"},
    "a part more": {"signed_stream_name": signed("room") + "--x"},
    "no signature": {"signed_stream_name": signed("room").split("--")[0]},
    "an object": {"signed_stream_name": signed({"stream": "room"})},
    "a number": {"signed_stream_name": signed(7)},
    "not packed": {"signed_stream_name": with_signature('"room"')},
    "no text": {"signed_stream_name": 7},
    "a plain name that is no text": {"stream_name": 7, "signed_stream_name": signed("room")},
    "a good plain name beside a bad one": {"stream_name": "room", "signed_stream_name": "x--y"},
}


@pytest.mark.parametrize("names", WRONG.values(), ids=WRONG)
async def test_what_is_not_signed_right_is_rejected(standalone: Server, names: dict[str, Any]) -> None:
    """Plain names where they are not allowed, and signatures that are none."""
    async with bearer(standalone) as client:
        await client.welcomed()
        await rejected(client, identifier("$pubsub", **names))
        await client.subscribe(ROOM)


async def test_a_signed_name_goes_before_a_plain_one(locked: Server) -> None:
    """Its stream, its rights: no whispers, though plain streams have them; and its faults."""
    both = identifier("$pubsub", stream_name="hall", signed_stream_name=signed("room"))
    async with RawClient(locked.url) as client, RawClient(locked.url) as other:
        for one in (client, other):
            await one.welcomed()
            await one.subscribe(both)
        await other.subscribe(stream("hall"))
        await client.command("whisper", identifier=both, data=1)
        await client.expect_silence()
        assert await post(locked, {"stream": "room", "data": "2"}) == 201
        await other.expect_message(both, 2)
        await client.expect_message(both, 2)
        await rejected(client, identifier("$pubsub", stream_name="hall", signed_stream_name="x--y"))


async def test_on_a_signed_stream_clients_are_present_and_do_not_whisper(standalone: Server) -> None:
    """Unless they are allowed to: the whisper is met with silence."""
    async with bearer(standalone) as client, bearer(standalone) as other:
        for one in (client, other):
            await one.welcomed()
            await one.subscribe(ROOM)
        await client.command("whisper", identifier=ROOM, data=1)
        await client.command("join", identifier=ROOM, presence={"id": "ann"})
        for one in (client, other):
            await one.expect(type="presence", message={"type": "join", "id": "ann"})


async def test_where_it_is_allowed_clients_whisper_and_are_not_present(whispering: Server) -> None:
    """Both are options; what is not allowed is met with silence."""
    async with bearer(whispering) as client, bearer(whispering) as other:
        for one in (client, other):
            await one.welcomed()
            await one.subscribe(ROOM)
        await client.command("join", identifier=ROOM, presence={"id": "ann"})
        await client.command("presence", identifier=ROOM)
        await client.expect_silence()
        await client.command("whisper", identifier=ROOM, data=1)
        await other.expect_message(ROOM, 1)


async def test_turbo_and_cable_ready_have_signed_streams_alone(hotwired: Server) -> None:
    """By their own channels and secrets; nobody is present there, and nobody whispers, whatever else is allowed."""
    ready = identifier("CableReady::Stream", identifier=signed("room", secret="ready"))
    async with bearer(hotwired) as client, bearer(hotwired) as other:
        for one in (client, other):
            await one.welcomed()
            for target in (TURBO, ready):
                await one.subscribe(target)
        await rejected(client, READY)
        await rejected(client, identifier("Turbo::StreamsChannel", stream_name="room"))
        await rejected(client, identifier("Turbo::StreamsChannel", signed_stream_name=signed("room", secret="ready")))
        for target in (TURBO, ready):
            await client.command("whisper", identifier=target, data=1)
            await client.command("join", identifier=target, presence={"id": "ann"})
            await client.command("presence", identifier=target)
        await client.expect_silence()
        assert await post(hotwired, {"stream": "room", "data": '"<turbo-stream>"'}) == 201
        for one in (client, other):
            frames = [await one.frame() for _ in range(2)]
            assert sorted(frame["identifier"] for frame in frames) == sorted([TURBO, ready])
            assert [frame["message"] for frame in frames] == ["<turbo-stream>"] * 2


async def test_turbo_and_cable_ready_are_not_served_unless_asked_for(standalone: Server) -> None:
    """Their channels are not known then."""
    async with bearer(standalone) as client:
        await client.welcomed()
        await rejected(client, TURBO)
        await rejected(client, READY)
