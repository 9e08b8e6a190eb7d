"""AnyCable's own client on the extended protocol: history, sessions, presence and whispers.

What needs no code of ours runs against a real AnyCable, too, if there is one: so it is the client's conduct that is
expected here, and not ours.
"""

from __future__ import annotations

import json
import time
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from attrs import frozen

from cableway.gateway import Channel, Gateway, action
from cableway.server import sign_stream
from tests.interop.peers.node import EXTENDED, javascript
from tests.interop.peers.process import free_port
from tests.interop.peers.rough import RoughRelay
from tests.interop.peers.waiting import in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    from cableway.types import JSONValue
    from tests.interop.peers.anycable import AnyCable
    from tests.interop.peers.node import JavaScriptClient

pytestmark = pytest.mark.usefixtures("node")
SECRET = "a secret of the tests that is long enough for HS256"


@frozen
class Server:
    """A server with public streams."""

    port: int
    url: str
    publish: Callable[[str, Any], Awaitable[Any]]


@pytest.fixture(params=["gateway", "anycable"])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    """Either server; the past of a stream is kept."""
    if request.param == "anycable":
        anycable: AnyCable = request.getfixturevalue("anycable")
        yield Server(anycable.port, anycable.url, partial(in_thread, anycable.publish))
        return
    async with Gateway(public=True, ping_interval=0.5) as running:
        yield Server(running.port, running.url, running.broadcast)


def extended(url: str, **options: Any) -> AbstractAsyncContextManager[JavaScriptClient]:
    """Run a client; *options* are those of its protocol."""
    return javascript("anycable", url, EXTENDED, json.dumps(options))


async def streaming(client: JavaScriptClient, stream: str) -> None:
    """Subscribe to *stream*, by that name."""
    client.stream(stream, stream)
    await client.heard("subscribed", id=stream)


async def received(client: JavaScriptClient, stream: str, count: int) -> list[Any]:
    """Return the next *count* messages of *stream*."""
    return [(await client.heard("received", id=stream))["data"] for _ in range(count)]


@asynccontextmanager
async def away(relay: RoughRelay, client: JavaScriptClient) -> AsyncIterator[None]:
    """Have the line cut, and nobody let in, during the block."""
    relay.unavailable = True
    await relay.reset()
    await client.heard("down")
    yield
    relay.unavailable = False


# History -------------------------------------------------------------------------------------------------------------


async def test_what_was_before_comes_first(server: Server) -> None:
    """Asked for since a minute ago, the past comes in order and with its places, then what is live, each once."""
    for number in (1, 2, 3):
        await server.publish("before", number)
    async with extended(server.url, historyTimestamp=int(time.time()) - 60) as client:
        client.stream("before", "before")
        told = [await client.heard("received", id="before") for _ in range(3)]
        await server.publish("before", "live")
        told.append(await client.heard("received"))
    assert [one["data"] for one in told] == [1, 2, 3, "live"]
    assert [one["position"]["offset"] for one in told] == [1, 2, 3, 4]
    assert {one["position"]["stream"] for one in told} == {"before"}


# Sessions ------------------------------------------------------------------------------------------------------------


async def test_a_cut_line_is_restored(server: Server) -> None:
    """The session is asked back by its id, and what was published meanwhile comes, in order and once."""
    async with RoughRelay(server.port, 1) as relay, extended(relay.url) as client:
        for stream in ("cut/a", "cut/b"):
            await streaming(client, stream)
            await server.publish(stream, "first")
            assert await received(client, stream, 1) == ["first"]
        async with away(relay, client):
            for number in (1, 2, 3):
                await server.publish("cut/a", number)
        assert (await client.heard("up"))["restored"]
        assert await received(client, "cut/a", 3) == [1, 2, 3]
        assert (await client.heard("info"))["type"] == "history_received"
        for stream in ("cut/b", "cut/a"):
            await server.publish(stream, "last")
            assert (await client.heard("received"))["data"] == "last"


async def test_a_session_is_restored_time_and_again(server: Server) -> None:
    """Each line has an id of its own, and each can be asked back; nothing is missed over three cuts."""
    async with RoughRelay(server.port, 1) as relay, extended(relay.url) as client:
        await streaming(client, "again")
        await server.publish("again", 1)
        assert await received(client, "again", 1) == [1]
        for number in (2, 3, 4):
            async with away(relay, client):
                await server.publish("again", number)
            assert (await client.heard("up"))["restored"]
            assert await received(client, "again", 1) == [number]
        await server.publish("again", "live")
        assert await received(client, "again", 1) == ["live"]


# Presence and whispers -----------------------------------------------------------------------------------------------


