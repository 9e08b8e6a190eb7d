"""Give a hand-over up at each of its steps: one line is left or none, and nothing beside it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from cableway import HandedOver, State, TokenRenewal, TokenRenewed
from tests.issuing import Issuer, Scene, staged

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pytestmark = pytest.mark.looptime

STEPS = [*range(0, 100, 4), *range(100, 4200, 190)]
"""Milliseconds: up to more than a hand-over takes here. The server answers each word after ten, and beats every 3 s."""


async def close(scene: Scene) -> None:
    """Be done, and begin anew."""
    await scene.cable.close()
    assert scene.backend.open == []
    await scene.cable.open()


async def drop(scene: Scene) -> None:
    """Be done without a word, and begin anew."""
    await scene.cable.close(flush=False)
    assert scene.backend.open == []
    await scene.cable.open()


async def pause(scene: Scene) -> None:
    """Let the line go for a while."""
    scene.cable.pause()
    await asyncio.sleep(3)
    assert (scene.cable.state, scene.backend.open) == (State.DORMANT, [])
    scene.cable.resume()


async def cut_the_old(scene: Scene) -> None:
    """The line that counts breaks."""
    scene.backend.talks[0].line.cut()
    await asyncio.sleep(0)


async def cut_the_new(scene: Scene) -> None:
    """The line that is to count breaks."""
    if len(scene.backend.talks) > 1:
        scene.backend.talks[1].line.cut()


async def cancel(scene: Scene) -> None:
    """Its task is cancelled by somebody else."""
    for task in asyncio.all_tasks():
        if task.get_name() == "cableway-hand-over":
            task.cancel()


STOPS: list[Callable[[Scene], Awaitable[None]]] = [close, drop, pause, cut_the_old, cut_the_new, cancel]


@pytest.mark.parametrize("stop", STOPS, ids=lambda stop: stop.__name__)
@pytest.mark.parametrize("way", ["hand_over", "reconnect"])
async def test_stopped_at_each_millisecond(stop: Any, way: Any) -> None:
    """Whatever stops it: the cable works afterwards, on one line, with all its subscriptions."""
    over = 0
    for step in STEPS:
        async with staged(Issuer(60), renewal=TokenRenewal(on_renewal=way)) as scene:
            over += await stopped(scene, stop, step / 1000)
    assert 0 < over < len(STEPS) if way == "hand_over" else over == 0


async def stopped(scene: Scene, stop: Any, after: float) -> bool:
    """Stop the first hand-over so many seconds after its beginning; return whether it was over by then."""
    await scene.cable.open()
    handles = [await scene.cable.subscribe(name) for name in ("A", "B")]
    begun = asyncio.Event()
    scene.cable.on(TokenRenewed, lambda event: None if event.first else begun.set())
    async with asyncio.timeout(100):
        await begun.wait()
    await asyncio.sleep(after)
    over = bool(scene.told(HandedOver))
    await stop(scene)
    await works_on(scene, handles)
    return over


async def works_on(scene: Scene, handles: list[Any]) -> None:
    """See that there is one line, and that each of *handles* lives on it."""
    await asyncio.sleep(8)
    assert scene.cable.state is State.CONNECTED
    assert len(scene.backend.open) == 1
    for handle in handles:
        assert scene.backend.broadcast(handle.identifier, "hi") == 1
        assert (await handle.receive(timeout=1)).data == "hi"
        await handle.perform("speak")
    await asyncio.sleep(1)
    assert len(scene.backend.performed) == 2
    assert handles[0].take() == []
