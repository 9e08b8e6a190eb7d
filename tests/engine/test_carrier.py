"""One line: its welcome, its life signs, what is malformed on it, and its end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cableway import (
    ConnectTimeout,
    Disconnected,
    LineStale,
    MalformedFrame,
    ServerErrorReceived,
    ServerMisbehaved,
    State,
    SubscriptionOptions,
)
from cableway.policies.monitors.base import LineFacts
from cableway.policies.monitors.persistent import UNKNOWN_BEAT_LIMIT
from tests.scripted import background, connected, line, refusal, settle

pytestmark = pytest.mark.looptime


# The welcome ---------------------------------------------------------------------------------------------------------


async def test_a_line_without_a_welcome_is_given_up() -> None:
    """Open but silent, it is replaced after ``dial_timeout``, and the error says what was missing."""
    made = line(dial_timeout=4)
    opening = background(made.cable.open())
    silent = await made.transport.accept()
    await asyncio.sleep(3.9)
    assert not silent.over.is_set()
    await asyncio.sleep(0.2)
    assert silent.over.is_set()
    assert isinstance(made.cable.error, ConnectTimeout)
    assert "no welcome came within 4 s" in str(made.cable.error)
    await made.welcome()
    await opening
    await made.cable.close()


async def test_pings_are_no_welcome() -> None:
    """A server that only beats is given up all the same."""
    made = line(dial_timeout=4)
    opening = background(made.cable.open())
    server = await made.transport.accept()
    for _ in range(5):
        await asyncio.sleep(1)
        server.send({"type": "ping", "message": 1})
    assert server.over.is_set()
    opening.cancel()
    await made.cable.close()


async def test_what_comes_before_the_welcome_waits_for_it() -> None:
    """A confirmation and a message that overtook the welcome count after it."""
    made = line()
    chat = made.cable.subscribe("Chat")
    opening = background(made.cable.open())
    server = await made.transport.accept()
    server.message(chat.identifier, "early")
    await settle()
    assert len(chat.take()) == 0
    server.welcome()
    await opening
    await settle()
    server.confirm(chat.identifier)
    assert (await chat.receive(timeout=1)).data == "early"
    await made.cable.close()


async def test_a_second_welcome_changes_nothing() -> None:
    """Nothing is subscribed twice."""
    async with connected() as made:
        await made.live()
        made.server.welcome()
        await settle()
        assert made.server.received == []
        assert made.cable.state is State.CONNECTED


# Life signs ----------------------------------------------------------------------------------------------------------


async def test_a_line_on_which_nothing_comes_is_replaced() -> None:
    """Two beats and a grace without a byte, and it is taken for dead."""
    async with connected() as made:
        for _ in range(4):
            await asyncio.sleep(3)
            made.server.send({"type": "ping", "message": 1})
        await settle()
        stale = made.server
        await asyncio.sleep(8.9)
        assert not stale.over.is_set()
        await asyncio.sleep(0.2)
        assert stale.over.is_set()
        assert isinstance(made.cable.error, LineStale)
        await made.welcome()
        assert made.cable.state is State.CONNECTED


async def test_a_server_that_never_beats_is_given_more_time() -> None:
    """Before a beat is known, as much silence is allowed as before the first beat of the slowest server."""
    async with connected() as made:
        await asyncio.sleep(UNKNOWN_BEAT_LIMIT - 1)
        assert made.cable.state is State.CONNECTED
        await asyncio.sleep(2)
        assert isinstance(made.cable.error, LineStale)


async def test_any_frame_is_a_sign_of_life() -> None:
    """A server too busy to beat, but not to talk, is alive."""
    async with connected() as made:
        chat = await made.live()
        for _ in range(3):
            await asyncio.sleep(1)
            made.server.send({"type": "ping", "message": 1})
        for number in range(30):
            await asyncio.sleep(2)
            made.server.message(chat.identifier, number)
        await settle()
        assert made.transport.dials == 1


async def test_an_answer_without_a_message_is_as_good_as_a_beat() -> None:
    """On a line that is made of requests: after half a minute of them it has proved itself."""
    made = line()
    opening = background(made.cable.open())
    await made.transport.refuse(refusal())
    await made.welcome()
    await opening
    for _ in range(3):
        assert made.cable.stats().failures == 1
        await asyncio.sleep(12)
        made.cable._engine.up.frames([])
    assert made.cable.stats().failures == 0
    await made.cable.close()


async def test_an_answer_may_tell_the_server_s_time() -> None:
    """As a beat does: by it the past can be asked for."""
    async with connected(protocol="auto") as made:
        connection: Any = made.server.connection
        connection.server_time = 1_790_000_000.0
        carrier = made.cable._engine.up
        carrier.frames([])
        clock = made.cable._engine.hub.historian.clock
        assert clock.at(asyncio.get_running_loop().time()) == 1_790_000_000


async def test_a_line_that_only_listens_asks_nothing() -> None:
    """Whatever the server would answer: the question could not go."""
    made = line()
    opening = background(made.cable.open())
    made.server = await made.transport.accept("actioncable-v1-ext-json")
    connection: Any = made.server.connection
    connection.sends = False
    made.server.send({"type": "welcome", "sid": "s1"})
    await opening
    assert made.cable._engine.overseer.oversight.facts == LineFacts(probes=False)
    await made.cable.close()


async def test_a_reader_that_paused_itself_does_not_take_the_line_for_dead() -> None:
    """The overflow policy ``pause`` stops reading for as long as it takes; what was silent was we."""
    async with connected() as made:
        chat = made.cable.subscribe("Chat", options=SubscriptionOptions(overflow="pause", max_messages=2))
        await settle()
        made.server.confirm(chat.identifier)
        for _ in range(3):
            await asyncio.sleep(1)
            made.server.send({"type": "ping", "message": 1})
        made.server.message(chat.identifier, 0, 1, 2)
        await settle()
        assert made.server.connection.paused
        for number in range(3, 103):
            made.server.message(chat.identifier, number)
            await asyncio.sleep(3)
            made.server.send({"type": "ping", "message": 1})
        assert made.transport.dials == 1

        got = [(await chat.receive(timeout=1)).data for _ in range(103)]
        assert got == list(range(103))
        assert not made.server.connection.paused

        # From here on the line is judged again.
        await asyncio.sleep(400)
        assert made.told(Disconnected)


# What makes no sense -------------------------------------------------------------------------------------------------

NONSENSE: list[Any] = [
    b"",
    b"{",
    b"[]",
    b'"text"',
    b"42",
    b"\xff\xfe",
    b"<html>",
    b'{"type": 7}',
    b"{}",
    b'{"identifier": 1, "message": 2}',
    b'{"type": "confirm_subscription"}',
    b"[" * 100_000,
]


@pytest.mark.parametrize("frame", NONSENSE)
async def test_a_malformed_frame_stops_nothing(frame: bytes) -> None:
    """It is counted and told; the line and what follows are fine."""
    async with connected() as made:
        chat = await made.live()
        made.server.send(frame)
        made.server.message(chat.identifier, "after")
        assert (await chat.receive(timeout=1)).data == "after"
        await settle()
        assert made.cable.stats().malformed == 1
        assert len(made.told(ServerMisbehaved)) == 1


async def test_malformed_frames_are_told_once_an_episode() -> None:
    """Many within a minute are one episode; after a quiet minute a new one begins."""
    async with connected() as made:
        for _ in range(5):
            made.server.send(b"{")
        await settle()
        assert len(made.told(ServerMisbehaved)) == 1
        for _ in range(25):
            await asyncio.sleep(3)
            made.server.send({"type": "ping", "message": 1})
        made.server.send(b"{")
        await settle()
        assert len(made.told(ServerMisbehaved)) == 2
        assert made.cable.stats().malformed == 6


async def test_too_much_nonsense_recycles_the_line() -> None:
    """A server that has lost its mind gets a fresh line, and the subscriptions come back on it."""
    async with connected() as made:
        chat = await made.live()
        mad = made.server
        mad.send(*[b"{"] * 20)
        await settle()
        assert mad.over.is_set()
        assert isinstance(made.cable.error, MalformedFrame)
        server = await made.welcome()
        assert [command["identifier"] for command in server.received] == [chat.identifier]


async def test_nonsense_that_only_its_reader_notices_counts_too() -> None:
    """A frame that begins like a message of a subscription is read late; it is counted then."""
    async with connected() as made:
        chat = await made.live()
        made.server.message(chat.identifier, "first")
        head = b'{"identifier":"' + chat.identifier.replace('"', '\\"').encode() + b'","message":'
        made.server.send(head + b"{broken}", head + b'"last"}')
        assert [(await chat.receive(timeout=1)).data for _ in range(2)] == ["first", "last"]
        await settle()
        assert made.cable.stats().malformed == 1
        assert len(made.told(ServerMisbehaved)) == 1


async def test_late_nonsense_recycles_the_line_too() -> None:
    """It makes no difference who noticed."""
    async with connected() as made:
        chat = await made.live()
        made.server.message(chat.identifier, "first")
        head = b'{"identifier":"' + chat.identifier.replace('"', '\\"').encode() + b'","message":'
        made.server.send(*[head + b"{broken}"] * 30)
        assert (await chat.receive(timeout=1)).data == "first"
        reading = background(anext(chat))
        await made.welcome()
        assert len(made.told(Disconnected)) == 1
        reading.cancel()


async def test_unknown_types_are_counted() -> None:
    """A newer server may say more than we know."""
    async with connected() as made:
        made.server.send({"type": "news", "x": 1}, {"type": "greeting"})
        await settle()
        assert made.cable.stats().unknown == 2
        assert made.cable.state is State.CONNECTED


async def test_messages_for_nobody_are_counted() -> None:
    """They are dropped, and do not pile up for a later subscription."""
    async with connected() as made:
        made.server.message('{"channel":"Other"}', 1, 2, 3)
        await settle()
        assert made.cable.stats().undelivered == 3


async def test_an_error_frame_is_told() -> None:
    """With all its fields."""
    async with connected() as made:
        made.server.send({"type": "error", "code": 7, "text": "no"})
        await settle()
        [event] = made.told(ServerErrorReceived)
        assert event.fields == {"type": "error", "code": 7, "text": "no"}  # type: ignore[attr-defined]


async def test_a_rejection_without_an_identifier_harms_nobody() -> None:
    """AnyCable may leave it out."""
    async with connected() as made:
        chat = await made.live()
        made.server.send({"type": "reject_subscription"})
        made.server.message(chat.identifier, 1)
        assert (await chat.receive(timeout=1)).data == 1
