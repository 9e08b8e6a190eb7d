"""Whether the server still reads: it is asked after commands, and a line that nobody reads is replaced."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest

from cableway import Disconnected, HistoryTimeout, LineStale, State, SubscriptionOptions
from cableway.policies.vigil import PATIENCE, PAUSE
from tests.extended import EXTENDED, commands
from tests.scripted import background, line, settle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.scripted import Line

pytestmark = pytest.mark.looptime


async def beat(made: Line) -> None:
    """Beat on whatever line there is, as a server does that may have stopped to read."""
    while True:
        await asyncio.sleep(3)
        made.server.send({"type": "ping", "message": int(1.7e9 + asyncio.get_running_loop().time())})


@asynccontextmanager
async def beating(
    *, sid: str | None = "s1", headers: dict[str, str] | None = None, speaks: str | None = EXTENDED
) -> AsyncIterator[Line]:
    """A cable that is up, with a server that beats."""
    made = line()
    opening = background(made.cable.open())
    made.server = await made.transport.accept(speaks)
    made.server.connection.response_headers = headers or {}
    made.server.send({"type": "welcome"} if sid is None else {"type": "welcome", "sid": sid})
    await opening
    beats = background(beat(made))
    try:
        yield made
    finally:
        beats.cancel()
        with suppress(asyncio.CancelledError):
            await beats
        await made.cable.close(flush=False)


def asked(made: Line) -> int:
    """Tell how often the server was asked since the last look."""
    return commands(made).count("ping")


async def test_a_command_is_followed_by_a_question() -> None:
    """One, after a while, however many commands there were; the answer keeps the line, and measures the way."""
    async with beating() as made:
        await made.live()
        await asyncio.sleep(PAUSE / 2)
        _ = made.server.received
        await made.live("Other")
        await asyncio.sleep(PAUSE / 2 - 1)
        assert asked(made) == 0
        await asyncio.sleep(1)
        assert asked(made) == 1
        await asyncio.sleep(0.5)
        made.server.send({"type": "pong"})
        await asyncio.sleep(10 * PATIENCE)
        assert (asked(made), made.cable.state, made.transport.dials) == (0, State.CONNECTED, 1)
        assert made.cable.stats().round_trip == pytest.approx(0.5, abs=0.01)


async def test_a_server_that_beats_and_reads_nothing_is_left() -> None:
    """With the next line all that is wished for is asked for anew."""
    async with beating() as made:
        chat = await made.live()
        deaf = made.server
        await asyncio.sleep(PAUSE + PATIENCE - 1)
        assert not deaf.over.is_set()
        await asyncio.sleep(1.1)
        assert deaf.over.is_set()
        [lost] = made.told(Disconnected)
        assert isinstance(lost, Disconnected)
        assert isinstance(lost.error, LineStale)
        assert "beats, but has read no command for 30 s" in str(lost.error)
        await made.welcome()
        assert [command["identifier"] for command in made.server.received] == [chat.identifier]


async def test_a_line_without_commands_is_not_asked() -> None:
    """Neither what answers the beats nor a question of ours is a command that would have to be read."""
    async with beating() as made:
        await asyncio.sleep(5 * PAUSE + 1)
        assert set(commands(made)) == {"pong"}
        await made.live()
        times = []
        for _ in range(5):
            await asyncio.sleep(PAUSE)
            times.append(asked(made))
            made.server.send({"type": "pong"})
        assert times == [1, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("sid", "headers", "times"),
    [("s1", {}, 1), (None, {"x-anycable-version": "1.6.16"}, 1), (None, {}, 0), (None, {"server": "puma"}, 0)],
)
@pytest.mark.parametrize("speaks", [None, EXTENDED])
async def test_only_a_server_that_would_answer_is_asked(
    sid: str | None, headers: dict[str, str], times: int, speaks: str | None
) -> None:
    """AnyCable tells by an id or a header that it is one, on either protocol; Rails knows no such question."""
    async with beating(sid=sid, headers=headers, speaks=speaks) as made:
        chat = made.cable.subscribe("Chat")
        await settle()
        made.server.confirm(chat.identifier)
        await chat
        await asyncio.sleep(PAUSE + 1)
        assert asked(made) == times


async def test_an_unanswered_question_for_the_past_is_a_doubt() -> None:
    """Servers may leave one unanswered that they did not like: whether they read at all is asked at once."""
    async with beating() as made:
        chat = await made.live()
        asking = background(chat.history(timedelta(minutes=1), timeout=60))
        await asyncio.sleep(9.9)
        assert asked(made) == 0
        await asyncio.sleep(0.2)
        assert asked(made) == 1
        with pytest.raises(HistoryTimeout):
            await asking
        made.server.send({"type": "pong"})
        await asyncio.sleep(PATIENCE + 1)
        assert made.cable.state is State.CONNECTED


async def test_who_does_not_read_blames_nobody() -> None:
    """While a full mailbox holds the line up, the answer may lie there unread; once it is read, silence counts."""
    async with beating() as made:
        chat = made.cable.subscribe("Chat", options=SubscriptionOptions(overflow="pause", max_messages=1))
        await settle()
        made.server.confirm(chat.identifier)
        await chat
        await asyncio.sleep(PAUSE + 1)
        assert asked(made) == 1
        made.server.message(chat.identifier, 1, 2)
        await asyncio.sleep(5.5 * PATIENCE)
        assert made.server.connection.paused
        made.server.send({"type": "pong"})
        chat.take()
        await asyncio.sleep(5 * PATIENCE)
        assert (made.cable.state, made.transport.dials) == (State.CONNECTED, 1)
        await chat.whisper("x")
        await asyncio.sleep(PAUSE + 1)
        assert asked(made) == 1
        made.server.message(chat.identifier, 3, 4)
        await asyncio.sleep(5.5 * PATIENCE)
        assert made.cable.state is State.CONNECTED
        chat.take()
        await asyncio.sleep(PATIENCE + 1)
        assert isinstance(made.cable.error, LineStale)


async def test_nobody_is_asked_while_we_do_not_read() -> None:
    """The answer would have to wait; the question does instead."""
    async with beating() as made:
        chat = made.cable.subscribe("Chat", options=SubscriptionOptions(overflow="pause", max_messages=1))
        await settle()
        made.server.confirm(chat.identifier)
        await chat
        await asyncio.sleep(PAUSE - 1)
        made.server.message(chat.identifier, 1, 2)
        await asyncio.sleep(2 * PAUSE)
        assert asked(made) == 0
        chat.take()
        await asyncio.sleep(PAUSE + 1)
        assert asked(made) == 1


async def test_a_question_that_has_not_left_blames_nobody() -> None:
    """Behind a jam of commands neither the question whether the server reads nor a subscription is unanswered."""
    async with beating() as made:
        connection = cast("Any", made.server.connection)
        await made.live()
        await asyncio.sleep(PAUSE + 1)
        assert asked(made) == 1
        connection.jammed = True
        other = made.cable.subscribe("Other")
        await asyncio.sleep(3.5 * PATIENCE)
        assert [command for command in commands(made) if command != "pong"] == ["subscribe"]
        connection.jammed = False
        made.server.confirm(other.identifier)
        await other
        assert (made.cable.state, made.transport.dials) == (State.CONNECTED, 1)
        await asyncio.sleep(PATIENCE + 1)
        assert isinstance(made.cable.error, LineStale)


async def test_a_past_that_was_not_asked_for_yet_is_waited_for() -> None:
    """The time for the answer begins when the jam is over."""
    async with beating() as made:
        chat = await made.live()
        connection = cast("Any", made.server.connection)
        connection.jammed = True
        asking = background(chat.history(timedelta(minutes=1), timeout=60))
        await asyncio.sleep(35)
        connection.jammed = False
        for _ in range(2):
            # What is old is told apart from what is new by two questions.
            made.server.send({"type": "confirm_history", "identifier": chat.identifier})
            await settle()
        assert await asking == []
        assert asked(made) == 0


async def test_a_new_line_owes_no_answer_to_the_old_one() -> None:
    """What was asked went down with it."""
    async with beating() as made:
        chat = await made.live()
        await asyncio.sleep(PAUSE + 1)
        assert asked(made) == 1
        await chat.unsubscribe()
        made.server.cut()
        made.server = await made.transport.accept(EXTENDED)
        made.server.send({"type": "welcome", "sid": "s2"})
        await asyncio.sleep(5 * PATIENCE)
        assert asked(made) == 0
        assert (made.cable.state, made.transport.dials) == (State.CONNECTED, 2)


async def test_a_line_that_took_over_owes_no_answer_to_the_one_before() -> None:
    """Handed over in the midst of a question, the cable does not wait for the answer on a line that is closed."""
    async with beating() as made:
        await made.live()
        await asyncio.sleep(PAUSE + 1)
        assert asked(made) == 1
        engine, old = made.cable._engine, made.server
        handing = background(engine.handover._hand_over(engine.up, 0))
        made.server = await made.transport.accept(EXTENDED)
        made.server.send({"type": "welcome", "sid": "s2"})
        await settle()
        for command in made.server.received:
            made.server.confirm(command["identifier"])
        await asyncio.sleep(1)
        old.send({"type": "ping"})
        await handing
        await settle()
        assert old.over.is_set()
        await asyncio.sleep(PAUSE - 1)
        made.server.send({"type": "pong"})
        await asyncio.sleep(PATIENCE + 1)
        assert (made.cable.state, made.transport.dials) == (State.CONNECTED, 2)
