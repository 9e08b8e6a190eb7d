"""Conformance: subscribing, performing, unsubscribing, and what servers make of odd commands."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from cableway.gateway import Channel, Gateway, action
from tests.conformance.raw_client import RawClient, identifier, stream

if TYPE_CHECKING:
    from tests.conformance.conftest import Publish
    from tests.conformance.servers import Server


async def test_a_subscription_is_confirmed_with_the_same_identifier(server: Server) -> None:
    """The identifier comes back as it was sent, byte for byte."""
    async with RawClient(server.url) as client:
        await client.welcomed()
        spaced = '{ "stream_name": "a",  "channel": "$pubsub" }'
        await client.command("subscribe", identifier=spaced)
        await client.expect(type="confirm_subscription", identifier=spaced)


async def test_a_refused_subscription_is_rejected(server: Server) -> None:
    """A channel that does not let in, or is not known, is answered with a rejection."""
    async with RawClient(server.url) as client:
        await client.welcomed()
        target = identifier("NoSuchChannel")
        await client.command("subscribe", identifier=target)
        await client.expect(type="reject_subscription", identifier=target)


async def test_a_rejection_leaves_nothing_behind(server: Server) -> None:
    """The same identifier may be tried again, and is answered again."""
    async with RawClient(server.url) as client:
        await client.welcomed()
        for _ in range(2):
            await client.command("subscribe", identifier=identifier("NoSuchChannel"))
            await client.expect(type="reject_subscription", identifier=identifier("NoSuchChannel"))


async def test_one_channel_with_two_parameters_is_two_subscriptions(server: Server) -> None:
    """Each is confirmed by itself."""
    async with RawClient(server.url) as client:
        await client.welcomed()
        await client.subscribe(stream("a", id=1))
        await client.subscribe(stream("a", id=2))


async def test_a_repeated_subscribe_is_met_with_silence(server: Server, publish: Publish) -> None:
    """No second answer, and each message is still delivered once."""
    async with RawClient(server.url) as client:
        await client.welcomed()
        target = await client.subscribe(stream("a"))
        await client.command("subscribe", identifier=target)
        await client.expect_silence()
        await publish("a", 1)
        await publish("a", 2)
        await client.expect_message(target, 1)
        await client.expect_message(target, 2)


async def test_the_same_json_in_another_order_is_another_subscription(server: Server, publish: Publish) -> None:
    """Identifiers are compared as text: both are confirmed, both get their own copy."""
    async with RawClient(server.url) as client:
        await client.welcomed()
        one = await client.subscribe('{"channel":"$pubsub","stream_name":"a"}')
        two = await client.subscribe('{"stream_name":"a","channel":"$pubsub"}')
        await publish("a", "x")
        frames = [await client.frame(), await client.frame()]
        assert sorted(frame["identifier"] for frame in frames) == sorted([one, two])
        assert [frame["message"] for frame in frames] == ["x", "x"]


async def test_odd_commands_are_met_with_silence_and_the_session_lives(server: Server) -> None:
    """Unknown commands, and commands for what is not subscribed, change nothing."""
    async with RawClient(server.url) as client:
        await client.welcomed()
        await client.command("unsubscribe", identifier=stream("never"))
        await client.perform(stream("never"), "speak")
        await client.command("dance", identifier=stream("never"))
        await client.send("{}")
        await client.send("null")
        await client.expect_silence()
        await client.subscribe(stream("a"))


async def test_a_subscribe_without_identifier_is_rejected_without_one(server: Server) -> None:
    """The rejection names nothing, for nothing was named."""
    async with RawClient(server.url) as client:
        await client.welcomed()
        await client.command("subscribe")
        frame = await client.expect(type="reject_subscription")
        assert "identifier" not in frame


async def test_frames_that_cannot_be_read_are_skipped_and_counted() -> None:
    """Unlike AnyCable, whose session stays open and reads no more: what follows is still carried out."""
    async with Gateway(public=True) as gateway, RawClient(gateway.url) as client:
        await client.welcomed()
        bad = ["", "no json", "[1]", '{"command":"subscribe","identifier":{"channel":"$pubsub"}}', '{"command":7}']
        for text in bad:
            await client.send(text)
        await client.socket.send(b"\xff\xfe")
        await client.expect_silence()
        assert gateway.stats().malformed_frames == len(bad) + 1
        await client.subscribe(stream("a"))


async def test_a_binary_message_with_json_is_read(server: Server) -> None:
    """The opcode does not matter."""
    async with RawClient(server.url) as client:
        await client.welcomed()
        await client.socket.send(json.dumps({"command": "subscribe", "identifier": stream("a")}).encode())
        await client.expect(type="confirm_subscription", identifier=stream("a"))


# What only a server with Python channels can be asked ---------------------------------------------------------------


class PerformChannel(Channel):
    @action
    async def tick(self) -> None:
        self.transmit("tock")

    @action
    async def echo(self, data: dict[str, str]) -> None:
        self.transmit({"response": data["text"]})


async def test_an_action_without_arguments_is_performed() -> None:
    """The client calls it by name, and gets what it transmits."""
    async with Gateway([PerformChannel]) as gateway, RawClient(gateway.url) as client:
        await client.welcomed()
        target = await client.subscribe(identifier("PerformChannel"))
        await client.perform(target, "tick")
        await client.expect_message(target, "tock")


async def test_an_action_gets_what_the_client_sent() -> None:
    """The data of the call reaches the action."""
    async with Gateway([PerformChannel]) as gateway, RawClient(gateway.url) as client:
        await client.welcomed()
        target = await client.subscribe(identifier("PerformChannel"))
        await client.perform(target, "echo", text="hello")
        await client.expect_message(target, {"response": "hello"})


class TransmissionsChannel(Channel):
    async def subscribed(self) -> None:
        self.transmit("hello")
        self.transmit("world")


async def test_what_is_transmitted_on_subscribing_precedes_the_confirmation() -> None:
    """Both messages come first, in order, then the confirmation."""
    async with Gateway([TransmissionsChannel]) as gateway, RawClient(gateway.url) as client:
        await client.welcomed()
        target = identifier("TransmissionsChannel")
        await client.command("subscribe", identifier=target)
        await client.expect_message(target, "hello")
        await client.expect_message(target, "world")
        await client.expect(type="confirm_subscription", identifier=target)


class StateChannel(Channel):
    async def subscribed(self) -> None:
        self.user = {"name": self.params["name"]}
        self.count = 1
        self.stream_from("state")

    @action
    async def tick(self) -> None:
        self.count += 2
        self.transmit({"count": self.count, "name": self.user["name"]})

    async def unsubscribed(self) -> None:
        await self.broadcast("state", f"user left: {self.user['name']}")


async def test_a_channels_state_lasts_as_long_as_the_subscription() -> None:
    """What was set on subscribing is there when an action runs."""
    async with Gateway([StateChannel]) as gateway, RawClient(gateway.url) as client:
        await client.welcomed()
        target = await client.subscribe(identifier("StateChannel", name="chipolino"))
        await client.perform(target, "tick")
        await client.expect_message(target, {"count": 3, "name": "chipolino"})


async def test_a_channels_state_is_there_when_the_client_leaves() -> None:
    """The farewell that others get is built from what the leaver's channel knew."""
    async with Gateway([StateChannel]) as gateway, RawClient(gateway.url) as stays:
        await stays.welcomed()
        target = await stays.subscribe(identifier("StateChannel", name="chipolino"))
        async with RawClient(gateway.url) as leaves:
            await leaves.welcomed()
            await leaves.subscribe(identifier("StateChannel", name="cipollone"))
        await stays.expect_message(target, "user left: cipollone")


