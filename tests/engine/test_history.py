"""A user's question for what the server still has: how it is put, and all the ways in which it can end."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from cableway import HistoryRejected, HistoryTimeout, NotConnected, NotSupported, Unauthorized, UsageError
from cableway.engine import history
from cableway.engine.history import ask_history, history_query, server_seconds
from cableway.hub.recall.limits import ANSWER
from cableway.wire.positions import HistoryQuery, Position
from tests.extended import extended
from tests.scripted import background, connected, line, settle

if TYPE_CHECKING:
    from tests.scripted import Line

pytestmark = pytest.mark.looptime

MINUTE = timedelta(minutes=1)


def message(identifier: str, offset: int, *, stream: str = "s", epoch: str = "e") -> dict[str, Any]:
    """Write a message with its place."""
    value = f"{stream}{offset}"
    return {"identifier": identifier, "message": value, "stream_id": stream, "epoch": epoch, "offset": offset}


async def heard(made: Line) -> Any:
    """Subscribe to what has brought three messages of one stream, and read them."""
    chat = await made.live()
    made.server.send(*(message(chat.identifier, offset) for offset in (1, 2, 3)))
    await asyncio.sleep(0.2)
    assert [one.data for one in chat.take()] == ["s1", "s2", "s3"]
    return chat


def asked(made: Line) -> list[Any]:
    """Take the questions that came since the last look."""
    return [command["history"] for command in made.server.received if command["command"] == "history"]


def answer(made: Line, chat: Any, *offsets: int, kind: str = "confirm_history") -> None:
    """Tell what is still there of the stream."""
    frames = [message(chat.identifier, offset) for offset in offsets]
    made.server.send(*frames, {"type": kind, "identifier": chat.identifier})


# The question --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("since", "seconds"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, 999_999, UTC), 1_767_323_045),
        (datetime(2026, 1, 2, 5, 4, 5, tzinfo=timezone(timedelta(hours=2))), 1_767_323_045),
        (datetime(1970, 1, 1, tzinfo=UTC), 1),
        (datetime(1902, 1, 1, tzinfo=UTC), 1),
    ],
)
async def test_a_time_is_whole_seconds(since: datetime, seconds: int) -> None:
    """Rounded down, for the server counts that second in; 0 would be none to it."""
    assert server_seconds(line().cable._engine, since) == seconds


async def test_so_long_ago_is_by_the_clock_of_the_server() -> None:
    """As its pings tell it, however wrong our own is."""
    async with extended() as made:
        made.server.send({"type": "ping", "message": 1_000_000})
        await settle()
        await asyncio.sleep(10)
        assert server_seconds(made.cable._engine, timedelta(seconds=60)) == 999_950
        assert server_seconds(made.cable._engine, timedelta(seconds=0.5)) == 1_000_009
        assert server_seconds(made.cable._engine, timedelta(days=9999)) == 1


async def test_before_any_ping_it_is_by_our_own_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A little earlier than that: it may be ahead, and rather too much is shown than too little."""
    monkeypatch.setattr(history, "wall_clock", lambda: 2_000_000.9)
    assert server_seconds(line().cable._engine, MINUTE) == 1_999_939
    async with extended() as made:
        assert server_seconds(made.cable._engine, MINUTE) == 1_999_939


@pytest.mark.parametrize(
    ("since", "after", "text"),
    [
        (None, None, "needs to know from when on"),
        (None, {}, "needs to know from when on"),
        (datetime(2026, 1, 1), None, "is no point in time"),  # noqa: DTZ001 - that is the mistake
        (1_700_000_000, None, "is no point in time"),
        ("yesterday", {"s": Position("e", 1)}, "is no point in time"),
        (None, {"s": 3}, "not a mapping of streams to positions"),
        (None, {7: Position("e", 1)}, "not a mapping of streams to positions"),
        (None, {"\ud800": Position("e", 1)}, "not a mapping of streams to positions"),
        (None, [1], "not a mapping of streams to positions"),
        (MINUTE, 7, "not a mapping of streams to positions"),
    ],
)
async def test_a_question_that_makes_no_sense_is_not_put(since: Any, after: Any, text: str) -> None:
    """Servers stop to read where a field has a wrong type, so it is the caller who is told."""
    with pytest.raises(UsageError, match=text):
        history_query(line().cable._engine, since, after)


async def test_a_question_may_name_places_and_a_time() -> None:
    """The mapping is copied: the caller may change it meanwhile."""
    after = {"s": Position("e", 4)}
    query = history_query(line().cable._engine, datetime(2026, 1, 1, tzinfo=UTC), after)
    after.clear()
    assert query == HistoryQuery({"s": Position("e", 4)}, 1_767_225_600)


# The answer ----------------------------------------------------------------------------------------------------------


async def test_what_the_server_has_is_shown_and_not_delivered() -> None:
    """Oldest first, whatever their order; what is new meanwhile is delivered, and not shown."""
    async with extended() as made:
        chat = await heard(made)
        made.server.send({"type": "ping", "message": 1_000_000})
        await settle()
        asking = background(chat.history(MINUTE, after={"other": Position("e", 7)}))
        await settle()
        assert asked(made) == [{"since": 999_940, "streams": {"other": {"epoch": "e", "offset": 7}}}]
        answer(made, chat, 2, 4, 1, 3)
        found = await asking
        assert [one.data for one in found] == ["s1", "s2", "s3"]
        assert all(one.replayed for one in found)
        assert [one.data for one in chat.take()] == ["s4"]


