"""Messages on their way from the mailbox to who reads them: in order, none lost, and with turns for all others."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from cableway import SubscriptionOptions, UsageError
from cableway.engine.reading import TURN, Reading
from cableway.hub.mailbox import SLICE
from cableway.wire.positions import Bookmark, Position
from tests.extended import extended
from tests.scripted import Line, background, connected, settle

pytestmark = pytest.mark.looptime


async def live(made: Line, decode: Any = None, **options: Any) -> Any:
    """Subscribe with *options*."""
    chat = made.cable.subscribe("Chat", options=SubscriptionOptions(**options))
    chat._reading = Reading(made.cable._engine, chat._handle, decode)
    await settle()
    made.server.confirm(chat.identifier)
    return await chat


def put(chat: Any, *values: Any) -> None:
    """Have messages come in this very moment."""
    frames = [json.dumps({"identifier": chat.identifier, "message": value}).encode() for value in values]
    chat._mailbox.put_run(frames, b"", 0.0)


async def test_messages_are_read_in_order_and_one_at_a_time() -> None:
    """Falsy ones are messages, too; nothing there is no message, and no error."""
    async with connected() as made:
        reading = (await made.live())._reading
        made.server.message('{"channel":"Chat"}', 0, None, "", *range(3 * SLICE))
        await settle()
        found = [reading.next().data for _ in range(3 * SLICE + 3)]
        assert found == [0, None, "", *range(3 * SLICE)]
        assert (reading.next(), reading.next()) == (None, None)


async def test_all_who_wait_are_woken() -> None:
    """By one batch, and each looks again; those who are cancelled in that moment do no harm."""
    async with connected() as made:
        chat = await made.live()
        waiting = [background(anext(chat)) for _ in range(4)]
        await settle()
        assert len(chat._reading.waiters) == 4
        waiting[0].cancel()
        put(chat, 1, 2)
        waiting[1].cancel()
        found = await asyncio.wait_for(asyncio.gather(*waiting[2:]), 1)
        assert {message.data for message in found} == {1, 2}
        assert [task.cancelled() for task in waiting] == [True, True, False, False]
        assert chat._reading.waiters == set()


async def test_a_reader_who_never_waits_gives_others_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once a millisecond, and not within what was decoded in one go."""
    async with connected() as made:
        chat = await made.live()
        reading, now, turns = chat._reading, 100.0, 0

        def turn() -> None:
            nonlocal turns
            turns += 1

        async def breathes() -> bool:
            before = turns
            asyncio.get_running_loop().call_soon(turn)
            await reading.breathe()
            gave = turns > before
            await asyncio.sleep(0)
            return gave

        monkeypatch.setattr(made.cable._engine.home, "now", lambda: now)
        assert await breathes()
        assert not await breathes()
        now += TURN / 2
        assert not await breathes()
        now += TURN
        put(chat, 1, 2)
        reading.next()
        assert not await breathes()
        reading.next()
        assert await breathes()
        now += 2 * TURN
        reading.rested()
        assert not await breathes()


@pytest.mark.parametrize("aware", [False, True])
async def test_the_lag_is_that_of_the_message_read_last(*, aware: bool) -> None:
    """As told by the user's function, in seconds or as a time; where it cannot tell, or fails, there is none."""

    def published(message: Any) -> Any:
        if message.data["late"] is None:
            return None
        at = message.received_at.timestamp() - message.data["late"]
        return datetime.fromtimestamp(at, UTC) if aware else at

    async with connected() as made:
        chat = await live(made, published_at=published)
        made.server.message(chat.identifier, *({"late": late} for late in (2.5, -1, None, 3.0)), {}, {"late": 4})
        await settle()
        lags = []
        while chat.take(1):
            lags.append(chat.stats().lag)
        assert lags == [
            pytest.approx(2.5, abs=1e-5),
            pytest.approx(-1, abs=1e-5),
            None,
            pytest.approx(3, abs=1e-5),
            None,
            4,
        ]


async def test_what_cannot_be_decoded_costs_that_message_alone() -> None:
    """It raises where it is read, and the next one comes next; reading several takes one, so that none is lost."""
    async with connected() as made:
        chat = await live(made, lambda value: 12 // value)
        assert chat._reading.costly
        made.server.message(chat.identifier, 4, 0, 3, 2)
        await settle()
        assert [message.data for message in chat.take()] == [3]
        with pytest.raises(ZeroDivisionError):
            await anext(chat)
        assert (await anext(chat)).data == 4
        assert [message.data for message in chat.take()] == [6]


async def test_what_is_held_is_not_read() -> None:
    """All before it is; and whoever waits for the rest is woken when it is let go."""
    async with connected() as made:
        chat = await made.live()
        made.server.message(chat.identifier, 1)
        await settle()
        # Nobody but this test is there to lift it.
        chat._mailbox.on_bar = None
        chat._mailbox.bar()
        made.server.message(chat.identifier, 2)
        await settle()
        reading = chat._reading
        assert not reading.held
        assert reading.next().data == 1
        assert reading.next() is None
        assert reading.held
        waiting = background(anext(chat))
        await settle()
        assert not waiting.done()
        chat._mailbox.lift()
        assert (await asyncio.wait_for(waiting, 1)).data == 2
        assert not reading.held


class Store:
    """Keeps what is saved, in order."""

    def __init__(self) -> None:
        self.saved: list[Position] = []

    def load(self, subscription: str) -> Bookmark:
        """Nothing was saved before."""
        return Bookmark()

    def save(self, subscription: str, bookmark: Bookmark) -> None:
        """Keep it."""
        self.saved += bookmark.streams.values()

    def close(self) -> None:
        """Nothing is open."""


def placed(identifier: str, offset: int, *, epoch: str = "e") -> dict[str, Any]:
    """Write a message with its place."""
    return {"identifier": identifier, "message": offset, "stream_id": "s", "epoch": epoch, "offset": offset}


@pytest.mark.parametrize("decode", [None, lambda value: value * 10])
async def test_an_acknowledgement_speaks_for_all_that_was_handed_over(decode: Any) -> None:
    """Said late or twice it changes nothing, and it never speaks for what is unread."""
    store = Store()
    async with extended(positions=store) as made:
        chat = await live(made, decode, commit="ack")
        made.server.send(*(placed(chat.identifier, offset) for offset in range(1, 6)))
        await asyncio.sleep(0.2)
        messages = [await anext(chat) for _ in range(4)]
        assert store.saved == []
        await messages[1].ack()
        assert store.saved == [Position("e", 2)]
        for message in (messages[0], messages[1]):
            await message.ack()
        assert store.saved == [Position("e", 2)]
        await messages[3].ack()
        assert store.saved == [Position("e", 2), Position("e", 4)]


async def test_without_a_place_there_is_nothing_to_keep() -> None:
    """An acknowledgement is no error then: the same program runs with Rails."""
    store = Store()
    async with extended(positions=store) as made:
        chat = await live(made, commit="ack")
        made.server.message(chat.identifier, 1)
        await settle()
        await (await anext(chat)).ack()
        assert store.saved == []


@pytest.mark.parametrize("decode", [None, str])
async def test_what_counts_as_it_comes_cannot_be_acknowledged(decode: Any) -> None:
    """Whoever does it believes in something that is not so, and is told."""
    async with connected() as made:
        chat = await live(made, decode)
        made.server.message(chat.identifier, 1)
        message = await anext(chat)
        with pytest.raises(UsageError, match="commit='ack'"):
            await message.ack()
