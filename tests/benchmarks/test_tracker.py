"""The simulated tracker: its clock, its day, its radio and its server."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from tracker import clock
from tracker.air import HANDSHAKE, ROUND_TRIP, Air, AirTransport, Pipe
from tracker.day import RECORDING, TRIP, Report, along, compose
from tracker.server import WORK, Ledger, Server

from cableway.cli.fleet.route import Point
from cableway.policies.energy import LTE, EnergyAccountant
from cableway.transports.base import DialRequest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from cableway.transports.base import Connection

READY = LTE.promotion.seconds


# The clock -----------------------------------------------------------------------------------------------------------


def test_hours_pass_at_once_and_in_order() -> None:
    """Sleeps end at their times, whatever the order in which they began, and nobody waits for them."""

    async def sleeper(moment: float, seen: list[float]) -> None:
        await clock.until(moment)
        seen.append(asyncio.get_running_loop().time())

    async def work() -> list[float]:
        seen: list[float] = []
        await asyncio.gather(*(sleeper(moment, seen) for moment in (32_400.0, 5.0, 3600.0)))
        return seen

    began = time.perf_counter()
    assert clock.run(work()) == [5.0, 3600.0, 32_400.0]
    assert time.perf_counter() - began < 5


def test_a_wait_without_an_end_is_told() -> None:
    """Where no timer is left, nothing can happen any more: that is an error, not a program that hangs."""

    async def work() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(RuntimeError, match="waits for ever"):
        clock.run(work())


# The day -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_a_day_is_what_it_says(seed: int) -> None:
    """Six trips that do not touch, 120 positions each, and a sign of life each quarter of an hour between them."""
    day = compose(seed)
    gaps = [after - before for before, after in zip((-TRIP, *day.trips), (*day.trips, day.seconds), strict=False)]
    assert len(day.trips) == 6
    assert all(gap >= TRIP + 60 for gap in gaps)
    assert [report.number for report in day.reports] == list(range(len(day.reports)))
    positions = [report.at for report in day.reports if report.point is not None]
    assert positions == [start + 10 * step for start in day.trips for step in range(120)]
    assert sum(report.point is None for report in day.reports) == sum(-int(-(gap - TRIP) // 900) - 1 for gap in gaps)


def test_a_seed_makes_one_day() -> None:
    """The same seed gives the same day, another one another."""
    assert compose(1) == compose(1)
    assert compose(1).trips != compose(2).trips


def test_too_many_trips_are_refused() -> None:
    """A day has room for so many and no more."""
    with pytest.raises(ValueError, match="do not fit into 2 hours"):
        compose(1, hours=2, trips=6)


def test_the_drive_goes_there_and_back() -> None:
    """Between two points the vehicle is between them; at the end it turns round."""
    route = [Point(0, 0), Point(1, 10), Point(2, 30)]
    shares = {
        0: (0, 0),
        0.25: (0.5, 5),
        0.5: (1, 10),
        0.75: (1.5, 20),
        1: (2, 30),
        1.5: (1, 10),
        2: (0, 0),
        2.5: (1, 10),
    }
    for laps, (latitude, longitude) in shares.items():
        assert along(route, laps) == Point(latitude, longitude)


def test_without_the_recording_a_drive_is_made_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The day has the same hours, other places, and says where its drive comes from."""
    monkeypatch.setenv("CABLEWAY_TEST_DATA", str(tmp_path))
    day = compose(3)
    assert "made-up" in day.route
    assert len({report.point for report in day.reports}) > 300
    track = "".join(f'<trkpt lat="{45 + n / 100}" lon="13.5"/>' for n in range(9))
    (tmp_path / RECORDING).write_text(f'<gpx xmlns="http://www.topografix.com/GPX/1/1"><trk>{track}</trk></gpx>')
    recorded = compose(3)
    assert RECORDING in recorded.route
    assert [report.at for report in recorded.reports] == [report.at for report in day.reports]
    assert [report.point for report in recorded.reports] != [report.point for report in day.reports]


# The air -------------------------------------------------------------------------------------------------------------


class Ear:
    """Hears what arrives, and when."""

    def __init__(self) -> None:
        self.heard: list[tuple[float, str]] = []
        self.lost_at: float | None = None

    def frames(self, batch: list[bytes]) -> None:
        self.heard += [(asyncio.get_running_loop().time(), frame.decode()) for frame in batch]

    def lost(self, code: int | None, reason: str, error: BaseException | None) -> None:
        self.lost_at = asyncio.get_running_loop().time()


class Place:
    """An air, a server behind it, and a line to it."""

    def __init__(self) -> None:
        self.accountant = EnergyAccountant(LTE)
        self.energy = self.accountant.figures(0.0)
        self.air = Air(self.accountant)
        self.transport = AirTransport(self.air)
        self.ledger = Ledger()
        self.ear = Ear()
        self.line: Connection

    def says(self, **fields: Any) -> None:
        """Send a command."""
        text = ",".join(f'"{key}":"{value}"' for key, value in fields.items())
        self.line.send(f"{{{text}}}".encode())

    def reports(self, number: int) -> None:
        """Send a report."""
        self.says(command="message", identifier="i", data=f'{{\\"reports\\":[[{number}]]}}')


