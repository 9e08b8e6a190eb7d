"""Moves that are tried again."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from cableway import SubscriptionRejected
from cableway.events import MoveFailed
from cableway.policies.topics import TopicRouter
from tests.sharding.played import sharded, topic_on

pytestmark = pytest.mark.looptime


async def test_a_failed_move_is_tried_less_and_less_often() -> None:
    """The wait grows to half a minute or so, and each try is told with its reason."""
    async with sharded("a", "b") as (cable, servers):
        told: list[tuple[float, MoveFailed]] = []
        clock = asyncio.get_running_loop().time
        cable.on(MoveFailed, lambda event: told.append((clock(), event)))
        await cable.subscribe("Chat", topic=topic_on(cable, "a"))
        servers["b"].mood = "rejecting"
        with pytest.raises(TimeoutError):
            await cable.drain("a", timeout=600)

        assert all(isinstance(event.error, SubscriptionRejected) for _, event in told)
        assert [event.delay for _, event in told][:1] < [1.5]
        assert max(event.delay for _, event in told) > 20
        for (at, event), (then, _) in pairwise(told):
            assert 0 <= then - at - event.delay < 1


async def test_a_change_of_the_shards_ends_the_wait() -> None:
    """A move that waits for its next try begins at once when the topic's shard is another one."""
    async with sharded("a", "b", also=("c",)) as (cable, servers):
        topic = topic_on(cable, "a")
        chat = await cable.subscribe("Chat", topic=topic)
        servers["b"].mood = "rejecting"
        with pytest.raises(TimeoutError):
            await cable.drain("a", timeout=300)
        # Nobody who could not move before is waited for here.
        await cable.add("c", servers.urls["c"], replicas=0)
        assert chat.shard == "a"

        cable.router.pin(topic, "c")
        began = asyncio.get_running_loop().time()
        await cable.rebalance()
        assert (chat.shard, asyncio.get_running_loop().time() - began < 2) == ("c", True)


class Moody(TopicRouter):
    """A router of the user's own that fails now and then."""

    failing = False

    def shard_of(self, topic: str) -> str:
        """Fail, or do as ever."""
        if self.failing:
            raise LookupError(topic)
        return super().shard_of(topic)


async def test_a_router_that_fails_is_told_and_asked_again() -> None:
    """Nobody moves anywhere meanwhile, and no task dies of it."""
    router = Moody(["a", "b"])
    async with sharded("a", "b", router=router) as (cable, _):
        told: list[Any] = []
        cable.on(MoveFailed, told.append)
        chat = await cable.subscribe("Chat", topic=topic_on(cable, "a"))
        router.failing = True
        with pytest.raises(TimeoutError):
            await cable.rebalance(timeout=5)
        assert (told[0].target, chat.shard) == ("", "a")

        router.failing = False
        await cable.rebalance()
        assert chat.shard == "a"


async def test_a_second_change_during_a_move_is_followed() -> None:
    """Drained while it is being moved to, a shard does not keep what it was to take."""
    async with sharded("a", "b", "c") as (cable, servers):
        topic = topic_on(cable, "a")
        chat = await cable.subscribe("Chat", topic=topic)
        draining = asyncio.get_running_loop().create_task(cable.drain("a"))
        await asyncio.sleep(0.01)
        second = cable.router.shard_of(topic)
        await cable.drain(second)
        await draining
        (last,) = cable.router.shards

        assert (chat.shard, list(cable.states)) == (last, [last])
        assert servers[last].subscribed == {chat.identifier}
