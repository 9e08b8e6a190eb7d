"""Where a subscription stands, step by step."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from cableway import Event, Rejected, SubscriptionOptions, SubscriptionRejected, SubscriptionState
from cableway.events import SubscriptionMoved
from cableway.sharding.legs import Legs
from tests.scripted import background, identifier
from tests.sharding.played import sharded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cableway.sharding.shard import Shard
    from tests.sharding.played import Servers

pytestmark = pytest.mark.looptime

CHAT = identifier("Chat")


@asynccontextmanager
async def standing(**options: Any) -> AsyncIterator[tuple[Legs[Any], list[Event], dict[str, Shard], Servers]]:
    """A subscription that is confirmed on shard a, and what it tells."""
    async with sharded("a", "b", "c") as (cable, servers):
        shards, chosen = cable._fleet.shards, SubscriptionOptions(**options)
        legs: Legs[Any] = Legs("topic", shards["a"], lambda on: on.subscribe("Chat", options=chosen), chosen)
        told: list[Event] = []
        legs.on_event = told.append
        await shards["a"].begun()
        await legs.current
        yield legs, told, shards, servers


async def test_a_move_makes_before_it_breaks() -> None:
    """Confirmed there first, on both for the overlap, then gone here."""
    async with standing() as (legs, told, shards, servers):
        moving = background(legs.move(shards["b"], patience=5, overlap=2))
        await asyncio.sleep(0.01)
        assert (legs.shard, servers["b"].subscribed) == (shards["a"], set())
        await asyncio.sleep(0.5)
        assert (legs.shard, servers["a"].subscribed, servers["b"].subscribed) == (shards["b"], {CHAT}, {CHAT})
        assert told[-1] == SubscriptionMoved(CHAT, "a", "b")
        await moving
        await asyncio.sleep(0.1)

        assert servers["a"].subscribed == set()
        assert (list(shards["a"].legs), list(shards["b"].legs)) == ([], [legs.current])


async def test_what_nobody_reads_is_kept_and_what_is_read_is_let_go() -> None:
    """After three moves only the subscriptions that hold something unread are left, and the figures add up."""
    async with standing() as (legs, _, shards, servers):
        servers.publish(CHAT, 1)
        await asyncio.sleep(0.1)
        for name in "bcb":
            await legs.move(shards[name], patience=5, overlap=0)
        servers.publish(CHAT, 2)
        await asyncio.sleep(0.1)

        assert len(legs._line) == 3
        assert (legs.stats().unread, legs.stats().received) == (2, 2)
        first = legs.first
        assert [message.data for message in first.take()] == [1]
        assert legs.advance(first)
        assert legs.first is legs.current
        assert not legs.advance(legs.first)
        assert (legs.stats().unread, legs.stats().received) == (1, 2)


async def test_a_rejection_during_a_move_is_raised_and_changes_nothing() -> None:
    """The new shard's answer is the mover's to tell; no event of it reaches the user."""
    async with standing() as (legs, told, shards, servers):
        servers["b"].mood = "rejecting"
        del told[:]
        with pytest.raises(SubscriptionRejected):
            await legs.move(shards["b"], patience=5, overlap=1)

        assert (legs.shard, told, list(shards["b"].legs)) == (shards["a"], [], [])
        assert not legs.superseded(legs.current)


@pytest.mark.parametrize("moment", [0.0, 0.015, 0.035, 0.5])
async def test_a_cancelled_move_stands_on_one_shard(moment: float) -> None:
    """Whenever it is cancelled, the server that it does not stand on is told."""
    async with standing() as (legs, _, shards, servers):
        moving = background(legs.move(shards["b"], patience=5, overlap=1))
        await asyncio.sleep(moment)
        moving.cancel()
        await asyncio.wait([moving])
        await asyncio.sleep(20)
        here, there = ("b", "a") if legs.shard is shards["b"] else ("a", "b")

        assert (servers[here].subscribed, servers[there].subscribed) == ({CHAT}, set())
        assert (len(shards[here].legs), len(shards[there].legs)) == (1, 0)
        assert legs.current.state is SubscriptionState.SUBSCRIBED


async def test_what_the_old_shard_does_in_the_overlap_is_not_told() -> None:
    """Revoked there when it is here already, the subscription goes on as if nothing had been."""
    async with standing() as (legs, told, shards, servers):
        moving = background(legs.move(shards["b"], patience=5, overlap=2))
        await asyncio.sleep(0.5)
        servers["a"].line.reject(CHAT)
        await moving

        assert [event for event in told if isinstance(event, Rejected)] == []
        assert (legs.over, list(shards["b"].legs)) == (False, [legs.current])


async def test_given_up_it_steps_nowhere() -> None:
    """Unsubscribed while the new shard is still asked, it ends, and does not come to stand there."""
    async with standing() as (legs, _, shards, servers):
        servers["b"].mood = "silent"
        moving = background(legs.move(shards["b"], patience=2, overlap=0))
        await asyncio.sleep(0.5)
        await legs.unsubscribe(flush=False)
        assert not legs.advance(legs.first)
        assert not legs.superseded(legs.current)
        await moving

        assert (legs.shard, legs.over, list(shards["b"].legs)) == (shards["a"], True, [])


async def test_taken_back_for_good_it_is_over() -> None:
    """Revoked by the server, it no longer counts as one of the shard's."""
    async with standing() as (legs, told, shards, servers):
        servers["a"].line.reject(CHAT)
        await asyncio.sleep(0.1)

        assert isinstance(told[-1], Rejected)
        assert (legs.refused, legs.over, list(shards["a"].legs)) == (True, True, [])


async def test_taken_back_but_retried_it_is_not() -> None:
    """With retry_rejected it stays one of the shard's, and moves without waiting for an answer that may not come."""
    async with standing(retry_rejected=True) as (legs, _, shards, servers):
        servers["a"].line.reject(CHAT)
        await asyncio.sleep(0.1)
        assert (legs.refused, legs.over, len(shards["a"].legs)) == (False, False, 1)

        await legs.move(shards["b"], patience=5, overlap=1)
        await shards["b"].begun()
        await legs.current
        assert (legs.shard, servers["b"].subscribed) == (shards["b"], {CHAT})
