"""Backoffs made from tenacity's objects."""

from __future__ import annotations

import random as chance
import subprocess
import sys
from random import Random
from typing import Any

import pytest
import tenacity

from cableway.errors import LineClosed, RetriesExhausted, UsageError
from cableway.policies.borrowed import from_tenacity
from cableway.policies.classify import Cause
from cableway.policies.line import Happening, Line
from cableway.policies.retry import RetryPlan
from cableway.states import State

RANDOM = Random(1)


@pytest.mark.parametrize(
    ("wait", "expected"),
    [
        (tenacity.wait_fixed(3), [3, 3, 3, 3, 3]),
        (tenacity.wait_none(), [0, 0, 0, 0, 0]),
        (tenacity.wait_exponential(multiplier=0.5, max=3), [0.5, 1, 2, 3, 3]),
        (tenacity.wait_incrementing(start=1, increment=2, max=6), [1, 3, 5, 6, 6]),
        (tenacity.wait_chain(tenacity.wait_fixed(1), tenacity.wait_fixed(2), tenacity.wait_fixed(5)), [1, 2, 5, 5, 5]),
        (tenacity.wait_fixed(2) + tenacity.wait_incrementing(start=0, increment=1), [2, 3, 4, 5, 6]),
        (lambda state: state.attempt_number * 10.0, [10, 20, 30, 40, 50]),
    ],
)
def test_waits_are_those_of_tenacity(wait: Any, expected: list[float]) -> None:
    """The first wait is its first, and so on."""
    backoff = from_tenacity(wait)
    assert [backoff.delay(failures, RANDOM) for failures in range(5)] == pytest.approx(expected)


def test_waits_that_are_drawn() -> None:
    """Tenacity's own jitter is kept, within tenacity's own bounds."""
    chance.seed(3)
    full = from_tenacity(tenacity.wait_random_exponential(multiplier=0.2, max=30))
    waits = [full.delay(20, RANDOM) for _ in range(2000)]
    assert 0 <= min(waits) < 0.5
    assert 29.5 < max(waits) <= 30
    some = from_tenacity(tenacity.wait_exponential_jitter(initial=1, max=8, jitter=1))
    assert all(4 <= some.delay(2, RANDOM) <= 5 for _ in range(200))
    between = from_tenacity(tenacity.wait_random(2, 4))
    assert len({between.delay(0, RANDOM) for _ in range(20)}) == 20


@pytest.mark.parametrize(
    ("stop", "failures", "elapsed", "ends"),
    [
        (None, 10**6, 1e9, False),
        (tenacity.stop_never, 10**6, 1e9, False),
        (tenacity.stop_after_attempt(3), 2, 0.0, False),
        (tenacity.stop_after_attempt(3), 3, 0.0, True),
        (tenacity.stop_after_delay(60), 9, 59.0, False),
        (tenacity.stop_after_delay(60), 1, 60.0, True),
        (tenacity.stop_before_delay(60), 1, 60.0, True),
        (tenacity.stop_any(tenacity.stop_after_attempt(5), tenacity.stop_after_delay(60)), 5, 1.0, True),
        (tenacity.stop_after_attempt(5) | tenacity.stop_after_delay(60), 4, 61.0, True),
        (tenacity.stop_all(tenacity.stop_after_attempt(5), tenacity.stop_after_delay(60)), 5, 1.0, False),
        (tenacity.stop_after_attempt(5) & tenacity.stop_after_delay(60), 5, 61.0, True),
    ],
)
def test_it_stops_where_tenacity_would(stop: Any, failures: int, elapsed: float, *, ends: bool) -> None:
    """By number, by time, and by what is made of both."""
    assert from_tenacity(tenacity.wait_fixed(1), stop).gives_up(failures, elapsed) is ends


def test_a_plan_follows_it() -> None:
    """After the first, spread try the waits are tenacity's; ours of at least a tenth of a second still holds."""
    plan = RetryPlan(from_tenacity(tenacity.wait_incrementing(start=0, increment=5)), Random(2))
    assert [plan.failed(Cause.NETWORK, 0.0) for _ in range(4)] == [0.1, 5, 10, 15]


def test_a_line_ends_where_it_says() -> None:
    """With the exception that says so, and how often it had failed."""
    line = Line(from_tenacity(tenacity.wait_fixed(1), tenacity.stop_after_attempt(3)), Random(2))
    line.happen(Happening.OPEN, 0.0)
    line.happen(Happening.WANTED, 0.0)
    for now in (1.0, 3.0):
        line.failed(LineClosed(1006), now)
        line.happen(Happening.RETRY_DUE, now + 1)
    line.failed(LineClosed(1006), 5.0)
    assert line.state is State.CLOSED
    assert isinstance(line.error, RetriesExhausted)
    assert (line.error.attempts, line.error.elapsed) == (3, 4.0)


def test_one_that_needs_an_outcome_does_not_end_the_line() -> None:
    """There is no outcome to look at: the default wait stands in, and the fault can be told."""
    plan = RetryPlan(from_tenacity(tenacity.wait_exception(lambda _: 1.0)), Random(2))
    assert 0.1 <= plan.failed(Cause.NETWORK, 0.0) <= 0.3
    assert plan.fault is not None


@pytest.mark.parametrize(("wait", "stop", "name"), [(5, None, "wait"), (None, None, "wait"), (lambda _: 1, 3, "stop")])
def test_what_cannot_be_called_is_named(wait: Any, stop: Any, name: str) -> None:
    """With the kind of object that is wanted in its place."""
    with pytest.raises(UsageError, match=rf"{name}=\S+ cannot be called: give an object such as tenacity\.{name}_"):
        from_tenacity(wait, stop)


def test_tenacity_is_loaded_by_its_user_only() -> None:
    """Cableway does not need it."""
    code = "import sys, cableway, cableway.policies.borrowed; sys.exit('tenacity' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
