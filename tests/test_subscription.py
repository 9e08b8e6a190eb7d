"""Handles: confirmation, messages, mailboxes, and the ways in which they end."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import timedelta
from itertools import chain
from typing import Any

import pytest

from cableway import (
    ConfirmationTimedOut,
    Connected,
    Disconnected,
    Event,
    LineStale,
    MailboxOverflow,
    Message,
    MessagesDropped,
    NamingFailed,
    NamingFault,
    NotConnected,
    Recovered,
    Rejected,
    State,
    Subscription,
    SubscriptionClosed,
    SubscriptionOptions,
    SubscriptionRejected,
    SubscriptionState,
    SubscriptionTimeout,
    latest_by,
)
from tests.scripted import Line, Model, background, confirmation, connected, line, settle

pytestmark = pytest.mark.looptime


def commands(made: Line) -> list[str]:
    """Take the names of the commands that the server got."""
    return [command["command"] for command in made.server.received]


def data(messages: list[Message[Any]]) -> list[Any]:
    """Return what messages carry."""
    return [message.data for message in messages]


async def read(chat: Subscription[Any], into: list[Any]) -> None:
    """Read until it ends, in one way or the other."""
    async for message in chat:
        into.append(message.data)  # noqa: PERF401 - what came before an error counts


async def _read_one(chat: Subscription[Any]) -> None:
    async with chat:
        await anext(chat)


# Confirmation --------------------------------------------------------------------------------------------------------


async def test_subscribe_returns_at_once_and_awaiting_waits() -> None:
    """The handle is optimistic; awaiting it returns the handle itself."""
    async with connected() as made:
        chat = made.cable.subscribe("Chat", room=42)
        assert chat.state is SubscriptionState.PENDING
        waiting = background(confirmation(chat))
        await settle()
        assert not waiting.done()
        assert made.server.received == [{"command": "subscribe", "identifier": '{"channel":"Chat","room":42}'}]
        made.server.confirm(chat.identifier)
        assert await waiting is chat
        assert chat.state is SubscriptionState.SUBSCRIBED


async def test_a_handle_may_be_awaited_many_times() -> None:
    """By several tasks, again later, and again after a reconnect, when it waits again."""
    async with connected() as made:
        chat = made.cable.subscribe("Chat")
        waiting = [background(confirmation(chat)) for _ in range(5)]
        await settle()
        made.server.confirm(chat.identifier)
        assert await asyncio.gather(*waiting) == [chat] * 5
        assert await chat is chat
        made.server.cut()
        await settle()
        assert chat.state is SubscriptionState.PENDING
        again = background(confirmation(chat))
        await made.welcome()
        assert not again.done()
        made.server.confirm(chat.identifier)
        assert await again is chat


async def test_a_handle_goes_wherever_an_awaitable_goes() -> None:
    """``gather``, ``wait_for``, ``ensure_future``."""
    async with connected() as made:
        one, two, three = (made.cable.subscribe("Chat", n=n) for n in range(3))
        waiting = background(asyncio.wait_for(one, 5))
        gathering = asyncio.gather(one, two)
        future = asyncio.ensure_future(three)
        await settle()
        for handle in (one, two, three):
            made.server.confirm(handle.identifier)
        assert await waiting is one
        assert await gathering == [one, two]
        assert await future is three


async def test_handles_are_hashed_by_identity() -> None:
    """Two on one channel are two, and each can be a key."""
    async with connected() as made:
        one, two = made.cable.subscribe("Chat"), made.cable.subscribe("Chat")
        assert one != two
        assert len({one, two, one}) == 2


async def test_subscribing_before_the_cable_is_open() -> None:
    """Nothing is lost: the wish is told to the server once the line is up."""
    made = line()
    chat = made.cable.subscribe("Chat")
    with pytest.raises(NotConnected, match="open it first"):
        await chat
    reading = background(anext(chat))
    await made.connect()
    assert commands(made) == ["subscribe"]
    made.server.confirm(chat.identifier)
    made.server.message(chat.identifier, "hi")
    assert (await reading).data == "hi"
    await made.cable.close()


async def test_a_cancelled_await_changes_nothing_else() -> None:
    """The subscription is still wished for."""
    async with connected() as made:
        chat = made.cable.subscribe("Chat")
        waiting = background(confirmation(chat))
        await settle()
        waiting.cancel()
        await settle()
        made.server.confirm(chat.identifier)
        assert await chat is chat


async def test_async_with_unsubscribes() -> None:
    """Confirmed on enter, unsubscribed on exit."""
    async with connected() as made:
        chat = made.cable.subscribe("Chat")
        entering = background(chat.__aenter__())
        await settle()
        made.server.confirm(chat.identifier)
        assert await entering is chat
        async with chat:
            assert chat.state is SubscriptionState.SUBSCRIBED
        assert chat.state is SubscriptionState.CLOSED
        assert commands(made) == ["subscribe", "unsubscribe"]


async def test_async_with_that_cannot_enter_leaves_nothing_wished_for() -> None:
    """Rejected, or cancelled while it waits: the server need not keep it."""
    async with connected() as made:
        rejected = background(made.cable.subscribe("Rejected").__aenter__())
        cancelled_handle = made.cable.subscribe("Cancelled")
        cancelled = background(cancelled_handle.__aenter__())
        await settle()
        made.server.reject('{"channel":"Rejected"}')
        with pytest.raises(SubscriptionRejected):
            await rejected
        cancelled.cancel()
        await settle()
        made.server.confirm(cancelled_handle.identifier)
        await settle()
        assert commands(made) == ["subscribe", "subscribe", "unsubscribe"]
        await asyncio.sleep(1)
        assert made.cable.stats().subscriptions == 0


async def test_handles_on_one_identifier_share_a_subscription() -> None:
    """The server is asked once; each gets every message; the last one to leave ends it."""
    async with connected() as made:
        one, two = made.cable.subscribe("Chat", a=1, b=2), made.cable.subscribe("Chat", {"b": 2, "a": 1})
        await settle()
        assert commands(made) == ["subscribe"]
        made.server.confirm(one.identifier)
        await asyncio.gather(confirmation(one), confirmation(two))
        made.server.message(one.identifier, "hi")
        assert [(await handle.receive()).data for handle in (one, two)] == ["hi", "hi"]
        await one.unsubscribe()
        made.server.message(one.identifier, "again")
        assert (await two.receive()).data == "again"
        assert commands(made) == []
        await two.unsubscribe()
        assert commands(made) == ["unsubscribe"]


async def test_a_late_joiner_is_told() -> None:
    """It is confirmed at once, without a word to the server, and hears Connected like the first one."""
    async with connected() as made:
        await made.live()
        late = made.cable.subscribe("Chat")
        told: list[Event] = []
        late.on(Event, told.append)
        assert await late is late
        await settle()
        assert told == [Connected(reconnected=False, transport="memory", protocol="actioncable-v1-json")]
        assert commands(made) == []


# Rejection and revocation --------------------------------------------------------------------------------------------


async def test_a_rejection_ends_the_wish() -> None:
    """Pending and later awaits raise, an event tells, and the next line is not bothered with it."""
    async with connected() as made:
        chat = made.cable.subscribe("Chat")
        told: list[Event] = []
        chat.on(Event, told.append)
        waiting, reading = background(confirmation(chat)), background(anext(chat))
        await settle()
        made.server.reject(chat.identifier)
        for call in (waiting, reading, confirmation(chat), chat.perform("speak"), anext(chat), chat.receive()):
            with pytest.raises(SubscriptionRejected, match="rejected") as caught:
                await call
            assert not caught.value.revoked
        assert chat.state is SubscriptionState.REJECTED
        assert told == [Rejected(chat.identifier, revoked=False)]
        made.server.received  # noqa: B018 - taken away
        made.server.cut()
        await made.welcome()
        assert commands(made) == []
        assert chat.state is SubscriptionState.REJECTED


async def test_a_revocation_is_a_late_rejection() -> None:
    """What came before it can still be read."""
    async with connected() as made:
        chat = await made.live()
        told: list[Event] = []
        chat.on(Event, told.append)
        made.server.message(chat.identifier, 1, 2)
        made.server.reject(chat.identifier)
        made.server.message(chat.identifier, 3)
        got: list[Any] = []
        with pytest.raises(SubscriptionRejected) as caught:
            await read(chat, got)
        assert caught.value.revoked
        await settle()
        assert got == [1, 2]
        assert told == [Rejected(chat.identifier, revoked=True)]


async def test_leaving_the_block_of_a_revoked_subscription() -> None:
    """It does not wait for a server that has nothing more to hear."""
    async with connected() as made:
        chat = await made.live()
        made.server.reject(chat.identifier)
        with pytest.raises(SubscriptionRejected):
            await _read_one(chat)
        await chat.unsubscribe()
        assert commands(made) == []


async def test_subscribing_again_after_a_rejection_asks_again() -> None:
    """A new handle is a new wish."""
    async with connected() as made:
        first = made.cable.subscribe("Chat")
        await settle()
        made.server.reject(first.identifier)
        await settle()
        second = made.cable.subscribe("Chat")
        await settle()
        made.server.confirm(second.identifier)
        assert await second is second
        with pytest.raises(SubscriptionRejected):
            await first


async def test_a_rejection_that_is_to_be_retried() -> None:
    """Waiters hear of it, iteration waits on, and the next line is asked again."""
    async with connected() as made:
        chat = made.cable.subscribe("Chat", options=SubscriptionOptions(retry_rejected=True))
        told: list[Event] = []
        chat.on(Event, told.append)
        events = chat.events()
        waiting, reading = background(confirmation(chat)), background(anext(chat))
        calling = background(chat.perform("speak"))
        await settle()
        made.server.reject(chat.identifier)
        for call in (waiting, calling):
            with pytest.raises(SubscriptionRejected):
                await call
        await settle()
        assert not reading.done()
        made.server.cut()
        await made.welcome()
        assert commands(made) == ["subscribe"]
        made.server.confirm(chat.identifier)
        made.server.message(chat.identifier, "at last")
        assert (await reading).data == "at last"
        assert await chat is chat
        await settle()
        assert [type(event) for event in told] == [Rejected, Connected]
        assert type(await anext(events)) is Rejected
        assert type(await anext(events)) is Connected


# Messages ------------------------------------------------------------------------------------------------------------

VALUES: list[Any] = [None, False, 0, 0.0, "", [], {}, "text", {"a": [1, None]}, '🚂 \u2028 \\ "', True, 10**15]


async def test_every_value_is_delivered() -> None:
    """Falsy ones too, with the time at which they came."""
    async with connected() as made:
        chat = await made.live()
        made.server.message(chat.identifier, *VALUES)
        got = [await chat.receive(timeout=1) for _ in VALUES]
        assert data(got) == VALUES
        assert all(message.received_at.tzinfo is not None and message.replayed is False for message in got)


async def test_the_mailbox_fills_from_the_start() -> None:
    """Iterated or not, and with what the server sends before the confirmation."""
    async with connected() as made:
        chat = made.cable.subscribe("Chat")
        await settle()
        made.server.message(chat.identifier, "before")
        made.server.confirm(chat.identifier)
        made.server.message(chat.identifier, "after")
        await asyncio.sleep(5)
        assert chat.stats().unread == 2
        assert data(chat.take()) == ["before", "after"]


async def test_what_came_before_a_rejection_is_dropped() -> None:
    """Nobody is shown messages of a subscription that never was."""
    async with connected() as made:
        chat = made.cable.subscribe("Chat")
        await settle()
        made.server.message(chat.identifier, "before")
        made.server.reject(chat.identifier)
        with pytest.raises(SubscriptionRejected):
            await anext(chat)


async def test_several_iterators_share_the_mailbox() -> None:
    """Each message goes to one of them, none is lost, none comes twice."""
    async with connected() as made:
        chat = await made.live()
        got: list[list[int]] = [[], [], []]

        async def slowly(into: list[int]) -> None:
            async for message in chat:
                into.append(message.data)
                await asyncio.sleep(0.01)

        readers = [background(slowly(into)) for into in got]
        await settle()
        for start in range(0, 60, 6):
            made.server.message(chat.identifier, *range(start, start + 6))
            await asyncio.sleep(0.1)
        await chat.unsubscribe()
        await asyncio.gather(*readers)
        assert sorted(chain(*got)) == list(range(60))
        assert all(got)
        assert all(part == sorted(part) for part in got)


async def test_a_cancelled_anext_loses_nothing() -> None:
    """Also when it is cancelled in the very turn in which the message comes."""
    async with connected() as made:
        chat = await made.live()
        for number in range(20):
            reading = background(anext(chat))
            await settle()
            made.server.message(chat.identifier, number)
            for _ in range(number % 4):
                await asyncio.sleep(0)
            reading.cancel()
            await asyncio.wait([reading])
            if reading.cancelled():
                assert (await chat.receive(timeout=1)).data == number
            else:
                assert reading.result().data == number


async def test_a_timed_out_anext_loses_nothing_and_the_iterator_goes_on() -> None:
    """Limits around a single step are everyday use."""
    async with connected() as made:
        chat = await made.live()
        iterator = aiter(chat)
        for number in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await anext(iterator)
            made.server.message(chat.identifier, number)
            assert (await anext(iterator)).data == number


async def test_one_cancelled_iterator_does_not_rob_the_other() -> None:
    """Both were woken for one message; the one that lives on gets it."""
    async with connected() as made:
        chat = await made.live()
        one, two = background(anext(chat)), background(anext(chat))
        await settle()
        made.server.message(chat.identifier, "hi")
        await asyncio.sleep(0)
        one.cancel()
        assert (await asyncio.wait_for(two, 1)).data == "hi"


async def test_iteration_survives_reconnects() -> None:
    """The loop sees nothing of them but a pause; what was unread stays."""
    async with connected() as made:
        chat = await made.live()
        told: list[Event] = []
        chat.on(Event, told.append)
        got: list[Any] = []
        reading = background(read(chat, got))
        for number in range(3):
            made.server.message(chat.identifier, number)
            made.server.close(1011)
            await made.welcome()
            made.server.confirm(chat.identifier)
            await settle()
        assert got == [0, 1, 2]
        assert [type(event) for event in told] == [Disconnected, Connected, Recovered] * 3
        assert all(event.reconnected for event in told if isinstance(event, Connected))
        await chat.unsubscribe()
        await reading


@pytest.mark.parametrize("way", ["unsubscribe", "close"])
async def test_iteration_ends_quietly_with_the_unread_first(way: str) -> None:
    """After unsubscribe and after close."""
    async with connected() as made:
        chat = await made.live()
        made.server.message(chat.identifier, 1, 2, 3)
        await settle()
        await (chat.unsubscribe() if way == "unsubscribe" else made.cable.close())
        assert [message.data async for message in chat] == [1, 2, 3]
        assert [message.data async for message in chat] == []
        assert chat.state is SubscriptionState.CLOSED


async def test_a_waiting_iterator_ends_with_the_subscription() -> None:
    """It does not wait for a message that cannot come."""
    async with connected() as made:
        chat = await made.live()
        reading = background(anext(chat))
        await settle()
        await chat.unsubscribe()
        with pytest.raises(StopAsyncIteration):
            await reading


async def test_unsubscribing_while_messages_arrive() -> None:
    """What came before counts, what comes after is dropped."""
    async with connected() as made:
        chat = await made.live()
        made.server.message(chat.identifier, 1)
        await settle()
        leaving = background(chat.unsubscribe())
        made.server.message(chat.identifier, 2)
        await leaving
        made.server.message(chat.identifier, 3)
        await settle()
        got = [message.data async for message in chat]
        assert got[:1] == [1]
        assert 3 not in got


@pytest.mark.looptime(False)
async def test_a_busy_iterator_leaves_the_loop_to_others() -> None:
    """Message after message without a wait, and still everybody has a turn."""
    async with connected() as made:
        chat = await made.live()
        made.server.message(chat.identifier, *range(640))
        await settle()
        turns = 0

        async def tick() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        ticking = background(tick())
        count = 0
        async for _ in chat:
            count += 1
            time.sleep(0.00005)  # noqa: ASYNC251 - work that does not wait
            if count == 640:
                break
        ticking.cancel()
        assert turns >= 5


# receive and take ----------------------------------------------------------------------------------------------------


async def test_receive_waits_for_a_match() -> None:
    """What does not match is read and gone."""
    async with connected() as made:
        chat = await made.live()
        waiting = background(chat.receive(lambda message: message.data > 2))
        made.server.message(chat.identifier, 1, 2)
        await settle()
        assert not waiting.done()
        made.server.message(chat.identifier, 3, 4)
        assert (await waiting).data == 3
        assert (await chat.receive()).data == 4


@pytest.mark.parametrize("limit", [2, 2.0, timedelta(seconds=2)])
async def test_receive_has_a_limit(limit: Any) -> None:
    """TimeoutError names the subscription and the limit; the subscription goes on."""
    async with connected() as made:
        chat = await made.live()
        started = asyncio.get_running_loop().time()
        with pytest.raises(TimeoutError, match=r"Chat.* within 2 s"):
            await chat.receive(timeout=limit)
        assert asyncio.get_running_loop().time() - started == pytest.approx(2)
        made.server.message(chat.identifier, "late")
        assert (await chat.receive(timeout=1)).data == "late"


async def test_receive_with_no_time_takes_what_is_there() -> None:
    """A limit of 0 means: if there is one."""
    async with connected() as made:
        chat = await made.live()
        await asyncio.sleep(1)
        with pytest.raises(TimeoutError):
            await chat.receive(timeout=0)
        made.server.message(chat.identifier, 1, 2)
        await settle()
        assert (await chat.receive(lambda message: message.data == 2, timeout=0)).data == 2


async def test_receive_when_the_subscription_ends() -> None:
    """Unlike iteration, somebody waits for something."""
    async with connected() as made:
        chat = await made.live()
        waiting = background(chat.receive(timeout=100))
        await settle()
        await chat.unsubscribe()
        with pytest.raises(SubscriptionClosed, match="unsubscribed"):
            await waiting


async def test_an_error_of_the_match_function_comes_out() -> None:
    """Also a TimeoutError of its own, unchanged."""

    def fail(message: Message[Any]) -> bool:
        msg = "mine"
        raise TimeoutError(msg)

    async with connected() as made:
        chat = await made.live()
        made.server.message(chat.identifier, 1)
        with pytest.raises(TimeoutError, match="mine"):
            await chat.receive(fail)


async def test_take_does_not_wait() -> None:
    """At most so many, oldest first."""
    async with connected() as made:
        chat = await made.live()
        assert chat.take() == []
        made.server.message(chat.identifier, *range(5))
        await settle()
        assert data(chat.take(2)) == [0, 1]
        assert data(chat.take()) == [2, 3, 4]


# Unsubscribing -------------------------------------------------------------------------------------------------------


async def test_unsubscribe_is_no_sooner_than_a_quarter_second_after_the_last_command() -> None:
    """Rails drops a command whose worker runs after the unsubscribe."""
    async with connected() as made:
        chat = await made.live()
        await chat.perform("speak")
        started = asyncio.get_running_loop().time()
        await chat.unsubscribe()
        assert asyncio.get_running_loop().time() - started == pytest.approx(0.25, abs=0.01)
        assert commands(made) == ["message", "unsubscribe"]


async def test_unsubscribe_without_flush_does_not_wait() -> None:
    """The caller says that nothing need arrive."""
    async with connected() as made:
        chat = await made.live()
        await chat.perform("speak")
        started = asyncio.get_running_loop().time()
        await chat.unsubscribe(flush=False)
        assert asyncio.get_running_loop().time() - started < 0.01
        assert commands(made) == ["message", "unsubscribe"]


async def test_unsubscribe_again_does_nothing() -> None:
    """Twice, concurrently, and on a closed cable."""
    async with connected() as made:
        chat = await made.live()
        await asyncio.gather(chat.unsubscribe(), chat.unsubscribe())
        await chat.unsubscribe()
        assert commands(made) == ["unsubscribe"]
        other = await made.live("Other")
        await made.cable.close()
        await other.unsubscribe()


async def test_unsubscribe_returns_when_another_handle_comes() -> None:
    """The server need not be told: somebody wants it again."""
    async with connected() as made:
        chat = await made.live()
        await chat.perform("speak")
        leaving = background(chat.unsubscribe())
        await settle()
        other = made.cable.subscribe("Chat")
        await asyncio.wait_for(leaving, 0.1)
        assert await other is other
        await asyncio.sleep(1)
        assert commands(made) == ["message"]


async def test_unsubscribe_when_the_line_goes_down() -> None:
    """What is lost with the line need not be taken back."""
    async with connected() as made:
        chat = await made.live()
        await chat.perform("speak")
        leaving = background(chat.unsubscribe())
        await settle()
        made.server.cut()
        await asyncio.wait_for(leaving, 0.1)
        await made.welcome()
        assert commands(made) == []


async def test_cancelled_unsubscribe_ends_it_all_the_same() -> None:
    """Only the wait is cut short."""
    async with connected() as made:
        chat = await made.live()
        await chat.perform("speak")
        leaving = background(chat.unsubscribe())
        await settle()
        leaving.cancel()
        await asyncio.sleep(1)
        assert commands(made) == ["message", "unsubscribe"]
        assert made.cable.stats().subscriptions == 0


async def test_unsubscribe_and_subscribe_in_one_turn() -> None:
    """Nothing is sent: what cancels out was never said."""
    async with connected() as made:
        chat = await made.live()
        leaving = background(chat.unsubscribe())
        await asyncio.sleep(0)
        again = made.cable.subscribe("Chat")
        assert await again is again
        await leaving
        await asyncio.sleep(1)
        assert commands(made) == []


async def test_unsubscribe_of_one_that_is_not_answered_is_bounded() -> None:
    """It waits for the answer as long as the confirmation may take, then tells the server anyway."""
    async with connected() as made:
        silent = made.cable.subscribe("Silent")
        await settle()
        await asyncio.wait_for(silent.unsubscribe(), 6)
        assert commands(made) == ["subscribe", "unsubscribe"]


# Silence -------------------------------------------------------------------------------------------------------------


async def test_an_unknown_channel_beside_good_ones() -> None:
    """It costs the others one line, never a second; its waiters hear of it, its readers wait on, it is asked again."""
    made = line()
    async with Model(made.transport).serving() as rails:
        await made.cable.open()
        good = [made.cable.subscribe("Good", n=n) for n in range(200)]
        silent = made.cable.subscribe("SilentTypo")
        told: list[Event] = []
        silent.on(Event, told.append)
        waiting, reading = background(confirmation(silent)), background(anext(silent))
        await asyncio.gather(*map(confirmation, good))
        with pytest.raises(SubscriptionTimeout, match=r"SilentTypo.*unknown channel class"):
            await waiting
        assert asyncio.get_running_loop().time() < 30
        assert [type(event) for event in told] == [ConfirmationTimedOut]
        await asyncio.gather(*map(confirmation, good))
        await asyncio.sleep(1000)
        assert made.transport.dials == 2
        assert all(handle.state is SubscriptionState.SUBSCRIBED for handle in good)
        assert not reading.done()
        asked = [wanted for name, wanted in rails.commands if "SilentTypo" in wanted]
        assert len(asked) > 6
        with pytest.raises(SubscriptionTimeout):
            await silent
        assert rails.faults == []
        reading.cancel()
        await made.cable.close()


async def test_a_lost_confirmation_is_had_by_a_fresh_line() -> None:
    """Servers do not answer a repeated subscribe: asked again once, then by a new line."""
    async with connected() as made:
        chat = made.cable.subscribe("Chat", options=SubscriptionOptions(confirm_timeout=2))
        waiting = background(confirmation(chat))
        await asyncio.sleep(3.9)
        assert commands(made) == ["subscribe", "subscribe"]
        assert made.transport.dials == 1
        await asyncio.sleep(0.2)
        await made.welcome()
        assert commands(made) == ["subscribe"]
        made.server.confirm(chat.identifier)
        assert await waiting is chat


async def test_a_late_confirmation_counts() -> None:
    """A slow server is not an unknown channel."""
    async with connected() as made:
        chat = made.cable.subscribe("Chat")
        await asyncio.sleep(7)
        made.server.confirm(chat.identifier)
        assert await chat is chat
        assert made.transport.dials == 1


# Overflow ------------------------------------------------------------------------------------------------------------


def overflowing(policy: Any, limit: int = 5) -> SubscriptionOptions:
    """Options with a small mailbox."""
    return SubscriptionOptions(overflow=policy, max_messages=limit)


async def fill(made: Line, policy: Any, values: Any) -> tuple[Subscription[Any], list[Event]]:
    """Subscribe, and have *values* sent, each in a read of its own."""
    chat = made.cable.subscribe("Chat", options=overflowing(policy))
    told: list[Event] = []
    chat.on(Event, told.append)
    await settle()
    made.server.confirm(chat.identifier)
    await chat
    for value in values:
        made.server.message(chat.identifier, value)
        await settle()
    return chat, [event for event in told if not isinstance(event, Connected)]


@pytest.mark.parametrize(("policy", "kept"), [("drop_oldest", [3, 4, 5, 6, 7]), ("drop_newest", [0, 1, 2, 3, 4])])
async def test_a_full_mailbox_loses_messages_and_says_so(policy: Any, kept: list[int]) -> None:
    """Once an episode; the count is exact."""
    async with connected() as made:
        chat, told = await fill(made, policy, range(8))
        assert told == [MessagesDropped(chat.identifier, policy, 1)]
        stats = chat.stats()
        assert (stats.received, stats.dropped, stats.unread, stats.high_water) == (8, 3, 5, 5)
        assert data(chat.take()) == kept


async def test_latest_by_keeps_the_newest_of_each_key() -> None:
    """Each key keeps its turn."""
    async with connected() as made:
        values = [{"id": n % 3, "n": n} for n in range(9)]
        chat, told = await fill(made, latest_by(lambda message: message.data["id"]), values)
        assert [message.data["n"] for message in chat.take()] == [6, 7, 8]
        assert chat.stats().replaced == 6
        assert told == []


async def test_error_raises_once_the_unread_was_read() -> None:
    """Iteration may go on after it."""
    async with connected() as made:
        chat, _ = await fill(made, "error", range(8))
        got: list[Any] = []
        with pytest.raises(MailboxOverflow, match="5 messages"):
            await read(chat, got)
        assert got == [0, 1, 2, 3, 4]
        made.server.message(chat.identifier, "on")
        assert (await anext(chat)).data == "on"


async def test_disconnect_drops_the_line() -> None:
    """And the next one serves again."""
    async with connected() as made:
        chat, told = await fill(made, "disconnect", range(6))
        assert made.cable.state is State.DISCONNECTED
        assert "mailbox" in str(made.cable.error)
        assert [type(event) for event in told] == [MessagesDropped, Disconnected]
        assert data(chat.take()) == [0, 1, 2, 3, 4]
        await made.welcome()
        made.server.confirm(chat.identifier)
        made.server.message(chat.identifier, "on")
        assert (await anext(chat)).data == "on"


async def test_pause_loses_nothing() -> None:
    """Reading stops when the mailbox is full and goes on when there is room."""
    async with connected() as made:
        chat, told = await fill(made, "pause", range(6))
        assert made.server.connection.paused
        made.server.message(chat.identifier, *range(6, 100))
        await asyncio.sleep(20)
        assert chat.stats().unread == 6
        got = [(await chat.receive(timeout=1)).data for _ in range(100)]
        assert got == list(range(100))
        assert (chat.stats().dropped, told) == (0, [])
        await settle()
        assert not made.server.connection.paused


async def test_a_paused_line_goes_on_when_its_reader_leaves() -> None:
    """Who does not read any more holds nobody up."""
    async with connected() as made:
        other = await made.live("Other")
        chat, _ = await fill(made, "pause", range(6))
        assert made.server.connection.paused
        made.server.message(other.identifier, "hi")
        await chat.unsubscribe()
        assert (await other.receive(timeout=1)).data == "hi"


async def test_a_full_mailbox_does_not_hold_up_the_next_line() -> None:
    """A line lost while paused comes back, subscribes, and pauses again."""
    async with connected(write_timeout=1) as made:
        chat, _ = await fill(made, "pause", range(6))
        made.server.connection.writable.clear()
        with pytest.raises(LineStale):
            await chat.perform("speak")
        await made.welcome()
        made.server.confirm(chat.identifier)
        await chat
        made.server.message(chat.identifier, 6)
        await settle()
        assert made.server.connection.paused
        assert [(await chat.receive(timeout=1)).data for _ in range(7)] == list(range(7))


# Events --------------------------------------------------------------------------------------------------------------


async def test_events_of_a_subscription_end_with_it() -> None:
    """In order; an iterator asked for later ends at once."""
    async with connected() as made:
        chat = made.cable.subscribe("Chat")
        events = chat.events()
        await settle()
        made.server.confirm(chat.identifier)
        await chat
        made.server.close(1011)
        await made.welcome()
        made.server.confirm(chat.identifier)
        await chat
        await chat.unsubscribe()
        assert [type(event) async for event in events] == [Connected, Disconnected, Connected, Recovered]
        assert [event async for event in chat.events()] == []


async def test_a_failing_callback_stops_nothing() -> None:
    """Neither messages nor other callbacks."""

    def fail(event: Event) -> None:
        msg = "mine"
        raise ValueError(msg)

    async with connected() as made:
        chat = made.cable.subscribe("Chat")
        told: list[Event] = []
        chat.on(Event, fail)
        stop = chat.on(Event, told.append)
        await settle()
        made.server.confirm(chat.identifier)
        made.server.message(chat.identifier, 1)
        assert (await chat.receive()).data == 1
        await settle()
        assert type(told[0]) is Connected
        stop()
        made.server.cut()
        await settle()
        assert Disconnected not in {type(event) for event in told}


async def test_callbacks_of_a_subscription_end_with_the_cable() -> None:
    """An async callback is waited for, then cancelled: close() leaves no task behind."""
    made = line()
    await made.connect()
    chat = await made.live()
    ended: list[str] = []

    async def slow(event: Disconnected) -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            ended.append("cancelled")

    chat.on(Disconnected, slow)
    await made.cable.close(timeout=1)
    assert ended == ["cancelled"]
    assert len(asyncio.all_tasks()) == 1


# Signed streams ------------------------------------------------------------------------------------------------------


def signed(name: str) -> str:
    """Write the identifier of a signed stream."""
    return json.dumps({"channel": "$pubsub", "signed_stream_name": name}, separators=(",", ":"))


async def test_streams_by_name() -> None:
    """Public and signed ones are subscriptions like any other."""
    async with connected() as made:
        public, private = made.cable.stream("news"), made.cable.signed_stream("bmV3cw==--abc")
        assert public.identifier == '{"channel":"$pubsub","stream_name":"news"}'
        assert private.identifier == signed("bmV3cw==--abc")
        await settle()
        for handle in (public, private):
            made.server.confirm(handle.identifier)
            assert await handle is handle


@pytest.mark.parametrize("kind", ["plain", "async"])
async def test_the_function_that_names_a_stream_is_asked_before_each_subscribe(kind: str) -> None:
    """The name may be another on the next line."""
    names = iter(["first", "second"])

    async def later() -> str:
        await asyncio.sleep(1)
        return next(names)

    async with connected() as made:
        handle = made.cable.signed_stream(later if kind == "async" else lambda: next(names))
        assert handle.identifier == ""
        await asyncio.sleep(1.1)
        assert handle.identifier == signed("first")
        made.server.confirm(signed("first"))
        await handle
        made.server.cut()
        await made.welcome()
        await asyncio.sleep(1.1)
        made.server.confirm(signed("second"))
        await handle
        made.server.message(signed("second"), "hi")
        assert (await handle.receive()).data == "hi"


class Namer:
    """A function that fails in several ways before it gives a name."""

    def __init__(self, *failures: Any) -> None:
        self.failures = list(failures)
        self.asked = 0

    async def __call__(self) -> str:
        """Fail as often as it was told to."""
        self.asked += 1
        if not self.failures:
            return "name"
        failure = self.failures.pop(0)
        if failure == "hang":
            await asyncio.Event().wait()
        if isinstance(failure, BaseException):
            raise failure
        return failure  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("failure", "told"), [(LookupError("no"), "LookupError"), ("", "InvalidIdentifier"), (7, "InvalidIdentifier")]
)
async def test_a_function_that_fails_to_name_is_asked_again(failure: Any, told: str) -> None:
    """After a while; who waits is told, and may wait again."""
    async with connected() as made:
        namer = Namer(failure, failure)
        handle = made.cable.signed_stream(namer)
        events: list[Event] = []
        handle.on(NamingFailed, events.append)
        with pytest.raises(NamingFault) as raised:
            await handle
        assert type(raised.value.__cause__).__name__ == told
        while namer.asked < 3:
            await asyncio.sleep(1)
            made.server.send({"type": "ping"})
        waiting = background(confirmation(handle))
        await settle()
        made.server.confirm(signed("name"))
        assert await waiting is handle
        assert [type(event.error).__name__ for event in events] == [told, told]  # type: ignore[attr-defined]


@pytest.mark.parametrize("failure", ["hang", asyncio.CancelledError()])
async def test_a_function_that_hangs_or_cancels_itself_is_asked_again(failure: Any) -> None:
    """Nothing waits for ever for a name."""
    async with connected() as made:
        namer = Namer(failure)
        handle = made.cable.signed_stream(namer)
        while namer.asked < 2:
            await asyncio.sleep(1)
            made.server.send({"type": "ping"})
            assert asyncio.get_running_loop().time() < 30
        await settle()
        made.server.confirm(signed("name"))
        assert await handle is handle


async def test_two_functions_that_give_one_name() -> None:
    """They share one subscription: a second subscribe of it would never be answered."""
    async with connected() as made:
        one, two = made.cable.signed_stream(lambda: "same"), made.cable.signed_stream(lambda: "same")
        three = made.cable.signed_stream("same")
        calls = [background(handle.perform("speak", n=n)) for n, handle in enumerate((one, two, three))]
        await settle()
        assert commands(made) == ["subscribe"]
        made.server.confirm(signed("same"))
        await asyncio.gather(*map(confirmation, (one, two, three)), *calls)
        made.server.message(signed("same"), "hi")
        assert [(await handle.receive(timeout=1)).data for handle in (one, two, three)] == ["hi"] * 3
        assert commands(made) == ["message"] * 3
        for handle in (one, two, three):
            await handle.unsubscribe(flush=False)
        assert commands(made) == ["unsubscribe"]


async def test_leaving_while_the_name_is_awaited() -> None:
    """Nothing is sent."""
    async with connected() as made:
        handle = made.cable.signed_stream(Namer("hang"))
        await settle()
        await asyncio.wait_for(handle.unsubscribe(), 1)
        await asyncio.sleep(20)
        assert commands(made) == []
        assert made.cable.stats().subscriptions == 0


# What it shows -------------------------------------------------------------------------------------------------------


async def test_what_a_handle_shows() -> None:
    """Identifier, state and how much is unread, never a payload."""
    async with connected() as made:
        chat = await made.live(room=7)
        made.server.message(chat.identifier, "confidential")
        await settle()
        assert repr(chat) == '<Subscription {"channel":"Chat","room":7} subscribed, 1 unread>'
        assert chat.stats().unread_bytes > len("confidential")
        assert chat.channel is None


async def test_log_lines_say_which_subscription(caplog: pytest.LogCaptureFixture) -> None:
    """Two hundred of them would be no help otherwise."""
    with caplog.at_level("INFO", "cableway"):
        async with connected() as made:
            chat = await made.live(room=7)
            made.server.reject(chat.identifier)
            await settle()
    assert 'subscription {"channel":"Chat","room":7}: revoked by the server' in caplog.messages


async def test_a_refused_handle_that_is_retried_ends_with_its_cable() -> None:
    """It was only waiting for the next line: after the cable's end there is none."""
    async with connected() as made:
        chat = made.cable.subscribe("Chat", options=SubscriptionOptions(retry_rejected=True))
        await settle()
        made.server.reject(chat.identifier)
        reading = background(anext(chat, None))
        await settle()
        assert chat.state is SubscriptionState.REJECTED
    assert await reading is None
    assert chat.state is SubscriptionState.CLOSED
