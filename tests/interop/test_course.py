"""The course: counters at a hundred messages a second, on lines that are cut, refused and held up all the time.

A tenth of a minute by default; ``CABLEWAY_SOAK_SCALE=1`` (``make soak``) runs all of it.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections import Counter as Tally
from contextlib import AsyncExitStack
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from cableway import Cable, ExponentialBackoff, HandedOver, OnDemandMonitor, Recovery, State, TokenRenewal
from tests.interop.peers import anycable as anycable_peer
from tests.interop.peers.counting import Counter, Listener
from tests.interop.peers.rough import RoughRelay
from tests.interop.peers.tokens import Issuer
from tests.interop.peers.waiting import in_thread, until

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
SECRET = "a secret of the tests that is long enough for HS256"


def rough_cable(url: str) -> Cable:
    """Return a cable that dials again soon: the course is short."""
    return Cable(url, backoff=ExponentialBackoff(minimum=0.05, maximum=0.5), dial_gate=None)


def say(text: str) -> None:
    """For whoever runs it by hand, with -s."""
    sys.stderr.write(text + "\n")


async def recovered(listener: Listener, times: int) -> None:
    """Wait until its streams have been recovered so many times, all together."""
    await until(lambda: len(listener.recoveries) >= times, "all are recovered")


EITHER = pytest.fixture(params=[anycable_peer.gateway_running, anycable_peer.running], ids=["gateway", "anycable"])


@EITHER
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnyCable]:
    """Our gateway or an AnyCable, either of which remembers more than the course publishes."""
    yield from request.param(tmp_path, BEAT, LONG)


@pytest.fixture
def remembering(tmp_path: Path) -> Iterator[AnyCable]:
    """A server that remembers more than the course publishes."""
    yield from anycable_peer.running(tmp_path, BEAT, LONG)


@EITHER
def forgetful(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnyCable]:
    """A server that remembers fifty messages of a stream."""
    yield from request.param(tmp_path, BEAT, "--history_limit=50")


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[AnyCable]:
    """A server that demands tokens."""
    yield from anycable_peer.running(tmp_path, BEAT, LONG, secret=SECRET)


@pytest.fixture
def chatty(tmp_path: Path) -> Iterator[AnyCable]:
    """A server that logs each command."""
    yield from anycable_peer.running(tmp_path, BEAT, LONG, "--debug")


@pytest.mark.soak
@pytest.mark.timeout(300)
async def test_every_stream_is_exact(either: AnyCable) -> None:
    """Whatever is done to ten lines at once, each hears every message, falsy ones too, in order and once."""
    counter = Counter(either, STREAMS, falsy=True)
    async with AsyncExitStack() as stack:
        relays = [await stack.enter_async_context(RoughRelay(either.port, seed)) for seed in SEEDS]
        listeners = [Listener(rough_cable(relay.url), STREAMS) for relay in relays]
        for listener in listeners:
            await stack.enter_async_context(listener.listening())
        counter.start()
        await asyncio.gather(*(relay.trouble(SECONDS) for relay in relays))
        await counter.stop()
        await asyncio.gather(*(listener.caught_up(counter) for listener in listeners))
        for seed, relay, listener in zip(SEEDS, relays, listeners, strict=True):
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


def check_order(listener: Listener, counter: Counter) -> int:
    """Nothing comes twice or in another order; return how many runs of messages are missing."""
    runs = 0
    for stream, published in counter.published.items():
        heard = [int(value) for value in listener.heard[stream]]
        assert heard == sorted(set(heard)), stream
        sent = {int(value) for value in [*published, *counter.unsure]}
        assert sent.issuperset(heard), stream
        sure = [int(value) for value in published]
        missing = set(sure) - set(heard)
        runs += sum(value in missing and before not in missing for before, value in pairwise([-1, *sure]))
    return runs


@pytest.mark.soak
@pytest.mark.timeout(300)
async def test_what_a_short_history_lost_is_announced(forgetful: AnyCable) -> None:
    """A server that remembers fifty messages cannot bring back a second: each loss is told, and none is in disorder."""
    server = forgetful
    counter = Counter(server, STREAMS)
    async with RoughRelay(server.port, 1) as relay:
        listener = Listener(rough_cable(relay.url), STREAMS)
        async with listener.listening():
            counter.start()
            await asyncio.sleep(0.5)
            for _ in range(2):
                await relay.be_unavailable()
                await asyncio.sleep(1.5)
            await relay.trouble(SECONDS)
            # All is well again, whatever came last.
            await asyncio.sleep(0.5)
            await relay.reset()
            await asyncio.sleep(3)
            await counter.stop()
            await asyncio.sleep(0.5)
    runs = check_order(listener, counter)
    announced = len(listener.unknown)
    say(f"short history: {runs} losses, {announced} announced; {listener.figures()}")
    assert 0 < runs <= announced, relay.story
    assert all(event.reason for event in listener.unknown)


@pytest.mark.soak
@pytest.mark.timeout(300)
async def test_killed_servers_are_announced(either: AnyCable) -> None:
    """Killed and started again it numbers anew: that is told as unknown, and nothing comes twice."""
    counter = Counter(either, STREAMS)
    listener = Listener(rough_cable(either.url), STREAMS)
    kills = max(2, round(10 * SCALE))
    async with listener.listening():
        counter.start()
        for _ in range(kills):
            await asyncio.sleep(1.5)
            await in_thread(either.restart)
            before = len(listener.recoveries)
            await recovered(listener, before + 2)
        await asyncio.sleep(1)
        await counter.stop()
        await asyncio.sleep(0.5)
    runs = check_order(listener, counter)
    say(f"{kills} kills: {runs} losses; {listener.figures()}")
    assert len(listener.unknown) == len(STREAMS) * kills
    assert runs <= len(listener.unknown)
    assert all(listener.heard[stream][-1] == counter.published[stream][-1] for stream in STREAMS)


@pytest.mark.soak
@pytest.mark.timeout(300)
async def test_a_frozen_server_loses_nothing(remembering: AnyCable) -> None:
    """Stopped for so long that the line is given up, or only briefly, it goes on where it was."""
    counter = Counter(remembering, STREAMS, falsy=True)
    listener = Listener(rough_cable(remembering.url), STREAMS)
    async with listener.listening():
        counter.start()
        for seconds in (1.0, 14.0):
            await asyncio.sleep(2)
            remembering.server.freeze()
            await asyncio.sleep(seconds)
            remembering.server.thaw()
        await asyncio.sleep(2)
        await counter.stop()
        await listener.caught_up(counter)
    say(f"frozen: {listener.figures()}")
    assert not counter.unsure
    assert listener.heard == counter.published
    assert listener.unknown == []


@pytest.mark.soak
@pytest.mark.timeout(300)
async def test_slept_through_messages_come_on_the_next_wake(remembering: AnyCable) -> None:
    """An on-demand line that is asleep while messages are published has them, in order, when it is woken."""
    counter = Counter(remembering, STREAMS, falsy=True)
    cable = Cable(remembering.url, monitor=OnDemandMonitor(linger=0.05))
    listener = Listener(cable, STREAMS)
    cycles = max(3, round(30 * SCALE))
    async with cable, AsyncExitStack() as stack:
        async with cable.awake("the first time"):
            await stack.enter_async_context(listener.listening(opened=True))
            counter.start()
            await asyncio.sleep(0.5)
        for _ in range(cycles):
            await until(lambda: cable.state is State.DORMANT, "it sleeps")
            behind = len(counter.published[STREAMS[0]])
            await asyncio.sleep(1)
            assert len(listener.heard[STREAMS[0]]) <= behind + 100
            async with cable.awake("to hear"):
                await asyncio.sleep(0.5)
        await counter.stop()
        async with cable.awake("the last time"):
            await listener.caught_up(counter)
    say(f"{cycles} sleeps: {listener.figures()}")
    assert listener.heard == counter.published
    assert listener.unknown == []
    assert listener.replayed > 50 * cycles


@pytest.mark.soak
@pytest.mark.timeout(300)
async def test_hand_over_is_exact(strict: AnyCable) -> None:
    """A line takes over with each renewal, at a hundred messages a second: nothing lost, doubled or reordered."""
    server = strict
    counter, handed, issuer = Counter(server, STREAMS, falsy=True), list[HandedOver](), Issuer(SECRET)
    cable = Cable(server.url, token=issuer, renewal=TokenRenewal(on_renewal="hand_over"))
    cable.on(HandedOver, handed.append)
    listener = Listener(cable, STREAMS)
    wanted = max(3, round(20 * SCALE))
    async with listener.listening():
        counter.start()
        await until(lambda: len(handed) >= wanted, f"{wanted} lines took over", 5.0 * wanted)
        await asyncio.sleep(0.5)
        await counter.stop()
        await listener.caught_up(counter)
    say(f"{len(handed)} hand-overs: {listener.figures()}")
    assert listener.heard == counter.published
    assert {event.recovery for event in handed} == {Recovery.COMPLETE}
    assert listener.disconnected == []
    assert listener.unknown == []


async def test_a_session_is_asked_back(chatty: AnyCable, caplog: pytest.LogCaptureFixture) -> None:
    """The server gives it back: no second subscribe command is sent, and its id is in no log of ours."""
    caplog.set_level("DEBUG")
    server = chatty
    counter = Counter(server, STREAMS, falsy=True)
    async with RoughRelay(server.port, 1) as relay:
        listener = Listener(rough_cable(relay.url), STREAMS)
        async with listener.listening():
            counter.start()
            for _ in range(3):
                await asyncio.sleep(0.5)
                before = len(listener.recoveries)
                await relay.reset()
                await recovered(listener, before + 2)
            await counter.stop()
            await listener.caught_up(counter)
    log = server.server.logged()
    assert listener.heard == counter.published
    assert log.count("session restored") == 3
    assert log.count("data.command=subscribe") == len(STREAMS)
    assert log.count("data.command=history") == 3 * len(STREAMS)
    assert "already subscribed" not in log
    sids = set(re.findall(r"sid=(\S+)", log))
    assert len(sids) >= 4
    assert not any(sid in caplog.text for sid in sids)
