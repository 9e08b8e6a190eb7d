"""The second line, until it has all that is heard on the first: who hears what on which."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cableway import ConnectTimeout, LineClosed, LineLost, SubscriptionOptions
from cableway.engine.beside import AT_ONCE, FURTHEST, PATIENCE, Beside
from tests.scripted import Line, connected, settle

pytestmark = pytest.mark.looptime


async def beside_of(made: Line, *, welcome: bool = True) -> tuple[Beside, Any]:
    """Open a second line beside the first; return it, and the server's end of it."""
    engine = made.cable._engine
    beside = Beside(engine, engine.up)
    opening = asyncio.ensure_future(engine.dials.open_beside(beside.carrier))
    server = await made.transport.accept()
    await opening
    if welcome:
        server.welcome()
        await settle()
    return beside, server


def wanted(server: Any) -> list[str]:
    """Identifiers that are subscribed to by what came since the last look."""
    return [command["identifier"] for command in server.received if command["command"] == "subscribe"]


async def test_the_old_line_is_heard_until_the_new_one_counts() -> None:
    """What only the new one has brought is kept for then; what both have brought counts once."""
    async with connected() as made:
        chat, other = await made.live("Chat"), await made.live("Other")
        beside, server = await beside_of(made)
        assert wanted(server) == [chat.identifier, other.identifier]
        made.server.message(chat.identifier, "old")
        await settle()
        server.confirm(chat.identifier)
        await settle()
        server.message(chat.identifier, "both", "new")
        server.message(other.identifier, "not confirmed")
        await settle()
        made.server.message(chat.identifier, "late", "both")
        made.server.message(other.identifier, "other")
        await settle()
        assert [message.data for message in chat.take()] == ["old", "late", "both"]
        assert [data.message for data, _, _ in beside.ahead] == ["new"]
        assert [message.data for message in other.take()] == ["other"]
        assert not beside.ready
        beside.end()


async def test_what_is_given_up_and_wanted_again_meanwhile_begins_anew() -> None:
    """What the new line brought in between was for nobody, and must not come after what is heard since."""
    async with connected() as made:
        chat = await made.live("Chat")
        beside, server = await beside_of(made)
        server.confirm(chat.identifier)
        await settle()
        await chat.unsubscribe()
        server.message(chat.identifier, "for nobody")
        await settle()
        again = made.cable.subscribe("Chat")
        await asyncio.sleep(1)
        made.server.confirm(again.identifier)
        await settle()
        server.message(again.identifier, "both", "new")
        await settle()
        made.server.message(again.identifier, "both")
        await settle()
        assert [message.data for message in again.take()] == ["both"]
        assert [data.message for data, _, _ in beside.ahead] == ["new"]
        beside.end()


async def test_lines_too_far_apart_are_given_up() -> None:
    """What is remembered of them has a limit."""
    async with connected() as made:
        chat = await made.live()
        beside, server = await beside_of(made)
        server.confirm(chat.identifier)
        server.message(chat.identifier, *range(FURTHEST + 1))
        await settle()
        with pytest.raises(LineLost, match="10001 messages away"):
            await beside.until_ready()
        beside.end()


async def test_what_is_given_up_leaves_the_old_line_as_it_was() -> None:
    """All is heard there again, and the second one is closed."""
    async with connected() as made:
        chat = await made.live()
        beside, server = await beside_of(made)
        server.confirm(chat.identifier)
        await settle()
        assert beside.ready
        beside.end()
        assert server.over.is_set()
        made.server.message(chat.identifier, "still here")
        await settle()
        assert [message.data for message in chat.take()] == ["still here"]
        assert made.cable._engine.up.hub is made.cable._engine.hub


async def test_a_few_are_asked_for_at_a_time() -> None:
    """In their order; each answer makes room for another."""
    async with connected() as made:
        handles = [await made.live("Chat", room=number) for number in range(AT_ONCE + 4)]
        names = [handle.identifier for handle in handles]
        beside, server = await beside_of(made)
        assert wanted(server) == names[:AT_ONCE]
        server.confirm(names[0])
        server.reject(names[1])
        await settle()
        assert wanted(server) == names[AT_ONCE : AT_ONCE + 2]
        beside.end()


