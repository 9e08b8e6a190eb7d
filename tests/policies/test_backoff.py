"""Waits between dials: the formula, its bounds, and how they spread."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from statistics import mean
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cableway.policies.backoff import ExponentialBackoff


def test_the_formula() -> None:
    """Without jitter each wait is the double of the one before, up to the cap."""
    backoff = ExponentialBackoff(minimum=0.2, maximum=30, jitter=0)
    waits = [backoff.delay(failures, Random(1)) for failures in range(10)]
    assert waits == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30])


def test_the_cap_comes_before_the_jitter() -> None:
    """A crowd that has waited long does not come back in step: its waits still spread over their whole width."""
    backoff = ExponentialBackoff(maximum=30)
    waits = [backoff.delay(20, Random(seed)) for seed in range(5000)]
    assert min(waits) < 15.5
    assert max(waits) > 44.5
    assert mean(waits) == pytest.approx(30, rel=0.02)
    buckets = [sum(15 + 3 * step <= wait < 18 + 3 * step for wait in waits) for step in range(10)]
    assert all(400 < bucket < 600 for bucket in buckets)


@given(
    minimum=st.floats(0.001, 100),
    more=st.floats(1, 1000),
    factor=st.floats(1, 1e6),
    jitter=st.floats(0, 1),
    failures=st.integers(0, 10**6),
    seed=st.integers(0, 1000),
)
def test_every_wait_is_within_its_bounds(
    *, minimum: float, more: float, factor: float, jitter: float, failures: int, seed: int
) -> None:
    """However often it failed, however odd the numbers: never longer than the cap and its jitter, never negative."""
    backoff = ExponentialBackoff(minimum, minimum * more, factor, jitter)
    wait = backoff.delay(failures, Random(seed))
    assert 0 <= wait <= minimum * more * (1 + jitter) * (1 + 1e-9)
    assert wait >= minimum * (1 - jitter) * (1 - 1e-9)


def test_a_small_factor_reaches_the_cap_as_well() -> None:
    """Slowly, but for sure."""
    backoff = ExponentialBackoff(minimum=1, maximum=30, factor=1.05, jitter=0)
    assert backoff.delay(60, Random(1)) < 30
    assert backoff.delay(70, Random(1)) == 30
    assert backoff.delay(10**9, Random(1)) == 30


def test_the_same_seed_gives_the_same_waits() -> None:
    """Randomness is an argument."""
    backoff = ExponentialBackoff()
    assert backoff.delay(3, Random(9)) == backoff.delay(3, Random(9)) != backoff.delay(3, Random(10))


def test_timedeltas_are_durations() -> None:
    """As everywhere."""
    backoff = ExponentialBackoff(timedelta(seconds=2), timedelta(minutes=1))
    assert (backoff.minimum, backoff.maximum) == (2.0, 60.0)
    assert ExponentialBackoff() == ExponentialBackoff(0.2, 30.0, 2.0, 0.5)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"minimum": 0}, "minimum=0 would dial without a pause: give more than 0 seconds"),
        ({"minimum": -1}, "minimum=-1 is not a duration"),
        ({"maximum": float("inf")}, "maximum=inf is not a duration"),
        ({"minimum": 5, "maximum": 4}, "maximum=4 is below minimum=5"),
        ({"factor": 0.5}, "factor=0.5 would make waits shorter: give 1 or more"),
        ({"factor": float("nan")}, "factor=nan would make waits shorter"),
        ({"jitter": 1.5}, "jitter=1.5 is not a part of the wait: give 0 to 1"),
        ({"jitter": float("nan")}, "jitter=nan is not a part of the wait"),
    ],
    ids=str,
)
def test_what_cannot_be_is_named(wrong: dict[str, Any], text: str) -> None:
    """The text names the argument, its value and the rule."""
    with pytest.raises(ValueError, match=text):
        ExponentialBackoff(**wrong)
