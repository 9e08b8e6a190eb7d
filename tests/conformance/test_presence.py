"""Conformance: who is present, and who is told of it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance.conftest import KINDS, PATIENT_KINDS
from tests.conformance.raw_client import RawClient, extended, stream
from tests.conformance.servers import public_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.conformance.servers import Server

ROOM = stream("room")
ANN = {"id": "ann", "info": {"name": "Ann"}}
BOB = {"id": "bob"}


@pytest.fixture(params=KINDS)
async def forgetful(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    """Give a server that keeps nothing."""
    async with public_server(request.param, broker="none") as running:
        yield running


@asynccontextmanager
async def inside(dial: RawClient, presence: dict[str, Any] | None = None) -> AsyncIterator[RawClient]:
    """Be in the room: as a guest, or present from the first moment on."""
    async with dial as client:
        await client.welcomed()
        await client.command("subscribe", identifier=ROOM, **({"presence": presence} if presence else {}))
        await client.expect(type="confirm_subscription", identifier=ROOM)
        yield client


async def join(client: RawClient, presence: dict[str, Any]) -> None:
    """Say that somebody is present."""
    await client.command("join", identifier=ROOM, presence=presence)


async def told(message: dict[str, Any], *clients: RawClient) -> None:
    """Check that each client is told this, and nothing else, next."""
    for client in clients:
        assert await client.frame() == {"type": "presence", "identifier": ROOM, "message": message}


async def records(client: RawClient) -> list[dict[str, Any]]:
    """Ask who is present."""
    await client.command("presence", identifier=ROOM)
    message = (await client.expect(type="presence", identifier=ROOM))["message"]
    found: list[dict[str, Any]] = message.get("records", [])
    assert message == {"type": "info", "total": len(found), **({"records": found} if found else {})}
    return sorted(found, key=lambda one: str(one["id"]))


async def test_who_joins_and_leaves_is_told_to_all(server: Server) -> None:
    """To whoever listens, those on the base protocol and the one who came or went among them."""
    async with inside(RawClient(server.url)) as watcher, inside(extended(server.url)) as client:
        await join(client, ANN)
        await told({"type": "join", **ANN}, watcher, client)
        await client.command("leave", identifier=ROOM)
        await told({"type": "leave", "id": "ann"}, watcher, client)


async def test_who_is_present_is_told_to_who_asks(server: Server) -> None:
    """With what was told about them; nobody else hears the answer, and nobody at all is no list."""
    async with inside(RawClient(server.url)) as guest, inside(extended(server.url)) as client:
        await client.command("presence", identifier=ROOM)
        assert (await client.frame())["message"] == {"type": "info", "total": 0}
        await join(client, ANN)
        await told({"type": "join", **ANN}, client, guest)
        async with inside(extended(server.url), BOB) as other:
            await told({"type": "join", **BOB}, other, client, guest)
            for asking in (other, client, guest):
                assert await records(asking) == [ANN, BOB]


async def test_who_said_to_join_twice_is_told_once(server: Server) -> None:
    """Said again it brings the info up to date; by another name nothing happens."""
    async with inside(extended(server.url)) as client:
        await join(client, ANN)
        await told({"type": "join", **ANN}, client)
        await join(client, {"id": "ann", "info": ["away"]})
        await join(client, BOB)
        await client.expect_silence()
        assert await records(client) == [{"id": "ann", "info": ["away"]}]


async def test_a_leave_names_nobody(server: Server) -> None:
    """Who is meant is known from the session; who is not present cannot leave."""
    async with inside(extended(server.url), ANN) as client, inside(extended(server.url)) as other:
        await told({"type": "join", **ANN}, client)
        await other.command("leave", identifier=ROOM, presence=ANN)
        await other.expect_silence()
        await client.command("leave", identifier=ROOM, presence=BOB)
        await told({"type": "leave", "id": "ann"}, client, other)


async def test_who_unsubscribes_leaves_and_does_not_hear_it(server: Server) -> None:
    """The others are told."""
    async with inside(RawClient(server.url)) as watcher, inside(extended(server.url), ANN) as client:
        await told({"type": "join", **ANN}, watcher, client)
        await client.command("unsubscribe", identifier=ROOM)
        await told({"type": "leave", "id": "ann"}, watcher)
        await client.expect_silence()
        assert await records(watcher) == []


async def test_a_join_that_names_nobody_is_met_with_silence(server: Server) -> None:
    """As is one without a subscription, and a question for who is there."""
    async with inside(extended(server.url)) as client:
        await client.command("join", identifier=ROOM)
        for command in ("join", "leave", "presence"):
            await client.command(command, identifier=stream("hall"), presence=ANN)
        await client.expect_silence()
        assert await records(client) == []


async def test_info_may_be_any_value_and_the_id_be_empty(server: Server) -> None:
    """Without info there is none; an id that is left out is the empty one."""
    for presence, heard in (
        ({"id": "ann", "info": None}, {"id": "ann"}),
        ({"id": "ann", "info": False}, {"id": "ann", "info": False}),
        ({"id": "ann", "info": ""}, {"id": "ann", "info": ""}),
        ({"info": 7}, {"info": 7, "id": ""}),
    ):
        async with inside(extended(server.url), presence) as client:
            await told({"type": "join", **heard}, client)
            assert await records(client) == [heard]
            await client.command("leave", identifier=ROOM)
            await told({"type": "leave", "id": heard["id"]}, client)


@pytest.mark.parametrize("kind", PATIENT_KINDS)
async def test_who_is_gone_leaves_a_little_later(kind: str) -> None:
    """Each who comes is told to all who are there; whose line is closed is still present for some time."""
    async with (
        public_server(kind, presence_ttl=1) as server,
        inside(RawClient(server.url)) as watcher,
        inside(extended(server.url)) as last,
    ):
        async with inside(extended(server.url), ANN) as first:
            await told({"type": "join", **ANN}, watcher, last, first)
            await join(last, BOB)
            await told({"type": "join", **BOB}, watcher, last, first)
        assert await records(watcher) == [ANN, BOB]
        await told({"type": "leave", "id": "ann"}, watcher, last)
        assert await records(watcher) == [BOB]


@pytest.mark.parametrize("kind", PATIENT_KINDS)
async def test_who_has_two_sessions_leaves_with_the_second(kind: str) -> None:
    """The first one's end is told to nobody; somebody else, who went after it, tells that its time was over."""
    async with public_server(kind, presence_ttl=1) as server, inside(RawClient(server.url)) as watcher:
        async with inside(extended(server.url), ANN):
            await told({"type": "join", **ANN}, watcher)
            async with inside(extended(server.url), ANN):
                await watcher.expect_silence()
            async with inside(extended(server.url), BOB):
                await told({"type": "join", **BOB}, watcher)
            await told({"type": "leave", "id": "bob"}, watcher)
            await watcher.expect_silence()
            assert await records(watcher) == [ANN]
        await told({"type": "leave", "id": "ann"}, watcher)


