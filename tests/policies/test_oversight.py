"""Whether the line should be up now: each rule by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cableway.policies.monitors import ManualMonitor, OnDemandMonitor, PersistentMonitor
from cableway.policies.monitors.base import Check, LineFacts, Look, Monitor
from cableway.policies.oversight import AFTER_FAULT, GATE_EVERY, SHORTEST_LOOK, Order, Oversight, Scene
from cableway.states import State

if TYPE_CHECKING:
    from collections.abc import Callable

WAITING = (State.DORMANT, State.CONNECTING, State.CONNECTED, State.DISCONNECTED)


class Scripted(Monitor):
    """Says what the test wants, and notes what it is told."""

    def __init__(self, *looks: Any) -> None:
        self.looks = list(looks)
        self.told: list[Any] = []

    def look(self, now: float) -> Look:
        """Give the next look, the last one for ever; raise it if it is an error."""
        look = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if isinstance(look, Exception):
            raise look
        given: Look = look
        return given

    def heard(self, at: float) -> None:
        """Note it."""
        self.told.append(("heard", at))

    def line_up(self, facts: LineFacts, now: float) -> None:
        """Note it."""
        self.told.append(("up", now))

    def line_down(self, now: float) -> None:
        """Note it."""
        self.told.append(("down", now))

    def demand(self, now: float, *, hold: bool = False) -> None:
        """Note it."""
        self.told.append(("hold" if hold else "demand", now))

    def release(self, now: float) -> None:
        """Note it."""
        self.told.append(("release", now))


class Broken(Monitor):
    """Fails at everything."""

    def __getattribute__(self, name: str) -> Any:
        """Fail."""
        if name.startswith("__"):
            return object.__getattribute__(self, name)
        raise LookupError(name)


UP, DOWN = Look(up=True), Look(up=False)


def oversight(*looks: Any, **options: Any) -> Oversight:
    """Make one with a scripted monitor."""
    return Oversight(Scripted(*looks), **options)


# What is wanted ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [State.IDLE, State.CLOSED])
@pytest.mark.parametrize("look", [UP, DOWN])
def test_a_cable_at_rest_is_left_alone(state: State, look: Look) -> None:
    """Nobody is asked, nothing is ordered, nothing is due."""
    made = oversight(look)
    made.due = 5.0
    assert (made.order(Scene(state), 0.0), made.due) == (None, None)


@pytest.mark.parametrize(
    ("scene", "order"),
    [
        (Scene(State.DORMANT), Order.WANT),
        (Scene(State.CONNECTING), None),
        (Scene(State.CONNECTED), None),
        (Scene(State.DISCONNECTED, retry_at=10.1), None),
        (Scene(State.DISCONNECTED, retry_at=10.0), Order.RETRY),
        (Scene(State.DISCONNECTED, retry_at=None), None),
    ],
)
def test_a_line_that_is_wanted_comes_up(scene: Scene, order: Order | None) -> None:
    """From dormant at once, from a wait when that is over; one that comes up or is up is left alone."""
    assert oversight(UP).order(scene, 10.0) is order


@pytest.mark.parametrize("paused", [False, True])
@pytest.mark.parametrize("state", WAITING)
def test_a_line_that_is_not_wanted_is_let_go(state: State, *, paused: bool) -> None:
    """By the monitor or because the cable is paused; one that is let go already is left alone."""
    made = oversight(UP if paused else DOWN, paused=paused)
    assert made.order(Scene(state, retry_at=0.0), 10.0) is (None if state is State.DORMANT else Order.LET_GO)


def test_a_line_is_let_go_only_once_the_last_command_has_had_its_time() -> None:
    """Rule 3: it is looked at again in the moment in which that is so."""
    made = oversight(DOWN)
    assert made.order(Scene(State.CONNECTED, quiet_at=10.25), 10.0) is None
    assert made.due == 10.25
    assert made.order(Scene(State.CONNECTED, quiet_at=10.25), 10.25) is Order.LET_GO


@pytest.mark.parametrize(("check", "order"), [(Check.FINE, None), (Check.PROBE, Order.PROBE), (Check.DEAD, Order.DROP)])
def test_only_a_line_that_is_up_is_checked(check: Check, order: Order | None) -> None:
    """What the monitor says of its health is of no matter while there is none, and while none is wanted."""
    made = oversight(Look(up=True, check=check))
    assert made.order(Scene(State.CONNECTED), 0.0) is order
    assert made.order(Scene(State.CONNECTING), 0.0) is None
    assert oversight(Look(up=False, check=check)).order(Scene(State.CONNECTED), 0.0) is Order.LET_GO


def test_signs_of_life_are_told_before_each_look() -> None:
    """Only where there is a line to hear from."""
    made = oversight(UP)
    made.order(Scene(State.CONNECTED, heard=7.0), 10.0)
    made.order(Scene(State.DISCONNECTED, retry_at=11.0), 10.0)
    assert made.monitor.told == [("heard", 7.0)]  # type: ignore[attr-defined]


# When to look again --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("again", "due"),
    [(None, None), (12.0, 12.0), (10.0, 10.0 + SHORTEST_LOOK), (3.0, 10.0 + SHORTEST_LOOK), (float("-inf"), 10.05)],
)
def test_a_monitor_that_says_now_or_earlier_does_not_keep_the_processor_busy(
    again: float | None, due: float | None
) -> None:
    """Looks are never closer together than the shortest gap."""
    made = oversight(Look(up=True, again=again))
    made.order(Scene(State.CONNECTED), 10.0)
    assert made.due == (None if due is None else pytest.approx(due))


def test_the_earlier_of_two_times_counts() -> None:
    """The monitor's own, and the end of the last command's time."""
    for again, due in ((10.1, 10.1), (99.0, 10.25)):
        made = oversight(Look(up=False, again=again))
        made.order(Scene(State.CONNECTED, quiet_at=10.25), 10.0)
        assert made.due == due


def test_a_monitor_that_changes_its_mind_at_every_look_is_obeyed_each_time() -> None:
    """How often it is asked is the caller's to limit."""
    made = oversight(*[UP, DOWN] * 3)
    scenes = [Scene(State.DORMANT), Scene(State.CONNECTING)] * 3
    assert [made.order(scene, 0.0) for scene in scenes] == [Order.WANT, Order.LET_GO] * 3


