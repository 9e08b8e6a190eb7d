"""Conformance: clients that do not read as fast as they are written to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conformance.conftest import KINDS
from tests.conformance.raw_client import RawClient, stream
from tests.conformance.servers import post, public_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.conformance.servers import Server

ROOM = stream("room")
HOUR = 3600
PIECE = 60_000
BATCH, BATCHES = 10, 40
"""Far more than what all buffers of the operating system hold, in portions that a good reader is never late for."""


@pytest.fixture(params=KINDS)
async def impatient(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    """Give a server that waits long for each write."""
    options = {"ws_write_timeout": 30, "ping_interval": HOUR}
    async with public_server(request.param, **options) as running:
        yield running


async def test_a_slow_reader_is_told_so_and_cut(impatient: Server) -> None:
    """It gets what is on its way already, a word and a close frame, and nothing later; others get theirs."""
    async with RawClient(impatient.url) as slow, RawClient(impatient.url) as well:
        for client in (slow, well):
            await client.welcomed()
            await client.subscribe(ROOM)
        for batch in range(BATCHES):
            assert await post(impatient, [{"stream": "room", "data": "." * PIECE}] * BATCH) == 201
            for number in range(BATCH):
                await well.expect(identifier=ROOM, offset=batch * BATCH + number + 1)
        heard = []
        while (frame := await slow.frame()).get("type") != "disconnect":
            heard.append(frame["offset"])
        assert frame == {"type": "disconnect", "reason": "too_slow", "reconnect": True}
        assert heard == list(range(1, len(heard) + 1))
        assert len(heard) < BATCH * BATCHES
        assert await slow.expect_close() == (1000, "")
        await well.expect_silence()
