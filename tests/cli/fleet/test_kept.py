"""A tracker lets go of a position only when it has surely arrived."""

from __future__ import annotations

import math

from cableway.cli.fleet.kept import PATIENCE, Kept


def kept_two() -> Kept:
    """Keep two positions."""
    kept = Kept()
    kept.add("a", {"n": 1})
    kept.add("b", {"n": 2})
    return kept


def test_new_positions_are_due_at_once_and_in_order() -> None:
    """Oldest first."""
    kept = kept_two()

    assert kept.due(0) == [("a", {"n": 1}), ("b", {"n": 2})]
    assert len(kept) == 2
    assert kept.in_flight == 0


def test_what_was_sent_is_due_again_after_a_while() -> None:
    """Not before, and only if nobody acknowledged it."""
    kept = kept_two()
    kept.sent("a", 10)
    kept.sent("b", 11)
    kept.acknowledged(["b"])

    assert kept.due(10) == []
    assert kept.next_due() == 10 + PATIENCE
    assert kept.due(10 + PATIENCE) == [("a", {"n": 1})]
    assert (len(kept), kept.in_flight) == (1, 1)


def test_a_lost_line_makes_everything_due() -> None:
    """What was under way may be gone."""
    kept = kept_two()
    kept.sent("a", 10)
    kept.line_lost()

    assert [id_ for id_, _ in kept.due(10)] == ["a", "b"]
    assert kept.in_flight == 0


def test_sending_again_is_counted_once_a_time() -> None:
    """The first sending is none of it."""
    kept = kept_two()
    for now in (1, 2, 3):
        kept.sent("a", now)

    assert kept.sent_again == 2


def test_acknowledgements_may_repeat_or_come_late() -> None:
    """Twice, of something unknown, or between the hand-over and its note: nothing is kept for ever by it."""
    kept = kept_two()
    kept.acknowledged(["a", "a", "c"])
    kept.sent("a", 5)
    kept.acknowledged(["b"])

    assert len(kept) == 0
    assert kept.in_flight == 0
    assert kept.next_due() == math.inf
