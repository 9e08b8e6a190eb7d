"""Waiting for what another program does, without holding up the client under test."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

# Nobody here waits this long, unless something is broken.
LIMIT = 15.0


async def until(condition: Callable[[], bool], what: str, limit: float = LIMIT) -> float:
    """Wait until *condition* holds, and return the seconds that took; fail with *what* if it never does."""
    clock = asyncio.get_running_loop().time
    began = clock()
    try:
        async with asyncio.timeout(limit):
            while not condition():  # noqa: ASYNC110 - another program gives no event
                await asyncio.sleep(0.01)
    except TimeoutError:
        msg = f"never happened within {limit:g} s: {what}"
        raise AssertionError(msg) from None
    return clock() - began


async def in_thread(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call what blocks without holding up the client under test."""
    return await asyncio.to_thread(function, *arguments)


@asynccontextmanager
async def together(*blocks: AbstractAsyncContextManager[None]) -> AsyncIterator[None]:
    """Enter all *blocks* at once, and leave them at once."""
    entered = await asyncio.gather(*(block.__aenter__() for block in blocks), return_exceptions=True)
    ours = [block for block, error in zip(blocks, entered, strict=True) if error is None]
    try:
        for error in entered:
            if error is not None:
                raise error
        yield
    finally:
        await asyncio.gather(*(block.__aexit__(None, None, None) for block in ours))