async def test_what_becomes_live_meanwhile_is_asked_for_too() -> None:
    """It is ready when it has all of that, and not before."""
    async with connected() as made:
        chat = await made.live()
        beside, server = await beside_of(made)
        assert wanted(server) == [chat.identifier]
        late = await made.live("Late")
        waiting = asyncio.ensure_future(beside.until_ready())
        server.confirm(chat.identifier)
        await settle()
        assert not waiting.done()
        assert wanted(server) == [late.identifier]
        server.confirm(late.identifier)
        await waiting
        assert beside.moved == {chat.identifier, late.identifier}
        later = await made.live("Later")
        again = asyncio.ensure_future(beside.until_ready())
        await settle()
        assert wanted(server) == [later.identifier]
        assert not again.done()
        server.confirm(later.identifier)
        await again
        beside.end()


async def test_what_the_server_takes_back_is_heard_on_the_old_line_again() -> None:
    """It confirmed it, and thought better of it: it is not asked for a second time here."""
    async with connected() as made:
        chat = await made.live()
        beside, server = await beside_of(made)
        server.confirm(chat.identifier)
        await settle()
        server.reject(chat.identifier)
        made.server.message(chat.identifier, "old")
        await settle()
        assert beside.moved == set()
        assert beside.ready
        assert [message.data for message in chat.take()] == ["old"]
        assert wanted(server) == [chat.identifier]
        beside.end()


async def test_answers_that_nobody_asked_for_change_nothing() -> None:
    """A confused server is not argued with."""
    async with connected() as made:
        await made.live()
        beside, server = await beside_of(made)
        server.confirm("nobody")
        server.reject("nobody")
        server.send({"type": "reject_subscription"}, {"type": "ping"}, "{", {"type": "error"})
        await settle()
        assert (beside.moved, beside.ready) == (set(), False)
        beside.end()


@pytest.mark.parametrize("welcome", [False, True])
async def test_silence_is_given_up(*, welcome: bool) -> None:
    """Pings are no news; ten seconds without an answer are enough."""
    async with connected() as made:
        await made.live()
        beside, server = await beside_of(made, welcome=welcome)
        started = asyncio.get_running_loop().time()
        for second in range(1, 20):
            asyncio.get_running_loop().call_later(second, server.send, {"type": "ping"})
            asyncio.get_running_loop().call_later(second, made.server.send, {"type": "ping"})
        with pytest.raises(ConnectTimeout, match="did not have all subscriptions"):
            await beside.until_ready()
        assert asyncio.get_running_loop().time() - started == pytest.approx(PATIENCE)
        beside.end()


async def test_a_second_line_that_breaks_says_so() -> None:
    """With what broke it."""
    async with connected() as made:
        await made.live()
        beside, server = await beside_of(made)
        asyncio.get_running_loop().call_later(1, server.close, 1001)
        with pytest.raises(LineClosed, match="1001"):
            await beside.until_ready()
        beside.end()


async def test_a_full_mailbox_holds_both_lines_up() -> None:
    """What has no room waits with the server, on whichever line; a wait for answers is then no silence of its."""
    async with connected() as made:
        options = SubscriptionOptions(overflow="pause", max_messages=2)
        chat = made.cable.subscribe("Chat", options=options)
        await settle()
        made.server.confirm(chat.identifier)
        assert len(made.server.received) == 1
        other = await made.live("Other")
        engine = made.cable._engine
        beside, server = await beside_of(made)
        engine.handover._beside = beside
        server.confirm(chat.identifier)
        await settle()
        made.server.message(chat.identifier, 1, 2, 3)
        await settle()
        assert server.connection.paused
        assert made.server.connection.paused
        server.confirm(other.identifier)
        waiting = asyncio.ensure_future(beside.until_ready())
        await asyncio.sleep(2.5 * PATIENCE)
        assert not waiting.done()
        assert [message.data for message in chat.take()] == [1, 2, 3]
        await waiting
        assert not server.connection.paused
        assert not made.server.connection.paused
        engine.handover._beside = None
        beside.end()


async def test_a_line_that_is_welcomed_while_a_mailbox_is_full_waits_too() -> None:
    """Else it would fill it further."""
    async with connected() as made:
        chat = made.cable.subscribe("Chat", options=SubscriptionOptions(overflow="pause", max_messages=1))
        await settle()
        made.server.confirm(chat.identifier)
        await chat
        made.server.message(chat.identifier, 1, 2)
        await settle()
        assert made.server.connection.paused
        beside, server = await beside_of(made)
        assert server.connection.paused
        beside.end()
        chat.take()
