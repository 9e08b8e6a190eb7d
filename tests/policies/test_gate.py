"""The limit on new connections."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cableway.policies.gate import TokenBucket


def test_a_burst_goes_at_once_and_then_the_rate_counts() -> None:
    """Twenty go at once, the next ones a tenth of a second apart."""
    bucket = TokenBucket(10, 20)

    waits = [bucket.reserve(100.0) for _ in range(25)]

    assert waits[:20] == [0.0] * 20
    assert waits[20:] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])


def test_an_idle_bucket_fills_up_to_its_burst_only() -> None:
    """After a long pause a burst goes at once again, and no more than that."""
    bucket = TokenBucket(1, 2)
    for _ in range(4):
        bucket.reserve(0.0)

    assert [bucket.reserve(1000.0) for _ in range(3)] == pytest.approx([0.0, 0.0, 1.0])


def test_a_place_given_back_is_the_next_one_s() -> None:
    """Who gives a place back spares the next one the wait."""
    bucket = TokenBucket(1, 1)
    bucket.reserve(0.0)
    assert bucket.reserve(0.0) == 1.0

    bucket.give_back()

    assert bucket.reserve(0.0) == 1.0


@given(
    st.floats(0.1, 100),
    st.integers(1, 50),
    st.lists(st.floats(0, 5), min_size=1, max_size=120),
)
def test_no_window_ever_sees_more_than_burst_and_rate(rate: float, burst: int, gaps: list[float]) -> None:
    """In any window of t seconds at most burst + rate * t places come up."""
    bucket = TokenBucket(rate, burst)
    now, turns = 0.0, []
    for gap in gaps:
        now += gap
        turns.append(now + bucket.reserve(now))

    for first in range(len(turns)):
        for last in range(first, len(turns)):
            window = turns[last] - turns[first]
            assert last - first + 1 <= burst + rate * window + 1e-6


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (-1, 1), (float("inf"), 1), (1, 0), (1, 1.5), (1, True)])
def test_nonsense_is_refused(rate: float, burst: int) -> None:
    """A rate or burst that lets nobody through is an error that names it."""
    with pytest.raises(ValueError, match=r"rate=|burst="):
        TokenBucket(rate, burst)
