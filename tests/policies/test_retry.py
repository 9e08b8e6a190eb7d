"""How the backoff is applied: the eight rules, and what they come to over time."""

from __future__ import annotations

import math
from itertools import count
from random import Random
from statistics import mean, median, quantiles
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cableway.policies.backoff import ConstantBackoff, DecorrelatedBackoff, ExponentialBackoff
from cableway.policies.classify import LONGEST_HINT, Cause
from cableway.policies.retry import RetryPlan, Spell

if TYPE_CHECKING:
    from collections.abc import Callable

    from cableway.policies.backoff import Backoff

GOOD = Spell(60.0, beaten=True)
NETWORK, RESTART, OVERLOAD = Cause.NETWORK, Cause.RESTART, Cause.OVERLOAD


def plan(backoff: Backoff | None = None, seed: int = 1) -> RetryPlan:
    """Make a plan; without a backoff its waits are exact."""
    return RetryPlan(backoff or ExponentialBackoff(1, 30, jitter=0), Random(seed))


def distance(samples: list[float], high: float) -> float:
    """Return the Kolmogorov-Smirnov distance of *samples* from the uniform distribution over (0, high)."""
    size = len(samples)
    return max(
        max((rank + 1) / size - value / high, value / high - rank / size) for rank, value in enumerate(sorted(samples))
    )


def critical(size: int) -> float:
    """Return the distance that one sample in a thousand exceeds by chance."""
    return 1.95 / math.sqrt(size)


# Rule 1: what is forgotten -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spell", "forgotten"),
    [
        (None, False),
        (Spell(0.1), False),
        (Spell(29.9, beaten=True, confirmed=True), False),
        (Spell(3600.0), False),
        (Spell(3600.0, confirmed=True), False),
        (Spell(30.0, beaten=True), True),
    ],
)
def test_only_a_line_that_stayed_and_was_beaten_on_was_good(spell: Spell | None, *, forgotten: bool) -> None:
    """After it the count starts anew; after any other one it goes on."""
    ours = plan()
    for _ in range(4):
        ours.failed(NETWORK, 0.0)
    ours.failed(OVERLOAD, 100.0, spell=spell)
    assert ours.failures == (1 if forgotten else 5)
    assert ours.elapsed(110.0) == (10.0 if forgotten else 110.0)


def test_a_start_forgets_all() -> None:
    """Failures, their time, and an open breaker."""
    ours = plan(ConstantBackoff(1, jitter=0))
    for now in range(25):
        ours.failed(OVERLOAD, float(now))
    ours.start()
    assert (ours.failures, ours.elapsed(99.0)) == (0, 0.0)
    assert ours.failed(OVERLOAD, 25.0) == 1


# Rule 2: the first try -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cause", "hint", "high"),
    [
        (NETWORK, None, 1.0),
        (NETWORK, 20.0, 20.0),
        (RESTART, None, 5.0),
        (RESTART, 0.5, 0.5),
        (RESTART, 50.0, 50.0),
        (RESTART, LONGEST_HINT, LONGEST_HINT),
        (RESTART, 0.0, 5.0),
    ],
)
def test_first_tries_are_uniform(cause: Cause, hint: float | None, high: float) -> None:
    """Over a second after a loss, over what the server names or five after a restart: no instant is busier."""
    random = Random(11)
    waits = [RetryPlan(ExponentialBackoff(), random).failed(cause, 0.0, hint=hint, spell=GOOD) for _ in range(4000)]
    assert min(waits) >= 0
    assert max(waits) <= high
    assert distance(waits, high) < critical(len(waits))


def test_the_distance_would_notice_a_crowd() -> None:
    """The statistic above is no formality: a tenth of the samples in one place, or a narrower spread, exceeds it."""
    random = Random(12)
    fair = [random.random() for _ in range(4000)]
    assert distance(fair, 1.0) < critical(4000)
    assert distance([max(0.1, value) for value in fair], 1.0) > critical(4000)
    assert distance([0.9 * value for value in fair], 1.0) > critical(4000)


def test_a_first_try_after_the_shortest_of_lines_keeps_the_distance_of_dials() -> None:
    """Nobody dials more than ten times a second, not even once."""
    for seed in range(200):
        assert plan(seed=seed).failed(NETWORK, 0.0, spell=Spell(0.04)) >= 0.06