async def test_who_is_there(server: Server) -> None:
    """Who comes and goes is told to the others, and everybody may ask who is there."""
    async with extended(server.url) as ada, extended(server.url) as bob:
        for client in (ada, bob):
            await streaming(client, "there")
        ada.tell("present", id="there")
        assert (await ada.heard("present"))["who"] == {}
        bob.tell("join", id="there", who="bob", info={"name": "Bob"})
        told = await ada.heard("presence")
        assert (told["kind"], told["who"], told["info"]) == ("join", "bob", {"name": "Bob"})
        ada.tell("join", id="there", who=7, info="ada")
        assert (await bob.heard("presence", who="7"))["kind"] == "join"
        bob.tell("present", id="there")
        assert (await bob.heard("present"))["who"] == {"bob": {"name": "Bob"}, "7": "ada"}
        bob.tell("leave", id="there")
        left = await ada.heard("presence", kind="leave")
        assert left["who"] == "bob"
        ada.tell("present", id="there")
        assert (await ada.heard("present"))["who"] == {"7": "ada"}


async def test_presence_outlives_a_short_absence(server: Server) -> None:
    """A line that is restored leaves nobody absent: the others are told nothing."""
    async with RoughRelay(server.port, 1) as relay, extended(relay.url) as ada, extended(server.url) as bob:
        for client in (ada, bob):
            await streaming(client, "short")
        ada.tell("join", id="short", who="ada", info="Ada")
        assert (await bob.heard("presence"))["who"] == "ada"
        async with away(relay, ada):
            pass
        assert (await ada.heard("up"))["restored"]
        bob.tell("join", id="short", who="bob", info="Bob")
        # The next that either is told, after ada's own coming.
        assert (await bob.heard("presence"))["who"] == "bob"
        assert (await ada.heard("presence", who="bob"))["kind"] == "join"
        bob.tell("present", id="short")
        assert (await bob.heard("present"))["who"] == {"ada": "Ada", "bob": "Bob"}


async def test_whispers_reach_the_others(server: Server) -> None:
    """What one whispers comes to all others, has no place in the stream, and is not kept."""
    async with RoughRelay(server.port, 1) as relay, extended(relay.url) as ada, extended(server.url) as bob:
        for client in (ada, bob):
            await streaming(client, "whispers")
        await server.publish("whispers", "aloud")
        for client in (ada, bob):
            assert await received(client, "whispers", 1) == ["aloud"]
        ada.tell("whisper", id="whispers", data={"typing": True})
        told = await bob.heard("received")
        assert told["data"] == {"typing": True}
        assert "position" not in told
        async with away(relay, ada):
            bob.tell("whisper", id="whispers", data="to nobody")
            bob.tell("present", id="whispers")
            await bob.heard("present")
            await server.publish("whispers", "louder")
        # Neither its own whisper, nor the one that it was away for.
        assert await received(ada, "whispers", 1) == ["louder"]


# What only our gateway is asked --------------------------------------------------------------------------------------


class RoomChannel(Channel):
    """Two streams, and a count that lasts as long as the session."""

    entered = 0

    async def subscribed(self) -> None:
        """Enter the room."""
        type(self).entered += 1
        self.said = 0
        for corner in ("left", "right"):
            self.stream_from(f"{self.params['room']}/{corner}")
        self.allow_presence("room")

    @action
    async def say(self, data: dict[str, JSONValue]) -> None:
        """Count, and answer."""
        self.said += 1
        self.transmit({"said": self.said})


def rooms(**options: Any) -> Gateway:
    """Make a gateway with rooms, and public streams beside them."""
    return Gateway(channels=[RoomChannel], public=True, ping_interval=0.5, **options)


