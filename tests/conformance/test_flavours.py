"""Conformance: where servers differ, and the gateway takes after the one that its flavour names."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest
from websockets.exceptions import InvalidStatus

from cableway.gateway import Gateway
from tests.conformance.conftest import KINDS, PATIENT_KINDS
from tests.conformance.handmade import WHO, good
from tests.conformance.raw_client import BASE, EXTENDED, RawClient, extended, identifier, stream
from tests.conformance.servers import SECRET, post, public_server, token_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.conformance.servers import Server

ROOM, HALL = stream("room"), stream("hall")

NONSENSE = [
    "",
    "no json",
    "[1]",
    '"text"',
    '{"command":7}',
    '{"command":"subscribe","identifier":{"channel":"$pubsub"}}',
    '{"command":"history","identifier":"I","history":{"since":false}}',
    '{"command":"history","identifier":"I","history":{"streams":{"room":{"epoch":"e","offset":-1}}}}',
    '{"command":"join","identifier":"I","presence":{"id":7}}',
    '{"command":"join","identifier":"I","presence":{"id":"ann","type":7}}',
    '{"command":"pong","presence":"ann"}',
]


@pytest.fixture(params=KINDS)
async def faithful(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    """Give an AnyCable, or a gateway that does exactly as it does."""
    async with public_server(request.param, flavour="anycable") as running:
        yield running


@pytest.fixture(params=KINDS)
async def faithful_guarded(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    """Give the same, where clients are known by their tokens."""
    async with token_server(request.param, flavour="anycable") as running:
        yield running


async def test_after_a_frame_that_makes_no_sense_nothing_more_is_read(faithful: Server) -> None:
    """What is subscribed goes on, pings go on, and no command is carried out: nobody tells the client."""
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(RawClient(faithful.url)) for _ in NONSENSE]
        for client, nonsense in zip(clients, NONSENSE, strict=True):
            await client.welcomed()
            await client.subscribe(ROOM)
            await client.send(nonsense)
            await client.command("subscribe", identifier=HALL)
        assert await post(faithful, {"stream": "room", "data": "1"}) == 201
        for client in clients:
            await client.expect_message(ROOM, 1)
            for _ in range(2):
                await client.expect_ping()
            client.socket.transport.abort()


async def test_null_makes_sense(faithful: Server) -> None:
    """It is a frame that says nothing."""
    async with RawClient(faithful.url) as client:
        await client.welcomed()
        await client.send("null")
        await client.subscribe(ROOM)


@pytest.mark.parametrize("kind", PATIENT_KINDS)
async def test_a_session_that_is_read_no_more_ends_where_answers_are_due(kind: str) -> None:
    """The one way for it to learn of it: its pongs are not read either."""
    server = public_server(kind, flavour="anycable", pong_timeout=1)
    async with server as running, extended(f"{running.url}?pi=1") as client:
        await client.welcomed()
        await client.send("no json")
        await client.expect_ping()
        await client.command("pong")
        await client.expect(type="disconnect", reason="no_pong")


async def test_a_remote_disconnect_ends_one_session_of_a_name(faithful_guarded: Server) -> None:
    """A second one is needed for the second."""
    headers = {"x-jid": good()}
    async with (
        RawClient(faithful_guarded.url, headers=headers) as one,
        RawClient(faithful_guarded.url, headers=headers) as two,
    ):
        for client in (one, two):
            await client.welcomed()
        command = {"command": "disconnect", "payload": {"identifier": WHO}}
        assert await post(faithful_guarded, command) == 201
        waiting = {asyncio.create_task(client.expect(type="disconnect")): client for client in (one, two)}
        (ended, *more), (waits,) = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        assert (more, (await ended)["reason"]) == ([], "remote")
        waits.cancel()
        await asyncio.wait([waits])
        await faithful_guarded.pause()
        other = waiting[waits]
        await other.expect_silence()
        assert await post(faithful_guarded, command) == 201
        await other.expect(type="disconnect", reason="remote")


# What takes after Rails ---------------------------------------------------------------------------------------------


@pytest.fixture
async def rails() -> AsyncIterator[Gateway]:
    """Take after Rails."""
    async with Gateway(public=True, flavour="rails", ping_interval=0.05) as gateway:
        yield gateway


def page(gateway: Gateway, url: str = "", **options: list[str]) -> RawClient:
    """Dial as a page of the very host: Rails lets no program in that names none."""
    return RawClient(url or gateway.url, headers={"Origin": gateway.http_url}, **options)


async def test_as_rails_sessions_have_no_name_and_messages_no_place(rails: Gateway) -> None:
    """A welcome is a welcome, a message is a message, and a ping tells whole seconds, whatever a client wishes."""
    async with page(rails, f"{rails.url}?ptp=ns&pi=0") as client:
        assert await client.frame() == {"type": "welcome"}
        assert (await client.frame(pings=True))["message"] < 1e11
        await client.subscribe(ROOM)
        await rails.broadcast("room", 1)
        assert await client.frame() == {"identifier": ROOM, "message": 1}


async def test_as_rails_what_is_not_known_gets_no_answer(rails: Gateway) -> None:
    """A channel that is not there, a subscribe without identifier, the extended protocol's commands, and nonsense."""
    async with page(rails) as client:
        await client.welcomed()
        await client.subscribe(ROOM)
        await client.command("subscribe", identifier=identifier("NoSuchChannel"))
        await client.command("subscribe")
        await client.command("ping")
        await client.command("history", identifier=ROOM, history={"since": 1})
        await client.command("whisper", identifier=ROOM, data=1)
        await client.command("join", identifier=ROOM, presence={"id": "ann"})
        await client.command("presence", identifier=ROOM)
        await client.send("no json")
        await client.subscribe(HALL)


