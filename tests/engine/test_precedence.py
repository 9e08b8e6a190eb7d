"""Commands that wait until the line before has had its say."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from cableway.engine.precedence import ROOM, Precedence, speak
from cableway.wire.commands import Beat, History, Leave, Perform, Subscribe, Unsubscribe, Whisper
from cableway.wire.positions import HistoryQuery
from tests.scripted import connected

if TYPE_CHECKING:
    from cableway.wire.commands import Command

pytestmark = pytest.mark.looptime


def encode(command: Command) -> bytes:
    """Write a command, somehow."""
    return repr(command).encode()


@pytest.mark.parametrize("command", [Perform("a", "{}"), Whisper("a", 1)])
def test_what_a_user_says_is_kept_and_what_makes_sense_only_after_it(command: Command) -> None:
    """The others of that subscription follow; those of another one, and questions, do not wait."""
    kept = Precedence()
    free = [Subscribe("a"), Unsubscribe("a"), Beat(), Perform("b", "{}")]
    assert [kept.keep(one, encode) for one in free] == [False, False, False, True]
    later: list[Any] = [command, Unsubscribe("a"), Subscribe("a"), Leave("a")]
    assert all(kept.keep(one, encode) for one in later)
    assert not kept.keep(History("a", HistoryQuery(since=1)), encode)
    assert not kept.keep(Unsubscribe("c"), encode)
    assert kept.pending
    assert kept.end() == [encode(one) for one in (Perform("b", "{}"), *later)]
    assert not kept.pending
    assert not kept.keep(command, encode)


async def test_who_sends_too_much_has_to_wait() -> None:
    """Until it is over; before that nobody has to."""
    kept = Precedence()
    kept.keep(Perform("a", "x" * (ROOM - 100)), encode)
    await asyncio.wait_for(kept.room(), 1)
    kept.keep(Perform("a", "x" * 200), encode)
    waiting = asyncio.ensure_future(kept.room())
    await asyncio.sleep(1)
    assert not waiting.done()
    kept.end()
    await waiting
    await kept.over()


async def test_a_line_writes_what_was_kept_for_it_in_order() -> None:
    """And has its say from then on."""
    async with connected() as made:
        chat = await made.live()
        carrier = made.cable._engine.up
        carrier.precedence = Precedence()
        await chat.perform("one")
        await asyncio.sleep(1)
        assert carrier.untaken
        assert made.server.received == []
        speak(carrier, 17.0)
        assert carrier.last_command == 17.0
        await chat.perform("two")
        assert [command["data"] for command in made.server.received] == ['{"action":"one"}', '{"action":"two"}']
        speak(carrier, 99.0)
        assert not carrier.untaken
        assert carrier.last_command != 99.0


async def test_a_line_that_ends_lets_go_of_who_waits() -> None:
    """What was kept is gone with it, and the call says that the line is."""
    from cableway import CableError

    async with connected(max_command_size=None) as made:
        chat = await made.live()
        made.cable._engine.up.precedence = Precedence()
        waiting = asyncio.ensure_future(chat.perform("one", text="x" * ROOM))
        await asyncio.sleep(1)
        assert not waiting.done()
        made.server.cut()
        with pytest.raises(CableError):
            await asyncio.wait_for(waiting, 1)
