"""The commands of one session: what channels answer, and what the gateway does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cableway.gateway import Channel, Gateway
from cableway.gateway.desk import read_action, read_identifier
from tests.conformance.raw_client import RawClient, identifier

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

EXTENDED = "actioncable-v1-ext-json"


class Room(Channel):
    """A stream with all that the extended protocol has."""

    seen = 0

    async def subscribed(self) -> None:
        """Listen."""
        self.stream_from("room")
        self.allow_whispers("room")
        self.allow_presence("room")


class Bare(Channel):
    """Listens, and allows nothing."""

    async def subscribed(self) -> None:
        """Listen."""
        self.stream_from("bare")


ROOM, BARE = identifier("Room"), identifier("Bare")


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    """Keep messages and sessions."""
    async with Gateway([Room, Bare], presets="broker") as one:
        yield one


def client(gateway: Gateway) -> RawClient:
    """Speak the extended protocol."""
    return RawClient(gateway.url, subprotocols=[EXTENDED])


async def test_the_past_is_told_in_order_and_then_confirmed(gateway: Gateway) -> None:
    """Each message with its place; the answer ends it."""
    for number in range(3):
        await gateway.broadcast("room", {"n": number})
    async with client(gateway) as one:
        await one.welcomed()
        await one.subscribe(ROOM)
        await one.command("history", identifier=ROOM, history={"since": 1})
        frames = [await one.frame() for _ in range(4)]
    assert [frame.get("message") for frame in frames[:3]] == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert [frame["offset"] for frame in frames[:3]] == [1, 2, 3]
    assert frames[3] == {"type": "confirm_history", "identifier": ROOM}
    assert gateway.stats().histories == 1


async def test_a_place_out_of_reach_is_refused_with_nothing_told(gateway: Gateway) -> None:
    """All or nothing: one stream that is not known spoils the rest."""
    await gateway.broadcast("room", 1)
    async with client(gateway) as one:
        await one.welcomed()
        await one.subscribe(ROOM)
        await one.command("history", identifier=ROOM, history={"streams": {"room": {"epoch": "other", "offset": 1}}})
        assert await one.frame() == {"type": "reject_history", "identifier": ROOM}
    assert gateway.stats().rejected_histories == 1


async def test_a_subscribe_may_bring_its_question(gateway: Gateway) -> None:
    """It is answered after the confirmation."""
    await gateway.broadcast("room", 1)
    async with client(gateway) as one:
        await one.welcomed()
        await one.command("subscribe", identifier=ROOM, history={"since": 1})
        kinds = [(await one.frame()).get("type") for _ in range(3)]
    assert kinds == ["confirm_subscription", None, "confirm_history"]


async def test_whispers_reach_the_others_alone_and_are_not_kept(gateway: Gateway) -> None:
    """Not whoever whispers, and no later question for the past."""
    async with client(gateway) as one, client(gateway) as two:
        for each in (one, two):
            await each.welcomed()
            await each.subscribe(ROOM)
        await one.command("whisper", identifier=ROOM, data={"typing": True})
        heard = await two.frame()
        assert heard["message"] == {"typing": True}
        assert "offset" not in heard
        await one.expect_silence()
        await two.command("history", identifier=ROOM, history={"since": 1})
        assert (await two.frame())["type"] == "confirm_history"


async def test_what_a_channel_does_not_allow_is_ignored(gateway: Gateway) -> None:
    """Whispers, presence: no answer, as on the real server, and the session lives."""
    async with client(gateway) as one:
        await one.welcomed()
        await one.subscribe(BARE)
        await one.command("whisper", identifier=BARE, data=1)
        await one.command("join", identifier=BARE, presence={"id": "ann"})
        await one.command("presence", identifier=BARE)
        await one.command("leave", identifier=BARE)
        await one.expect_silence()
        await one.subscribe(ROOM)


async def test_who_joins_is_told_to_all_and_stays_until_they_leave(gateway: Gateway) -> None:
    """The set is told to whoever asks; leaving twice tells nothing more."""
    async with client(gateway) as one, client(gateway) as two:
        for each in (one, two):
            await each.welcomed()
            await each.subscribe(ROOM)
        await one.command("join", identifier=ROOM, presence={"id": "ann", "info": {"name": "Ann"}})
        told = (await two.frame())["message"]
        assert (told["type"], told["id"]) == ("join", "ann")
        await two.command("presence", identifier=ROOM)
        info = (await two.frame())["message"]
        assert (info["type"], info["total"]) == ("info", 1)
        assert info["records"] == [{"id": "ann", "info": {"name": "Ann"}}]
        await one.command("leave", identifier=ROOM)
        await one.command("leave", identifier=ROOM)
        assert (await two.frame())["message"]["type"] == "leave"
        await two.expect_silence()


async def test_a_session_comes_back_with_its_channels_as_they_were(gateway: Gateway) -> None:
    """Nobody subscribes anew: streams, parameters and the channel's own attributes are there."""
    async with client(gateway) as one:
        sid = (await one.expect(type="welcome"))["sid"]
        await one.subscribe(ROOM)
    async with RawClient(gateway.url, subprotocols=[EXTENDED], headers={"X-ANYCABLE-RESTORE-SID": sid}) as back:
        welcome = await back.expect(type="welcome")
        assert (welcome["restored"], welcome["restored_ids"]) == (True, [ROOM])
        await gateway.broadcast("room", "again")
        assert (await back.frame())["message"] == "again"


@pytest.mark.parametrize(
    ("text", "name", "params"),
    [
        ('{"channel":"A","room":7}', "A", {"room": 7}),
        ('{"room":7}', "", {"room": 7}),
        ('{"channel":7}', "", {}),
        ("[]", "", {}),
        ("A", "", {}),
    ],
)
def test_identifiers_name_a_channel_or_none(text: str, name: str, params: dict[str, Any]) -> None:
    """What cannot be read names none."""
    assert read_identifier(text) == (name, params)


def test_the_data_of_a_perform_is_an_object_or_nothing() -> None:
    """Half a character in it does no harm."""
    assert read_action(json.dumps({"a": "\ud800"})) == {"a": "\ud800"}
    assert read_action("\ud800") is None
