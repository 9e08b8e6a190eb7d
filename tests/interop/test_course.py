"""The course: counters at a hundred messages a second, on lines that are cut, refused and held up all the time.

A tenth of a minute by default; ``CABLEWAY_SOAK_SCALE=1`` (``make soak``) runs all of it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter as Tally
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from cableway import Cable, ExponentialBackoff
from tests.interop.peers import anycable as anycable_peer
from tests.interop.peers.counting import Counter, Listener
from tests.interop.peers.rough import RoughRelay

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.interop.peers.anycable import AnyCable

SCALE = float(os.environ.get("CABLEWAY_SOAK_SCALE", "0.1"))
SECONDS = 60 * SCALE
SEEDS = range(10)
STREAMS = ["course/a", "course/b"]
# What is cut off without a sign is noticed by the beats that are missing: they come each second here.
BEAT = "--ping_interval=1"
LONG = "--history_limit=10000"


def rough_cable(url: str) -> Cable:
    """Return a cable that dials again soon: the course is short."""
    return Cable(url, backoff=ExponentialBackoff(minimum=0.05, maximum=0.5), dial_gate=None)


def say(text: str) -> None:
    """For whoever runs it by hand, with -s."""
    sys.stderr.write(text + "\n")


@pytest.fixture
def remembering(tmp_path: Path) -> Iterator[AnyCable]:
    """A server that remembers more than the course publishes."""
    yield from anycable_peer.running(tmp_path, BEAT, LONG)


@pytest.mark.soak
@pytest.mark.timeout(300)
async def test_every_stream_is_exact(remembering: AnyCable) -> None:
    """Whatever is done to ten lines at once, each hears every message, falsy ones too, in order and once."""
    counter = Counter(remembering, STREAMS, falsy=True)
    async with AsyncExitStack() as stack:
        relays = [await stack.enter_async_context(RoughRelay(remembering.port, seed)) for seed in SEEDS]
        listeners = [Listener(rough_cable(relay.url), STREAMS) for relay in relays]
        for listener in listeners:
            await stack.enter_async_context(listener.listening())
        counter.start()
        await asyncio.gather(*(relay.trouble(SECONDS) for relay in relays))
        await counter.stop()
        for seed, relay, listener in zip(SEEDS, relays, listeners, strict=True):
            await listener.caught_up(counter)
            say(f"seed {seed}: {sum(relay.counts.values())} faults, {listener.figures()}")
        for seed, relay, listener in zip(SEEDS, relays, listeners, strict=True):
            note = f"seed {seed}\n" + "\n".join(relay.story)
            assert listener.heard == counter.published, note
            assert listener.unknown == [], note
            assert listener.recoveries, note
            assert [gap for gap in listener.gaps if not gap.healed] == [], note
    faults = sum((Tally(relay.counts) for relay in relays), Tally[str]())
    say(f"{len(counter.published[STREAMS[0]])} messages a stream, {dict(faults)}")
    assert not counter.unsure
