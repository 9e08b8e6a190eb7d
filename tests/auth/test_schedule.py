"""How long tokens live, and when they are due."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cableway.auth.schedule import (
    REMEMBERED,
    TRUSTED_FOR,
    Basis,
    End,
    Grant,
    ServerClock,
    due,
    first_part,
    later_part,
    leeway,
)

UNIX = 1.8e9
DAY = 86_400.0

moments = st.floats(-1e9, 1e9)
lives = st.floats(0, 1e9)
parts = st.floats(0.01, 0.99)
leeways = st.floats(0, 1e6)


@given(moments, lives, parts, leeways)
def test_renewal_is_due_within_the_life_and_before_the_leeway(
    start: float, life: float, part: float, most: float
) -> None:
    """Never before the token's life began, never in the leeway before its end."""
    end = start + life
    point = due(start, end, part, most)
    if point is None:
        assert end - start < 1
        return
    margin = 1e-6
    assert start <= point <= end - leeway(end - start, most) + margin


@given(moments, st.floats(1.5, 1e9), st.floats(0, 1e6), parts, leeways)
def test_a_longer_life_is_never_renewed_earlier(
    start: float, life: float, more: float, part: float, most: float
) -> None:
    """The point grows with the end."""
    early, late = due(start, start + life, part, most), due(start, start + life + more, part, most)
    assert early is not None
    assert late is not None
    assert early <= late + 1e-6


@given(lives, leeways)
def test_the_leeway_is_a_tenth_at_most(life: float, most: float) -> None:
    """A tenth of the life, or the limit if that is less."""
    assert leeway(life, most) == pytest.approx(min(most, life / 10))


def test_the_leeway_bounds_a_late_point() -> None:
    """Who wants to renew at 99 % renews at 90 %, or 30 s before the end of a long life."""
    assert due(0, 100, 0.99, 30) == 90
    assert due(0, 3600, 0.999, 30) == 3570


def test_what_lives_less_than_a_second_is_not_renewed_ahead() -> None:
    """There would be no end of requests."""
    assert due(0, 0.9, 0.8, 30) is None
    assert due(0, -5, 0.8, 30) is None


@given(st.integers(0, 2**32), st.floats(0.01, 0.99))
def test_the_parts_keep_to_their_ranges(seed: int, at: float) -> None:
    """U(0.5, 0.8) for the first and 0.8 * U(0.95, 1) for the others, if the point is left at 0.8."""
    draw = random.Random(seed)
    assert at * 0.625 <= first_part(at, draw) <= at
    assert at * 0.95 <= later_part(at, draw) <= at
    assert 0.5 <= first_part(0.8, draw) <= 0.8


# Ends ----------------------------------------------------------------------------------------------------------------


def clock_at(unix: float, now: float = 0.0, accuracy: float = 1.0) -> ServerClock:
    """Return a clock that was heard once."""
    clock = ServerClock()
    clock.heard(unix, now, accuracy)
    return clock


def test_without_a_server_time_the_claims_tell_the_life() -> None:
    """``exp - iat``, less a second, from when the source was asked: whatever the wall clock says."""
    for wrong in (-2 * DAY, 0.0, 2 * DAY):
        grant = Grant(asked=100, landed=101, wall=UNIX + wrong, exp=UNIX + 60, iat=UNIX)
        assert grant.end(ServerClock()) == End(159, Basis.CLAIMS)
        assert not grant.is_stillborn(ServerClock())


def test_the_servers_time_goes_before_the_claims() -> None:
    """``exp - server_now``, less a second; a token from a cache is older than its claims tell."""
    grant = Grant(asked=100, landed=100, wall=0.0, exp=UNIX + 60, iat=UNIX)
    assert grant.end(clock_at(UNIX + 20, now=100)) == End(139, Basis.SERVER)


def test_a_vague_server_time_takes_more_off() -> None:
    """What the server's clock may be further is taken off the life."""
    grant = Grant(asked=100, landed=100, wall=0.0, exp=UNIX + 60)
    assert grant.end(clock_at(UNIX, now=100, accuracy=7)) == End(153, Basis.SERVER)


def test_what_the_source_tells_goes_before_all() -> None:
    """A life needs no clock."""
    grant = Grant(asked=100, landed=104, wall=0.0, life=30, exp=UNIX - 5, iat=UNIX - 9)
    assert grant.end(clock_at(UNIX, now=100)) == End(130, Basis.LIFE)
    assert not grant.is_stillborn(clock_at(UNIX, now=100))


