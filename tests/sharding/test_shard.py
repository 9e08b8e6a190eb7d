"""One shard, and its line."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cableway import Cable, State
from cableway.sharding.shard import Shard
from tests.scripted import STEADY, settle
from tests.sharding.played import Servers

pytestmark = pytest.mark.looptime


def shard(servers: Servers, emptied: list[Shard] | None = None) -> Shard:
    """Make a shard that may open its line."""
    cable = Cable(servers.urls["a"], transports=[servers.transport], backoff=STEADY, open_timeout=None)
    made = Shard("a", servers.urls["a"], cable, (emptied if emptied is not None else []).append)
    made.is_open = True
    return made


async def test_the_line_is_opened_once() -> None:
    """However often it is needed, one dial is made; after the first step the cable is on its way."""
    servers = Servers("a")
    async with servers.serving():
        made = shard(servers)
        made.need()
        made.need()
        assert made.cable.state is State.IDLE
        await made.begun()
        assert made.cable.state is State.CONNECTING
        await asyncio.sleep(1)
        made.need()
        await asyncio.sleep(1)

        assert (made.cable.state, servers.transport.dials) == (State.CONNECTED, 1)
        await made.close()


async def test_closed_it_opens_no_line() -> None:
    """Closed in the very turn in which it was needed, or not open at all, it never dials."""
    servers = Servers("a")
    async with servers.serving():
        made = shard(servers)
        made.need()
        await made.close()
        made.need()
        await asyncio.sleep(10)

        assert (servers.transport.dials, made.cable.state) == (0, State.IDLE)


async def test_a_final_failure_is_not_dialled_again_by_itself() -> None:
    """Need does not help a shard whose server threw us out, unless it is said to."""
    servers = Servers("a")
    servers["a"].mood = "locked"
    async with servers.serving():
        made = shard(servers)
        made.need()
        await settle()
        await asyncio.sleep(1)
        made.need()
        await asyncio.sleep(60)
        assert (made.cable.state, servers.transport.dials) == (State.CLOSED, 1)

        servers["a"].mood = "fine"
        made.need(again=True)
        await asyncio.sleep(1)
        assert made.cable.state is State.CONNECTED
        await made.close()
        made.is_open = True
        made.need()
        await asyncio.sleep(1)
        assert made.cable.state is State.CONNECTED
        await made.close()


async def test_the_last_one_to_leave_a_drained_shard_is_noticed() -> None:
    """Only once it is being drained, and only when nothing is on it any more."""
    servers, emptied = Servers("a"), list[Shard]()
    made = shard(servers, emptied)
    made.is_open = False
    legs: Any = object()
    one, other = (made.cable.subscribe("Chat", id=i) for i in range(2))
    made.join(one, legs)
    made.release(one)
    assert emptied == []

    made.join(one, legs)
    made.join(other, legs)
    made.draining = True
    made.tidy()
    made.release(one)
    assert emptied == []
    made.release(other)
    assert emptied == [made]