# Monitors that fail --------------------------------------------------------------------------------------------------

BAD_LOOKS = [
    ValueError("mine"),
    None,
    True,
    "up",
    Look(up=True, again=float("nan")),
    Look(up=True, again="soon"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("wanted", [False, True])
@pytest.mark.parametrize("bad", BAD_LOOKS, ids=[str(bad) for bad in BAD_LOOKS])
def test_a_monitor_that_fails_changes_nothing(bad: Any, *, wanted: bool) -> None:
    """Rule 4: what it last wanted counts, the fault is kept to be told, and it is asked again soon."""
    made = oversight(UP if wanted else DOWN, bad)
    first, second = (made.order(Scene(State.CONNECTED), 10.0) for _ in range(2))
    assert first is second is (None if wanted else Order.LET_GO)
    assert isinstance(made.fault, Exception)
    assert made.due == 10.0 + AFTER_FAULT


def test_a_monitor_that_fails_from_the_start_wants_no_line() -> None:
    """Nothing is dialled for a monitor that never said a word."""
    made = oversight(ValueError("mine"))
    assert made.order(Scene(State.DORMANT), 0.0) is None


def test_a_monitor_that_fails_at_everything_harms_nobody() -> None:
    """Whatever it is told or asked, the fault is kept and life goes on."""
    made = Oversight(Broken())
    calls: list[Callable[[], Any]] = [
        lambda: made.line_up(LineFacts(), 0.0),
        lambda: made.demand(0.0, hold=True),
        lambda: made.release(0.0),
        lambda: made.line_down(0.0),
        lambda: made.order(Scene(State.CONNECTED, heard=0.0), 0.0),
        lambda: made.replace(Broken(), 0.0),
        lambda: made.trait("perform_wakes", default=False),
    ]
    for call in calls:
        made.fault = None
        assert call() in (None, False, Order.LET_GO)
        if call is not calls[5]:
            assert isinstance(made.fault, LookupError)


# The gate ------------------------------------------------------------------------------------------------------------


def test_the_gate_is_asked_before_each_dial() -> None:
    """Rule 2: a yes is good for one dial, the next one asks again."""
    made = oversight(UP, gated=True)
    for scene, order in (
        (Scene(State.DORMANT), Order.WANT),
        (Scene(State.DISCONNECTED, retry_at=0.0), Order.RETRY),
        (Scene(State.DISCONNECTED, retry_at=0.0), Order.RETRY),
    ):
        assert made.order(scene, 0.0) is Order.ASK_GATE
        assert made.order(scene, 0.0) is None
        made.gate_said(yes=True, now=0.0)
        assert made.order(scene, 0.0) is order


def test_the_gate_is_not_asked_while_no_dial_is_due() -> None:
    """Nor while the line is up or coming up."""
    made = oversight(UP, gated=True)
    for scene in (Scene(State.CONNECTING), Scene(State.CONNECTED), Scene(State.DISCONNECTED, retry_at=9.0)):
        assert made.order(scene, 0.0) is None
    assert not made.asking


def test_a_gate_that_says_no_is_asked_again_after_a_while() -> None:
    """Meanwhile the cable is dormant: a wait for the next dial is given up."""
    made = oversight(UP, gated=True)
    waiting = Scene(State.DISCONNECTED, retry_at=0.0)
    assert made.order(waiting, 0.0) is Order.ASK_GATE
    made.gate_said(yes=False, now=1.0)
    assert made.gate_is_shut
    assert made.order(waiting, 1.0) is Order.LET_GO
    assert made.order(Scene(State.DORMANT), 1.0) is None
    assert made.due == 1.0 + GATE_EVERY
    assert made.order(Scene(State.DORMANT), 1.0 + GATE_EVERY) is Order.ASK_GATE
    made.gate_said(yes=True, now=7.0)
    assert not made.gate_is_shut


def test_a_yes_is_not_kept_for_a_line_that_is_not_wanted_any_more() -> None:
    """Whoever resumes or demands later asks again."""
    made = oversight(UP, gated=True)
    made.order(Scene(State.DORMANT), 0.0)
    made.paused = True
    made.gate_said(yes=True, now=0.0)
    assert made.order(Scene(State.DORMANT), 0.0) is None
    made.paused = False
    assert made.order(Scene(State.DORMANT), 0.0) is Order.ASK_GATE


def test_a_gate_that_is_forgotten_is_asked_anew() -> None:
    """Neither its answer nor the wait after a no is left."""
    for yes in (False, True):
        made = oversight(UP, gated=True)
        made.order(Scene(State.DORMANT), 0.0)
        made.gate_said(yes=yes, now=0.0)
        made.forget_gate()
        assert not made.gate_is_shut
        assert made.order(Scene(State.DORMANT), 0.0) is Order.ASK_GATE


def test_without_a_gate_nobody_is_asked() -> None:
    """And none is shut."""
    made = oversight(UP)
    made.gate_said(yes=False, now=0.0)
    assert not made.gate_is_shut
    assert made.order(Scene(State.DORMANT), 0.0) is Order.WANT


# Another monitor -----------------------------------------------------------------------------------------------------


def test_the_next_monitor_hears_of_the_line_and_of_those_who_hold_it() -> None:
    """And the one before it hears that both are no matter of its any more."""
    made = oversight(UP)
    before, after = made.monitor, Scripted(UP)
    made.line_up(LineFacts(probes=True), 1.0)
    made.demand(2.0, hold=True)
    made.demand(2.0, hold=True)
    made.demand(2.0, hold=False)
    made.release(3.0)
    made.replace(after, 4.0)
    assert before.told[-2:] == [("down", 4.0), ("release", 4.0)]  # type: ignore[attr-defined]
    assert after.told == [("hold", 4.0), ("up", 4.0)]
    assert (made.holds, made.facts) == (1, LineFacts(probes=True))


def test_a_monitor_without_a_line_hears_of_none() -> None:
    """Neither the old nor the new one."""
    made = oversight(UP)
    before, after = made.monitor, Scripted(UP)
    made.replace(after, 4.0)
    assert (before.told, after.told) == ([], [])  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", [OnDemandMonitor, ManualMonitor])
def test_a_monitor_that_comes_back_holds_nothing_that_was_released_meanwhile(kind: type[Monitor]) -> None:
    """However often two take turns while somebody holds the line, in the end nobody does."""
    one, two = kind(), PersistentMonitor()
    made = Oversight(one)
    made.demand(0.0, hold=True)
    for monitor in (two, one, one, two, one):
        made.replace(monitor, 1.0)
    assert made.order(Scene(State.CONNECTED), 2.0) is None
    made.release(3.0)
    assert made.order(Scene(State.CONNECTED), 100.0) is Order.LET_GO


def test_the_line_going_down_is_told_once() -> None:
    """However often it is said."""
    made = oversight(UP)
    made.line_up(LineFacts(), 1.0)
    made.line_down(2.0)
    made.line_down(3.0)
    assert made.monitor.told == [("up", 1.0), ("down", 2.0)]  # type: ignore[attr-defined]
