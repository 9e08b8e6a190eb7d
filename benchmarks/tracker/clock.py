"""An event loop whose time is virtual: nobody waits, and nine hours pass in seconds."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")


class _Skipping(selectors.SelectSelector):
    """Never waits for the network: where nothing is there, time moves on to the next timer."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        found = super().select(0)
        if not found:
            if timeout is None:
                msg = "nothing is left that could happen: a task waits for ever"
                raise RuntimeError(msg)
            self.now += max(timeout, 0.0)
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs timers at once, one after another, at the times for which they were set."""

    def __init__(self) -> None:
        self._skipping = _Skipping()
        super().__init__(self._skipping)

    def time(self) -> float:
        """Return the virtual time: seconds since the loop was made."""
        return self._skipping.now


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run *work* to its end on virtual time.

    Raises:
        RuntimeError: All tasks wait, and no timer is set.
    """
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)


async def until(moment: float) -> None:
    """Sleep until the loop's time is *moment*."""
    await asyncio.sleep(max(0.0, moment - asyncio.get_running_loop().time()))
