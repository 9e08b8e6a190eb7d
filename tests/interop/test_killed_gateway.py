"""Our gateway, killed at random moments while two hundred messages a second are published through it.

A tenth of a minute by default; ``CABLEWAY_SOAK_SCALE=1`` (``make soak``) runs all of it. AnyCable is held to the same.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from typing import TYPE_CHECKING

import pytest

from cableway import Cable, ExponentialBackoff, Recovery
from tests.interop.peers import anycable as anycable_peer
from tests.interop.peers.counting import Counter
from tests.interop.peers.ledger import Ledger
from tests.interop.peers.waiting import in_thread, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.interop.peers.anycable import AnyCable

SCALE = float(os.environ.get("CABLEWAY_SOAK_SCALE", "0.1"))
SECONDS = 60 * SCALE
RATE = 200
STREAM = "outlived"
SEED = 6


@pytest.fixture(params=[anycable_peer.gateway_running, anycable_peer.running], ids=["gateway", "anycable"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnyCable]:
    """A server that remembers more than is published, and never lives long enough to tell the time by a ping."""
    yield from request.param(tmp_path, "--history_limit=20000", "--ping_interval=30")


@pytest.fixture
def beating(tmp_path: Path) -> Iterator[AnyCable]:
    """A gateway that tells the time: what it kept since then can be asked for, whatever the era."""
    yield from anycable_peer.gateway_running(tmp_path, "--history_limit=20000", "--ping_interval=0.1")


async def kill_again_and_again(server: AnyCable, ledger: Ledger) -> int:
    """Kill it, and start it again, at random moments; return how often."""
    moments, kills = random.Random(SEED), 0
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        await asyncio.sleep(moments.uniform(0.0, 1.5))
        await in_thread(server.server.kill)
        kills += 1
        await asyncio.sleep(moments.uniform(0.0, 0.3))
        await in_thread(server.start)
    await ledger.live(len(ledger.heard))
    return kills


@pytest.mark.soak
@pytest.mark.timeout(300)
async def test_each_loss_is_told_before_the_next_message(server: AnyCable) -> None:
    """A new era with each kill: nothing doubled, nothing out of order, and no message missing without a word."""
    _, runs = await outlive(server)
    # Otherwise this test has seen nothing.
    assert runs


@pytest.mark.soak
@pytest.mark.timeout(300)
async def test_a_new_era_is_asked_for_from_its_start(beating: AnyCable) -> None:
    """By the time of its pings the gateway gives back what came first in an era, and the end of the last is unknown."""
    ledger, _ = await outlive(beating)
    assert any(entry.offset == 1 and entry.replayed for entry in ledger.heard)


async def outlive(server: AnyCable) -> tuple[Ledger, list[list[int]]]:
    """Kill it again and again; return what was heard and told, and what was lost, once all that is checked."""
    counter, ledger = Counter(server, [STREAM], rate=RATE), Ledger()
    cable = Cable(server.url, backoff=ExponentialBackoff(minimum=0.05, maximum=0.5), dial_gate=None)
    async with cable, ledger.kept(cable, STREAM):
        counter.start()
        await until(lambda: len(ledger.heard) > 2, "it has begun")
        kills = await kill_again_and_again(server, ledger)
        await counter.stop()
        accepted = [int(value) for value in counter.published[STREAM]]
        await until(lambda: ledger.heard[-1].number >= accepted[-1], "the last one is heard")
    ledger.check_order()
    runs = ledger.losses(accepted, map(int, counter.unsure))
    eras = ledger.check_eras()
    sys.stderr.write(
        f"seed {SEED}: {kills} kills, {eras} eras heard, {len(accepted)} accepted, {len(ledger.heard)} heard, "
        f"{sum(map(len, runs))} lost in {len(runs)} runs, {len(ledger.recoveries)} recoveries\n"
    )
    assert eras > 1
    assert {event.recovery for event in ledger.recoveries} == {Recovery.UNKNOWN}
    return ledger, runs
