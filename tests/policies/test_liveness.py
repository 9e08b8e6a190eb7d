"""How long a line may be silent."""

from __future__ import annotations

from random import Random

import pytest

from cableway.policies.liveness import GRACE, MISSED_BEATS, SHORTEST_BEAT, UNKNOWN_BEAT_LIMIT, Liveness


def test_before_a_beat_is_known_there_is_time_for_the_first_one() -> None:
    """A server that beats every 30 s, its first beat up to half as late again, is not taken for dead."""
    assert UNKNOWN_BEAT_LIMIT == 48
    liveness = Liveness(10.0)
    assert liveness.deadline(10.0) == 58.0
    # The connection may have been opened long before this line's session.
    assert liveness.deadline(3.0) == 58.0
    assert liveness.deadline(20.0) == 68.0


@pytest.mark.parametrize("beat", [1.0, 3.0, 30.0, 300.0])
def test_the_beat_is_learned(beat: float) -> None:
    """Two beats tell the interval; two missed ones and some grace are the limit."""
    liveness = Liveness(0.0)
    for count in range(1, 5):
        liveness.pinged(beat * count)
    assert liveness.beat == beat
    assert liveness.limit == MISSED_BEATS * beat + GRACE
    assert liveness.deadline(beat * 4) == beat * 4 + 2 * beat + 3


@pytest.mark.parametrize("beat", [1.0, 3.0, 10.0, 30.0])
def test_no_living_server_is_taken_for_dead(beat: float) -> None:
    """A thousand beats, each up to a fifth early or late, never exceed the limit; the first one comes at its latest."""
    random = Random(3)
    liveness = Liveness(0.0)
    last = 0.0
    for count in range(1000):
        now = 1.5 * beat if count == 0 else last + beat * random.uniform(0.8, 1.2)
        assert now < liveness.deadline(last)
        liveness.pinged(now)
        last = now


def test_a_slower_beat_widens_the_limit_at_once() -> None:
    """One late beat is enough; the way back is slow."""
    liveness = Liveness(0.0)
    for now in (3, 6, 9, 29):
        liveness.pinged(float(now))
    assert liveness.beat == 20.0
    liveness.pinged(32.0)
    assert liveness.beat == 0.75 * 20 + 0.25 * 3


@pytest.mark.parametrize("before", [0, 5])
def test_beats_in_a_heap_teach_nothing(before: int) -> None:
    """After a stall, beats arrive together: that is no server that beats every millisecond."""
    liveness = Liveness(0.0)
    for count in range(before):
        liveness.pinged(3.0 * count)
    known = liveness.beat
    start = 3.0 * before
    for count in range(50):
        liveness.pinged(start + 0.001 * count)
    assert liveness.beat == known
    assert liveness.limit >= 2 * SHORTEST_BEAT + GRACE
    liveness.pinged(start + 3.049)
    assert liveness.beat == pytest.approx(3.0)
