"""The JavaScript clients against our gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cableway.gateway import Channel, Gateway, action
from tests.interop.peers.node import EXTENDED, javascript
from tests.interop.peers.process import free_port

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from cableway.types import JSONValue
    from tests.interop.peers.node import JavaScriptClient

LIBRARIES = [("rails",), ("anycable",), ("anycable", EXTENDED)]
pytestmark = [pytest.mark.usefixtures("node"), pytest.mark.parametrize("library", LIBRARIES, ids=" ".join)]


class EchoChannel(Channel):
    """Answers with what it was sent."""

    @action
    async def echo(self, data: dict[str, JSONValue]) -> None:
        """Answer."""
        self.transmit(data)


class RoomChannel(Channel):
    """Passes on what one says to all who are in the room."""

    async def subscribed(self) -> None:
        """Enter the room."""
        self.stream_from(f"room/{self.params['room']}")

    @action
    async def speak(self, data: dict[str, JSONValue]) -> None:
        """Say something."""
        await self.broadcast(f"room/{self.params['room']}", data["text"])


class LockedChannel(Channel):
    """Lets nobody in."""

    async def subscribed(self) -> None:
        """Refuse."""
        self.reject()


def gateway(**options: Any) -> Gateway:
    """Make a gateway with these channels; its pings are quick, so that a lost line is noticed soon."""
    return Gateway(channels=[EchoChannel, RoomChannel, LockedChannel], ping_interval=0.5, **options)


def speaking(library: tuple[str, ...], url: str) -> AbstractAsyncContextManager[JavaScriptClient]:
    """Run a client; *library* may name the protocol, too."""
    name, *protocol = library
    return javascript(name, url, *protocol)


async def test_an_action_answers(library: tuple[str, ...]) -> None:
    """Subscribed, an action is performed, and its answer arrives."""
    async with gateway() as running, speaking(library, running.url) as client:
        client.subscribe("echo", "EchoChannel", room=42)
        await client.heard("subscribed", id="echo")
        client.perform("echo", "echo", text="hi, 🚡", list=[1, None])
        assert (await client.heard("received", id="echo"))["data"]["text"] == "hi, 🚡"


async def test_a_rejection_is_heard(library: tuple[str, ...]) -> None:
    """A channel that refuses is reported as a rejection, and the others go on."""
    async with gateway() as running, speaking(library, running.url) as client:
        client.subscribe("locked", "LockedChannel")
        await client.heard("rejected", id="locked")
        client.subscribe("echo", "EchoChannel")
        await client.heard("subscribed", id="echo")


async def test_a_broadcast_reaches_both_clients(library: tuple[str, ...]) -> None:
    """What one client says arrives at the other, whichever library that one uses."""
    async with gateway() as running, speaking(library, running.url) as one, javascript("rails", running.url) as two:
        for client in (one, two):
            client.subscribe("room", "RoomChannel", room=7)
            await client.heard("subscribed", id="room")
        one.perform("room", "speak", text="hello, room")
        assert (await two.heard("received", id="room"))["data"] == "hello, room"
        assert (await one.heard("received", id="room"))["data"] == "hello, room"


async def test_an_unsubscribed_client_hears_no_more(library: tuple[str, ...]) -> None:
    """After the unsubscribe the gateway has one listener less, and the line carries the other subscription on."""
    async with gateway() as running, speaking(library, running.url) as client:
        for room in ("left", "kept"):
            client.subscribe(room, "RoomChannel", room=room)
            await client.heard("subscribed", id=room)
        client.tell("unsubscribe", id="left")
        # Commands of one client are run in order: once this one answers, the unsubscribe was run.
        client.perform("kept", "speak", text="marker")
        assert (await client.heard("received", id="kept"))["data"] == "marker"
        await running.broadcast("room/left", "for nobody")
        await running.broadcast("room/kept", "for one")
        assert (await client.heard("received"))["data"] == "for one"


async def test_subscriptions_come_back_after_a_restart(library: tuple[str, ...]) -> None:
    """The gateway goes away and comes back on the same port; the client subscribes again by itself, and is served."""
    port = free_port()
    async with gateway(port=port) as running, speaking(library, running.url) as client:
        client.subscribe("echo", "EchoChannel", room=42)
        client.subscribe("room", "RoomChannel", room=7)
        for name in ("echo", "room"):
            await client.heard("subscribed", id=name)
        await running.stop()
        await client.heard("disconnected", id="echo")
        async with gateway(port=port) as again:
            back = {(await client.heard("subscribed"))["id"], (await client.heard("subscribed"))["id"]}
            assert back == {"echo", "room"}
            client.perform("echo", "echo", text="back")
            assert (await client.heard("received", id="echo"))["data"]["text"] == "back"
            await again.broadcast("room/7", "for the room")
            assert (await client.heard("received", id="room"))["data"] == "for the room"
