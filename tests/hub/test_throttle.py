"""At most one thing per so many seconds."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from cableway.hub.throttle import Throttle


def test_without_an_interval_all_pass() -> None:
    """Nothing is held, nothing is replaced."""
    throttle: Throttle[str] = Throttle(0)
    assert [throttle.offer(one, 1.0) for one in "ab"] == [("a", None), ("b", None)]
    assert throttle.deadline is None


def test_withdrawn_it_does_not_pass() -> None:
    """Only what is held can be withdrawn."""
    throttle: Throttle[str] = Throttle(1)
    _ = throttle.offer("a", 0.0), throttle.offer("b", 0.5)
    assert throttle.deadline == 1.0
    assert not throttle.withdraw("a")
    assert throttle.withdraw("b")
    assert (throttle.deadline, throttle.due(2.0)) == (None, None)


@given(st.lists(st.integers(0, 30), max_size=30))
def test_the_latest_wins_and_gaps_are_kept(waits: list[int]) -> None:
    """Each thing passes or is replaced, the last one passes, and two are never closer than the interval."""
    throttle: Throttle[int] = Throttle(10)
    now, passed = 0.0, []
    for number, wait in enumerate(waits):
        end = now + wait
        if throttle.deadline is not None and throttle.deadline <= end:
            passed.append((throttle.deadline, throttle.due(throttle.deadline)))
        now = end
        goes, _ = throttle.offer(number, now)
        if goes is not None:
            passed.append((now, goes))
    if throttle.deadline is not None:
        passed.append((throttle.deadline, throttle.due(throttle.deadline)))
    times = [at for at, _ in passed]
    assert all(late - early >= 10 for early, late in itertools.pairwise(times))
    assert [one for _, one in passed][-1:] == ([len(waits) - 1] if waits else [])
    assert len(passed) + throttle.replaced == len(waits)