@pytest.mark.parametrize(
    ("cause", "spell", "at_once"),
    [(NETWORK, None, True), (RESTART, None, True), (NETWORK, GOOD, False), (OVERLOAD, GOOD, True)],
)
def test_no_other_try_is_a_first_one(cause: Cause, spell: Spell | None, *, at_once: bool) -> None:
    """Not that of a dial that failed, not where we were sent away, not after an overload."""
    ours = plan(ConstantBackoff(40, jitter=0))
    assert ours.failed(cause, 0.0, spell=spell, at_once=at_once) == 40


def test_a_second_try_is_no_first_one() -> None:
    """The wait after it is the backoff's."""
    ours = plan()
    assert ours.failed(RESTART, 0.0, spell=GOOD) <= 5
    assert [ours.failed(RESTART, 0.0) for _ in range(3)] == [2, 4, 8]


# Rule 3: the backoff, and its raised cap -----------------------------------------------------------------------------


def test_other_waits_are_the_backoff_s() -> None:
    """One after the other, up to its cap."""
    ours = plan()
    assert [ours.failed(NETWORK, 0.0) for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]


def test_who_was_sent_away_does_not_come_back_with_the_shortest_wait() -> None:
    """The first wait after being sent away is the backoff's second."""
    assert plan().failed(Cause.POLICY, 0.0, spell=GOOD, at_once=False) == 2


def test_the_cap_is_raised_after_many_failures_for_overload() -> None:
    """To its double after more than ten, to its fourfold after more than twelve."""
    ours = plan(ExponentialBackoff(jitter=0))
    waits = [ours.failed(OVERLOAD, 1000.0 * number) for number in range(16)]
    assert waits[8:] == [30, 30, 30, 60, 60, 120, 120, 120]


@pytest.mark.parametrize("cause", [cause for cause in Cause if cause is not OVERLOAD])
def test_another_failure_lowers_the_cap_again(cause: Cause) -> None:
    """It takes three answers of overload in a row to raise it."""
    ours = plan(ExponentialBackoff(jitter=0))
    for number in range(20):
        ours.failed(OVERLOAD, 1000.0 * number)
    assert ours.failed(cause, 30_000.0) <= 45
    assert [ours.failed(OVERLOAD, 40_000.0 + number) for number in range(3)] == [30, 30, 120]


def test_a_dead_network_costs_no_longer_waits() -> None:
    """However many failures: without an answer of overload the cap stays."""
    ours = plan()
    assert [ours.failed(NETWORK, 0.0) for _ in range(40)][-1] == 30


# Rule 4: who had proved itself ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spell", "low", "high"),
    [
        (Spell(10.0, beaten=True), 5.0, 15.0),
        (Spell(10.0, confirmed=True), 5.0, 15.0),
        (Spell(0.2, beaten=True), 0.5, 1.5),
        (Spell(25.0, beaten=True), 12.5, 30.0),
        (Spell(10.0), 30.0, 30.0),
        (None, 30.0, 30.0),
    ],
)
def test_a_line_that_had_proved_itself_waits_no_longer_than_it_lasted(
    spell: Spell | None, low: float, high: float
) -> None:
    """About so long, at least a second, and never longer than the backoff says."""
    random = Random(13)
    waits = []
    for _ in range(500):
        ours = RetryPlan(ExponentialBackoff(jitter=0), random)
        ours.failures = 12
        waits.append(ours.failed(NETWORK, 0.0, spell=spell))
    assert low <= min(waits) <= low * 1.02
    assert high * 0.98 <= max(waits) <= high


@pytest.mark.parametrize("cause", [cause for cause in Cause if cause is not NETWORK])
def test_only_the_network_is_forgiven_so(cause: Cause) -> None:
    """A server that drops us for a reason of its own is left alone as long as the backoff says."""
    ours = plan()
    ours.failures = 12
    assert ours.failed(cause, 0.0, spell=Spell(1.0, beaten=True)) >= 15


# Rule 5: hints -------------------------------------------------------------------------------------------------------


def test_a_hint_is_obeyed_and_spread() -> None:
    """Not before it, and up to a fifth after it."""
    random = Random(14)
    waits = [RetryPlan(ExponentialBackoff(), random).failed(OVERLOAD, 0.0, hint=50.0) for _ in range(2000)]
    assert distance([wait - 50 for wait in waits], 10.0) < critical(2000)


def test_a_hint_never_shortens_a_wait() -> None:
    """It says when to come at the earliest."""
    ours = plan(ConstantBackoff(40, jitter=0))
    assert ours.failed(OVERLOAD, 0.0, hint=1.0) == 40


