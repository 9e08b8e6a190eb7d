"""Channels as classes: parameters, actions, and messages of the user's own type."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from attrs import frozen

from cableway import Cable, Channel, InvalidIdentifier, InvalidPayload, Subscription, UsageError, action
from tests.scripted import URL, Line, background, connected, settle


@frozen
class Position:
    """Something of the user's own."""

    lat: float
    lon: float

    @classmethod
    def read(cls, value: Any) -> Position:
        """Make one from what the server sends."""
        return cls(**value)


class ChatChannel(Channel[Any]):
    """A channel with a parameter that must be given, and one that need not."""

    name = "ChatChannel"
    room: int
    quiet: bool = False

    @action
    async def speak(self, text: str, loud: bool = False, **more: Any) -> None:  # noqa: FBT001, FBT002 - an example
        """Say something."""

    @action(name="set-title")
    async def set_title(self, title: str, /) -> None:
        """Name the room."""

    @action
    def leave(self) -> None:
        """Go; a plain method does as well."""


class TrackChannel(Channel[Position]):
    """A channel whose messages are positions."""

    name = "TrackChannel"
    decode = Position.read


async def live(made: Line, channel: Any, **params: Any) -> Any:
    """Subscribe to a channel class or instance."""
    handle = made.cable.subscribe(channel, **params)
    await settle()
    made.server.confirm(handle.identifier)
    return await handle


def sent(made: Line) -> list[dict[str, Any]]:
    """Take the data of the message commands."""
    return [json.loads(command["data"]) for command in made.server.received if command["command"] == "message"]


# Parameters ----------------------------------------------------------------------------------------------------------


def test_an_instance_gives_name_and_parameters() -> None:
    """Those with a default included; the class with the parameters beside it means the same."""
    wanted = '{"channel":"ChatChannel","quiet":false,"room":42}'
    cable = Cable(URL)
    assert cable.subscribe(ChatChannel(room=42)).identifier == wanted
    assert cable.subscribe(ChatChannel, room=42).identifier == wanted
    assert cable.subscribe(ChatChannel, {"room": 42}).identifier == wanted
    assert cable.subscribe(TrackChannel).identifier == '{"channel":"TrackChannel"}'


def test_parameters_that_do_not_fit_are_refused() -> None:
    """Missing or unknown ones, for the class; any, for an instance that has its own."""
    cable = Cable(URL)
    for params in ({}, {"room": 1, "colour": "red"}):
        with pytest.raises(InvalidIdentifier, match="do not fit ChatChannel"):
            cable.subscribe(ChatChannel, params)
    with pytest.raises(InvalidIdentifier, match="has its parameters already"):
        cable.subscribe(ChatChannel(room=1), room=2)
    with pytest.raises(InvalidIdentifier, match="neither a name nor a Channel"):
        cable.subscribe(int)  # type: ignore[call-overload]


def test_channels_inherit() -> None:
    """Parameters and actions of a base class count; each class has its own name."""

    class Louder(ChatChannel):
        name = "LouderChannel"
        volume: int = 11

    assert Louder(room=1).params == {"room": 1, "quiet": False, "volume": 11}
    assert Cable(URL).subscribe(Louder(room=1)).identifier.startswith('{"channel":"LouderChannel"')


def test_instances_are_hashed_by_identity() -> None:
    """Two with the same parameters are two."""
    one, two = ChatChannel(room=1), ChatChannel(room=1)
    assert one != two
    assert len({one, two}) == 2


# Actions -------------------------------------------------------------------------------------------------------------


@pytest.mark.looptime
async def test_actions_perform_on_the_server() -> None:
    """Arguments go by the names of the parameters, defaults included; the body is not run."""
    async with connected() as made:
        chat = await live(made, ChatChannel(room=42))
        channel = chat.channel
        assert isinstance(channel, ChatChannel)
        await channel.speak("hi")
        await channel.speak(text="HI", loud=True, colour="red")
        await channel.set_title("news")
        await channel.leave()
        assert sent(made) == [
            {"text": "hi", "loud": False, "action": "speak"},
            {"text": "HI", "loud": True, "colour": "red", "action": "speak"},
            {"title": "news", "action": "set-title"},
            {"action": "leave"},
        ]
        assert channel.subscription is chat


