"""Clients of ours that meet an obstacle: they hear a counter by another transport, and climb back once it is gone.

Three listen at once: one as by default, and two that are in a hurry to climb back, on the extended protocol and on the
base protocol.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from attrs import Factory, define, frozen

from cableway import (
    Cable,
    Connected,
    Disconnected,
    ExponentialBackoff,
    Fallback,
    HandedOver,
    Recovery,
    TransportChanged,
)
from tests.interop.peers.counting import Counter
from tests.interop.peers.ledger import Ledger, Resync
from tests.interop.peers.waiting import together, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tests.interop.peers.anycable import AnyCable

STREAM = "crossing"
RATE = 40
"""Messages a second."""

SOON = 10.0
"""Seconds within which a client is to hear its first message, whatever stands in its way."""

BASE = "actioncable-v1-json"

WEBSOCKET = "websocket"


def climbing(probe_after: float = 0.6) -> Fallback:
    """Return the default transports, in a hurry to climb back; by default they take half a minute to try."""
    return Fallback(probe_after=probe_after, probe_limit=1.5 * probe_after)


@define(eq=False)
class Traveller:
    """A cable, what it heard and was told, and by which transports."""

    name: str
    cable: Cable
    ledger: Ledger = Factory(Ledger)
    carried: list[str] = Factory(list)
    """The transports of its lines, in order."""
    changes: list[TransportChanged] = Factory(list)
    handed_over: list[HandedOver] = Factory(list)
    dropped: list[Disconnected] = Factory(list)
    first: float = 0.0
    """Seconds from its opening to its first message."""

    @asynccontextmanager
    async def under_way(self) -> AsyncIterator[None]:
        """Listen during the block, once the first message has come."""
        clock = asyncio.get_running_loop().time
        began = clock()
        self.cable.on(Connected, lambda event: self.carried.append(event.transport))
        self.cable.on(TransportChanged, self._changed)
        self.cable.on(HandedOver, self._handed_over)
        self.cable.on(Disconnected, self.dropped.append)
        async with self.cable, self.ledger.kept(self.cable, STREAM):
            await until(lambda: bool(self.numbers), f"{self.name} hears something", SOON)
            self.first = clock() - began
            yield

    @property
    def numbers(self) -> list[int]:
        """What it heard."""
        return [entry.number for entry in self.ledger.heard]

    async def hears(self, count: int = RATE // 4) -> None:
        """Wait until it has heard so many more."""
        before = len(self.numbers)
        await until(lambda: len(self.numbers) >= before + count, f"{self.name} hears more")

    async def is_carried_by(self, transport: str) -> None:
        """Wait until that one carries its line, and more was heard by it."""
        await until(lambda: self.carried[-1] == transport, f"{self.name} is on {transport}")
        await self.hears()

    def check(self, accepted: list[int]) -> None:
        """It heard all that was accepted from its first message on, once and in order, or was told where not."""
        self.ledger.check_order()
        lost = self.ledger.losses(accepted)
        sys.stderr.write(f"{self.figures()}, lost {sum(map(len, lost))}\n")

    @property
    def reports(self) -> int:
        """How often it was told that nobody can tell what was missed."""
        told = [*self.ledger.recoveries, *self.handed_over]
        return sum(event.recovery is not Recovery.COMPLETE for event in told)

    def figures(self) -> str:
        """Sum it up."""
        return (
            f"{self.name}: first message after {self.first:.2f} s, {' -> '.join(self.carried)}, heard "
            f"{len(self.numbers)}, lost the line {len(self.dropped)} times, told of an unknown {self.reports} times"
        )

    def _changed(self, event: TransportChanged) -> None:
        self.changes.append(event)
        self.carried += [] if self.carried[-1:] == [event.transport] else [event.transport]

    def _handed_over(self, event: HandedOver) -> None:
        self.handed_over.append(event)
        if event.recovery is Recovery.UNKNOWN:
            self.ledger.entries.append(Resync())


@frozen
class Obstacle:
    """What keeps WebSockets from passing."""

    why: str
    """What the failure of the first one says of it."""
    left: str
    """The transport that passes all the same."""
    lift: Callable[[], Awaitable[object]]


@define(eq=False)
class Crossing:
    """The counter, and those who hear it."""

    counter: Counter
    plain: Traveller
    """As by default."""
    extended: Traveller
    base: Traveller

    @property
    def hurried(self) -> tuple[Traveller, Traveller]:
        """Those who climb back soon."""
        return self.extended, self.base

    async def carried_by(self, transport: str) -> None:
        """Wait until that one carries those in a hurry, and all have heard more."""
        await asyncio.gather(self.plain.hears(), *(traveller.is_carried_by(transport) for traveller in self.hurried))

    async def arrive(self) -> None:
        """End the counter, wait for its last number, and check what was heard of it."""
        await self.counter.stop()
        assert not self.counter.unsure
        accepted = [int(value) for value in self.counter.published[STREAM]]
        for traveller in (self.plain, *self.hurried):
            await until(lambda one=traveller: one.numbers[-1] == accepted[-1], "the last one is heard")
            traveller.check(accepted)
        for exact in (self.plain, self.extended):
            assert exact.numbers == accepted[accepted.index(exact.numbers[0]) :]
            assert not exact.reports
        # On the base protocol nobody can tell what went on while one line took the place of another.
        assert self.base.reports == len(self.base.carried) - 1


@asynccontextmanager
async def crossing(
    server: AnyCable, url: str, transports: Fallback | None = None, **options: Any
) -> AsyncIterator[Crossing]:
    """Count on *server*, and listen at *url*, during the block, which begins once all have heard something.

    Those in a hurry use *transports*, by default :func:`climbing`.
    """
    counter = Counter(server, [STREAM], rate=RATE)

    def hurried(name: str, **more: Any) -> Traveller:
        soon = ExponentialBackoff(minimum=0.05, maximum=0.5)
        return Traveller(name, Cable(url, transports=transports or climbing(), backoff=soon, **options, **more))

    plain = Traveller("as by default", Cable(url, **options))
    scene = Crossing(counter, plain, hurried("extended"), hurried("base", protocol=BASE))
    counter.start()
    try:
        async with together(*(traveller.under_way() for traveller in (plain, *scene.hurried))):
            yield scene
    finally:
        await counter.stop()


async def there_and_back(server: AnyCable, url: str, obstacle: Obstacle, **options: Any) -> None:
    """Meet *obstacle* at *url*, have it lifted, climb back, and see that nothing was lost that was not told."""
    async with crossing(server, url, **options) as scene:
        # At once: a try to climb before then would take its time.
        await obstacle.lift()
        await scene.carried_by(WEBSOCKET)
        await scene.arrive()
    assert set(scene.plain.carried) == {obstacle.left}
    for traveller in scene.hurried:
        assert traveller.carried == [obstacle.left, WEBSOCKET]
        assert obstacle.why in str(traveller.dropped[0].error)
        assert [(event.previous, event.transport) for event in traveller.changes] == [
            (WEBSOCKET, obstacle.left),
            (obstacle.left, WEBSOCKET),
        ]
