"""Figures of a line's health."""

from __future__ import annotations

import random

import pytest

from cableway.policies.vitals import LONGEST_GAP, Vitals


def test_nothing_is_known_before_anything_was_measured() -> None:
    """A server that is never asked has no round trip, one that beat twice no jitter."""
    vitals = Vitals()
    vitals.line_up()
    vitals.beaten(3.0)
    vitals.beaten(6.0)
    assert (vitals.round_trip, vitals.jitter) == (None, None)


def test_the_first_answer_is_the_round_trip_and_later_ones_bend_it() -> None:
    """Smoothed by an eighth, as RFC 6298 does."""
    vitals = Vitals()
    vitals.asked(10.0)
    vitals.answered(10.4)
    assert vitals.round_trip == pytest.approx(0.4)
    vitals.asked(20.0)
    vitals.answered(21.2)
    assert vitals.round_trip == pytest.approx(0.4 + 0.8 / 8)


def test_an_answer_belongs_to_the_first_question() -> None:
    """Asked again before the answer came, the time counts from the first; a second answer belongs to none."""
    vitals = Vitals()
    vitals.asked(10.0)
    vitals.asked(12.0)
    vitals.answered(13.0)
    assert vitals.round_trip == pytest.approx(3.0)
    vitals.answered(99.0)
    assert vitals.round_trip == pytest.approx(3.0)


def test_an_answer_that_nobody_asked_for_is_none() -> None:
    """A stray pong measures nothing."""
    vitals = Vitals()
    vitals.answered(5.0)
    assert vitals.round_trip is None


def test_the_jitter_is_how_much_gaps_differ() -> None:
    """A steady beat has none; one that wavers has, smoothed by a sixteenth as RFC 3550 does."""
    vitals = Vitals()
    for beat in (0.0, 3.0, 6.0, 9.0):
        vitals.beaten(beat)
    assert vitals.jitter == 0.0
    vitals.beaten(13.6)
    assert vitals.jitter == pytest.approx(1.6 / 16)


def test_the_jitter_of_a_noisy_beat_settles() -> None:
    """Where each gap is off by up to half a second, the smoothed figure is the mean of the differences."""
    dice = random.Random(7)
    vitals = Vitals()
    now, differences, gaps = 0.0, [], [3.0]
    vitals.beaten(now)
    for _ in range(2000):
        gaps.append(3 + dice.uniform(-0.5, 0.5))
        now += gaps[-1]
        vitals.beaten(now)
        differences.append(abs(gaps[-1] - gaps[-2]))
    assert vitals.jitter == pytest.approx(sum(differences) / len(differences), rel=0.35)


def test_a_new_line_keeps_the_figures_and_forgets_what_was_open() -> None:
    """What was asked on the old line is not answered any more, and the gap between two lines is no beat."""
    vitals = Vitals()
    vitals.asked(0.0)
    vitals.answered(0.5)
    for beat in (1.0, 4.0, 7.5):
        vitals.beaten(beat)
    vitals.asked(8.0)
    kept = (vitals.round_trip, vitals.jitter)
    vitals.line_up()
    vitals.answered(50.0)
    vitals.beaten(60.0)
    vitals.beaten(70.0)
    assert (vitals.round_trip, vitals.jitter) == kept


def test_a_pause_is_no_beat() -> None:
    """After a gap longer than any beat the next two gaps are compared with each other, not with the pause."""
    vitals = Vitals()
    for beat in (0.0, 3.0, 3.0 + LONGEST_GAP + 1, 6.0 + LONGEST_GAP + 1):
        vitals.beaten(beat)
    assert vitals.jitter is None
    vitals.beaten(9.0 + LONGEST_GAP + 1)
    assert vitals.jitter == 0.0