def test_an_absurd_hint_is_clamped() -> None:
    """Ten minutes, spread, are the most."""
    for cause in Cause:
        assert plan().failed(cause, 0.0, hint=1e9) <= 1.2 * LONGEST_HINT
        assert plan().failed(cause, 0.0, hint=1e9, spell=GOOD) <= 1.2 * LONGEST_HINT


# Rule 6: the circuit breaker -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("cause", [OVERLOAD, Cause.PROTOCOL])
def test_the_breaker_opens_after_twenty_failures_in_five_minutes(cause: Cause) -> None:
    """Then one probe every five minutes, spread by a fifth, until a line was good."""
    ours = plan(ConstantBackoff(1, jitter=0))
    assert [ours.failed(cause, 15.0 * number) for number in range(19)] == [1] * 19
    pauses = [ours.failed(cause, 285.0 + 400 * number) for number in range(200)]
    assert 240 <= min(pauses) < 245
    assert 355 < max(pauses) <= 360
    assert ours.failed(cause, 1e6, spell=GOOD) == 1


def test_the_breaker_stays_shut_for_slow_failures() -> None:
    """Twenty of them in more than five minutes do not open it."""
    ours = plan(ConstantBackoff(1, jitter=0))
    assert [ours.failed(OVERLOAD, 16.0 * number) for number in range(60)] == [1] * 60


def test_the_breaker_does_not_count_the_network() -> None:
    """It has done nothing wrong on purpose, and comes back on its own."""
    ours = plan(ConstantBackoff(1, jitter=0))
    assert [ours.failed(NETWORK, number / 10) for number in range(60)] == [1] * 60


# Rule 7: where a person has to mend something ------------------------------------------------------------------------


def test_without_a_secure_line_the_waits_are_long_from_the_first() -> None:
    """A certificate is not mended within a second."""
    random = Random(15)
    waits = [RetryPlan(ExponentialBackoff(), random).failed(Cause.TLS, 0.0) for _ in range(2000)]
    assert 15 <= min(waits) < 15.2
    assert 44.8 < max(waits) <= 45
    assert RetryPlan(ConstantBackoff(100, jitter=0), random).failed(Cause.TLS, 0.0) == 100


# Rule 8: limits ------------------------------------------------------------------------------------------------------


def test_the_backoff_s_limits_end_the_series() -> None:
    """By the number of failures, or by their time."""
    few = plan(ExponentialBackoff(max_attempts=3))
    assert not few.gives_up(0.0)
    answers = []
    for number in range(3):
        few.failed(NETWORK, float(number))
        answers.append(few.gives_up(float(number)))
    assert answers == [False, False, True]
    brief = plan(ExponentialBackoff(max_elapsed=60))
    brief.failed(NETWORK, 100.0)
    assert [brief.gives_up(now) for now in (100.0, 159.9, 160.0)] == [False, False, True]


class Minimal:
    """A backoff of a user's own, with no limits."""

    def __init__(self, *answers: object) -> None:
        self._answers = iter(answers)

    def delay(self, failures: int, random: Random) -> float:
        """Return the next answer, or raise it."""
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[return-value]


class Undecided(Minimal):
    """One whose limit fails."""

    def gives_up(self, failures: int, elapsed: float) -> bool:
        """Fail."""
        raise KeyError(failures)


def test_a_backoff_needs_no_limits() -> None:
    """Without them the series never ends; with one that fails neither, and the fault can be told."""
    ours = plan(Minimal(1, 2))
    ours.failed(NETWORK, 0.0)
    assert not ours.gives_up(1e9)
    assert ours.fault is None
    odd = plan(Undecided(1))
    assert odd.failed(NETWORK, 0.0) == 1
    assert not odd.gives_up(0.0)
    assert isinstance(odd.fault, KeyError)


@pytest.mark.parametrize("answer", [KeyError("no"), -1.0, float("nan"), float("inf"), None, "soon"])
def test_a_backoff_that_fails_has_the_default_stand_in(answer: object) -> None:
    """For that one wait; what went wrong can be told."""
    ours = plan(Minimal(answer, 9))
    assert 0.1 <= ours.failed(NETWORK, 0.0) <= 0.3
    assert ours.fault is not None
    assert ours.failed(NETWORK, 0.0) == 9


# All together --------------------------------------------------------------------------------------------------------