@pytest.mark.parametrize("wrong", [0.0, 2 * DAY, -2 * DAY])
def test_the_wall_clock_never_calls_a_token_dead(wrong: float) -> None:
    """It is the last resort; one that shows a moment past the end says nothing."""
    grant = Grant(asked=100, landed=100, wall=UNIX + wrong, exp=UNIX + 60)
    assert not grant.is_stillborn(ServerClock())
    end = grant.end(ServerClock())
    assert end == (None if wrong > 0 else End(159 - wrong, Basis.WALL))


def test_stillborn_is_what_the_server_must_refuse() -> None:
    """By the server's clock, by its own claims, or by the source's word."""
    late = clock_at(UNIX + 60, now=100)
    assert Grant(asked=100, landed=100, wall=0, exp=UNIX + 60).is_stillborn(late)
    assert not Grant(asked=100, landed=100, wall=0, exp=UNIX + 90).is_stillborn(late)
    assert Grant(asked=100, landed=100, wall=0, exp=UNIX, iat=UNIX).is_stillborn(ServerClock())
    assert Grant(asked=100, landed=100, wall=0, life=0).is_stillborn(ServerClock())
    assert not Grant(asked=100, landed=100, wall=0).is_stillborn(late)


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_sleep_shortens_each_life_alike(sleep: float, now: float) -> None:
    """What is left after a sleep is what was left before it, less the sleep, whatever the end is known by."""
    for make in (
        lambda: (Grant(asked=now, landed=now, wall=UNIX, life=9e6), ServerClock()),
        lambda: (Grant(asked=now, landed=now, wall=UNIX, exp=UNIX + 9e6, iat=UNIX), ServerClock()),
        lambda: (Grant(asked=now, landed=now, wall=UNIX, exp=UNIX + 9e6), ServerClock()),
        lambda: (Grant(asked=now, landed=now, wall=UNIX, exp=UNIX + 9e6), clock_at(UNIX, now)),
    ):
        grant, clock = make()
        before = grant.end(clock)
        clock.slept(sleep)
        after = grant.slept(sleep).end(clock)
        assert before is not None
        assert after is not None
        assert after.at == pytest.approx(before.at - sleep)


# The server's clock --------------------------------------------------------------------------------------------------


def test_nothing_is_known_before_a_time_was_heard() -> None:
    """Nor does nonsense change that: milliseconds, counters, infinity."""
    clock = ServerClock()
    for unix in (UNIX * 1000, 7.0, -UNIX, float("inf"), float("nan")):
        assert not clock.heard(unix, 5.0)
    assert not clock.heard(UNIX, 5.0, accuracy=float("nan"))
    assert clock.time(5.0) is None
    assert clock.moment(UNIX) is None


def test_a_time_that_came_late_changes_nothing() -> None:
    """One ping that was held up for a minute is outvoted."""
    clock = ServerClock()
    for second in range(0, 15, 3):
        clock.heard(UNIX + second, second)
    assert not clock.heard(UNIX + 15, 75)
    assert clock.time(75) == UNIX + 75


def test_a_time_ahead_means_that_our_clock_stood_still() -> None:
    """It is believed at once: what travels can only fall behind."""
    clock = clock_at(UNIX, now=0)
    assert clock.heard(UNIX + 8 * 3600, 3)
    assert clock.time(3) == UNIX + 8 * 3600


def test_one_time_that_is_wildly_ahead_is_put_right() -> None:
    """By the next few."""
    clock = clock_at(UNIX, now=0)
    clock.heard(UNIX + DAY, 1)
    for second in (3, 6):
        clock.heard(UNIX + second, second)
    assert clock.time(6) == UNIX + 6