@pytest.mark.parametrize(
    ("offered", "spoken"),
    [
        ([EXTENDED], None),
        ([EXTENDED, BASE], BASE),
        ([BASE, "actioncable-unsupported"], BASE),
        (["actioncable-unsupported", BASE], "actioncable-unsupported"),
    ],
)
async def test_as_rails_the_first_known_protocol_of_the_clients_is_spoken(
    rails: Gateway, offered: list[str], spoken: str | None
) -> None:
    """The base one, or the one whose only use is to be offered."""
    async with page(rails, subprotocols=offered) as client:
        await client.expect(type="welcome")
        assert client.subprotocol == spoken


async def test_as_rails_no_session_comes_back() -> None:
    """None is kept, even one that named itself."""
    async with Gateway(public=True, flavour="rails") as gateway:
        headers = {"Origin": gateway.http_url, "X-Request-ID": "me"}
        async with RawClient(gateway.url, headers=headers, subprotocols=[EXTENDED]) as client:
            await client.welcomed()
            await client.subscribe(ROOM)
        headers["X-ANYCABLE-RESTORE-SID"] = "me"
        async with RawClient(gateway.url, headers=headers, subprotocols=[EXTENDED]) as client:
            assert await client.frame() == {"type": "welcome"}


@pytest.mark.parametrize("origin", [None, "http://elsewhere.example"])
async def test_as_rails_who_comes_from_nowhere_or_elsewhere_finds_no_page(origin: str | None) -> None:
    """404, where AnyCable lets programs in and answers pages with 403."""
    headers = {"Origin": origin} if origin else {}
    async with Gateway(noauth=True, flavour="rails") as gateway:
        with pytest.raises(InvalidStatus) as refused:
            await RawClient(gateway.url, headers=headers).__aenter__()
        assert refused.value.response.status_code == 404
        async with page(gateway) as client:
            await client.welcomed()


@pytest.mark.parametrize("flavour", ["strict", "rails"])
async def test_else_a_frame_that_makes_no_sense_does_no_harm(flavour: str) -> None:
    """It is counted and skipped, and a remote disconnect ends all sessions of a name."""
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(Gateway(secret=SECRET, public_streams=True, flavour=flavour))
        clients = [page(gateway, f"{gateway.url}?jid={good()}") for _ in range(2)]
        for client in clients:
            await stack.enter_async_context(client)
            await client.welcomed()
            for nonsense in NONSENSE[:6]:
                await client.send(nonsense)
            await client.subscribe(ROOM)
        assert gateway.stats().malformed_frames == 12
        assert await gateway.disconnect(WHO) == 2
        for client in clients:
            await client.expect(type="disconnect", reason="remote")
