"""Lines to our gateway that stand still: bytes held for seconds, half a frame, and a gateway that dies meanwhile.

Each ends in exactly what was published, or in a loss that is told before the next message.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from attrs import define

from cableway import Cable, ExponentialBackoff, PersistentMonitor, Recovery, State
from tests.interop.peers import anycable as anycable_peer
from tests.interop.peers.counting import Counter
from tests.interop.peers.ledger import Ledger
from tests.interop.peers.rough import RoughRelay
from tests.interop.peers.waiting import in_thread, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.interop.peers.anycable import AnyCable

STREAM = "stalled"
RATE = 100
# No shorter beat is learned.
BEAT = "--ping_interval=0.6"
# Silence of 1.7 s, and half a second for an answer, and the line is dead; by default it is allowed 4.2 s, and then 5.
IMPATIENT = {"grace": 0.5, "probe_timeout": 0.5}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[AnyCable]:
    """A gateway that remembers more than is published."""
    yield from anycable_peer.gateway_running(tmp_path, BEAT, "--history_limit=20000")


@define
class Scene:
    """A counter that publishes, a relay that can be rough, and a client behind it that writes all down."""

    server: AnyCable
    counter: Counter
    relay: RoughRelay
    cable: Cable
    ledger: Ledger

    @property
    def accepted(self) -> list[int]:
        """What the gateway took."""
        return [int(value) for value in self.counter.published[STREAM]]

    async def more(self, count: int = 50) -> None:
        """Wait until so many more have been accepted."""
        before = len(self.accepted)
        await until(lambda: len(self.accepted) >= before + count, "more is published")

    async def lost(self) -> None:
        """Wait until the line is given up."""
        await until(lambda: self.cable.state is not State.CONNECTED, "the line is given up")

    async def settle(self) -> None:
        """Wait for a new message, end the publishing, and wait for the last message."""
        await self.ledger.live(len(self.ledger.heard))
        await self.counter.stop()
        await until(lambda: self.ledger.heard[-1].number >= self.accepted[-1], "the last one is heard")
        self.ledger.check_order()

    async def settled_exactly(self) -> list[Recovery]:
        """Settle, and see that all came; return what was told of each recovery."""
        await self.settle()
        assert not self.counter.unsure
        assert [entry.number for entry in self.ledger.heard] == self.accepted
        return [event.recovery for event in self.ledger.recoveries]


@asynccontextmanager
async def publishing(server: AnyCable, **monitor: Any) -> AsyncIterator[Scene]:
    """Publish and hear."""
    counter, ledger, watch = Counter(server, [STREAM], rate=RATE), Ledger(), PersistentMonitor(**monitor)
    async with RoughRelay(server.port, 1) as relay:
        backoff = ExponentialBackoff(minimum=0.05, maximum=0.5)
        cable = Cable(relay.url, backoff=backoff, dial_gate=None, monitor=watch)
        async with cable, ledger.kept(cable, STREAM):
            counter.start()
            # By its beat the silence is measured that is allowed.
            await until(lambda: len(ledger.heard) > RATE and watch.beat is not None, "it has begun")
            try:
                yield Scene(server, counter, relay, cable, ledger)
            finally:
                await counter.stop()


async def test_bytes_held_for_seconds_come_late(server: AnyCable) -> None:
    """Held for less than the silence that is allowed, all comes on the same line."""
    async with publishing(server) as scene:
        with scene.relay.held():
            await asyncio.sleep(2)
            assert scene.ledger.heard[-1].number < scene.accepted[-1] - RATE
        assert await scene.settled_exactly() == []


async def test_bytes_held_for_too_long_come_from_the_past(server: AnyCable) -> None:
    """Given up and replaced, the line's bytes are released afterwards, and nothing comes twice."""
    async with publishing(server, **IMPATIENT) as scene:
        with scene.relay.held():
            await scene.lost()
            await until(lambda: bool(scene.ledger.recoveries), "another line takes over")
            await scene.more()
        assert await scene.settled_exactly() == [Recovery.COMPLETE]


async def test_half_a_frame_is_no_message(server: AnyCable) -> None:
    """After half a frame nothing comes any more: the line is given up, and the message comes whole on the next one."""
    async with publishing(server, **IMPATIENT) as scene:
        await scene.relay.halve()
        await scene.lost()
        assert await scene.settled_exactly() == [Recovery.COMPLETE]


@pytest.mark.parametrize("given_up", [False, True], ids=["line held", "line given up"])
async def test_a_gateway_that_dies_while_bytes_are_held(server: AnyCable, *, given_up: bool) -> None:
    """The bytes that are released to a line that is still up count; those of one that was given up are told as lost."""
    async with publishing(server, **(IMPATIENT if given_up else {})) as scene:
        with scene.relay.held():
            before = len(scene.ledger.heard)
            await scene.more()
            await in_thread(server.server.kill)
            if given_up:
                await scene.lost()
            await in_thread(server.start)
            await scene.more()
        lost = await announced(scene)
        heard = [entry.epoch for entry in scene.ledger.heard]
        released = heard.count(heard[0]) - before
        assert lost if given_up else released > 40, (released, lost)


async def test_a_gateway_that_dies_after_half_a_frame(server: AnyCable) -> None:
    """The half is never delivered, and what it would have told counts as lost."""
    async with publishing(server) as scene:
        await scene.relay.halve()
        await scene.more()
        await in_thread(server.restart)
        await scene.more()
        await scene.relay.reset()
        assert await announced(scene)


async def announced(scene: Scene) -> list[list[int]]:
    """Settle, and see that a new era was told, and each loss; return what was lost."""
    await scene.settle()
    assert scene.ledger.check_eras() == 2
    assert {event.recovery for event in scene.ledger.recoveries} == {Recovery.UNKNOWN}
    assert all(event.reason for event in scene.ledger.recoveries)
    return scene.ledger.losses(scene.accepted, map(int, scene.counter.unsure))
