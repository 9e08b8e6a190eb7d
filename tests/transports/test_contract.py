"""The contract of a line, told once and played on every transport: what a cable keeps, whatever carries it."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from cableway import (
    Cable,
    Connected,
    Disconnected,
    Event,
    Recovered,
    Recovery,
    ServerDisconnect,
    State,
    SubscriptionOptions,
    SubscriptionRejected,
    SubscriptionState,
)
from tests.scripted import background
from tests.transports.stages import KINDS, PATIENCE, Kind, Stage, of_clients

if TYPE_CHECKING:
    from cableway import Subscription

pytestmark = pytest.mark.looptime

BASE = "actioncable-v1-json"
MANY = 10_000
KNOWN = 20.0
"""Seconds after which every line has told the server's time, and so up to when all was heard."""

VALUES = [
    *(None, False, True, 0, -1, 0.5, 2**53, "", [], {}),
    *("naïve ☕ 日本語 👩‍🚀", "\x00\t\r\n\u2028\u2029\x7f", '"}\\ {"type":"ping"}', "data: 1\n\nevent: ping\n\n"),
    {"ключ": [None, {"": [[[]]]}], "type": "disconnect", "message": None},
]
"""JSON values that some encoding or framing might trip over."""


@pytest.fixture(params=KINDS, ids=str)
def stage(request: pytest.FixtureRequest) -> Stage:
    """A stage for each transport."""
    return Stage(request.param)


@pytest.fixture(params=[kind for kind in KINDS if kind.sends], ids=str)
def speaking(request: pytest.FixtureRequest) -> Stage:
    """A stage for each transport that carries commands."""
    kind: Kind = request.param
    return Stage(kind)


async def read(subscription: Subscription[Any], count: int) -> list[Any]:
    """Read the next messages."""
    found: list[Any] = []
    async with asyncio.timeout(PATIENCE):
        while len(found) < count:
            found.append((await anext(subscription)).data)
    return found


async def room(cable: Cable, name: str) -> Subscription[Any]:
    """Subscribe, and wait for the confirmation."""
    return await cable.subscribe("Room", name=name)


# Subscribing, and leaving ---------------------------------------------------------------------------------------------


async def test_awaiting_a_subscription_waits_for_its_confirmation(stage: Stage) -> None:
    """From then on all that is published arrives."""
    async with stage, stage.cable() as cable:
        subscription = cable.subscribe("Room", name="a")
        assert subscription.state is SubscriptionState.PENDING
        await subscription
        assert (subscription.state, stage.told) == (SubscriptionState.SUBSCRIBED, ["subscribed a"])
        await stage.publish("a", 1)
        assert await read(subscription, 1) == [1]
        assert stage.lines == 1


async def test_a_rejection_is_told_and_not_tried_again(stage: Stage) -> None:
    """It concerns nobody else, not even who asks in the same moment."""
    async with stage, stage.cable() as cable:
        locked, other = cable.subscribe("Locked", name="a"), cable.subscribe("Room", name="b")
        with pytest.raises(SubscriptionRejected):
            await locked
        await other
        refusals = stage.told.count("refused a")
        await asyncio.sleep(120)
        assert stage.told.count("refused a") == refusals
        assert locked.state is SubscriptionState.REJECTED
        await stage.publish("b", 1)
        assert await read(other, 1) == [1]
        assert stage.lines == 1


async def test_after_unsubscribing_nothing_arrives(stage: Stage) -> None:
    """The server knows; others go on, and who subscribes anew begins anew."""
    async with stage, stage.cable() as cable:
        first, other = await room(cable, "a"), await room(cable, "b")
        await stage.publish("a", 1)
        assert await read(first, 1) == [1]
        await first.unsubscribe()
        await stage.until(lambda: "unsubscribed a" in stage.told)
        await stage.publish("a", 2)
        await stage.publish("b", 3)
        assert await read(other, 1) == [3]
        assert [message async for message in first] == []
        again = await room(cable, "a")
        await stage.publish("a", 4)
        assert await read(again, 1) == [4]
        assert stage.told == ["subscribed a", "subscribed b", "unsubscribed a", "subscribed a"]


