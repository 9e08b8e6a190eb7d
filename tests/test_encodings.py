"""A cable in every encoding: with a server that the test plays, and with the gateway over real sockets."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from cableway import (
    Cable,
    Connected,
    ExponentialBackoff,
    Member,
    MemoryTransport,
    MissingExtra,
    NotSupported,
    PresenceUnavailable,
    Recovered,
    Recovery,
    ServerMisbehaved,
    State,
    UnsupportedProtocol,
)
from cableway.gateway import Channel, Gateway, action
from cableway.wire.subprotocols import ALL
from tests.interop.peers.rough import RoughRelay
from tests.scripted import URL, Line, background, connected, settle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NAMES = [one.name for one in ALL]
BINARY = [one.name for one in ALL if one.binary]
EXTENDED = [one.name for one in ALL if one.extended]
MSGPACK, PROTOBUF = "actioncable-v1-ext-msgpack", "actioncable-v1-ext-protobuf"
VALUES: list[Any] = [{"ä": [1, None, 2.5, {"deep": True}]}, "🚡", 0, "", False, None, [], {}, '","message":', -(2**40)]

in_all = pytest.mark.parametrize("spoken", NAMES)
in_all_binary = pytest.mark.parametrize("spoken", BINARY)
in_all_extended = pytest.mark.parametrize("spoken", EXTENDED)


# What is asked for --------------------------------------------------------------------------------------------------


@in_all_binary
def test_without_its_package_an_encoding_is_refused_at_once(spoken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the cable is built, with the command that installs it."""
    monkeypatch.setitem(sys.modules, "ormsgpack", None)
    with pytest.raises(MissingExtra, match=rf"'{spoken}' needs .* pip install 'cableway\[(msgpack|protobuf)\]'"):
        Cable(URL, protocol=spoken)


@pytest.mark.looptime
@in_all_binary
async def test_a_server_without_the_encoding_is_told_apart(spoken: str) -> None:
    """It selects nothing, and would speak JSON: that is final, and the error says what was offered."""
    transport = MemoryTransport()
    cable = Cable(URL, transports=[transport], protocol=spoken)
    opening = background(cable.open())
    server = await transport.accept()
    with pytest.raises(UnsupportedProtocol, match=f"chose no subprotocol; offered were {spoken}.*AnyCable Pro"):
        await opening
    assert server.request.subprotocols == (spoken,)
    assert (cable.state, transport.dials) == (State.CLOSED, 1)


# On a line -----------------------------------------------------------------------------------------------------------


def line(spoken: str) -> Any:
    """A cable that is up, and speaks as it is told."""
    return connected(speaks=spoken, protocol=spoken)


@pytest.mark.looptime
@in_all
async def test_messages_come_as_they_were_sent(spoken: str) -> None:
    """Whatever the value, one by one and in batches, before and after the first one was learned from."""
    async with line(spoken) as made:
        chat = await made.live()
        made.server.message(chat.identifier, *VALUES)
        made.server.message(chat.identifier, *VALUES)
        assert [(await chat.receive()).data for _ in range(2 * len(VALUES))] == VALUES * 2
        assert [event.protocol for event in made.told(Connected)] == [spoken]


@pytest.mark.looptime
@in_all
async def test_a_frame_that_cannot_be_decoded_is_told_and_skipped(spoken: str) -> None:
    """The line goes on."""
    async with line(spoken) as made:
        chat = await made.live()
        made.server.send(b"\xc1\xff")
        made.server.message(chat.identifier, "after")
        assert (await chat.receive()).data == "after"
        await settle()
        assert len(made.told(ServerMisbehaved)) == 1


@pytest.mark.looptime
async def test_unread_messages_of_another_encoding_are_still_read() -> None:
    """A line in JSON, then one in MessagePack: what waits in the mailbox was written by the former."""
    transport = MemoryTransport()
    cable = Cable(URL, transports=[transport])
    made = Line(cable, transport, speaks="actioncable-v1-ext-json")
    await made.connect()
    chat = await made.live()
    for _ in range(2):
        made.server.message(chat.identifier, *range(3))
        await settle()
    # As if the server had been replaced by one of another mind.
    cable._engine.hub.speak(*_speech(MSGPACK))
    cable._engine.up.attach(cable._engine.up.connection, _whole(MSGPACK), URL, 10)
    assert [(await chat.receive()).data for _ in range(6)] == [0, 1, 2] * 2
    await cable.close(flush=False)


def _whole(spoken: str) -> Any:
    from cableway.engine.speech import Speech

    return Speech.of(next(one for one in ALL if one.name == spoken))


def _speech(spoken: str) -> tuple[Any, Any]:
    speech = _whole(spoken)
    return speech.codec, speech.dialect


