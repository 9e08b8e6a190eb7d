"""The peers themselves, driven by hand: what the other tests of this folder build on."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from tests.interop.peers.node import javascript

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.interop.peers.anycable import AnyCable
    from tests.interop.peers.rails import Rails

OFFERED = ["actioncable-v1-json", "actioncable-unsupported"]


class ByHand:
    """A line without a client: each frame is written and read by the test."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def command(self, command: str, identifier: dict[str, Any], data: dict[str, Any] | None = None) -> None:
        """Write one command."""
        frame = {"command": command, "identifier": json.dumps(identifier)}
        if data is not None:
            frame["data"] = json.dumps(data)
        await self.socket.send(json.dumps(frame))

    async def frame(self) -> dict[str, Any]:
        """Read the next frame that is no ping."""
        while True:
            frame: dict[str, Any] = json.loads(await self.socket.recv())
            if frame.get("type") != "ping":
                return frame

    async def subscribed(self, identifier: dict[str, Any]) -> None:
        """Subscribe and expect the confirmation."""
        await self.command("subscribe", identifier)
        assert await self.frame() == {"type": "confirm_subscription", "identifier": json.dumps(identifier)}


@asynccontextmanager
async def by_hand(rails: Rails, query: str = "") -> AsyncIterator[ByHand]:
    """Open a line to Rails, welcome read."""
    async with connect(rails.url + query, origin=rails.http_url, subprotocols=OFFERED) as socket:  # type: ignore[arg-type]
        line = ByHand(socket)
        assert socket.subprotocol == "actioncable-v1-json"
        yield line


async def test_rails_welcomes_confirms_and_echoes(rails: Rails) -> None:
    """A line is welcomed, a subscription confirmed, and an action answers."""
    echo = {"channel": "EchoChannel"}
    async with by_hand(rails) as line:
        assert await line.frame() == {"type": "welcome"}
        await line.subscribed(echo)
        await line.command("message", echo, {"action": "echo", "text": "hi"})
        assert await line.frame() == {"identifier": json.dumps(echo), "message": {"text": "hi"}}


async def test_rails_rejects(rails: Rails) -> None:
    """A channel that refuses says so."""
    async with by_hand(rails) as line:
        assert await line.frame() == {"type": "welcome"}
        await line.command("subscribe", {"channel": "RejectingChannel"})
        assert (await line.frame())["type"] == "reject_subscription"


async def test_rails_does_not_answer_an_unknown_channel(rails: Rails) -> None:
    """The subscription to a channel class that does not exist is passed over in silence."""
    async with by_hand(rails) as line:
        assert await line.frame() == {"type": "welcome"}
        await line.command("subscribe", {"channel": "NoSuchChannel"})
        await line.subscribed({"channel": "EchoChannel"})


async def test_rails_wants_an_origin(rails: Rails) -> None:
    """Forgery protection is on: without Origin, the upgrade gets a 404."""
    with pytest.raises(InvalidStatus) as caught:
        await connect(rails.url)
    assert caught.value.response.status_code == 404
    assert caught.value.response.body == b"Page not found"


async def test_rails_turns_away_wrong_credentials(rails: Rails) -> None:
    """A connection that the application rejects is told so and closed."""
    async with by_hand(rails, "?token=wrong") as line:
        assert await line.frame() == {"type": "disconnect", "reason": "unauthorized", "reconnect": False}


async def test_rails_comes_back_on_the_same_port(rails: Rails) -> None:
    """Killed and started again, the server answers at the same address, and has forgotten everything."""
    async with by_hand(rails) as line:
        assert await line.frame() == {"type": "welcome"}
        await line.subscribed({"channel": "EchoChannel", "run": "forgotten"})
        assert {"channel": "EchoChannel", "run": "forgotten"} in rails.identifiers()
        rails.restart()
    async with by_hand(rails) as line:
        assert await line.frame() == {"type": "welcome"}
        assert rails.identifiers() == []


@pytest.mark.usefixtures("node")
@pytest.mark.parametrize("library", ["rails", "anycable"])
async def test_javascript_clients_talk_to_rails(rails: Rails, library: str) -> None:
    """Both JavaScript clients can be driven from here: subscribe, perform, receive, be rejected, and come back."""
    async with javascript(library, rails.url) as client:
        client.subscribe("echo", "EchoChannel", room=42)
        await client.heard("subscribed", id="echo")
        client.perform("echo", "echo", text="hi")
        assert (await client.heard("received", id="echo"))["data"] == {"text": "hi"}
        client.subscribe("refused", "RejectingChannel")
        await client.heard("rejected", id="refused")
        rails.restart()
        await client.heard("subscribed", id="echo", reconnected=True)


async def test_anycable_confirms_a_public_stream(anycable: AnyCable) -> None:
    """The AnyCable server takes a public stream and delivers what is published to it."""
    async with connect(anycable.url, subprotocols=OFFERED) as socket:  # type: ignore[arg-type]
        line = ByHand(socket)
        assert (await line.frame())["type"] == "welcome"
        await line.subscribed({"channel": "$pubsub", "stream_name": "news"})
        anycable.publish("news", {"text": "hi"})
        assert (await line.frame())["message"] == {"text": "hi"}