def at_place(work: Callable[[Place], Awaitable[None]], url: str = "ws://cable.example/cable") -> Place:
    """Run *work* with an open line."""

    async def whole() -> Place:
        place = Place()
        async with Server(place.air, place.transport, place.ledger, Random(1)).serving():
            place.line = await place.transport.open(DialRequest(url), place.ear)
            place.line.resume()
            await work(place)
        return place

    return clock.run(whole())


def test_a_pipe_keeps_the_order() -> None:
    """Items that arrive at one moment, or would overtake each other, come in the order in which they were put in."""

    async def work() -> list[int]:
        got: list[int] = []
        pipe: Pipe[int] = Pipe(got.append)
        for number in range(50):
            pipe.put(number, 5.0 if number % 2 else 4.0)
        await clock.until(10)
        return got

    assert clock.run(work()) == list(range(50))


def test_a_handshake_costs_its_round_trips() -> None:
    """A line is there one promotion and four round trips after the dial, and the welcome half a round trip later."""

    async def work(place: Place) -> None:
        assert asyncio.get_running_loop().time() == pytest.approx(READY + len(HANDSHAKE) * ROUND_TRIP)
        await clock.until(1)

    place = at_place(work)
    assert place.ear.heard == [(pytest.approx(READY + 4.5 * ROUND_TRIP), '{"type":"welcome"}')]


def test_what_is_sent_to_a_radio_asleep_waits_for_it() -> None:
    """A frame takes half a round trip if the radio is on, and a promotion more if it has to be woken, either way."""

    async def work(place: Place) -> None:
        await clock.until(100)
        began = asyncio.get_running_loop().time()
        place.says(command="subscribe", identifier="i")
        await clock.until(101)
        assert place.ear.heard[-1][0] - began == pytest.approx(READY + ROUND_TRIP + WORK)
        place.reports(1)

    at_place(work, "ws://cable.example/cable?pi=1000")


def test_pings_come_as_often_as_asked() -> None:
    """Every three seconds, or as ``pi`` says; each wakes the radio if it sleeps."""

    async def work(place: Place) -> None:
        await clock.until(600)
        place.energy = place.accountant.figures(600.0)

    often, seldom = at_place(work), at_place(work, "ws://cable.example/cable?pi=60")
    for place, beat in ((often, 3.0), (seldom, 60.0)):
        pings = [at for at, frame in place.ear.heard if "ping" in frame]
        assert len(pings) == pytest.approx(600 / beat, abs=1.1)
        assert {round(after - before, 6) for before, after in pairwise(pings[1:])} == {beat}
    assert (often.energy.wakes, often.energy.radio_on) == (1, pytest.approx(600))
    assert seldom.energy.wakes in (10, 11)
    assert seldom.energy.radio_on < 140


def test_a_goodbye_comes_after_what_was_sent() -> None:
    """What was sent before a close arrives before it; the line ends a round trip later, and costs its last packets."""

    async def work(place: Place) -> None:
        place.reports(1)
        began, transfers = asyncio.get_running_loop().time(), place.accountant.figures(0).transfers
        await place.line.close()
        assert asyncio.get_running_loop().time() - began == pytest.approx(ROUND_TRIP)
        await clock.until(5)
        # Our goodbye, its acknowledgement, the end of the line, and that one's acknowledgement; the report's as well.
        assert place.accountant.figures(5.0).transfers - transfers >= 4

    place = at_place(work)
    assert place.ear.lost_at is not None


# The server ----------------------------------------------------------------------------------------------------------


def test_a_command_that_a_close_overtakes_is_dropped() -> None:
    """As Rails does: what no worker has begun when the line ends is gone; given time, it is run."""

    async def hasty(place: Place) -> None:
        place.reports(1)
        await place.line.close()

    async def patient(place: Place) -> None:
        place.reports(1)
        await asyncio.sleep(0.25)
        await place.line.close()

    reports = [Report(1, 0.0, None)]
    assert at_place(hasty).ledger.settle(reports).lost == 1
    assert at_place(patient).ledger.settle(reports).in_time == 1


def test_the_ledger_tells_late_lost_and_twice() -> None:
    """Thirty seconds are in time, more are late; what was never heard is lost; what comes again counts once."""
    ledger = Ledger()
    ledger.note([1], 40.0)
    ledger.note([1, 2], 40.1)
    delivery = ledger.settle([Report(number, 10.0, None) for number in (1, 2, 3)])
    told = (delivery.reports, delivery.in_time, delivery.late, delivery.lost, delivery.twice)
    assert told == (3, 1, 1, 1, 1)
    assert delivery.slowest == pytest.approx(30.1)
