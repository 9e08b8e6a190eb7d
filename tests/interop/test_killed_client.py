"""A client that is killed at random moments while two hundred messages a second come, and goes on where it was.

A tenth of a minute by default; ``CABLEWAY_SOAK_SCALE=1`` (``make soak``) runs all of it.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from itertools import chain, pairwise
from typing import TYPE_CHECKING

import pytest

from tests.interop.peers import anycable as anycable_peer
from tests.interop.peers.counting import Counter
from tests.interop.peers.survivor import Survivor
from tests.interop.peers.waiting import in_thread, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.interop.peers.anycable import AnyCable
    from tests.interop.peers.survivor import Commit

SCALE = float(os.environ.get("CABLEWAY_SOAK_SCALE", "0.1"))
SECONDS = 60 * SCALE
RATE = 200
STREAM = "survived"
SEED = 20


@pytest.fixture(params=[anycable_peer.gateway_running, anycable_peer.running], ids=["gateway", "anycable"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnyCable]:
    """A server that remembers more than is published."""
    yield from request.param(tmp_path, "--history_limit=20000")


async def outlive(server: AnyCable, commit: Commit, folder: Path) -> tuple[list[list[int]], list[int]]:
    """Kill it again and again; return what its lives have handled, and what was published."""
    moments, counter, survivor = (
        random.Random(SEED),
        Counter(server, [STREAM], rate=RATE),
        Survivor(server.url, STREAM, commit, folder),
    )
    try:
        await in_thread(survivor.start)
        counter.start()
        # Before it has a position it could not know what it missed.
        await until(lambda: sum(map(len, survivor.lives())) > 2, "it has begun")
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            await asyncio.sleep(moments.uniform(0.0, 1.0))
            await in_thread(survivor.process.kill)
            await asyncio.sleep(moments.uniform(0.0, 0.5))
            await in_thread(survivor.start)
        await counter.stop()
        published = [int(value) for value in counter.published[STREAM]]
        await until(lambda: survivor.lives()[-1][-1:] == published[-1:], "the last one is handled")
        assert not counter.unsure
        assert {line.split()[1] for line in survivor.recoveries()} == {"complete"}, survivor.recoveries()
        assert len(survivor.recoveries()) == len(survivor.lives()) - 1
    finally:
        survivor.process.kill()
    return survivor.lives(), published


def say(text: str) -> None:
    """For whoever runs it by hand, with -s."""
    sys.stderr.write(text + "\n")


@pytest.mark.soak
@pytest.mark.timeout(300)
async def test_acknowledged_nothing_is_lost(server: AnyCable, tmp_path: Path) -> None:
    """Acknowledged after it was handled: all are handled, in order, and at most one a kill is handled again."""
    lives, published = await outlive(server, "ack", tmp_path)
    handled = list(chain.from_iterable(lives))
    assert sorted(set(handled)) == published
    for life in lives:
        assert life == list(range(life[0], life[0] + len(life))) if life else True
    busy = [life for life in lives if life]
    seams = [after[0] - before[-1] for before, after in pairwise(busy)]
    say(f"seed {SEED}: {len(lives) - 1} kills, {len(published)} messages, {seams.count(0)} repeated")
    # One that was handled and not acknowledged is handled again; nothing before it is.
    assert set(seams) <= {0, 1}, seams


@pytest.mark.soak
@pytest.mark.timeout(300)
async def test_committed_on_receipt_nothing_is_doubled(server: AnyCable, tmp_path: Path) -> None:
    """Committed as they come, none is handled twice; a kill loses what was in the mailbox, and no more."""
    lives, published = await outlive(server, "receipt", tmp_path)
    handled = list(chain.from_iterable(lives))
    assert all(before < after for before, after in pairwise(handled))
    for life in lives:
        # Within a life there is no hole.
        assert life == list(range(life[0], life[0] + len(life))) if life else True
    lost = len(published) - len(handled)
    say(f"seed {SEED}: {len(lives) - 1} kills, {len(published)} messages, {lost} lost from the mailbox")