# What is said ---------------------------------------------------------------------------------------------------------


async def test_messages_arrive_as_they_were_published(stage: Stage) -> None:
    """Every JSON value, falsy ones and all characters among them."""
    async with stage, stage.cable() as cable:
        subscription = await room(cable, "a")
        await stage.publish("a", *VALUES)
        assert await read(subscription, len(VALUES)) == VALUES


async def test_commands_arrive_as_they_were_performed(speaking: Stage) -> None:
    """And their answers come back."""
    async with speaking as stage, stage.cable() as cable:
        subscription = await room(cable, "a")
        for value in VALUES:
            await subscription.perform("note", value=value)
            await subscription.perform("echo", value=value)
        assert [answer["value"] for answer in await read(subscription, len(VALUES))] == VALUES
        assert [(name, data["value"]) for name, data in stage.performed] == [("a", value) for value in VALUES]


async def test_large_messages_arrive(stage: Stage) -> None:
    """Half a megabyte, with small ones around."""
    large = "☕" + "x" * 500_000
    async with stage, stage.cable() as cable:
        subscription = await room(cable, "a")
        await stage.publish("a", 1, large, 2)
        assert await read(subscription, 3) == [1, large, 2]
        assert stage.lines == 1


async def test_large_commands_arrive(speaking: Stage) -> None:
    """As large as servers take them, with small ones around."""
    large = "x" * 63_000
    async with speaking as stage, stage.cable() as cable:
        subscription = await room(cable, "a")
        for value in (1, large, 2):
            await subscription.perform("note", value=value)
        await stage.until(lambda: len(stage.performed) == 3)
        assert [data["value"] for _, data in stage.performed] == [1, large, 2]
        assert stage.lines == 1


# Order ----------------------------------------------------------------------------------------------------------------


async def test_ten_thousand_messages_arrive_in_order(stage: Stage) -> None:
    """None lost, none twice, on one line; on the base protocol, where nothing is put right by numbers."""

    async def publish() -> None:
        for start in range(0, MANY, 500):
            await stage.publish("a", *range(start, start + 500))
            await asyncio.sleep(0.02)

    async with stage, stage.cable(protocol=BASE) as cable:
        subscription = await room(cable, "a")
        publishing = background(publish())
        assert await read(subscription, MANY) == list(range(MANY))
        await publishing
        assert subscription.take() == []
        assert stage.lines == 1


async def test_a_slow_reader_holds_the_line_up_and_loses_nothing(stage: Stage) -> None:
    """Whoever shares the line waits with it; all comes in order."""
    count = 300
    async with stage, stage.cable(protocol=BASE) as cable:
        slow = await cable.subscribe("Room", options=SubscriptionOptions(overflow="pause", max_messages=5), name="a")
        other = await room(cable, "b")
        for number in range(count):
            await stage.publish("a", number)
            await stage.publish("b", number)
            await asyncio.sleep(0.01)
        received: list[Any] = []
        while len(received) < count:
            received += await read(slow, 1)
            await asyncio.sleep(0.01)
        assert received == list(range(count))
        assert await read(other, count) == list(range(count))
        assert stage.lines == 1


async def test_ten_thousand_commands_arrive_in_order(speaking: Stage) -> None:
    """The same, the other way."""
    async with speaking as stage, stage.cable() as cable:
        subscription = await room(cable, "a")
        for number in range(MANY):
            await subscription.perform("note", n=number)
        await asyncio.gather(room(cable, "b"), subscription.perform("count"))
        assert await read(subscription, 1) == [MANY]
        assert [data["n"] for _, data in stage.performed] == list(range(MANY))
        assert stage.lines == 1


async def test_commands_of_many_subscriptions_are_run_in_the_order_of_the_calls(speaking: Stage) -> None:
    """Whoever calls: a line has one order."""
    names = [f"room {number}" for number in range(20)]
    calls = [(Random(number).choice(names), {"n": number}) for number in range(500)]
    async with speaking as stage, stage.cable() as cable:
        rooms = dict(zip(names, await asyncio.gather(*(room(cable, name) for name in names)), strict=True))
        await asyncio.gather(*(rooms[name].perform("note", data) for name, data in calls))
        await stage.until(lambda: len(stage.performed) >= len(calls))
        assert stage.performed == calls


