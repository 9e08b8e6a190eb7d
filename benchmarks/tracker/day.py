"""A technician's working day: nine hours, six trips, and what the tracker has to report."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from attrs import frozen

from cableway.cli.fleet.gpx import read_gpx
from cableway.cli.fleet.route import Point, round_trip

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HOURS = 9
TRIPS = 6
TRIP = 20 * 60.0
BETWEEN_POSITIONS = 10.0
BETWEEN_SIGNS = 15 * 60.0
DEADLINE = 30.0
"""Seconds within which the server wants to know."""
LAP = 8.5 * 60
"""Seconds that the recorded drive lasts."""

ROOT = Path(__file__).resolve().parent.parent.parent
RECORDING = "car-around-visnjan.gpx"


@frozen
class Report:
    """Something that the server is to hear within the deadline."""

    number: int
    at: float
    """When it came up, in seconds of the day."""
    point: Point | None
    """Where the vehicle was; ``None`` in a sign of life."""


@frozen
class WorkingDay:
    """What happens from the morning to the evening."""

    seed: int
    route: str
    """Where the drive comes from, for people."""
    seconds: float
    trips: tuple[float, ...]
    """When each trip begins."""
    reports: tuple[Report, ...]
    """In order of time."""


def compose(seed: int, *, hours: float = HOURS, trips: int = TRIPS) -> WorkingDay:
    """Make up a day: trips at random times that do not touch, each along a random piece of the drive.

    Raises:
        ValueError: So many trips do not fit into the day.
    """
    random = Random(seed)
    # Dice of its own: with another drive the day has the same hours.
    name, route = drive(Random(f"drive {seed}"))
    starts = _starts(random, hours * 3600, trips)
    moments = sorted([*_positions(random, route, starts), *_signs(starts, hours * 3600)], key=lambda pair: pair[0])
    reports = tuple(Report(number, at, point) for number, (at, point) in enumerate(moments))
    return WorkingDay(seed, name, hours * 3600, starts, reports)


def drive(random: Random) -> tuple[str, Sequence[Point]]:
    """Return the recorded drive, or where it is absent one of the demo's making, and its name."""
    folder = Path(os.environ.get("CABLEWAY_TEST_DATA") or ROOT.parent / "shared" / "data")
    if (folder / RECORDING).is_file():
        return f"recorded drive ({RECORDING})", read_gpx(str(folder / RECORDING))
    return "made-up drive (no recording found)", round_trip(random, 104)


def _starts(random: Random, seconds: float, trips: int) -> tuple[float, ...]:
    # The time that is not driven is cut at random; a pause of at least a minute lies before each trip and at the end.
    free = seconds - trips * (TRIP + 60) - 60
    if free < 0:
        msg = f"{trips} trips of {TRIP / 60:g} minutes do not fit into {seconds / 3600:g} hours"
        raise ValueError(msg)
    cuts = sorted(random.uniform(0, free) for _ in range(trips))
    return tuple(cut + index * (TRIP + 60) + 60 for index, cut in enumerate(cuts))


def _positions(random: Random, route: Sequence[Point], starts: Sequence[float]) -> Iterator[tuple[float, Point]]:
    for start in starts:
        offset = random.random()
        for step in range(int(TRIP / BETWEEN_POSITIONS)):
            elapsed = step * BETWEEN_POSITIONS
            yield start + elapsed, along(route, offset + elapsed / LAP)


def along(route: Sequence[Point], laps: float) -> Point:
    """Drive *route* there and back, again and again; tell where that is after so many *laps*."""
    there = 1 - abs(laps % 2 - 1)
    index, share = divmod(there * (len(route) - 1), 1)
    here, ahead = route[int(index)], route[min(int(index) + 1, len(route) - 1)]
    return Point(
        round(here.latitude + share * (ahead.latitude - here.latitude), 6),
        round(here.longitude + share * (ahead.longitude - here.longitude), 6),
    )


def _signs(starts: Sequence[float], seconds: float) -> Iterator[tuple[float, None]]:
    parked = 0.0
    for trip in (*starts, seconds):
        moment = parked + BETWEEN_SIGNS
        while moment < trip:
            yield moment, None
            moment += BETWEEN_SIGNS
        parked = trip + TRIP
