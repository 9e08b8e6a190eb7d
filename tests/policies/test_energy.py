"""What a line costs a battery."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cableway.policies.energy import (
    LTE,
    PROFILES,
    UMTS,
    WIFI,
    EnergyAccountant,
    EnergyFigures,
    RadioPhase,
    RadioProfile,
)

PLAIN = RadioProfile("plain", RadioPhase(2.0, 3.0), RadioPhase(1.0, 5.0), (RadioPhase(10.0, 1.0),))
STEPS = RadioProfile("steps", RadioPhase(1.0, 8.0), RadioPhase(1.0, 4.0), (RadioPhase(4.0, 2.0), RadioPhase(6.0, 1.0)))


def test_nothing_costs_nothing() -> None:
    """Without a transfer the radio sleeps."""
    assert EnergyAccountant().figures(1e9) == EnergyFigures(0.0, 0.0, 0, 0)


def test_one_transfer_costs_promotion_transfer_and_tail() -> None:
    """Each phase counts with its own power, as far as it has come."""
    accountant = EnergyAccountant(PLAIN)
    accountant.transfer(100.0)
    for now, on, joules in ((100, 0, 0), (101, 1, 3), (102, 2, 6), (103, 3, 11), (105, 5, 13), (113, 13, 21)):
        assert accountant.figures(float(now)) == EnergyFigures(on, joules, 1, 1)
    assert accountant.figures(1e9) == EnergyFigures(13.0, 21.0, 1, 1)


def test_tails_follow_one_another() -> None:
    """A radio that falls asleep in steps costs less in each."""
    accountant = EnergyAccountant(STEPS)
    accountant.transfer(0.0)
    spent = [accountant.figures(now) for now in (2.0, 6.0, 12.0, 13.0)]
    assert [(figures.radio_on, figures.joules) for figures in spent] == [(2, 12), (6, 20), (12, 26), (12, 26)]


def test_a_transfer_inside_the_tail_costs_no_promotion() -> None:
    """The radio is still on up to the tail's last moment, and asleep after it."""
    accountant = EnergyAccountant(PLAIN)
    accountant.transfer(0.0)
    accountant.transfer(13.0)
    assert accountant.figures(14.0) == EnergyFigures(14.0, 26.0, 1, 2)
    accountant.transfer(24.5)
    assert accountant.figures(100.0) == EnergyFigures(37.0, 57.0, 2, 3)


def test_transfers_at_one_time_share_it() -> None:
    """Ten frames in one moment cost one transfer, and a longer one reaches further."""
    accountant = EnergyAccountant(PLAIN)
    for _ in range(10):
        accountant.transfer(0.0)
    accountant.transfer(2.5)
    assert accountant.figures(100.0) == EnergyFigures(13.5, 23.5, 1, 11)
    accountant.transfer(200.0, 7.0)
    assert accountant.figures(300.0).radio_on == 13.5 + 19.0


def test_a_beat_within_the_tail_keeps_the_radio_on() -> None:
    """A beat every 3 s over an hour leaves LTE no sleep; one every quarter of an hour leaves it nearly all."""
    beating, waking = EnergyAccountant(LTE), EnergyAccountant(LTE)
    for second in range(0, 3600, 3):
        beating.transfer(float(second))
    for second in range(0, 3600, 900):
        waking.transfer(float(second))
    assert beating.figures(3600.0).radio_on == pytest.approx(3600)
    assert beating.figures(3600.0).wakes == 1
    assert waking.figures(3600.0).radio_on == pytest.approx(4 * (0.26 + 0.1 + 11.576))
    assert waking.figures(3600.0).wakes == 4


def test_it_tells_when_a_byte_can_go() -> None:
    """A radio that sleeps makes it wait for the whole promotion, one that wakes for the rest of it."""
    accountant = EnergyAccountant(PLAIN)
    assert accountant.ready_at(5.0) == 7.0
    accountant.transfer(5.0)
    assert [accountant.ready_at(now) for now in (5.0, 6.5, 7.0, 18.0, 18.5)] == [7.0, 7.0, 7.0, 18.0, 20.5]


def test_asking_for_figures_costs_nothing() -> None:
    """Figures taken on the way do not change those at the end."""
    asked, quiet = EnergyAccountant(UMTS), EnergyAccountant(UMTS)
    for second in range(0, 90, 7):
        for accountant in (asked, quiet):
            accountant.transfer(float(second))
        asked.figures(second + 3.0)
    assert asked.figures(99.0) == quiet.figures(99.0)


