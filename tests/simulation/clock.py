"""An event loop whose time is virtual: when nothing is left to do it is at once the time of the next timer."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine


class _Leap(selectors.DefaultSelector):
    """Passes over the wait for the next timer."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            msg = "all are waiting, and nothing is ever going to happen"
            raise AssertionError(msg)
        if timeout <= 0:
            return []
        self.now += timeout
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in which days take seconds."""

    def __init__(self) -> None:
        self._leap = _Leap()
        self.faults: list[dict[str, Any]] = []
        """What nobody caught."""
        super().__init__(self._leap)
        self.set_exception_handler(lambda _, context: self.faults.append(context))

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self._leap.now

    @property
    def timers(self) -> list[str]:
        """What the timers that are set will call."""
        return sorted(_name(handle) for handle in self._scheduled if not handle.cancelled())  # type: ignore[attr-defined]

    @property
    def heap(self) -> int:
        """Timers that the loop keeps, cancelled ones among them."""
        return len(self._scheduled)  # type: ignore[attr-defined]


def _name(handle: Any) -> str:
    return getattr(handle._callback, "__qualname__", repr(handle._callback))


def run(main: Coroutine[Any, Any, None], loop: VirtualLoop) -> None:
    """Run *main*, and close *loop* after it."""
    try:
        loop.run_until_complete(main)
    finally:
        loop.close()