@pytest.mark.looptime
async def test_protobuf_has_no_words_for_presence() -> None:
    """Asked for on such a line it is refused, with what has them; a wish from before is told of, and nothing sent."""
    transport = MemoryTransport()
    made = Line(Cable(URL, transports=[transport], protocol=PROTOBUF), transport, speaks=PROTOBUF)
    chat = made.cable.subscribe("Chat")
    told: list[PresenceUnavailable] = []
    chat.on(PresenceUnavailable, told.append)
    opening = background(made.cable.open())
    await settle()
    await chat.presence.join("u1")
    await made.welcome()
    await opening
    made.server.confirm(chat.identifier)
    await settle()
    assert [event.reason.partition(":")[0] for event in told] == ["the schema of Protobuf has no words for presence"]
    way_out = r"^presence is not part of actioncable-v1-ext-protobuf; .*protocol='actioncable-v1-ext-msgpack'"
    for refused in (chat.presence.join("u1"), chat.presence.get(), chat.presence.wait_for("u1")):
        with pytest.raises(NotSupported, match=way_out):
            await refused
    await chat.presence.leave()
    assert {command["command"] for command in made.server.received} == {"subscribe"}
    await made.cable.close(flush=False)


@pytest.mark.looptime
@pytest.mark.parametrize("spoken", [PROTOBUF, MSGPACK])
async def test_a_silent_server_is_asked_only_where_there_is_a_word_for_it(spoken: str) -> None:
    """Pings are answered in both; one that falls silent cannot be asked for a sign of life in Protobuf."""
    transport = MemoryTransport()
    cable = Cable(URL, transports=[transport], protocol=spoken)
    opening = background(cable.open())
    server = await transport.accept(spoken)
    server.send({"type": "welcome", "sid": "n1"}, {"type": "ping", "message": 1_790_000_000})
    await opening
    await asyncio.sleep(60)
    said = {command["command"] for command in server.received}
    assert said == ({"pong", "ping"} if spoken == MSGPACK else {"pong"})
    await cable.close(flush=False)


# With the gateway ----------------------------------------------------------------------------------------------------


class RoomChannel(Channel):
    """Answers, and passes on."""

    async def subscribed(self) -> None:
        """Enter."""
        self.stream_from("room")

    @action
    async def speak(self, data: dict[str, Any]) -> None:
        """Say something to all."""
        await self.broadcast("room", data["value"])


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    """A gateway of a room and of public streams."""
    async with Gateway(channels=[RoomChannel], public=True, ping_interval=0.2) as running:
        yield running


@in_all
async def test_a_conversation_in_any_encoding(gateway: Gateway, spoken: str) -> None:
    """What one says in one encoding, another hears in another."""
    async with (
        Cable(gateway.url, protocol=spoken) as one,
        Cable(gateway.url) as two,
        one.subscribe("RoomChannel") as here,
        two.subscribe("RoomChannel") as there,
    ):
        for value in VALUES:
            await here.perform("speak", value=value)
        for subscription in (here, there):
            assert [(await subscription.receive(timeout=5)).data for _ in VALUES] == VALUES
    assert gateway.stats().malformed_frames == 0


@in_all_extended
async def test_history_and_whispers_in_any_encoding(gateway: Gateway, spoken: str) -> None:
    """Places come with the messages, and whispers as they were said."""
    async with (
        Cable(gateway.url, protocol=spoken) as one,
        Cable(gateway.url) as two,
        one.stream("past") as here,
        two.stream("past") as there,
    ):
        for value in VALUES:
            await gateway.broadcast("past", value)
        heard = [await here.receive(timeout=5) for _ in VALUES]
        assert [message.offset for message in heard] == list(range(1, len(VALUES) + 1))
        told = await here.history(since=timedelta(minutes=1))
        assert [(message.data, message.offset) for message in told] == [(one.data, one.offset) for one in heard]
        await there.receive(match=lambda message: message.offset == len(VALUES), timeout=5)
        for value in ({"typing": True}, "text", "42", [1], 0):
            await here.whisper(value)
            assert (await there.receive(timeout=5)).data == value


@in_all_extended
async def test_a_lost_line_costs_nothing_in_any_encoding(gateway: Gateway, spoken: str) -> None:
    """The session is asked back, the past with it, and each message comes once and in its turn."""
    soon = ExponentialBackoff(minimum=0.02, maximum=0.1)
    relay = RoughRelay(gateway.port, seed=1)
    async with relay, Cable(relay.url, protocol=spoken, backoff=soon) as cable, cable.stream("lossy") as lossy:
        told: list[Recovered] = []
        lossy.on(Recovered, told.append)
        await gateway.broadcast("lossy", 0)
        assert (await lossy.receive(timeout=5)).data == 0
        await relay.reset()
        for n in range(1, 20):
            await gateway.broadcast("lossy", n)
        assert [(await lossy.receive(timeout=5)).data for _ in range(19)] == list(range(1, 20))
        await lossy.history(since=timedelta(minutes=1))
        assert [event.recovery for event in told] == [Recovery.COMPLETE]


async def test_presence_in_messagepack(gateway: Gateway) -> None:
    """Joined, asked for, and seen by others."""
    async with (
        Cable(gateway.url, protocol=MSGPACK) as one,
        Cable(gateway.url) as two,
        one.stream("who") as here,
        two.stream("who") as there,
    ):
        await here.presence.join("u1", {"name": "Änn"})
        assert await there.presence.wait_for("u1", timeout=5) == Member("u1", {"name": "Änn"})
        assert dict(await here.presence.get()) == {"u1": Member("u1", {"name": "Änn"})}
