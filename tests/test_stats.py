"""Figures that users see."""

from __future__ import annotations

import asyncio

import pytest

from cableway import Cable, MemoryTransport
from cableway.stats import CableStats
from tests.scripted import URL, background, connected, line, refusal, settle

WELCOME = {"type": "welcome", "sid": "s1"}


def test_a_new_cable_has_nothing_to_tell() -> None:
    """All is zero, and what was never measured is not known."""
    stats = Cable(URL, transports=[MemoryTransport()]).stats()
    assert (stats.failures, stats.subscriptions, stats.undelivered, stats.malformed, stats.unknown) == (0, 0, 0, 0, 0)
    assert (stats.round_trip, stats.jitter, stats.energy) == (None, None, None)


def test_figures_are_of_their_moment() -> None:
    """They do not change under one's hands, and two of the same are equal."""
    cable = Cable(URL, transports=[MemoryTransport()])
    before = cable.stats()
    cable.subscribe("Chat")
    assert (before.subscriptions, cable.stats().subscriptions) == (0, 1)
    assert isinstance(before, CableStats)
    assert cable.stats() == cable.stats()


@pytest.mark.looptime
async def test_failures_count_until_all_is_well() -> None:
    """In a row; a line that was up for a while and beaten on forgets them with its own end."""
    made = line()
    opening = background(made.cable.open())
    for failures in (1, 2):
        await made.transport.refuse(refusal())
        await settle()
        assert made.cable.stats().failures == failures
    await made.welcome()
    await opening
    assert made.cable.stats().dials == 3
    for _ in range(11):
        made.server.send({"type": "ping"})
        await asyncio.sleep(3)
    made.server.cut()
    await settle()
    assert made.cable.stats().failures == 1
    await made.cable.close()


@pytest.mark.looptime
async def test_what_a_server_sends_amiss_is_counted() -> None:
    """Malformed and unknown frames of the present line, and messages that belong to nobody."""
    async with connected() as made:
        made.server.send("no json", {"type": "novelty"})
        made.server.message('{"channel":"Nobody"}', 1, 2)
        await settle()
        stats = made.cable.stats()
        assert (stats.malformed, stats.unknown, stats.undelivered) == (1, 1, 2)
        made.server.cut()
        await made.welcome()
        assert made.cable.stats().malformed == 0


@pytest.mark.looptime
async def test_the_health_of_the_line_is_measured() -> None:
    """The beat's jitter from the third one on; the round trip only where the server can be asked."""
    async with connected() as made:
        for gap in (3, 3, 3.5):
            made.server.send({"type": "ping"})
            await asyncio.sleep(gap)
        made.server.send({"type": "ping"})
        await settle()
        stats = made.cable.stats()
        assert stats.jitter == pytest.approx(0.5 / 16, abs=0.01)
        assert stats.round_trip is None