BACKOFFS = st.sampled_from(
    [
        ExponentialBackoff(),
        ExponentialBackoff(jitter="full"),
        ExponentialBackoff(1e-9, 1e9, 1e6, 1.0),
        DecorrelatedBackoff(),
        ConstantBackoff(1e-9, jitter=1.0),
        Minimal(),
    ]
)
SPELLS = st.none() | st.builds(Spell, st.floats(0, 1e6), beaten=st.booleans(), confirmed=st.booleans())
HINTS = st.none() | st.floats(0, LONGEST_HINT)
FAILURES = st.tuples(st.sampled_from(Cause), st.floats(0, 1e5), HINTS, SPELLS, st.booleans())


@given(BACKOFFS, st.lists(FAILURES, max_size=60), st.integers(0, 10))
def test_every_wait_is_one(
    backoff: Backoff, failures: list[tuple[Cause, float, float | None, Spell | None, bool]], seed: int
) -> None:
    """Finite, no two dials closer than a tenth of a second, and no sooner than the server asked, whatever happens."""
    ours = RetryPlan(backoff, Random(seed))
    now = 0.0
    for cause, gap, hint, spell, at_once in failures:
        now += gap
        wait = ours.failed(cause, now, hint=hint, spell=spell, at_once=at_once)
        first = ours.failures == 1 and spell is not None and at_once and cause in (NETWORK, RESTART)
        assert wait < float("inf")
        assert wait + (spell.seconds if first and spell else 0.0) >= 0.1 - 1e-9
        if first:
            assert wait <= max(5.0, hint or 0.0)
        elif hint is not None:
            assert wait >= hint


# What it comes to over time, by seed ---------------------------------------------------------------------------------

SEEDS = 2000


def dials(until: float, seed: int, accepted: Callable[[float], Spell | None]) -> list[float]:
    """Lose a good line at 0 and dial until *until*; *accepted* tells how long the line of each dial lasts."""
    ours = RetryPlan(ExponentialBackoff(), Random(seed))
    spell: Spell | None = GOOD
    now = 0.0
    times: list[float] = []
    while True:
        now += ours.failed(NETWORK, now, spell=spell)
        if now > until:
            return times
        times.append(now)
        spell = accepted(now)
        now += spell.seconds if spell is not None else 0.0


@pytest.mark.parametrize("spell", [Spell(0.02), Spell(1.0), Spell(2.9)])
def test_accept_then_drop_costs_few_tries(spell: Spell) -> None:
    """Ten minutes of a server that takes us in and drops us: 27 tries as a rule, and never more than 32."""
    tries = [len(dials(600.0, seed, lambda _: spell)) for seed in range(300)]
    assert max(tries) <= 32
    assert median(tries) <= 27


def test_who_is_dropped_every_ten_seconds_is_up_most_of_the_time() -> None:
    """If only just: it waits about as long as it lasted, not half a minute, and less than that in the beginning."""
    up = Spell(10.0, beaten=True)
    shares = [10.0 * len(dials(3600.0, seed, lambda _: up)) / 3600 for seed in range(100)]
    assert min(shares) > 0.48
    assert mean(shares) > 0.5


def test_without_proof_they_would_pay() -> None:
    """The rule before makes the difference: the same drops of lines that the server never beat on."""
    up = Spell(10.0)
    assert mean(10.0 * len(dials(3600.0, seed, lambda _: up)) / 3600 for seed in range(100)) < 0.3


def test_a_lone_client_is_back_soon_after_a_long_outage() -> None:
    """Ten minutes without a server: back within 16 s of its return as a rule, in all but a hundredth within 45 s."""
    late = []
    for seed in range(SEEDS):
        times = dials(700.0, seed, lambda _: None)
        late.append(next(now for now in times if now >= 600) - 600)
    assert median(late) <= 16
    assert quantiles(late, n=100)[-1] <= 45


def test_an_hour_without_a_server_costs_few_dials() -> None:
    """At most 130 as a rule: two a minute."""
    tries = [len(dials(3600.0, seed, lambda _: None)) for seed in range(500)]
    assert median(tries) <= 130
    assert max(tries) <= 140


def test_waits_differ_between_clients() -> None:
    """A crowd that lost its lines at the same moment does not stay together: no two wait alike, at any step."""
    plans = [RetryPlan(ExponentialBackoff(), Random(seed)) for seed in range(300)]
    for step in count():
        waits = [ours.failed(RESTART, 0.0, spell=GOOD if step == 0 else None) for ours in plans]
        assert len(set(waits)) == len(plans)
        if step == 15:
            break