async def test_of_a_stream_that_was_never_heard_old_and_new_are_told_apart() -> None:
    """The server is asked first for what came since the subscription was made: that is delivered."""
    async with extended() as made:
        made.server.send({"type": "ping", "message": 1_000_000})
        await settle()
        assert [command["command"] for command in made.server.received] == ["pong"]
        chat = await made.live()
        asking = background(chat.history(timedelta(hours=1)))
        await settle()
        assert asked(made) == [{"since": 1_000_000}]
        made.server.send(message(chat.identifier, 3))
        answer(made, chat, 3)
        await settle()
        assert not asking.done()
        assert asked(made) == [{"since": 996_400}]
        answer(made, chat, 1, 2, 3)
        assert [one.data for one in await asking] == ["s1", "s2"]
        await asyncio.sleep(0.2)
        assert [one.data for one in chat.take()] == ["s3"]


async def test_a_refusal_is_an_error() -> None:
    """Nothing was told; the next question may be answered."""
    async with extended() as made:
        chat = await heard(made)
        asking = background(chat.history(MINUTE))
        await settle()
        answer(made, chat, kind="reject_history")
        with pytest.raises(HistoryRejected):
            await asking
        again = background(chat.history(after={"s": Position("e", 3)}))
        await settle()
        answer(made, chat)
        assert await again == []


@pytest.mark.parametrize(("timeout", "seconds"), [(0, 0), (2.5, 2.5), (60, ANSWER)])
async def test_silence_has_an_end(timeout: float, seconds: float) -> None:
    """The caller's, or after ten seconds that of the subscription, which has more to ask."""
    async with extended() as made:
        chat = await heard(made)
        started = asyncio.get_running_loop().time()
        with pytest.raises(HistoryTimeout) as failed:
            await chat.history(MINUTE, timeout=timeout)
        assert failed.value.seconds == seconds
        assert asyncio.get_running_loop().time() - started == pytest.approx(seconds, abs=0.01)


async def test_a_limit_of_the_callers_own_stays_what_it_is() -> None:
    """It is no timeout of ours, and must end just the caller's block."""
    async with extended() as made:
        chat = await heard(made)
        with pytest.raises(TimeoutError) as failed:
            async with asyncio.timeout(1):
                await chat.history(MINUTE)
        assert not isinstance(failed.value, HistoryTimeout)


@pytest.mark.parametrize("how", ["cancelled", "timed out"])
async def test_an_answer_that_nobody_waits_for_is_not_that_to_the_next_question(how: str) -> None:
    """The server answers in order: the second one is put when the first was answered."""
    async with extended() as made:
        chat = await heard(made)
        first = background(chat.history(MINUTE, timeout=1 if how == "timed out" else 9))
        await settle()
        if how == "cancelled":
            first.cancel()
        with pytest.raises(asyncio.CancelledError if how == "cancelled" else HistoryTimeout):
            await first
        assert len(asked(made)) == 1
        second = background(chat.history(after={"s": Position("e", 1)}))
        await settle()
        assert asked(made) == []
        answer(made, chat, 1, 2, 3)
        await settle()
        assert not second.done()
        assert asked(made) == [{"streams": {"s": {"epoch": "e", "offset": 1}}}]
        answer(made, chat, 2, 3)
        assert [one.data for one in await second] == ["s2", "s3"]
        assert chat.take() == []


async def test_one_that_was_given_up_before_its_turn_is_never_put() -> None:
    """It would cost the server, and those behind it."""
    async with extended() as made:
        chat = await heard(made)
        calls = [background(chat.history(after={"s": Position("e", offset)})) for offset in (1, 2, 3)]
        await settle()
        calls[1].cancel()
        await asyncio.wait(calls[1:2])
        answer(made, chat, 2, 3)
        await settle()
        answer(made, chat)
        assert [len(await calls[0]), len(await calls[2])] == [2, 0]
        assert [question["streams"]["s"]["offset"] for question in asked(made)] == [1, 3]


async def test_a_line_that_breaks_ends_it() -> None:
    """At once: no answer can come any more."""
    async with extended() as made:
        chat = await heard(made)
        asking = background(chat.history(MINUTE))
        await settle()
        made.server.cut()
        await settle()
        with pytest.raises(NotConnected):
            await asking


async def test_where_it_cannot_be_asked_it_says_why() -> None:
    """On the base protocol, with the line down, and on a cable that has ended for good."""
    query = HistoryQuery(since=1)
    async with connected() as made:
        chat = await made.live()
        with pytest.raises(NotSupported, match="history is not part of actioncable-v1-json"):
            await ask_history(made.cable._engine, chat._handle, query, 1)
        made.server.cut()
        await settle()
        with pytest.raises(NotConnected, match="the cable is disconnected: the server's history"):
            await ask_history(made.cable._engine, chat._handle, query, 1)
        await made.welcome()
        made.server.send({"type": "disconnect", "reason": "unauthorized", "reconnect": False})
        await settle()
        with pytest.raises(Unauthorized):
            await ask_history(made.cable._engine, chat._handle, query, 1)
        assert asked(made) == []