async def test_a_channel_of_two_streams_is_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not subscribed anew, goes on with what it knew, and has what it missed from both streams."""
    monkeypatch.setattr(RoomChannel, "entered", 0)
    async with rooms() as running, RoughRelay(running.port, 1) as relay, extended(relay.url) as client:
        client.subscribe("room", "RoomChannel", room=1)
        await client.heard("subscribed")
        client.perform("room", "say")
        assert await received(client, "room", 1) == [{"said": 1}]
        for corner in ("left", "right"):
            await running.broadcast(f"1/{corner}", corner)
        assert await received(client, "room", 2) == ["left", "right"]
        async with away(relay, client):
            for word in ("one", "two"):
                await running.broadcast("1/left", word)
                await running.broadcast("1/right", word.upper())
        assert (await client.heard("up"))["restored"]
        missed = await received(client, "room", 4)
        assert [word for word in missed if word.islower()] == ["one", "two"]
        assert [word for word in missed if word.isupper()] == ["ONE", "TWO"]
        client.perform("room", "say")
        assert await received(client, "room", 1) == [{"said": 2}]
        assert (RoomChannel.entered, running.stats().restored) == (1, 1)


async def test_a_client_may_ask_for_no_past() -> None:
    """With ``historyTimestamp: false`` what was before stays away; what is missed later by a known place comes.

    AnyCable finds the client's second request malformed, and reads no more of it.
    """
    async with rooms() as running, RoughRelay(running.port, 1) as relay:
        await running.broadcast("no past", 1)
        async with extended(relay.url, historyTimestamp=False) as client:
            await streaming(client, "no past")
            await running.broadcast("no past", 2)
            assert await received(client, "no past", 1) == [2]
            async with away(relay, client):
                await running.broadcast("no past", 3)
            assert await received(client, "no past", 1) == [3]


@pytest.mark.parametrize(("life", "options"), [(0, {}), (300, {"disableSessionRecovery": True})])
async def test_without_its_session_a_client_asks_by_position(life: int, options: dict[str, Any]) -> None:
    """Where no session is kept, or asked back, it subscribes again, asks for what it missed, and has that once."""
    async with (
        rooms(sessions_ttl=life) as running,
        RoughRelay(running.port, 1) as relay,
        extended(relay.url, **options) as client,
    ):
        await streaming(client, "asked")
        await running.broadcast("asked", 1)
        assert await received(client, "asked", 1) == [1]
        async with away(relay, client):
            for number in (2, 3):
                await running.broadcast("asked", number)
        assert not (await client.heard("up", reconnected=True))["restored"]
        assert await received(client, "asked", 2) == [2, 3]
        await running.broadcast("asked", 4)
        assert await received(client, "asked", 1) == [4]


async def test_told_to_go_it_comes_back_without_its_session() -> None:
    """After a remote disconnect it does not ask its session back, and has what it missed all the same."""
    async with rooms() as running, RoughRelay(running.port, 1) as relay, extended(relay.url) as client:
        await streaming(client, "told to go")
        await running.broadcast("told to go", 1)
        assert await received(client, "told to go", 1) == [1]
        relay.unavailable = True
        (session,) = running._house.sessions
        assert await running.disconnect(session.identifiers, reconnect=True) == 1
        await client.heard("down")
        await running.broadcast("told to go", 2)
        relay.unavailable = False
        assert not (await client.heard("up", reconnected=True))["restored"]
        assert await received(client, "told to go", 1) == [2]
        assert running.stats().restored == 0


async def test_a_new_era_is_told() -> None:
    """A gateway that begins anew knows nothing: that is told, presence comes back, and what is live goes on."""
    port = free_port()
    async with rooms(port=port) as running, extended(running.url) as client:
        await streaming(client, "era")
        await running.broadcast("era", "old")
        assert await received(client, "era", 1) == ["old"]
        client.tell("join", id="era", who="ada", info="Ada")
        await client.heard("presence", who="ada")
        running.kill()
        await running.stop()
        await client.heard("down")
        async with rooms(port=port) as again:
            assert not (await client.heard("subscribed", reconnected=True))["restored"]
            client.tell("present", id="era")
            assert (await client.heard("present"))["who"] == {"ada": "Ada"}
            assert again.stats().rejected_histories == 1
            await again.broadcast("era", "new")
            assert await received(client, "era", 1) == ["new"]


async def test_who_stays_away_is_gone() -> None:
    """Away for longer than presence lasts it is told as gone, and as come again once it is back."""
    async with (
        rooms(presence_ttl=1) as running,
        RoughRelay(running.port, 1) as relay,
        extended(relay.url) as ada,
        extended(running.url) as bob,
    ):
        for client in (ada, bob):
            await streaming(client, "gone")
        ada.tell("join", id="gone", who="ada", info={"n": 1})
        assert (await bob.heard("presence"))["kind"] == "join"
        async with away(relay, ada):
            assert (await bob.heard("presence"))["kind"] == "leave"
        back = await bob.heard("presence")
        assert (back["kind"], back["who"], back["info"]) == ("join", "ada", {"n": 1})


async def test_signed_streams_have_a_past_and_presence() -> None:
    """By a signed name, too; whispers are not allowed there, unless the gateway is told so."""
    async with (
        Gateway(secret=SECRET) as running,
        RoughRelay(running.port, 1) as relay,
        extended(relay.url) as ada,
        extended(running.url) as bob,
    ):
        for client in (ada, bob):
            client.tell("signed", id="signed", stream=sign_stream("signed", SECRET))
            await client.heard("subscribed")
        await running.broadcast("signed", 1)
        assert await received(ada, "signed", 1) == [1]
        async with away(relay, ada):
            await running.broadcast("signed", 2)
        assert (await ada.heard("up"))["restored"]
        assert await received(ada, "signed", 1) == [2]
        assert await received(bob, "signed", 2) == [1, 2]
        ada.tell("whisper", id="signed", data="not allowed")
        # Commands of one client are run in order: once this one is told, the whisper was run.
        ada.tell("join", id="signed", who="ada", info="Ada")
        assert (await bob.heard("presence"))["who"] == "ada"
        assert running.stats().whispers == 0


@pytest.mark.parametrize("pongs", [True, False])
async def test_a_strict_gateway_wants_pongs(*, pongs: bool) -> None:
    """A client that answers the pings is kept, and one that does not is sent away and comes back."""
    async with rooms(pong_timeout=1) as running, extended(running.url, pongs=pongs) as client:
        await streaming(client, "pongs")
        if pongs:
            for _ in range(6):
                await client.heard("beat")
            assert running.stats().sessions == 1
        else:
            await client.heard("down")
            await client.heard("up")
