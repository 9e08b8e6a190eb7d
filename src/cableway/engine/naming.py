"""Asks the functions that name streams."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cableway.events import NamingFailed
from cableway.runtime import resolve

if TYPE_CHECKING:
    from cableway.engine.core import Engine
    from cableway.hub.hub import NameSource
    from cableway.hub.wish import Wish
    from cableway.types import Identifier

NAMING_TIMEOUT = 10.0


async def ask_name(engine: Engine, wish: Wish, source: NameSource, question: int) -> None:
    """Ask *source* for the name of *wish*, and give the answer to the hub."""
    try:
        async with asyncio.timeout(NAMING_TIMEOUT):
            identifier = await resolve(source())
    except asyncio.CancelledError:
        # Nobody waits for the name any more, or the function cancelled itself: then it is asked again later.
        _answer(engine, wish, None, question)
        raise
    except Exception as error:  # noqa: BLE001 - the user's function; it is told, and asked again later
        for handle in list(wish.handles):
            handle.tell(NamingFailed(error))
        identifier = None
    _answer(engine, wish, identifier, question)


def _answer(engine: Engine, wish: Wish, identifier: Identifier | None, question: int) -> None:
    if question == wish.naming:
        engine.hub.named(wish, identifier, engine.home.now())
    engine.settle()