def test_a_time_that_goes_backwards_counts_as_the_latest() -> None:
    """Nothing is counted twice when a transfer is told late, and no figure shrinks."""
    accountant = EnergyAccountant(PLAIN)
    accountant.transfer(0.0)
    accountant.transfer(10.0)
    accountant.transfer(4.0)
    assert accountant.figures(3.0).radio_on == 10.0
    assert accountant.figures(100.0) == EnergyFigures(21.0, 33.0, 1, 3)


def test_a_profile_without_powers_counts_seconds() -> None:
    """Where a power is not known there are no joules, rather than wrong ones."""
    accountant = EnergyAccountant(RadioProfile("mine", RadioPhase(1.0), RadioPhase(1.0, 2.0), (RadioPhase(3.0, 1.0),)))
    accountant.transfer(0.0)
    assert accountant.figures(9.0) == EnergyFigures(5.0, None, 1, 1)


def test_the_published_profiles_agree_with_their_sources() -> None:
    """Each is found by its name, weighs all of its phases, and holds the figures that its source states."""
    assert {"LTE": LTE, "3G": UMTS, "Wi-Fi": WIFI} == PROFILES
    assert all(profile.weighed and profile.name == name for name, profile in PROFILES.items())
    assert (LTE.promotion, LTE.tail) == (RadioPhase(0.26, 1.21), 11.576)
    assert (UMTS.promotion, UMTS.tail) == (RadioPhase(2.0, 0.53), 17.0)
    assert (WIFI.promotion.seconds, WIFI.tail) == (0.0, 0.25)


@pytest.mark.parametrize("value", [-0.1, float("inf"), float("nan")])
def test_a_phase_is_a_figure(value: float) -> None:
    """Durations and powers that no radio has are refused, by name."""
    with pytest.raises(ValueError, match=r"seconds=.* 0 or more"):
        RadioPhase(value)
    with pytest.raises(ValueError, match=r"watts=.* 0 or more"):
        RadioPhase(1.0, value)


def test_it_does_not_grow() -> None:
    """A year of transfers is kept in the same few numbers as one."""
    accountant = EnergyAccountant()
    accountant.transfer(0.0)
    before = {name: sys.getsizeof(value) for name, value in vars(accountant).items()}
    for second in range(0, 365 * 86_400, 3600):
        accountant.transfer(float(second))
    assert {name: sys.getsizeof(value) for name, value in vars(accountant).items()} == before


def simulate(profile: RadioProfile, transfers: list[tuple[int, int]], until: int) -> EnergyFigures:
    """Walk second by second; each takes away one second of the first phase that has any left."""
    phases = [profile.promotion, profile.transfer, *profile.tails]
    left = [0.0 for _ in phases]
    on, joules, wakes, done = 0, 0.0, 0, 0
    slept = True
    for second in range(until + 1):
        for duration in (duration for at, duration in transfers if at == second):
            done += 1
            if slept and not any(left):
                wakes += 1
                left[0] = profile.promotion.seconds
            slept = False
            left[1:] = [max(left[1], duration), *(tail.seconds for tail in profile.tails)]
        if second == until:
            break
        present = next((index for index, seconds in enumerate(left) if seconds), None)
        slept = present is None
        if present is not None:
            left[present] -= 1
            on, joules = on + 1, joules + (phases[present].watts or 0.0)
    return EnergyFigures(on, joules, wakes, done)


@given(
    steps=st.lists(st.tuples(st.integers(0, 16), st.integers(0, 4)), max_size=12),
    promotion=st.integers(0, 3),
    tails=st.lists(st.integers(0, 6), max_size=3),
    rest=st.integers(0, 30),
)
def test_it_equals_a_walk_through_time(
    steps: list[tuple[int, int]], promotion: int, tails: list[int], rest: int
) -> None:
    """At every second it tells what a simulation tells: never more than has passed, never less than before."""
    phases = tuple(RadioPhase(seconds, 2.0 + index) for index, seconds in enumerate(tails))
    profile = RadioProfile("any", RadioPhase(promotion, 3.0), RadioPhase(1, 5.0), phases)
    accountant = EnergyAccountant(profile)
    transfers: list[tuple[int, int]] = []
    now, before = 0, EnergyFigures(0, 0, 0, 0)
    for gap, duration in [*steps, (rest, -1)]:
        for second in range(now, now + gap + 1):
            figures = accountant.figures(second)
            assert figures == simulate(profile, transfers, second)
            assert before.radio_on <= figures.radio_on <= second
            assert (before.joules or 0) <= (figures.joules or 0)
            before = figures
        now += gap
        if duration >= 0:
            transfers.append((now, duration))
            accountant.transfer(now, duration)