async def test_behind_a_command_without_an_answer_others_have_their_turn(speaking: Stage) -> None:
    """A server with nothing to say is not taken for dead."""
    async with speaking as stage, stage.cable() as cable:
        first = await room(cable, "a")
        await first.perform("note", n=1)
        await asyncio.sleep(1)
        second = await room(cable, "b")
        await second.perform("note", n=2)
        await stage.until(lambda: len(stage.performed) == 2)
        assert stage.performed == [("a", {"n": 1}), ("b", {"n": 2})]
        assert stage.lines == 1


# Breaks ---------------------------------------------------------------------------------------------------------------


async def test_after_an_abrupt_loss_all_is_as_before(stage: Stage) -> None:
    """The subscriptions live again, and what was published meanwhile is told, once and in order."""
    events: list[Event] = []
    told: list[Recovered] = []
    async with stage, stage.cable(events) as cable:
        first, second = await room(cable, "a"), await room(cable, "b")
        first.on(Recovered, told.append)
        await stage.publish("a", 1)
        assert await read(first, 1) == [1]
        await asyncio.sleep(KNOWN)
        async with stage.outage():
            await stage.publish("a", *range(2, 50))
            await stage.publish("b", *range(50))
        assert await read(first, 48) == list(range(2, 50))
        assert await read(second, 50) == list(range(50))
        await stage.until(lambda: bool(told))
        await stage.publish("a", "live")
        await stage.publish("b", "live")
        assert [await read(one, 1) for one in (first, second)] == [["live"], ["live"]]
        assert [event.reconnected for event in events if isinstance(event, Connected)] == [False, True]
        assert [(event.recovery, event.replayed, event.reason) for event in told] == [(Recovery.COMPLETE, 48, "")]
        assert stage.lines == 2


async def test_on_the_base_protocol_a_loss_is_told_as_unknown(speaking: Stage) -> None:
    """The subscriptions live again all the same."""
    told: list[Recovered] = []
    async with speaking as stage, stage.cable(protocol=BASE) as cable:
        subscription = await room(cable, "a")
        subscription.on(Recovered, told.append)
        async with stage.outage():
            await stage.publish("a", "lost")
        await stage.until(lambda: bool(told))
        await stage.publish("a", "live")
        assert await read(subscription, 1) == ["live"]
        assert [event.recovery for event in told] == [Recovery.UNKNOWN]
        assert stage.told == ["subscribed a", "unsubscribed a", "subscribed a"]


async def test_a_session_is_asked_back(speaking: Stage) -> None:
    """The server's channel goes on as it was, and is not told of another subscription."""
    async with speaking as stage, stage.cable() as cable:
        subscription = await room(cable, "a")
        await subscription.perform("note", n=1)
        await stage.until(lambda: bool(stage.performed))
        async with stage.outage():
            await stage.until(lambda: stage.ended == 1)
        await subscription
        await subscription.perform("note", n=2)
        await subscription.perform("count")
        assert await read(subscription, 1) == [2]
        assert stage.gateway.stats().restored == 1
        assert stage.told == ["subscribed a", "unsubscribed a"]


async def test_sent_away_for_a_while_a_cable_comes_back(stage: Stage) -> None:
    """With its subscriptions."""
    events: list[Event] = []
    async with stage, stage.cable(events) as cable:
        subscription = await room(cable, "a")
        await stage.send_away(reconnect=True)
        await stage.until(lambda: stage.lines == 2)
        await subscription
        await stage.publish("a", 1)
        assert await read(subscription, 1) == [1]
        [lost] = [event.error for event in events if isinstance(event, Disconnected)]
        assert isinstance(lost, ServerDisconnect)
        assert lost.reason == "remote"
        assert [event.reconnected for event in events if isinstance(event, Connected)] == [False, True]


async def test_sent_away_for_good_a_cable_ends(stage: Stage) -> None:
    """Its holders are told why, and it dials no more."""
    async with stage, stage.cable() as cable:
        subscription = await room(cable, "a")
        await stage.publish("a", 1)
        assert await read(subscription, 1) == [1]
        await stage.send_away(reconnect=False)
        with pytest.raises(ServerDisconnect, match="remote"):
            await subscription.receive(timeout=60)
        assert cable.state is State.CLOSED
        await asyncio.sleep(120)
        assert stage.lines == 1
        assert not stage.busy


