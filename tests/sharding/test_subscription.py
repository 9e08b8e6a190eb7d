"""The handle that a program holds, whichever shard it is on."""

from __future__ import annotations

import asyncio

import pytest

from cableway import (
    Event,
    InvalidPayload,
    MailboxOverflow,
    Rejected,
    SubscriptionClosed,
    SubscriptionOptions,
    SubscriptionRejected,
    SubscriptionState,
)
from tests.scripted import background, settle
from tests.sharding.played import sharded, topic_on

pytestmark = pytest.mark.looptime


async def test_it_is_used_as_any_subscription() -> None:
    """Await, iterate, receive, take, perform, send, look, leave."""
    async with sharded("a") as (cable, servers):
        async with cable.subscribe("Chat", room=1) as chat:
            assert await chat is chat
            assert repr(chat) == '<ShardedSubscription {"channel":"Chat","room":1} subscribed on a, 0 unread>'
            await chat.perform("speak", {"text": "hi"}, loud=True)
            await chat.send({"text": "ho"})
            for value in (1, 2, 3, 4):
                servers.publish(chat.identifier, value)
            await asyncio.sleep(0.1)
            assert (await chat.receive(lambda message: message.data == 2)).data == 2
            assert (await chat.receive(timeout=0)).data == 3
            assert [message.data for message in chat.take()] == [4]
            assert chat.channel is None
        await asyncio.sleep(1)

        assert servers["a"].performed == [{"text": "hi", "loud": True, "action": "speak"}, {"text": "ho"}]
        assert (chat.state, servers["a"].subscribed) == (SubscriptionState.CLOSED, set())
        for call in (chat.perform("speak"), chat.receive(), confirmed(chat)):
            with pytest.raises(SubscriptionClosed):
                await call
        assert [message async for message in chat] == []


async def confirmed(subscription: object) -> None:
    """Wait for a confirmation, as a coroutine."""
    await subscription  # type: ignore[misc]


async def test_receive_has_one_limit_for_all_shards() -> None:
    """A move in the middle of the wait makes it no longer."""
    async with sharded("a", "b") as (cable, _):
        chat = await cable.subscribe("Chat", topic=topic_on(cable, "a"))
        began = asyncio.get_running_loop().time()
        waiting = background(chat.receive(timeout=4))
        await asyncio.sleep(2)
        await cable.drain("a")
        with pytest.raises(TimeoutError, match="no matching message"):
            await waiting

        assert asyncio.get_running_loop().time() - began == pytest.approx(4, abs=0.05)


async def test_commands_are_checked_as_ever() -> None:
    """What no command can carry is refused before anything is sent."""
    async with sharded("a") as (cable, servers):
        chat = await cable.subscribe("Chat")
        for call in (chat.perform(""), chat.perform("speak", {"action": 1}), chat.send([1])):  # type: ignore[arg-type]
            with pytest.raises(InvalidPayload):
                await call
        await asyncio.sleep(1)
        assert servers["a"].performed == []


async def test_a_rejection_ends_it_and_its_events() -> None:
    """Awaiting and iterating raise it; the iterator over its events ends after it; a drain does not revive it."""
    async with sharded("a", "b") as (cable, servers):
        servers["a"].mood = "rejecting"
        chat = cable.subscribe("Chat", topic=topic_on(cable, "a"))
        stream = chat.events()
        with pytest.raises(SubscriptionRejected):
            await chat
        with pytest.raises(SubscriptionRejected):
            await anext(chat)
        assert [type(event) async for event in stream] == [Rejected]
        assert [event async for event in chat.events()] == []

        await cable.drain("a")
        assert (chat.state, servers["b"].lines) == (SubscriptionState.REJECTED, [])


async def test_entering_a_block_that_fails_leaves_nothing() -> None:
    """Cancelled while the server is silent, the subscription is given up, and the server is told if it was late."""
    async with sharded("a") as (cable, servers):
        servers["a"].mood = "silent"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2), cable.subscribe("Chat"):
                pass
        assert not cable._everybody
        await asyncio.sleep(30)
        assert servers["a"].subscribed == set()


async def test_events_go_on_over_moves_and_end_with_it() -> None:
    """One iterator hears the first confirmation, the move and nothing of the new shard's confirmation."""
    async with sharded("a", "b") as (cable, _):
        chat = cable.subscribe("Chat", topic=topic_on(cable, "a"))
        stream = chat.events()
        await chat
        await cable.drain("a")
        await chat.unsubscribe()

        assert [type(event).__name__ async for event in stream] == ["Connected", "SubscriptionMoved"]


async def test_events_end_with_the_cable() -> None:
    """Closed by the user, the iterator ends; opened anew, another one hears again."""
    async with sharded("a") as (cable, _):
        chat = await cable.subscribe("Chat")
        heard: list[Event] = []
        reader = background(collect(chat.events(), heard))
        await cable.close()
        await asyncio.wait_for(reader, 1)

        await cable.open()
        again = chat.events()
        await chat
        assert type(await anext(again)).__name__ == "Connected"


async def collect(stream: object, into: list[Event]) -> None:
    """Read events to the end."""
    into.extend([event async for event in stream])  # type: ignore[attr-defined]


async def test_an_overflow_is_raised_once_and_reading_goes_on() -> None:
    """Also where the mailbox that overflowed is that of a shard that was left."""
    options = SubscriptionOptions(overflow="error", max_messages=2)
    async with sharded("a", "b", overlap=0) as (cable, servers):
        chat = await cable.subscribe("Chat", topic=topic_on(cable, "a"), options=options)
        for number in range(5):
            servers.publish(chat.identifier, number)
        await asyncio.sleep(0.1)
        await cable.drain("a")
        servers.publish(chat.identifier, "new")
        await asyncio.sleep(0.1)

        assert [(await anext(chat)).data for _ in range(2)] == [0, 1]
        with pytest.raises(MailboxOverflow):
            await anext(chat)
        assert (await anext(chat)).data == "new"
        assert chat.stats().dropped == 3


async def test_two_readers_share_what_comes_over_a_move() -> None:
    """Both wait while the shard is drained; each message goes to one of them, and both end."""
    async with sharded("a", "b", overlap=0.2) as (cable, servers):
        chat = await cable.subscribe("Chat", topic=topic_on(cable, "a"))
        seen: list[list[object]] = [[], []]

        async def read(into: list[object]) -> None:
            async for message in chat:
                into.append(message.data)
                await settle()

        readers = [background(read(into)) for into in seen]
        await cable.drain("a")
        for number in range(10):
            servers.publish(chat.identifier, number)
        await asyncio.sleep(1)
        await chat.unsubscribe()
        await asyncio.wait_for(asyncio.gather(*readers), 1)

        assert sorted(seen[0] + seen[1]) == list(range(10))  # type: ignore[type-var]
