"""Where the vehicles drive: a round trip of the demo's own making, or a recording."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

CENTRE = (45.6500, 13.7700)
RADIUS = 0.02
"""Degrees: a good two kilometres."""
WOBBLES = 5


@frozen
class Point:
    """A place on earth, in degrees."""

    latitude: float
    longitude: float


def round_trip(random: Random, points: int) -> list[Point]:
    """Make up a closed road of *points* points: a circle, bent by a few random waves."""
    waves = [(random.uniform(0, 0.35) / k, random.uniform(0, math.tau)) for k in range(1, WOBBLES + 1)]
    return [_on_road(waves, math.tau * step / points) for step in range(points)]


def _on_road(waves: Sequence[tuple[float, float]], angle: float) -> Point:
    radius = RADIUS * (1 + sum(size * math.cos(k * angle + phase) for k, (size, phase) in enumerate(waves, 1)))
    latitude = CENTRE[0] + radius * math.sin(angle)
    longitude = CENTRE[1] + radius * math.cos(angle) / math.cos(math.radians(CENTRE[0]))
    return Point(round(latitude, 6), round(longitude, 6))


def thinned(route: Sequence[Point], most: int) -> list[Point]:
    """Leave out points evenly so that *most* are left; the first and the last stay."""
    if len(route) <= most:
        return list(route)
    if most == 1:
        return [route[0]]
    return [route[round(index * (len(route) - 1) / (most - 1))] for index in range(most)]


def started_at(route: Sequence[Point], share: float) -> list[Point]:
    """Let a vehicle join the route at a *share* of it, and drive it round to there."""
    start = int(len(route) * share)
    return [*route[start:], *route[:start]]