# The end --------------------------------------------------------------------------------------------------------------


async def test_closing_ends_all_that_there_is(stage: Stage) -> None:
    """What is unread can be read, then iteration ends; the server sees us go, and nothing of ours stays behind."""
    async with stage:
        async with stage.cable() as cable:
            subscription, idle = await room(cable, "a"), await room(cable, "b")
            waiting = background(_all(idle))
            await stage.publish("a", 1, 2)
            await stage.until(lambda: subscription.stats().unread == 2)
        assert await asyncio.wait_for(waiting, 1) == []
        assert await _all(subscription) == [1, 2]
        assert cable.state is State.CLOSED
        assert of_clients() == []
        await stage.until(lambda: not stage.busy)
        assert sorted(told for told in stage.told if told.startswith("un")) == ["unsubscribed a", "unsubscribed b"]
        assert stage.ended


async def test_closing_sends_what_is_left(speaking: Stage) -> None:
    """What was performed a moment ago is run."""
    async with speaking as stage:
        async with stage.cable() as cable:
            subscription = await room(cable, "a")
            for number in range(100):
                await subscription.perform("note", n=number)
        await stage.until(lambda: stage.ended == 1)
        assert [data["n"] for _, data in stage.performed] == list(range(100))


async def _all(subscription: Subscription[Any]) -> list[Any]:
    return [message.data async for message in subscription]


# Cancelling -----------------------------------------------------------------------------------------------------------


async def test_a_receive_that_is_cancelled_loses_no_message(stage: Stage) -> None:
    """However often."""
    random = Random(7)

    async def publish() -> None:
        for number in range(200):
            await stage.publish("a", number)
            await asyncio.sleep(random.uniform(0, 0.02))

    async with stage, stage.cable() as cable:
        subscription = await room(cable, "a")
        publishing = background(publish())
        received: list[Any] = []
        cancelled = 0
        while len(received) < 200:
            receiving = background(subscription.receive(timeout=60))
            await asyncio.sleep(random.choice([0, random.uniform(0, 0.02)]))
            receiving.cancel()
            await asyncio.wait([receiving])
            cancelled += receiving.cancelled()
            received += [] if receiving.cancelled() else [receiving.result().data]
        assert received == list(range(200))
        assert cancelled > 20
        await publishing


async def test_a_perform_that_is_cancelled_before_it_went_is_not_sent(speaking: Stage) -> None:
    """Those before and after it are."""
    async with speaking as stage, stage.cable() as cable:
        subscription = cable.subscribe("Room", name="a")
        performing = [background(subscription.perform("note", n=number)) for number in range(3)]
        await asyncio.sleep(0)
        performing[1].cancel()
        await asyncio.wait(performing)
        await stage.until(lambda: len(stage.performed) == 2)
        assert [data["n"] for _, data in stage.performed] == [0, 2]


async def test_performs_that_are_cancelled_lose_no_other(speaking: Stage) -> None:
    """What was handed over arrives, once and in order; what was cancelled arrives once or not at all."""
    random = Random(11)
    count, load = 60, "x" * 20_000
    async with speaking as stage, stage.cable() as cable:
        subscription = await room(cable, "a")
        performing = [background(subscription.perform("note", n=number, load=load)) for number in range(count)]
        for one in random.sample(performing, 10):
            one.cancel()
        await asyncio.sleep(0)
        # Those that are left have been handed over, or wait for the network.
        for one in random.sample(performing, 10):
            one.cancel()
        await asyncio.wait(performing)
        await subscription.perform("note", n=count)
        sent = {number for number, one in enumerate(performing) if not one.cancelled()}
        await stage.until(lambda: bool(stage.performed) and stage.performed[-1][1]["n"] == count)
        arrived = [data["n"] for _, data in stage.performed]
        assert arrived == sorted(set(arrived))
        assert set(arrived) >= {*sent, count}
        assert len(arrived) <= count + 1 - 10
