"""A line that is up only while somebody needs it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from cableway.policies.monitors import Check, LineFacts, Look, OnDemandMonitor
from cableway.policies.monitors.on_demand import HOUR

FACTS = LineFacts(probes=True)


def spent(monitor: OnDemandMonitor, begin: float, end: float) -> None:
    """Hold the line between two times."""
    monitor.demand(begin, hold=True)
    monitor.line_up(FACTS, begin)
    monitor.rest(end)
    monitor.release(end)
    monitor.rest(end)
    monitor.line_down(end)


def test_it_sleeps_until_somebody_needs_it() -> None:
    """Without demand and schedule it is down, and nothing is due."""
    monitor = OnDemandMonitor()
    assert not monitor.dials_at_once
    assert monitor.look(1e9) == Look(up=False)


@pytest.mark.parametrize("linger", [0.0, 5.0])
def test_a_demand_waits_for_its_line_and_has_its_linger_from_then(linger: float) -> None:
    """However long the dial takes, even without a linger, the demand is not forgotten before the line is up."""
    monitor = OnDemandMonitor(linger=linger)
    monitor.demand(0.0)
    assert monitor.look(0.0).up
    assert monitor.look(100.0).up
    monitor.line_up(FACTS, 100.0)
    assert monitor.look(100.0) == Look(up=linger > 0, again=105.0 if linger else 148.0)
    assert not monitor.look(100.0 + linger).up


def test_a_line_that_comes_and_goes_is_let_go_all_the_same() -> None:
    """Coming back after a drop is no demand: a line that drops again and again does not stay up for ever."""
    monitor = OnDemandMonitor(linger=5)
    monitor.demand(0.0)
    monitor.line_up(FACTS, 1.0)
    monitor.line_down(3.0)
    assert monitor.look(3.0) == Look(up=True, again=6.0)
    monitor.line_up(FACTS, 5.0)
    assert monitor.look(5.0).again == 6.0
    assert not monitor.look(6.0).up


def test_rest_forgets_a_demand_that_still_waits() -> None:
    """A line that comes up after a rest is let go at once."""
    monitor = OnDemandMonitor()
    monitor.demand(0.0)
    monitor.rest(1.0)
    assert not monitor.look(1.0).up
    monitor.line_up(FACTS, 2.0)
    assert not monitor.look(2.0).up


def test_a_hold_lasts_until_its_release_and_lingers() -> None:
    """Holds are counted, outlast a rest, and leave a linger."""
    monitor = OnDemandMonitor(linger=timedelta(seconds=5))
    monitor.demand(0.0, hold=True)
    monitor.demand(0.0, hold=True)
    monitor.line_up(FACTS, 1.0)
    monitor.rest(2.0)
    monitor.release(20.0)
    assert monitor.look(30.0).up
    monitor.release(40.0)
    assert monitor.look(44.9).again == 45.0
    assert not monitor.look(45.0).up


def test_a_given_up_hold_does_not_dial_for_ever() -> None:
    """One who held, and left before there was a line, leaves no demand behind but the linger."""
    monitor = OnDemandMonitor(linger=5)
    monitor.demand(0.0, hold=True)
    monitor.release(10.0)
    assert monitor.look(10.0) == Look(up=True, again=15.0)
    assert monitor.look(15.0) == Look(up=False)


def test_minimum_on_outlasts_linger_and_rest() -> None:
    """A line that has come up stays for its minimum."""
    monitor = OnDemandMonitor(linger=1, minimum_on=20)
    monitor.demand(0.0)
    monitor.line_up(FACTS, 2.0)
    monitor.rest(3.0)
    assert monitor.look(3.0) == Look(up=True, again=22.0)
    assert not monitor.look(22.0).up


def test_the_schedule_wakes_and_minimum_off_delays_it_but_no_demand() -> None:
    """Wakes come by themselves, no sooner after a line than the minimum off; a demand is served at once."""
    monitor = OnDemandMonitor(linger=5, every=60, minimum_off=50)
    assert monitor.look(0.0) == Look(up=False, again=60.0)
    monitor.demand(20.0)
    monitor.line_up(FACTS, 20.0)
    monitor.line_down(25.0)
    assert monitor.look(60.0) == Look(up=False, again=75.0)
    assert monitor.look(75.0) == Look(up=True, again=80.0)
    monitor.line_up(FACTS, 76.0)
    assert monitor.look(76.0).again == 81.0
    assert monitor.look(81.0).up is False
    monitor.line_down(81.0)
    monitor.demand(82.0)
    assert monitor.look(82.0).up


def test_a_spent_budget_leaves_the_line_to_those_who_hold_it() -> None:
    """When the seconds of the hour are spent, a demand waits until enough of them have left the hour; a hold has it."""
    monitor = OnDemandMonitor(linger=100, budget=60)
    monitor.demand(0.0)
    monitor.line_up(FACTS, 0.0)
    assert monitor.look(0.0).again == 48.0
    monitor.heard(40.0)
    assert monitor.look(40.0).again == 60.0
    assert not monitor.look(60.0).up
    monitor.line_down(60.0)
    monitor.demand(200.0)
    assert monitor.look(200.0) == Look(up=False, again=HOUR + 1)
    monitor.demand(201.0, hold=True)
    assert monitor.look(201.0).up
    monitor.release(202.0)
    assert not monitor.look(202.0).up
    assert monitor.look(HOUR + 1).up


def test_an_overspent_budget_tells_when_it_is_free_again() -> None:
    """After a long hold the next look is when enough has left the hour, not every second until then."""
    monitor = OnDemandMonitor(budget=60)
    spent(monitor, 0.0, 1800.0)
    monitor.demand(2000.0)
    assert monitor.look(2000.0) == Look(up=False, again=1741.0 + HOUR)
    assert monitor.look(1741.0 + HOUR).up


def test_of_a_long_hold_only_the_last_hour_counts() -> None:
    """A hold of two hours is in the books with the one that is not over yet, before its line is down."""
    monitor = OnDemandMonitor(budget=60, grace=9000)
    monitor.demand(0.0, hold=True)
    monitor.line_up(FACTS, 0.0)
    monitor.heard(7200.0)
    monitor.release(7200.0)
    assert monitor.look(7200.0) == Look(up=False, again=7200.0 + HOUR - 60 + 1)


def test_a_budget_of_nothing_is_never_free() -> None:
    """With a budget of 0 only a hold has the line, and nothing is ever due."""
    monitor = OnDemandMonitor(budget=0)
    monitor.demand(0.0)
    assert monitor.look(0.0) == Look(up=False)
    monitor.demand(1.0, hold=True)
    assert monitor.look(1.0).up


def test_without_a_budget_no_books_are_kept() -> None:
    """Years of short lines leave nothing in memory; with a budget, an hour of them does."""
    free, bound = OnDemandMonitor(), OnDemandMonitor(budget=3000)
    for second in range(0, 40_000, 10):
        for monitor in (free, bound):
            spent(monitor, float(second), second + 5.0)
            monitor.look(second + 5.0)
    assert len(free._spells) == 0
    assert len(bound._spells) <= 361


def test_it_is_watched_like_any_line() -> None:
    """While it is held it is probed and found dead."""
    monitor = OnDemandMonitor()
    monitor.demand(0.0, hold=True)
    monitor.line_up(FACTS, 0.0)
    assert monitor.look(48.0) == Look(up=True, check=Check.PROBE, again=53.0)
    assert monitor.look(53.0) == Look(up=True, check=Check.DEAD)


@pytest.mark.parametrize("name", ["linger", "every", "minimum_on", "minimum_off", "budget", "grace"])
def test_values_out_of_range_are_named(name: str) -> None:
    """What cannot be meant is refused by its name, a schedule of no seconds too."""
    options: dict[str, Any] = {name: -1}
    with pytest.raises(ValueError, match=name):
        OnDemandMonitor(**options)
    with pytest.raises(ValueError, match="every=0"):
        OnDemandMonitor(every=0)


@define
class Driver:
    """Does at once what a monitor decides, in whole seconds, and keeps books of its own."""

    linger: int
    every: int | None
    minimum_on: int
    minimum_off: int
    budget: int | None
    monitor: OnDemandMonitor = field(init=False)
    now: float = 0.0
    holds: int = 0
    waiting: bool = False
    until: float = float("-inf")
    since: float | None = None
    down: float = float("-inf")
    spells: list[tuple[float, float]] = field(factory=list)
    verdict: Look = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.monitor = OnDemandMonitor(
            linger=self.linger,
            every=self.every,
            minimum_on=self.minimum_on,
            minimum_off=self.minimum_off,
            budget=self.budget,
        )
        self.verdict = self.monitor.look(0.0)

    def used(self) -> float:
        current = [] if self.since is None else [(self.since, self.now)]
        return sum(max(0.0, end - max(begin, self.now - HOUR)) for begin, end in self.spells + current)

    @property
    def has_budget(self) -> bool:
        return self.budget is None or self.used() < self.budget

    @property
    def needed(self) -> bool:
        minimum = float("-inf") if self.since is None else self.since + self.minimum_on
        return self.waiting or self.now < max(self.until, minimum)

    def look(self) -> None:
        asleep = not self.verdict.up
        if self.since is not None:
            self.monitor.heard(self.now)
        look = self.verdict = self.monitor.look(self.now)
        assert look.check is Check.FINE
        assert look.again is None or look.again > self.now
        if self.holds:
            assert look.up
        elif self.needed:
            assert look.up == self.has_budget
        elif self.every is None:
            assert not look.up
        elif look.up and asleep and self.since is None:
            assert self.now >= self.down + self.minimum_off
        if self.every is not None or (look.up and self.since is not None):
            assert look.again is not None
        if self.budget and not self.has_budget and not self.holds and self.needed and self.since is None:
            assert look.again is not None
            assert look.again <= self.now + HOUR + 1
        if look.up and asleep and not self.needed and self.every is not None and not self.holds:
            # The schedule's own demand.
            self.waiting = self.since is None
            self.until = self.now + self.linger
        if not look.up and self.since is not None:
            self.drop()
            self.look()

    def drop(self) -> None:
        if self.since is not None:
            self.spells.append((self.since, self.now))
            self.since, self.down = None, self.now
            self.monitor.line_down(self.now)

    def welcome(self) -> None:
        if self.since is None:
            self.since = self.now
            if self.waiting:
                self.waiting, self.until = False, max(self.until, self.now + self.linger)
            self.monitor.line_up(FACTS, self.now)

    def advance(self, seconds: int) -> None:
        target = self.now + seconds
        while self.now < target:
            again = self.verdict.again
            self.now = target if again is None else min(target, again)
            if self.since is not None and not self.holds and self.budget is not None:
                assert self.used() <= self.budget
            if self.since is not None and not self.holds and self.every is None:
                assert self.now <= max(self.until, self.since + self.minimum_on)
            self.look()

    def act(self, action: str) -> None:
        if action in ("demand", "hold"):
            hold = action == "hold"
            self.holds += hold
            self.waiting = self.waiting or (not hold and self.since is None)
            self.until = max(self.until, self.now + self.linger)
            self.monitor.demand(self.now, hold=hold)
        elif action == "release" and self.holds:
            self.holds -= 1
            self.until = max(self.until, self.now + self.linger)
            self.monitor.release(self.now)
        elif action == "rest":
            self.waiting, self.until = False, min(self.until, self.now)
            self.monitor.rest(self.now)
        elif action == "line_up":
            self.welcome()
        elif action == "line_down":
            self.drop()
        self.look()
        if action == "demand" and self.since is None and self.has_budget:
            assert self.verdict.up


DRIVERS = st.builds(
    Driver,
    linger=st.sampled_from([0, 1, 5, 100]),
    every=st.sampled_from([None, None, 7, 900]),
    minimum_on=st.sampled_from([0, 3, 50]),
    minimum_off=st.sampled_from([0, 10, 300]),
    budget=st.sampled_from([None, 0, 1, 2, 60, 600, 3600]),
)
ACTIONS = st.sampled_from(["demand", "hold", "release", "rest", "line_up", "line_up", "line_down", "pass"])
STEPS = st.lists(st.tuples(ACTIONS, st.one_of(st.integers(0, 12), st.integers(0, 2500))), max_size=25)


@given(driver=DRIVERS, steps=STEPS)
def test_whatever_happens_it_keeps_its_promises(driver: Driver, steps: list[tuple[str, int]]) -> None:
    """Holds, demands, minimum, schedule and budget are kept by looking only when told; in the end the line goes."""
    for action, seconds in steps:
        driver.act(action)
        driver.advance(seconds)
    while driver.holds:
        driver.act("release")
    if driver.waiting and driver.budget != 0:
        driver.advance(int(HOUR) + 2)
        assert driver.verdict.up
    if driver.every is None:
        driver.act("line_up")
        driver.advance(driver.linger + driver.minimum_on + 1)
        assert driver.since is None
