"""How lines end that say goodbye."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


async def await_end(gone: asyncio.Event, timeout: float, abort: Callable[[], None]) -> None:
    """Wait until a line is *gone*, for at most *timeout* seconds, then *abort* it. Cancelled, it aborts at once."""
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await gone.wait()
    finally:
        abort()
    await gone.wait()
