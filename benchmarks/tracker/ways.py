"""The ways in which a tracker may keep in touch, each driven through the same day.

Those with a line run the real client. Those without are models of an HTTP client that opens a line for each request:
they move what such a client moves on the same radio.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from random import Random
from typing import TYPE_CHECKING, Any

from attrs import frozen

from cableway import Cable
from cableway.policies.energy import EnergyAccountant, EnergyFigures
from cableway.policies.monitors import OnDemandMonitor, PersistentMonitor
from tracker import clock
from tracker.air import HANDSHAKE, Air, AirTransport
from tracker.server import Delivery, Ledger, Server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from cableway.policies.energy import RadioProfile
    from cableway.policies.monitors import Monitor
    from tracker.day import Report, WorkingDay

URL = "ws://cable.example/cable"
HOLD = 25.0
"""Seconds for which a batch collects reports: the deadline, less five for the radio, the handshake and bad luck."""
POLL = 25.0
ON_DEMAND = "on demand"


@frozen
class Way:
    """One way to keep in touch."""

    name: str
    about: str
    run: Callable[[WorkingDay, Site], Awaitable[None]]


@frozen
class Site:
    """What a way has to work with."""

    air: Air
    transport: AirTransport
    ledger: Ledger


@frozen
class Outcome:
    """What a way came to."""

    way: Way
    energy: EnergyFigures
    delivery: Delivery
    lines: int
    """Lines or HTTP connections that were opened."""


def spend(way: Way, day: WorkingDay, profile: RadioProfile) -> Outcome:
    """Live through the day in that way, on virtual time."""
    return clock.run(_spend(way, day, profile))


async def _spend(way: Way, day: WorkingDay, profile: RadioProfile) -> Outcome:
    accountant, ledger = EnergyAccountant(profile), Ledger()
    air = Air(accountant)
    site = Site(air, AirTransport(air), ledger)
    spent: list[EnergyFigures] = []
    # What the goodbye in the evening costs is no part of the day.
    asyncio.get_running_loop().call_at(day.seconds, lambda: spent.append(accountant.figures(day.seconds)))
    async with Server(air, site.transport, ledger, Random(day.seed)).serving():
        await way.run(day, site)
        await clock.until(day.seconds)
    return Outcome(way, spent[0], ledger.settle(day.reports), site.transport.lines)


async def hand_over(day: WorkingDay, send: Callable[[Sequence[Report]], Awaitable[object]], hold: float) -> None:
    """Send each report *hold* seconds after it came up, together with those that came up since."""
    kept: list[Report] = []
    for report in day.reports:
        if kept and kept[0].at + hold <= report.at:
            await clock.until(kept[0].at + hold)
            await send(kept)
            kept = []
        await clock.until(report.at)
        kept.append(report)
    if kept:
        await clock.until(kept[0].at + hold)
        await send(kept)


def persistent(monitor: Callable[[], Monitor], hold: float) -> Callable[[WorkingDay, Site], Awaitable[None]]:
    """Keep a line open all day."""

    async def run(day: WorkingDay, site: Site) -> None:
        async with _tracker(site, monitor()) as (_, tracker):
            await hand_over(day, lambda reports: tracker.perform("report", reports=_written(reports)), hold)
            await clock.until(day.seconds)

    return run


def on_demand(linger: float, hold: float) -> Callable[[WorkingDay, Site], Awaitable[None]]:
    """Have a line only while a batch is handed over, and *linger* seconds longer."""

    async def run(day: WorkingDay, site: Site) -> None:
        async with _tracker(site, OnDemandMonitor(linger=linger)) as (cable, tracker):

            async def send(reports: Sequence[Report]) -> None:
                async with cable.awake("reports"):
                    await tracker.perform("report", reports=_written(reports))

            await hand_over(day, send, hold)
            await clock.until(day.seconds)

    return run


async def polling(day: WorkingDay, site: Site) -> None:
    """Ask the server for news every so often, all day, and bring along what there is to tell. A model."""
    waiting = list(day.reports)
    loop = asyncio.get_running_loop()
    for round_ in range(1, int(day.seconds / POLL) + 1):
        await clock.until(round_ * POLL)
        kept = [report for report in waiting if report.at <= loop.time()]
        waiting = waiting[len(kept) :]
        await _request(site, kept)


def posting(hold: float) -> Callable[[WorkingDay, Site], Awaitable[None]]:
    """Post each batch, and hear nothing in between. A model."""
    return lambda day, site: hand_over(day, lambda reports: _request(site, reports), hold)


@asynccontextmanager
async def _tracker(site: Site, monitor: Monitor) -> AsyncIterator[tuple[Cable, Any]]:
    async with Cable(URL, transports=[site.transport], monitor=monitor) as cable:
        yield cable, cable.subscribe("TrackerChannel", vehicle=7)


async def _request(site: Site, reports: Sequence[Report]) -> None:
    site.transport.lines += 1
    for _ in HANDSHAKE[:-1]:
        await site.air.round_trip()
    arrival = site.air.leave()
    await clock.until(arrival)
    site.ledger.note((report.number for report in reports), arrival)
    await asyncio.sleep(site.air.latency)
    # The answer, which ends the line, is acknowledged a round trip later.
    site.air.leave()


def _written(reports: Sequence[Report]) -> list[list[float]]:
    return [
        [report.number, report.at, *((report.point.latitude, report.point.longitude) if report.point else ())]
        for report in reports
    ]


def ways(*, linger: float = 0.0, hold: float = HOLD) -> tuple[Way, ...]:
    """Give all ways; the first is the one that the others are compared with."""
    return (
        Way("always on", "a line all day, each report at once", persistent(PersistentMonitor, 0)),
        Way("beat of 60 s", "the server is asked to beat slowly", persistent(lambda: PersistentMonitor(beat=60), 0)),
        Way(
            "beat of 60 s, batches",
            "and reports are handed over together",
            persistent(lambda: PersistentMonitor(beat=60), hold),
        ),
        Way(
            "beat of 300 s, batches",
            "and the beat is one that many networks do not wait for",
            persistent(lambda: PersistentMonitor(beat=300), hold),
        ),
        Way(f"polling every {POLL:g} s", "an HTTP request, news or not; a model", polling),
        Way("HTTP post a batch", "tells, and never hears anything; a model", posting(hold)),
        Way(ON_DEMAND, "a line for each batch", on_demand(linger, hold)),
    )
