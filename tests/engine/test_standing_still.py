"""A process that was suspended, or whose loop was blocked: first it reads what came meanwhile, then it judges."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from cableway import Disconnected, LineStale, PersistentMonitor, State
from tests.scripted import connected, settle

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.scripted import Line

pytestmark = pytest.mark.looptime

BEAT = 3.0
ABSENT = 600.0


async def beaten(made: Line) -> None:
    """Let the server beat until its beat is known."""
    for _ in range(3):
        await asyncio.sleep(BEAT)
        made.server.send({"type": "ping", "message": 1})
        await settle()


async def absent(made: Line, unread: int) -> Callable[[], None]:
    """Let time pass without the cable's timer; *unread* beats come meanwhile. Return what fires the timer, late."""
    engine = made.cable._engine
    assert engine._timer is not None
    engine._timer.cancel()
    await asyncio.sleep(ABSENT)
    for _ in range(unread):
        made.server.send({"type": "ping", "message": 1})
    return engine._tick


async def test_what_came_meanwhile_is_read_before_the_verdict() -> None:
    """A suspended process finds its timer due before its data: a line on which the server beats is kept."""
    async with connected(monitor=PersistentMonitor()) as made:
        await beaten(made)
        fire = await absent(made, unread=200)
        fire()
        await asyncio.sleep(1)
        assert made.cable.state is State.CONNECTED
        assert made.told(Disconnected) == []


async def test_an_absence_of_ours_is_no_beat_of_the_servers() -> None:
    """The gap that it tore is not learned, in whichever order timer and data come: a line dead later is found soon."""
    for timer_first in (True, False):
        monitor = PersistentMonitor()
        async with connected(monitor=monitor) as made:
            await beaten(made)
            assert monitor.limit == pytest.approx(9, abs=0.1)
            fire = await absent(made, unread=200)
            if not timer_first:
                await settle()
            fire()
            await asyncio.sleep(0.1)
            await beaten(made)
            assert monitor.limit == pytest.approx(9, abs=0.5)


async def test_a_line_that_died_meanwhile_is_found_dead_at_once() -> None:
    """With nothing to read, the verdict comes a moment later."""
    async with connected(monitor=PersistentMonitor()) as made:
        await beaten(made)
        fire = await absent(made, unread=0)
        fire()
        await asyncio.sleep(0.1)
        (lost,) = made.told(Disconnected)
        assert isinstance(lost.error, LineStale)  # type: ignore[attr-defined]