class FarewellChannel(Channel):
    async def subscribed(self) -> None:
        self.stream_from("farewells")

    async def unsubscribed(self) -> None:
        await self.broadcast("farewells", {"left": self.name, "id": self.params.get("id")})


class OtherFarewellChannel(FarewellChannel):
    pass


async def test_all_channels_of_a_client_end_when_its_line_does() -> None:
    """A client on two channels leaves: whoever stays hears of both."""
    async with Gateway([FarewellChannel, OtherFarewellChannel]) as gateway, RawClient(gateway.url) as stays:
        await stays.welcomed()
        target = await stays.subscribe(identifier("FarewellChannel"))
        async with RawClient(gateway.url) as leaves:
            await leaves.welcomed()
            await leaves.subscribe(identifier("FarewellChannel"))
            await leaves.subscribe(identifier("OtherFarewellChannel"))
        left = [(await stays.expect(identifier=target))["message"]["left"] for _ in range(2)]
        assert sorted(left) == ["FarewellChannel", "OtherFarewellChannel"]


async def test_all_subscriptions_to_one_channel_end_when_the_line_does() -> None:
    """A client with two parameters on one channel leaves: whoever stays hears of both."""
    async with Gateway([FarewellChannel]) as gateway, RawClient(gateway.url) as stays:
        await stays.welcomed()
        target = await stays.subscribe(identifier("FarewellChannel"))
        async with RawClient(gateway.url) as leaves:
            await leaves.welcomed()
            await leaves.subscribe(identifier("FarewellChannel", id=1))
            await leaves.subscribe(identifier("FarewellChannel", id=2))
        left = [(await stays.expect(identifier=target))["message"]["id"] for _ in range(2)]
        assert sorted(left) == [1, 2]
