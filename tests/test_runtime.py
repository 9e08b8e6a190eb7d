"""Clocks, dice, and the event loop an object lives in."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from cableway.errors import WrongLoop
from cableway.runtime import Home, new_random, resolve, until_done, wall_clock


def test_dice_differ() -> None:
    """Each source gives numbers of its own."""
    assert new_random().random() != new_random().random()


def test_the_wall_clock_tells_unix_time() -> None:
    """Seconds since 1970, for people."""
    assert wall_clock() > 1_700_000_000


async def test_resolve_takes_values_and_awaitables() -> None:
    """What the user's functions may give."""

    async def later() -> int:
        return 2

    assert [await resolve(1), await resolve(later())] == [1, 2]


@pytest.mark.looptime
async def test_until_done_has_an_end() -> None:
    """It waits for what ends in time, however that ends, and not for the rest."""

    async def fail() -> None:
        msg = "mine"
        raise ValueError(msg)

    failing = asyncio.ensure_future(fail())
    endless = asyncio.get_running_loop().create_future()
    await until_done([])
    await until_done([failing])
    assert failing.done()
    started = asyncio.get_running_loop().time()
    await until_done([endless], limit=2)
    assert asyncio.get_running_loop().time() - started == pytest.approx(2)
    assert isinstance(failing.exception(), ValueError)
    endless.cancel()


def test_a_home_before_it_is_settled() -> None:
    """It has no loop, and no time."""
    home = Home("the thing")
    assert not home.settled
    assert home.now() == 0
    with pytest.raises(WrongLoop, match="the thing was not used in an event loop yet"):
        home.loop  # noqa: B018 - for its error


async def test_a_home_settles_with_the_first_use() -> None:
    """The loop that runs is its loop."""
    home = Home("the thing")
    loop = asyncio.get_running_loop()
    assert home.enter(at_rest=False) is loop
    assert home.loop is loop
    assert home.settled
    assert home.now() == pytest.approx(loop.time(), abs=1)
    home.check()


def test_a_home_moves_only_at_rest() -> None:
    """In use, another loop is refused; at rest it is the new home."""
    home = Home("the thing")

    async def enter(*, at_rest: bool) -> Any:
        return home.enter(at_rest=at_rest)

    first = asyncio.run(enter(at_rest=False))
    with pytest.raises(WrongLoop, match="the thing is in use in another event loop"):
        asyncio.run(enter(at_rest=False))
    assert home.loop is first
    assert asyncio.run(enter(at_rest=True)) is not first


async def test_a_thread_without_a_loop_is_refused() -> None:
    """It says the same."""
    home = Home("the thing")
    home.enter(at_rest=True)
    caught: list[BaseException] = []

    def use() -> None:
        try:
            home.enter(at_rest=False)
        except WrongLoop as error:
            caught.append(error)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert "another event loop" in str(caught[0])


def test_without_any_loop_python_says_so() -> None:
    """That is a matter of asyncio's, not ours."""
    with pytest.raises(RuntimeError, match="no running event loop"):
        Home("the thing").enter(at_rest=True)
