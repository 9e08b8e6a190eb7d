"""How lines end that say goodbye."""

from __future__ import annotations

import asyncio

import pytest

from cableway.transports.ending import await_end
from tests.scripted import background

pytestmark = pytest.mark.looptime


class Line:
    """Ends when it is aborted, a moment later."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        self.aborted_at: float | None = None

    def abort(self) -> None:
        """Be gone soon."""
        loop = asyncio.get_running_loop()
        if self.aborted_at is None:
            self.aborted_at = loop.time()
            loop.call_later(0.1, self.gone.set)


async def test_a_line_that_ends_by_itself_is_not_waited_for_any_longer() -> None:
    """And aborting it changes nothing then."""
    line = Line()
    asyncio.get_running_loop().call_later(1, line.gone.set)
    await await_end(line.gone, 5, line.abort)
    assert asyncio.get_running_loop().time() == pytest.approx(1)


async def test_a_line_that_does_not_end_is_dropped_in_time() -> None:
    """It is gone when this returns."""
    line = Line()
    await await_end(line.gone, 5, line.abort)
    assert line.aborted_at == pytest.approx(5)
    assert line.gone.is_set()


async def test_who_is_cancelled_drops_the_line_at_once() -> None:
    """Without waiting for its end."""
    line = Line()
    waiting = background(await_end(line.gone, 5, line.abort))
    await asyncio.sleep(1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert line.aborted_at == pytest.approx(1)
