"""When the outcome of a recovery is told: after what was given back, and before what is live."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from cableway import Recovered, Recovery, SubscriptionOptions
from tests.extended import extended
from tests.scripted import settle

if TYPE_CHECKING:
    from tests.scripted import Line

pytestmark = pytest.mark.looptime


def message(identifier: str, value: int, epoch: str, offset: int) -> dict[str, Any]:
    """Write a message with its place."""
    return {"identifier": identifier, "message": value, "stream_id": "s", "epoch": epoch, "offset": offset}


async def come_back_to_a_new_era(made: Line, identifier: str) -> None:
    """Hear 1, lose the line, have 2 and 3 of a new era given back, and 4 live, in one read with the answer."""
    made.server.send({"type": "ping", "message": 1_000_000}, message(identifier, 1, "old", 1))
    await settle()
    made.server.cut()
    await made.welcome()
    made.server.confirm(identifier)
    made.server.send({"type": "reject_history", "identifier": identifier})
    await settle()
    # Its place is of no use any more: it asks by the server's time.
    assert made.server.received[-1]["history"] == {"since": 999_999}
    past = [message(identifier, value, "new", offset) for offset, value in enumerate((2, 3), 1)]
    answer = {"type": "confirm_history", "identifier": identifier}
    made.server.send(*past, answer, message(identifier, 4, "new", 3))
    await settle()


async def test_a_doubt_is_met_before_the_next_live_message() -> None:
    """One read brings the last of the past, the answer, and a live message: on_resync runs between them."""
    order: list[Any] = []
    options = SubscriptionOptions(on_resync=lambda _: order.append("resync"))
    async with extended() as made:
        chat = made.cable.subscribe("Chat", options=options)
        await settle()
        made.server.confirm(chat.identifier)

        async def read() -> None:
            async for one in chat:
                order.append(one.data)  # noqa: PERF401 - each at its time

        reading = asyncio.get_running_loop().create_task(read())
        await come_back_to_a_new_era(made, chat.identifier)
        reading.cancel()
    assert order == [1, 2, 3, "resync", 4]


async def test_the_event_comes_within_the_same_turn() -> None:
    """Without on_resync the reader may have what came in the same read first; no later message is told before it."""
    told: list[Recovered] = []
    async with extended() as made:
        chat = await made.live()
        chat.on(Recovered, told.append)
        await come_back_to_a_new_era(made, chat.identifier)
        assert [event.recovery for event in told] == [Recovery.UNKNOWN]
        assert [one.data for one in chat.take()] == [1, 2, 3, 4]
