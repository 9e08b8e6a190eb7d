"""The demo's road."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from cableway.cli.fleet.route import CENTRE, Point, round_trip, started_at, thinned

ROAD = [Point(float(number), 0.0) for number in range(10)]


def test_the_same_seed_makes_the_same_road() -> None:
    """What one saw, another can see again; another seed leads elsewhere."""
    assert round_trip(Random(1), 50) == round_trip(Random(1), 50)
    assert round_trip(Random(1), 50) != round_trip(Random(2), 50)


@given(st.integers(), st.integers(2, 300))
def test_a_road_is_a_closed_trip_around_its_centre(seed: int, points: int) -> None:
    """It has as many points as asked for, near the centre, and no jumps."""
    road = round_trip(Random(seed), points)

    assert len(road) == points
    assert all(abs(point.latitude - CENTRE[0]) < 0.1 and abs(point.longitude - CENTRE[1]) < 0.1 for point in road)


@given(st.integers(1, 15))
def test_thinning_keeps_both_ends(most: int) -> None:
    """No more than asked for, in order, from the first to the last."""
    some = thinned(ROAD, most)

    assert len(some) == min(most, len(ROAD))
    assert some == sorted(some, key=lambda point: point.latitude)
    assert some[0] == ROAD[0]
    if most > 1:
        assert some[-1] == ROAD[-1]


def test_vehicles_join_on_the_way() -> None:
    """Each drives the whole road, from a place of its own."""
    assert started_at(ROAD, 0) == ROAD
    assert started_at(ROAD, 0.5) == [*ROAD[5:], *ROAD[:5]]
