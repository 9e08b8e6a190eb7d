"""Conformance: what goes for JSON goes for the binary encodings. Other libraries write and read them here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cableway.gateway import Channel, Gateway, action
from tests.conformance.raw_client import RawClient, identifier, stream, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

BINARY = [f"actioncable-v1-{dialect}{encoding}" for encoding in ("msgpack", "protobuf") for dialect in ("", "ext-")]
EXTENDED = [name for name in BINARY if "-ext-" in name]

spoken_in_all = pytest.mark.parametrize("spoken", BINARY)


class EchoChannel(Channel):
    @action
    async def echo(self, data: dict[str, Any]) -> None:
        self.transmit(data)


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    """A gateway of public streams, and of a channel that answers."""
    async with Gateway(channels=[EchoChannel], public=True, ping_interval=0.05) as running:
        yield running


@spoken_in_all
async def test_a_binary_encoding_is_spoken_where_it_is_offered(gateway: Gateway, spoken: str) -> None:
    """The name is echoed; welcome, pings and confirmations come in the encoding, in binary messages."""
    async with RawClient(gateway.url, subprotocols=[spoken]) as client:
        assert client.subprotocol == spoken
        await client.welcomed()
        spaced = '{ "stream_name": "a",  "channel": "$pubsub" }'
        await client.subscribe(spaced)
        ping = await client.frame(pings=True)
        assert ping["type"] == "ping"
        assert type(ping["message"]) is int


@pytest.mark.parametrize("offer", [[*BINARY, "actioncable-v1-json"], list(reversed(BINARY))])
async def test_the_first_in_the_servers_order_is_chosen(gateway: Gateway, offer: list[str]) -> None:
    """JSON before MessagePack before Protobuf, base before extended, whatever the client's order."""
    first = "actioncable-v1-json" if "actioncable-v1-json" in offer else "actioncable-v1-msgpack"
    async with RawClient(gateway.url, subprotocols=offer) as client:
        assert client.subprotocol == first


@spoken_in_all
@pytest.mark.parametrize(
    "value", [{"ä": [1, None, 2.5, {"deep": True}]}, "🚡 text", 0, "", False, [], {}, -(2**40)], ids=repr
)
async def test_whatever_is_published_arrives_in_the_encoding_of_each(gateway: Gateway, spoken: str, value: Any) -> None:
    """One client in JSON, one in another encoding, on one stream."""
    async with RawClient(gateway.url, subprotocols=[spoken]) as one, RawClient(gateway.url) as two:
        for client in (one, two):
            await client.welcomed()
            await client.subscribe(stream("a"))
        await gateway.broadcast("a", value)
        for client in (one, two):
            await client.expect_message(stream("a"), value)


@spoken_in_all
async def test_an_action_is_performed_and_a_refusal_told(gateway: Gateway, spoken: str) -> None:
    """Commands are read in the encoding."""
    async with RawClient(gateway.url, subprotocols=[spoken]) as client:
        await client.welcomed()
        target = await client.subscribe(identifier("EchoChannel"))
        await client.perform(target, "echo", text="hi", list=[1, None])
        await client.expect_message(target, {"text": "hi", "list": [1, None]})
        await client.command("unsubscribe", identifier=target)
        await client.expect_silence()


@pytest.mark.parametrize("spoken", EXTENDED)
async def test_the_past_is_told_and_a_session_restored(gateway: Gateway, spoken: str) -> None:
    """With places, by which a client goes on; whispers pass to other encodings."""
    async with RawClient(gateway.url, subprotocols=[spoken]) as client, RawClient(gateway.url) as other:
        sid = (await client.expect(type="welcome"))["sid"]
        target = await client.subscribe(stream("a"))
        await other.welcomed()
        await other.subscribe(target)
        await gateway.broadcast("a", {"n": 1})
        await gateway.broadcast("a", {"n": 2})
        first, second = await client.frame(), await client.frame()
        assert [first["offset"], second["offset"]] == [1, 2]
        asked = {"streams": {"a": {"epoch": first["epoch"], "offset": 1}}}
        await client.command("history", identifier=target, history=asked)
        assert await client.frame() == second
        await client.expect(type="confirm_history", identifier=target)
        await other.frame()
        await other.frame()
        data: Any = json.dumps({"typing": True}) if spoken.endswith("protobuf") else {"typing": True}
        await client.command("whisper", identifier=target, data=data)
        await other.expect_message(target, {"typing": True})
    async with RawClient(gateway.url, subprotocols=[spoken], headers={"X-ANYCABLE-RESTORE-SID": sid}) as again:
        await again.expect(type="welcome", restored=True, restored_ids=[target])


@pytest.mark.parametrize("spoken", EXTENDED)
async def test_who_is_present_is_told_where_there_are_words_for_it(gateway: Gateway, spoken: str) -> None:
    """Protobuf has none: its clients hear nothing of it, and go on."""
    async with (
        RawClient(gateway.url, subprotocols=[spoken]) as watcher,
        RawClient(gateway.url, subprotocols=["actioncable-v1-ext-json"]) as guest,
    ):
        for client in (watcher, guest):
            await client.welcomed()
            await client.subscribe(stream("a"))
        await guest.command("join", identifier=stream("a"), presence={"id": "u1", "info": {"name": "Ann"}})
        joined = {"type": "join", "id": "u1", "info": {"name": "Ann"}}
        assert (await guest.expect(type="presence"))["message"] == joined
        if spoken.endswith("msgpack"):
            assert (await watcher.expect(type="presence"))["message"] == joined
        await gateway.broadcast("a", "after")
        await watcher.expect_message(stream("a"), "after")


@spoken_in_all
async def test_a_message_that_the_encoding_cannot_hold_costs_nobody_else(gateway: Gateway, spoken: str) -> None:
    """Nested beyond what MessagePack is written to, it reaches those who read JSON; the others go on."""
    deep: Any = 0
    for _ in range(400):
        deep = [deep]
    async with RawClient(gateway.url, subprotocols=[spoken]) as one, RawClient(gateway.url) as two:
        for client in (one, two):
            await client.welcomed()
            await client.subscribe(stream("a"))
        await gateway.broadcast("a", deep)
        await gateway.broadcast("a", {"big": 2**70})
        await two.expect_message(stream("a"), deep)
        await one.expect_message(stream("a"), {"big": 2.0**70})
    assert gateway.stats().unwritable == 1


@spoken_in_all
async def test_what_cannot_be_decoded_is_skipped_and_counted(gateway: Gateway, spoken: str) -> None:
    """JSON on a binary line included; the session goes on."""
    async with RawClient(gateway.url, subprotocols=[spoken]) as client:
        await client.welcomed()
        for bad in (b"\xc1", '{"command":"subscribe","identifier":"x"}', b"\x91" * 5000, b"\x1a\xff"):
            await client.socket.send(bad)
        await until(lambda: gateway.stats().malformed_frames == 4)
        await client.subscribe(stream("a"))


async def test_the_rails_flavour_knows_json_alone() -> None:
    """As Rails does."""
    gateway = Gateway(public=True, flavour="rails")
    async with gateway, RawClient(gateway.url, subprotocols=BINARY, headers={"Origin": gateway.http_url}) as client:
        assert client.subprotocol is None
        await client.welcomed()
