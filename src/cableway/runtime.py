"""The one place that reads clocks, draws random numbers and asks which process this is."""

from __future__ import annotations

import asyncio
import inspect
import os
import random
import time
from typing import TYPE_CHECKING, Any, TypeVar, cast

from cableway.errors import WrongLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cableway.types import MaybeAwaitable

T = TypeVar("T")

wall_clock: Callable[[], float] = time.time
"""Unix time, for what users see. Never for deciding anything: wall clocks jump."""


def new_random() -> random.Random:
    """Return a source of random numbers that differs between processes, also after a fork."""
    return random.SystemRandom()


async def resolve(value: MaybeAwaitable[T]) -> T:
    """Return *value*, awaited if need be."""
    return cast("T", await value if inspect.isawaitable(value) else value)


async def until_done(futures: Sequence[asyncio.Future[Any]], limit: float = 1.0) -> None:
    """Wait for the end of *futures*, whatever it is, for at most *limit* seconds: the user's code may take its time."""
    if futures:
        await asyncio.wait(futures, timeout=limit)


class Home:
    """The event loop and process that an object lives in. It moves in on first use, and may move while at rest."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = 0

    @property
    def settled(self) -> bool:
        """Whether there is a loop to speak of."""
        return self._loop is not None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop, once settled."""
        if self._loop is None:
            msg = f"{self._what} was not used in an event loop yet"
            raise WrongLoop(msg)
        return self._loop

    def now(self) -> float:
        """The loop's time in seconds; 0 before there is a loop."""
        return self._loop.time() if self._loop is not None else 0.0

    def enter(self, *, at_rest: bool) -> asyncio.AbstractEventLoop:
        """Return the running loop, after a check that it is the right one.

        Raises:
            WrongLoop: The object is in use in another loop, thread or process.
            RuntimeError: No loop is running.
        """
        if at_rest or self._loop is None:
            self._loop, self._pid = asyncio.get_running_loop(), os.getpid()
        else:
            self.check()
        return self._loop

    def check(self) -> None:
        """Make sure that the loop it lives in is the one that runs here.

        Raises:
            WrongLoop: The object is in use in another loop, thread or process.
        """
        if self._pid != os.getpid():
            msg = f"{self._what} was opened before this process was forked: make a new one in each process"
            raise WrongLoop(msg)
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if self._loop is not running:
            msg = (
                f"{self._what} is in use in another event loop: make one for each loop, or use cableway.sync.Cable. "
                f"From another thread, loop.call_soon_threadsafe(cable.wake) reaches it"
            )
            raise WrongLoop(msg)
