"""A gateway to talk to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from cableway.gateway import Gateway
from tests.cli.programs import RoomChannel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture(autouse=True, scope="session")
def no_loop_by_accident() -> None:
    """Keep asyncio from making an event loop, which nobody would close, for whoever asks outside of any."""
    asyncio.set_event_loop(None)


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    """Give a gateway with rooms and public streams."""
    async with Gateway([RoomChannel], public=True, ping_interval=1.0) as running:
        yield running