@pytest.mark.parametrize("kind", PATIENT_KINDS)
async def test_on_the_base_protocol_presence_lapses(kind: str) -> None:
    """Though the client is connected, and said to join again; on the extended one it lasts."""
    async with (
        public_server(kind, presence_ttl=1) as server,
        inside(extended(server.url), BOB) as lasting,
        inside(RawClient(server.url), ANN) as lapsing,
    ):
        await told({"type": "join", **BOB}, lasting)
        await told({"type": "join", **ANN}, lasting, lapsing)
        await join(lapsing, ANN)
        await told({"type": "leave", "id": "ann"}, lasting, lapsing)
        assert await records(lapsing) == [BOB]
        await join(lapsing, ANN)
        await told({"type": "join", **ANN}, lasting, lapsing)


@pytest.mark.parametrize("kind", PATIENT_KINDS)
async def test_who_comes_back_in_time_was_never_gone(kind: str) -> None:
    """Joined anew before the time of the session of before is over, nobody is told anything."""
    async with public_server(kind, presence_ttl=1) as server, inside(RawClient(server.url)) as watcher:
        async with inside(extended(server.url), ANN):
            await told({"type": "join", **ANN}, watcher)
        async with inside(extended(server.url), ANN) as again:
            async with inside(extended(server.url), BOB):
                await told({"type": "join", **BOB}, watcher, again)
            await told({"type": "leave", "id": "bob"}, watcher, again)
            await again.expect_silence()
            assert await records(watcher) == [ANN]


async def test_where_nothing_is_kept_nobody_is_present(forgetful: Server) -> None:
    """To join is met with silence, and a question with an error."""
    async with inside(extended(forgetful.url), ANN) as client:
        await client.command("presence", identifier=ROOM)
        await told({"type": "error", "total": 0}, client)
        await join(client, ANN)
        await client.command("leave", identifier=ROOM)
        await client.expect_silence()
