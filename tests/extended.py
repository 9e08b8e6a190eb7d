"""A cable that speaks the extended protocol to a server that the test plays."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from tests.scripted import Line, connected

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

EXTENDED = "actioncable-v1-ext-json"


@asynccontextmanager
async def extended(**options: Any) -> AsyncIterator[Line]:
    """A cable that is up on the extended protocol."""
    async with connected(speaks=EXTENDED, **options) as made:
        yield made


def presence(identifier: str, kind: str, **more: Any) -> dict[str, Any]:
    """Write a presence frame."""
    return {"type": "presence", "identifier": identifier, "message": {"type": kind, **more}}


def info(identifier: str, *ids: str) -> dict[str, Any]:
    """Write the answer to who is there."""
    return presence(identifier, "info", total=len(ids), records=[{"id": one, "info": None} for one in ids])


def commands(made: Line) -> list[str]:
    """Take the names of the commands that came since the last look."""
    return [command["command"] for command in made.server.received]