@pytest.mark.looptime
async def test_arguments_that_do_not_fit_an_action_are_refused() -> None:
    """As by any Python function; nothing is sent."""
    async with connected() as made:
        chat = await live(made, ChatChannel(room=42))
        with pytest.raises(TypeError):
            await chat.channel.speak()
        with pytest.raises(InvalidPayload):
            await chat.channel.speak("hi", action="other")
        assert sent(made) == []


async def test_an_action_before_subscribing_says_so() -> None:
    """There is nothing to send it by."""
    with pytest.raises(UsageError, match=r"not given to cable\.subscribe"):
        await ChatChannel(room=1).speak("hi")


def test_an_action_keeps_its_name_and_docstring() -> None:
    """For those who read and for tools."""
    assert ChatChannel.speak.__name__ == "speak"
    assert ChatChannel.speak.__doc__ == "Say something."


@pytest.mark.looptime
async def test_actions_wait_for_the_confirmation() -> None:
    """Like perform; a cancelled one sends nothing."""
    async with connected() as made:
        handle = made.cable.subscribe(ChatChannel(room=1))
        kept = background(handle.channel.speak("kept"))
        dropped = background(handle.channel.speak("dropped"))
        await settle()
        dropped.cancel()
        made.server.confirm(handle.identifier)
        await kept
        await asyncio.wait([dropped])
        assert [data["text"] for data in sent(made)] == ["kept"]


# Messages ------------------------------------------------------------------------------------------------------------


@pytest.mark.looptime
async def test_messages_carry_what_decode_makes_of_them() -> None:
    """By every way of reading."""
    async with connected() as made:
        track: Subscription[Position] = await live(made, TrackChannel)
        made.server.message(track.identifier, *({"lat": n, "lon": 0} for n in range(4)))
        assert (await anext(track)).data == Position(0, 0)
        assert (await track.receive(lambda message: message.data.lat == 2)).data == Position(2, 0)
        assert [message.data for message in track.take()] == [Position(3, 0)]


@pytest.mark.looptime
async def test_what_decode_raises_concerns_one_message() -> None:
    """It comes out of the iteration for that one; those around it are not lost, whatever the error is."""

    class Picky(Channel[Any]):
        name = "Picky"
        decode = staticmethod(lambda value: value[0])

    async with connected() as made:
        picky = await live(made, Picky)
        made.server.message(picky.identifier, [1], [], [3], 4, [5], [], [7])
        got: list[Any] = []
        while len(got) < 5:
            try:
                async for message in picky:
                    got.append(message.data)
                    if len(got) == 5:
                        break
            except (IndexError, TypeError) as error:
                got.append(type(error))
        assert got == [1, IndexError, 3, TypeError, 5]
        await settle()
        with pytest.raises(IndexError):
            picky.take()
        assert [message.data for message in picky.take()] == [7]


class Plain(Channel[Any]):
    """``decode`` as a plain function."""

    name = "Plain"
    decode = lambda value: Position(*value)  # noqa: E731 - as users write it


class Type(Channel[Any]):
    """``decode`` as a type."""

    name = "Type"
    decode = str


class Inheriting(TrackChannel):
    """``decode`` of the base class."""

    name = "Inheriting"


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("channel", "value", "expected"),
    [
        (Plain, [1, 2], Position(1, 2)),
        (Type, 7, "7"),
        (Inheriting, {"lat": 1, "lon": 2}, Position(1, 2)),
    ],
)
async def test_decode_may_be_any_callable(channel: Any, value: Any, expected: Any) -> None:
    """A function, a type, a class method, a static method, inherited or not."""
    async with connected() as made:
        handle = await live(made, channel)
        made.server.message(handle.identifier, value)
        assert (await anext(handle)).data == expected
