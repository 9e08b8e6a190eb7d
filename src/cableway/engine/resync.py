"""Runs the users' functions that bring a subscription up to date where nobody can tell what was missed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cableway.events import CallbackFailed
from cableway.runtime import resolve

if TYPE_CHECKING:
    from cableway.engine.core import Engine
    from cableway.hub.wish import Handle

LONGEST = 60.0
"""Seconds after which messages go on, whatever the function does."""


async def resync(engine: Engine, handle: Handle) -> None:
    """Call the function of *handle*, then let its messages go on: also where it fails or takes too long."""
    function = handle.options.on_resync
    try:
        if function is not None:
            async with asyncio.timeout(LONGEST):
                _ = await resolve(function(handle.holder))
    except Exception as error:  # noqa: BLE001 - the user's function; it is told, and messages go on
        handle.tell(CallbackFailed("on_resync", error))
    finally:
        handle.mailbox.lift()
        engine.settle()
