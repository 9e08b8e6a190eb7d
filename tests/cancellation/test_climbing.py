"""Give the way back to a better transport up at each of its steps: one line is left or none, and nothing beside it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cableway import HandedOver
from tests.cancellation.test_hand_over import STOPS, works_on
from tests.engine.test_climbing import fallen, until
from tests.obstructed import Obstructed, obstructed

pytestmark = pytest.mark.looptime

STEPS = [*range(0, 60, 5), *range(60, 4200, 230)]
"""Milliseconds: up to more than a climb takes here, whose server answers each word after ten, and beats every 3 s."""


@pytest.mark.parametrize("stop", STOPS, ids=lambda stop: stop.__name__)
async def test_stopped_at_each_millisecond(stop: Any) -> None:
    """Whatever stops it: the cable works afterwards, on one line, with all its subscriptions."""
    over = 0
    for step in STEPS:
        async with obstructed(times={"probe_after": 0.5}) as made:
            over += await stopped(made, stop, step / 1000)
    assert 0 < over < len(STEPS)


async def stopped(made: Obstructed, stop: Any, after: float) -> bool:
    """Stop the first climb so many seconds after its beginning; return whether it was over by then."""
    scene = made.scene
    handles = [await fallen(made), await scene.cable.subscribe("Other")]
    made.websocket.obstacle = None
    dials = len(made.websocket.dials)
    await until(lambda: len(made.websocket.dials) > dials)
    await asyncio.sleep(after)
    over = bool(scene.told(HandedOver))
    await stop(scene)
    await works_on(scene, handles)
    return over
