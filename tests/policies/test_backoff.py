"""Waits between dials: the formula, its bounds, and how they spread."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from statistics import mean
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cableway.policies.backoff import ConstantBackoff, DecorrelatedBackoff, ExponentialBackoff


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


def test_jitter_by_its_names() -> None:
    """Full is anywhere up to the wait, equal anywhere in its upper half; both are uniform there."""
    for jitter, low, high in (("full", 0.0, 8.0), ("equal", 4.0, 8.0)):
        backoff = ExponentialBackoff(1, 8, jitter=jitter)  # type: ignore[arg-type]
        random = Random(5)
        waits = [backoff.delay(9, random) for _ in range(5000)]
        assert low <= min(waits) < low + 0.05
        assert high - 0.05 < max(waits) <= high
        assert mean(waits) == pytest.approx((low + high) / 2, rel=0.02)


def test_the_highest_wait_can_be_raised_for_once() -> None:
    """Four times as high, the middle goes on growing where it would have stopped; below the cap nothing changes."""
    backoff = ExponentialBackoff()
    assert [backoff.middle(failures, 4.0) for failures in (3, 8, 9, 10, 99)] == pytest.approx(
        [1.6, 51.2, 102.4, 120, 120]
    )
    assert backoff.middle(3) == backoff.middle(3, 4.0)


def test_decorrelated_waits() -> None:
    """Between the shortest and three times the one before, so they grow on average, up to a cap that is kept."""
    backoff = DecorrelatedBackoff(0.2, 30)
    random = Random(6)
    waits = {failures: [backoff.delay(failures, random) for _ in range(4000)] for failures in (0, 1, 3, 40, 10**6)}
    assert all(0.2 <= wait <= 30 for many in waits.values() for wait in many)
    assert max(waits[0]) <= 0.6 < max(waits[1]) <= 1.8
    assert mean(waits[0]) == pytest.approx(0.4, rel=0.02)
    assert mean(waits[1]) == pytest.approx((0.2 + 3 * 0.4) / 2, rel=0.02)
    assert mean(waits[3]) < mean(waits[40])
    assert mean(waits[40]) == pytest.approx(mean(waits[10**6]), rel=0.03)


def chain(random: Random, failures: int) -> float:
    """Walk the formula as its authors wrote it, with the wait before remembered."""
    previous = 0.2
    for _ in range(failures + 1):
        previous = min(30.0, random.uniform(0.2, previous * 3))
    return previous


@pytest.mark.parametrize("failures", [0, 2, 5, 12, 60])
def test_decorrelated_waits_spread_as_if_remembered(failures: int) -> None:
    """Drawing the chain anew gives the same distribution as carrying it on, also where it is no longer walked."""
    backoff = DecorrelatedBackoff(0.2, 30)
    random = Random(7)
    ours = sorted(backoff.delay(failures, random) for _ in range(3000))
    theirs = sorted(chain(random, failures) for _ in range(3000))
    for part in (300, 1500, 2700):
        assert ours[part] == pytest.approx(theirs[part], rel=0.12)


def test_constant_waits() -> None:
    """The same middle however often it failed, and a spread around it."""
    backoff = ConstantBackoff(4, jitter=0.25)
    random = Random(8)
    waits = [backoff.delay(failures, random) for failures in range(3000)]
    assert 3 <= min(waits) < 3.01
    assert 4.99 < max(waits) <= 5
    assert mean(waits) == pytest.approx(4, rel=0.01)
    assert ConstantBackoff(timedelta(seconds=2), jitter=0).delay(7, random) == 2


KINDS: list[type[Any]] = [
    ExponentialBackoff,
    DecorrelatedBackoff,
    ConstantBackoff,
]


@pytest.mark.parametrize("kind", KINDS)
def test_limits(kind: type[Any]) -> None:
    """A number of failures, or seconds of them, ends the series; without limits nothing does."""
    assert not kind().gives_up(10**9, 1e12)
    assert [kind(max_attempts=3).gives_up(failures, 0.0) for failures in (1, 2, 3, 4)] == [False, False, True, True]
    patient = kind(max_elapsed=timedelta(minutes=1))
    assert [patient.gives_up(1, seconds) for seconds in (0.0, 59.9, 60.0)] == [False, False, True]
    both = kind(max_attempts=2, max_elapsed=60)
    assert (both.gives_up(1, 60.0), both.gives_up(2, 0.0), both.gives_up(1, 59.0)) == (True, True, False)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("attempts", [0, -1, 1.5, True, "3"])
def test_a_limit_is_a_whole_number_of_failures(kind: type[Any], attempts: object) -> None:
    """The text names the value and the rule."""
    with pytest.raises(
        ValueError, match=r"max_attempts=.* is not a number of dials: give a whole number of at least 1"
    ):
        kind(max_attempts=attempts)


@pytest.mark.parametrize(
    ("kind", "wrong", "text"),
    [
        (DecorrelatedBackoff, {"minimum": 0}, "minimum=0 would dial without a pause"),
        (DecorrelatedBackoff, {"minimum": 2, "maximum": 1}, "maximum=1 is below minimum=2"),
        (DecorrelatedBackoff, {"max_elapsed": -1}, "max_elapsed=-1"),
        (ConstantBackoff, {"interval": 0}, "interval=0 would dial without a pause"),
        (ConstantBackoff, {"jitter": 2}, "jitter=2 is not a part of the wait: give 0 to 1"),
        (ExponentialBackoff, {"jitter": "some"}, "jitter='some' is not a part of the wait: give 0 to 1, 'full' or"),
        (ExponentialBackoff, {"max_elapsed": float("nan")}, "max_elapsed=nan"),
    ],
    ids=str,
)
def test_what_cannot_be_is_named_by_the_others_too(kind: type[Any], wrong: dict[str, Any], text: str) -> None:
    """As it is by the default one."""
    with pytest.raises(ValueError, match=text):
        kind(**wrong)


def test_they_are_values() -> None:
    """Equal where their figures are, usable as keys, and not to be changed under a cable that uses them."""
    assert ExponentialBackoff(max_attempts=3) == ExponentialBackoff(max_attempts=3) != ExponentialBackoff()
    assert len({ConstantBackoff(), ConstantBackoff(), DecorrelatedBackoff()}) == 2
    with pytest.raises(AttributeError):
        ExponentialBackoff().minimum = 1  # type: ignore[misc]
