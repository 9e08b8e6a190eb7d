"""The binary encodings against real peers: an AnyCable that lacks them, and the JavaScript client that has them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from cableway import Cable, Connected, State, UnsupportedProtocol
from cableway.gateway import Channel, Gateway, action
from cableway.wire.subprotocols import ALL
from tests.interop.peers.node import javascript
from tests.interop.peers.process import free_port
from tests.interop.peers.waiting import LIMIT

if TYPE_CHECKING:
    from cableway.types import JSONValue
    from tests.interop.peers.anycable import AnyCable
    from tests.interop.peers.rails import Rails

BINARY = [one.name for one in ALL if one.binary]


@pytest.mark.parametrize("spoken", BINARY)
async def test_anycable_without_pro_is_told_apart(anycable: AnyCable, spoken: str) -> None:
    """It lets the client in and selects nothing; who asked for the encoding learns that, by one dial."""
    cable = Cable(anycable.url, protocol=spoken)
    with pytest.raises(UnsupportedProtocol, match=f"chose no subprotocol; offered were {spoken}.*AnyCable Pro"):
        await cable.open()
    assert cable.state is State.CLOSED


@pytest.mark.parametrize("spoken", BINARY)
async def test_rails_is_told_apart(rails: Rails, spoken: str) -> None:
    """It selects nothing, either."""
    cable = Cable(rails.url, protocol=spoken)
    with pytest.raises(UnsupportedProtocol, match=f"offered were {spoken}"):
        await cable.open()
    assert cable.state is State.CLOSED


async def test_the_default_speaks_json_with_anycable(anycable: AnyCable) -> None:
    """Though the packages for the others are installed."""
    cable = Cable(anycable.url)
    told: list[Connected] = []
    cable.on(Connected, told.append)
    async with cable:
        await asyncio.sleep(0)
    assert [event.protocol for event in told] == ["actioncable-v1-ext-json"]


class RoomChannel(Channel):
    """Passes on what one says to all who are in the room."""

    async def subscribed(self) -> None:
        """Enter the room."""
        self.stream_from("room")

    @action
    async def speak(self, data: dict[str, JSONValue]) -> None:
        """Say something."""
        await self.broadcast("room", data["value"])


VALUES: list[Any] = [{"ä": [1, None, 2.5, {"deep": True}]}, "text, 🚡", [1, 2], 7, -5, 2**40, "x" * 70_000]


@pytest.mark.usefixtures("node")
@pytest.mark.parametrize("spoken", BINARY)
async def test_the_javascript_client_converses_with_ours(spoken: str) -> None:
    """Through the gateway, both in the encoding: what either says arrives at the other."""
    gateway = Gateway(channels=[RoomChannel], ping_interval=0.5, max_message_size=1 << 20)
    async with gateway, javascript("anycable", gateway.url, spoken) as theirs:
        theirs.subscribe("room", "RoomChannel")
        await theirs.heard("subscribed", id="room")
        cable = Cable(gateway.url, protocol=spoken, max_command_size=None)
        async with cable, cable.subscribe("RoomChannel") as ours:
            for value in VALUES:
                theirs.perform("room", "speak", value=value)
                assert (await ours.receive(timeout=LIMIT)).data == value
                assert (await theirs.heard("received", id="room"))["data"] == value
                await ours.perform("speak", value=value)
                assert (await theirs.heard("received", id="room"))["data"] == value
                await ours.receive(timeout=LIMIT)
        theirs.tell("unsubscribe", id="room")
        await theirs.heard("closed", id="room")
    assert gateway.stats().malformed_frames == gateway.stats().unknown_commands == 0


@pytest.mark.usefixtures("node")
@pytest.mark.parametrize("spoken", [name for name in BINARY if "-ext-" in name])
async def test_the_javascript_client_whispers_and_comes_back(spoken: str) -> None:
    """A whisper arrives as it was said; after a restart of the gateway the client is back with its subscription."""
    port = free_port()
    async with (
        Gateway(public=True, port=port, ping_interval=0.5) as gateway,
        javascript("anycable", gateway.url, spoken) as theirs,
    ):
        theirs.subscribe("room", "$pubsub", stream_name="room")
        await theirs.heard("subscribed", id="room")
        cable = Cable(gateway.url, protocol=spoken)
        async with cable, cable.stream("room") as ours:
            theirs.tell("whisper", id="room", data={"typing": True})
            assert (await ours.receive(timeout=LIMIT)).data == {"typing": True}
            await gateway.broadcast("room", {"n": 1})
            assert (await theirs.heard("received", id="room"))["data"] == {"n": 1}
        await gateway.stop()
        await theirs.heard("disconnected", id="room")
        async with Gateway(public=True, port=port, ping_interval=0.5) as again:
            await theirs.heard("subscribed", id="room", reconnected=True)
            await again.broadcast("room", {"n": 2})
            assert (await theirs.heard("received", id="room"))["data"] == {"n": 2}