def test_a_clock_that_was_set_back_is_followed() -> None:
    """Within as many pings as make a majority."""
    clock = ServerClock()
    for second in range(0, 3 * REMEMBERED, 3):
        clock.heard(UNIX + second, second)
    for second in range(30, 30 + 3 * (REMEMBERED // 2 + 1), 3):
        clock.heard(UNIX - 500 + second, second)
    assert clock.time(50) == UNIX - 450


def test_a_ping_is_better_than_a_slow_answer() -> None:
    """The finer time replaces the coarse one, which does not come back."""
    clock = clock_at(UNIX - 6, now=0, accuracy=8)
    assert clock.vagueness == 8
    assert clock.heard(UNIX + 1, 1, 1.0)
    assert clock.vagueness == 1
    assert not clock.heard(UNIX - 6, 2, 8)
    assert clock.time(2) == UNIX + 2


def test_a_wall_clock_that_agrees_with_the_server_serves_until_a_time_is_heard() -> None:
    """One that does not agree is not believed, and neither does it count once the server told its time."""
    clock = ServerClock()
    assert not clock.bear_out(UNIX + 1, 0, wall=UNIX)
    assert clock.time(0) is None
    assert clock.bear_out(UNIX - 1, 0, wall=UNIX)
    assert clock.time(10) == UNIX + 10
    clock.heard(UNIX + 3, 10)
    assert not clock.bear_out(UNIX + 50, 10, wall=UNIX + 99)
    assert not clock.bear_out(UNIX + 4.1, 10, wall=UNIX + 99)
    assert clock.bear_out(UNIX + 4, 10, wall=0)
    assert clock.bear_out(UNIX + 2, 10, wall=0)
    assert clock.time(10) == UNIX + 3


def test_an_old_time_plans_but_calls_nothing_dead() -> None:
    """Nor does one that went through a sleep: were it wrong, no line would ever come to put it right."""
    for age, slept in ((TRUSTED_FOR + 1, 0.0), (1.0, 3600.0)):
        clock = clock_at(UNIX, now=0)
        if slept:
            clock.slept(slept)
        grant = Grant(asked=age, landed=age, wall=0, exp=UNIX - 100)
        assert not grant.is_stillborn(clock)
        assert grant.end(clock) == End(-101 - slept, Basis.SERVER)
        assert clock.bear_out(UNIX - 100, age, wall=0)
        assert grant.is_stillborn(clock)


def test_a_sleep_that_was_none_is_put_right_by_the_next_time() -> None:
    """What is not sure has no vote."""
    clock = ServerClock()
    for second in range(0, 30, 3):
        clock.heard(UNIX + second, second)
    clock.slept(500)
    clock.heard(UNIX + 30, 30)
    assert clock.time(30) == UNIX + 30


def test_it_goes_on_in_sleep() -> None:
    """The server does not sleep."""
    clock = clock_at(UNIX, now=0)
    clock.slept(3600)
    assert clock.time(1) == UNIX + 3601
    assert not clock.heard(UNIX + 3602, 2)
    assert clock.is_trusted(2)


@given(st.lists(st.tuples(st.floats(0, 0.999), st.floats(0, 0.3)), min_size=1, max_size=30), st.floats(0, 0.999))
def test_what_it_shows_is_at_most_a_little_behind_and_never_ahead(
    pings: list[tuple[float, float]], phase: float
) -> None:
    """Whole seconds, up to 0.3 s on their way: it shows a time from 1.3 s ago to now. So no life is thought longer."""
    clock = ServerClock()
    now = 0.0
    for gap, delay in pings:
        now += 2 + gap
        clock.heard(float(int(UNIX + phase + now)), now + delay)
    shown = clock.time(now)
    assert shown is not None
    behind = UNIX + phase + now - shown
    assert -1e-5 <= behind <= 1.3 + 1e-5


# Crowds --------------------------------------------------------------------------------------------------------------


def renewals(starts: list[float], life: float, until: float, draw: random.Random) -> list[float]:
    """Return when each of many processes renews, one that began at each of *starts*, in order."""
    points: list[float] = []
    for start in starts:
        now, part = start, first_part(0.8, draw)
        while (point := due(now, now + life, part, 30)) is not None and point < until:
            points.append(point)
            now, part = point, later_part(0.8, draw)
    return sorted(points)


def test_who_started_together_does_not_renew_together() -> None:
    """1 000 processes: the first renewals fall at U(0.5, 0.8), and no second sees above five times the mean."""
    draw = random.Random(7)
    life, until = 60.0, 3600.0
    points = renewals([0.0] * 1000, life, until, draw)
    firsts = points[:1000]
    assert life * 0.5 <= firsts[0] < life * 0.51
    assert life * 0.79 < firsts[-1] <= life * 0.8
    fifths = Counter(int((point / life - 0.5) / 0.06) for point in firsts)
    assert all(160 <= fifths[fifth] <= 240 for fifth in range(5))
    mean = len(points) / until
    assert max(Counter(int(point) for point in points).values()) <= 5 * mean


def test_who_started_at_any_moment_stays_spread() -> None:
    """1 000 processes, begun within an hour: no second above 2.5 times the mean."""
    draw = random.Random(8)
    points = renewals([draw.uniform(0, 3600) for _ in range(1000)], 60.0, 7200.0, draw)
    steady = [point for point in points if point >= 3700]
    mean = len(steady) / 3500
    assert max(Counter(int(point) for point in steady).values()) <= 2.5 * mean


def test_a_crowd_spreads_further_with_each_renewal() -> None:
    """The peak of the later ones is no higher than that of the first."""
    points = renewals([0.0] * 1000, 3600.0, 40 * 3600.0, random.Random(9))
    minutes = Counter(int(point // 60) for point in points)
    first, last = (max(minutes[m] for m in range(h * 60, h * 60 + 120)) for h in (0, 38))
    assert last < first
    assert all(earlier <= later for earlier, later in pairwise(points))
