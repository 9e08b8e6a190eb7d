"""The limit on new connections."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cableway.policies.gate import TokenBucket


def pass_one(bucket: TokenBucket, now: float) -> float:
    """Let one through as soon as it may; return when that is."""
    turn = now + bucket.wait(now)
    bucket.take(turn)
    return turn


def test_a_burst_goes_at_once_and_then_the_rate_counts() -> None:
    """Twenty go at once, the next ones a tenth of a second apart."""
    bucket = TokenBucket(10, 20)
    turns = [0.0]
    for _ in range(24):
        turns.append(pass_one(bucket, turns[-1]))
    assert turns[:21] == pytest.approx([0.0] * 21)
    assert turns[21:] == pytest.approx([0.1, 0.2, 0.3, 0.4])


def test_an_idle_bucket_fills_up_to_its_burst_only() -> None:
    """After a long pause a burst goes at once again, and no more than that."""
    bucket = TokenBucket(1, 2)
    for _ in range(2):
        bucket.take(0.0)
    assert bucket.wait(0.0) == pytest.approx(1.0)
    for _ in range(2):
        assert bucket.wait(1000.0) == 0.0
        bucket.take(1000.0)
    assert bucket.wait(1000.0) == pytest.approx(1.0)


def test_asking_takes_nothing() -> None:
    """Who only asks how long it would take leaves the place to others."""
    bucket = TokenBucket(1, 1)
    assert [bucket.wait(0.0) for _ in range(3)] == [0.0, 0.0, 0.0]


def test_limits_may_change_while_it_runs() -> None:
    """A gate that was made stricter counts what has gone already."""
    bucket = TokenBucket(10, 20)
    for _ in range(20):
        bucket.take(0.0)
    bucket.adjust(1, 1)
    assert bucket.wait(0.0) == pytest.approx(2.0)
    bucket.adjust(100, 50)
    assert bucket.wait(1.6) == 0.0


@given(
    st.floats(0.1, 100),
    st.integers(1, 50),
    st.lists(st.floats(0, 5), min_size=1, max_size=120),
)
def test_no_window_ever_sees_more_than_burst_and_rate(rate: float, burst: int, gaps: list[float]) -> None:
    """In any window of t seconds at most burst + rate * t pass."""
    bucket = TokenBucket(rate, burst)
    now, turns = 0.0, []
    for gap in gaps:
        now = pass_one(bucket, now + gap)
        turns.append(now)

    for first in range(len(turns)):
        for last in range(first, len(turns)):
            window = turns[last] - turns[first]
            assert last - first + 1 <= burst + rate * window + 1e-6


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (-1, 1), (float("inf"), 1), (1, 0), (1, 1.5), (1, True)])
def test_nonsense_is_refused(rate: float, burst: int) -> None:
    """A rate or burst that lets nobody through is an error that names it."""
    with pytest.raises(ValueError, match=r"rate=|burst="):
        TokenBucket(rate, burst)
