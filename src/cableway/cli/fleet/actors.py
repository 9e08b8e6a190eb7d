"""The clients of the fleet: trackers that report, and the dispatcher that listens."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from attrs import define, field

from cableway import Cable, ConnectError, ExponentialBackoff, LineLost, NotConnected, SubscriptionTimeout, events
from cableway.cli.fleet.kept import Kept
from cableway.cli.fleet.route import Point

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cableway import Subscription
    from cableway.cli.fleet.board import Actor, Board

TROUBLE = (NotConnected, LineLost, SubscriptionTimeout)
"""What is over once the line is back."""
DECIMALS = 5


def build_cable(url: str, actor: Actor, board: Board) -> Cable:
    """Build a cable that tells the board how it fares."""
    cable = Cable(url, proxy=None, backoff=ExponentialBackoff(maximum=2))

    def heard(event: events.Event) -> None:
        match event:
            case events.Connecting(attempt=attempt):
                actor.dials += 1
                actor.line = f"dial {attempt}"
            case events.Connected(reconnected=reconnected):
                actor.connects += 1
                actor.line = "connected"
                board.note(
                    actor.name, "connected", "connected again" if reconnected else "connected", again=reconnected
                )
            case events.RetryScheduled(delay=delay, attempt=attempt, error=error):
                actor.line = f"down, dial {attempt} in {delay:.1f} s"
                why = error.what if isinstance(error, ConnectError) else str(error)
                facts = {"delay": round(delay, 3), "attempt": attempt, "error": why}
                board.note(actor.name, "retry", f"dial {attempt} in {delay:.1f} s: {why}", **facts)
            case events.Closed():
                actor.line = "closed"

    cable.on(events.Event, heard)
    return cable


@define(eq=False)
class Tracker:
    """Drives a route and reports each position until it is acknowledged."""

    board: Board
    actor: Actor
    route: Sequence[Point]
    interval: float
    """Seconds between positions."""
    _kept: Kept = field(factory=Kept, init=False)
    _news: asyncio.Event = field(factory=asyncio.Event, init=False)

    async def run(self, url: str) -> None:
        """Drive, and return when every position has been acknowledged."""
        async with build_cable(url, self.actor, self.board) as cable:
            cable.on(events.Disconnected, lambda _: self._line_lost())
            async with cable.subscribe("TrackerChannel", vehicle=self.actor.name) as line:
                hearing = asyncio.create_task(self._hear(line))
                driving = asyncio.create_task(self._drive())
                try:
                    while not driving.done() or len(self._kept):
                        self._news.clear()
                        await self._send(line)
                        await self._pause()
                finally:
                    driving.cancel()
                    hearing.cancel()
                    await asyncio.gather(driving, hearing, return_exceptions=True)

    async def _drive(self) -> None:
        for number, point in enumerate(self.route, 1):
            id_ = f"{self.actor.name}/{number}"
            place = {"lat": round(point.latitude, DECIMALS), "lon": round(point.longitude, DECIMALS)}
            self._kept.add(id_, {"id": id_, **place})
            self.actor.reported = number
            self.actor.position = point
            self._tell()
            await asyncio.sleep(self.interval)
        # The sender may be waiting for news that will not come any more.
        self._news.set()

    async def _send(self, line: Subscription[Any]) -> None:
        loop = asyncio.get_running_loop()
        try:
            for id_, position in self._kept.due(loop.time()):
                await line.perform("report", position)
                self._kept.sent(id_, loop.time())
                self._tell(news=False)
        except TROUBLE:
            # Kept, and sent once the line is back.
            await self._until_back(line)

    async def _until_back(self, line: Subscription[Any]) -> None:
        while True:
            try:
                await line
            except TROUBLE:
                continue
            return

    async def _pause(self) -> None:
        """Wait until there is something to do: a new position, an acknowledgement, a change of the line, or time."""
        rest = self._kept.next_due() - asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(max(rest, 0) if len(self._kept) else None):
                await self._news.wait()
        except TimeoutError:
            pass

    async def _hear(self, line: Subscription[Any]) -> None:
        async for message in line:
            self._kept.acknowledged(message.data["arrived"])
            self._tell()

    def _line_lost(self) -> None:
        self._kept.line_lost()
        self._tell()

    def _tell(self, *, news: bool = True) -> None:
        self.actor.kept = len(self._kept)
        self.actor.in_flight = self._kept.in_flight
        self.actor.sent_again = self._kept.sent_again
        self.board.changed()
        if news:
            self._news.set()


@define(eq=False)
class Dispatcher:
    """Hears of all positions, counts each once, and acknowledges each as often as it comes."""

    board: Board
    ready: asyncio.Event = field(factory=asyncio.Event, init=False)
    """Set once it listens."""
    _seen: set[str] = field(factory=set, init=False)

    async def run(self, url: str) -> None:
        """Listen until cancelled."""
        async with (
            build_cable(url, self.board.dispatcher, self.board) as cable,
            cable.subscribe("FleetChannel") as fleet,
        ):
            self.ready.set()
            async for message in fleet:
                self._take(message.data)
                try:
                    await fleet.perform("acknowledge", vehicle=message.data["vehicle"], ids=[message.data["id"]])
                except TROUBLE:
                    # The tracker will send it again, and get its answer then.
                    continue

    def _take(self, position: dict[str, Any]) -> None:
        board, id_ = self.board, position["id"]
        again = id_ in self._seen
        self._seen.add(id_)
        board.arrived = len(self._seen)
        board.seen_twice += again
        board.places[position["vehicle"]] = Point(position["lat"], position["lon"])
        text = f"{id_} at {position['lat']}, {position['lon']}" + (" (again)" if again else "")
        board.note("dispatcher", "position", text, **position, again=again)
