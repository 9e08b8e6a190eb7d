"""When the line should be up, and how it comes back."""

from __future__ import annotations

from itertools import product
from random import Random
from typing import TYPE_CHECKING

import pytest

from cableway.errors import HandshakeRefused, LineClosed, ServerDisconnect, Unauthorized
from cableway.policies.backoff import ExponentialBackoff
from cableway.policies.classify import DOUBTS
from cableway.policies.line import TABLE, Dial, HangUp, Happening, Line, LineEffect, Step, Stop, Wait
from cableway.states import State
from cableway.transitions import UnexpectedEvent, look_up

if TYPE_CHECKING:
    from cableway.errors import CableError

IDLE, CONNECTING, CONNECTED = State.IDLE, State.CONNECTING, State.CONNECTED
DISCONNECTED, CLOSED = State.DISCONNECTED, State.CLOSED
DROP = LineClosed(1006)
URL = "wss://example.com/cable"

EXPECTED: dict[State, dict[Happening, tuple[State, tuple[Step, ...]]]] = {
    IDLE: {
        Happening.OPEN: (CONNECTING, (Step.START_SERIES, Step.DIAL)),
        Happening.CLOSE: (CLOSED, (Step.STOP,)),
    },
    CONNECTING: {
        Happening.OPEN: (CONNECTING, ()),
        Happening.WELCOMED: (CONNECTED, (Step.SETTLE,)),
        Happening.FAILED: (DISCONNECTED, (Step.HANG_UP, Step.REST)),
        Happening.REFUSED: (CLOSED, (Step.HANG_UP, Step.STOP)),
        Happening.CLOSE: (CLOSED, (Step.HANG_UP, Step.STOP)),
    },
    CONNECTED: {
        Happening.OPEN: (CONNECTED, ()),
        Happening.FAILED: (DISCONNECTED, (Step.HANG_UP, Step.REST)),
        Happening.REFUSED: (CLOSED, (Step.HANG_UP, Step.STOP)),
        Happening.CLOSE: (CLOSED, (Step.STOP,)),
    },
    DISCONNECTED: {
        Happening.OPEN: (CONNECTING, (Step.DIAL,)),
        Happening.RETRY_DUE: (CONNECTING, (Step.DIAL,)),
        Happening.CLOSE: (CLOSED, (Step.STOP,)),
    },
    CLOSED: {
        Happening.OPEN: (CONNECTING, (Step.START_SERIES, Step.DIAL)),
        Happening.CLOSE: (CLOSED, ()),
    },
}


@pytest.mark.parametrize(("state", "happening"), list(product(State, Happening)), ids=lambda item: item.name.lower())
def test_every_cell(state: State, happening: Happening) -> None:
    """Each pair goes where it is written, or names itself as unexpected."""
    expected = EXPECTED[state].get(happening)
    if expected is None:
        with pytest.raises(UnexpectedEvent) as raised:
            look_up(TABLE, state, happening)
        assert (raised.value.state, raised.value.event) == (state, happening)
    else:
        cell = look_up(TABLE, state, happening)
        assert (cell.target, cell.actions) == expected


@pytest.mark.parametrize("state", State)
def test_every_state_has_a_way_out(state: State) -> None:
    """From each state, the closed one included, the line can come to be connected and to be closed."""
    reached = {state}
    while more := {cell.target for (source, _), cell in TABLE.items() if source in reached} - reached:
        reached |= more
    assert {CONNECTED, CLOSED} <= reached


def line() -> Line:
    """Make a line whose waits are exact."""
    return Line(ExponentialBackoff(minimum=1, maximum=30, jitter=0), Random(1))


def fail(machine: Line, error: CableError, now: float = 0.0) -> list[LineEffect]:
    """Have a dial fail, and the next one begin if there is one."""
    effects = machine.failed(error, now)
    if machine.state is DISCONNECTED:
        machine.retry_due(now)
    return effects


def test_an_ordinary_life() -> None:
    """Dial, welcome, drop, wait, dial, welcome, close."""
    machine = line()
    assert machine.open(0) == [Dial(1)]
    assert machine.welcomed(1) == []
    assert machine.state is CONNECTED
    assert machine.failed(DROP, 2) == [HangUp(), Wait(1.0, 2)]
    assert machine.error is DROP
    assert machine.retry_due(3) == [Dial(2)]
    assert machine.welcomed(4) == []
    assert machine.close(5) == [Stop()]
    assert (machine.state, machine.error) == (CLOSED, None)
    assert machine.close(6) == []


def test_opening_again_joins_what_is_under_way() -> None:
    """There is one dial at a time, however many ask; while waiting, asking skips the wait."""
    machine = line()
    machine.open(0)
    assert machine.open(0) == []
    machine.failed(DROP, 1)
    assert machine.open(1) == [Dial(2)]
    machine.welcomed(2)
    assert machine.open(2) == []


def test_waits_grow_while_dials_fail() -> None:
    """And are counted for the reader of the log."""
    machine = line()
    machine.open(0)
    waits = [effect for _ in range(7) for effect in fail(machine, DROP) if isinstance(effect, Wait)]
    assert waits == [Wait(seconds, attempt) for attempt, seconds in enumerate([1, 2, 4, 8, 16, 30, 30], start=2)]


def test_accept_then_drop_still_backs_off() -> None:
    """A welcome alone is no success; a line that stayed up is."""
    machine = line()
    machine.open(0)
    now = 0.0
    delays = []
    for up in (1.0, 1.0, 29.9, 30.0, 1.0):
        machine.welcomed(now)
        now += up
        (_, wait) = machine.failed(DROP, now)
        assert isinstance(wait, Wait)
        delays.append(wait.delay)
        machine.retry_due(now)
    assert delays == [1, 2, 4, 1, 2]


def test_failed_dials_after_a_good_line_go_on_backing_off() -> None:
    """How long the line before the last one stayed up does not count any more."""
    machine = line()
    machine.open(0)
    machine.welcomed(0)
    fail(machine, DROP, 100)
    assert fail(machine, DROP, 200) == [HangUp(), Wait(2.0, 3)]


@pytest.mark.parametrize("when", ["connecting", "connected"])
def test_a_final_failure_closes_the_line_with_its_error(when: str) -> None:
    """``open()`` starts anew, with nothing left of it."""
    machine = line()
    machine.open(0)
    if when == "connected":
        machine.welcomed(1)
    error = Unauthorized("unauthorized")
    assert machine.failed(error, 2) == [HangUp(), Stop()]
    assert (machine.state, machine.error) == (CLOSED, error)
    assert machine.close(3) == []
    assert machine.error is error
    assert machine.open(4) == [Dial(1)]
    assert machine.error is None


def test_doubtful_failures_are_retried_a_few_times() -> None:
    """A wrong path is given up after five; what stands between them starts the count anew."""
    machine = line()
    doubt = HandshakeRefused(URL, 404, {})
    machine.open(0)
    for _ in range(DOUBTS - 1):
        fail(machine, doubt)
    fail(machine, DROP)
    for _ in range(DOUBTS - 1):
        fail(machine, doubt)
    machine.welcomed(1)
    for _ in range(DOUBTS - 1):
        fail(machine, doubt, 2)
    assert machine.state is CONNECTING
    assert machine.failed(doubt, 3) == [HangUp(), Stop()]
    assert (machine.state, machine.error) == (CLOSED, doubt)


def test_a_disconnect_that_asks_to_come_back_is_a_drop() -> None:
    """What the server says about coming back is obeyed."""
    machine = line()
    machine.open(0)
    machine.welcomed(0)
    assert machine.failed(ServerDisconnect("server_restart"), 1) == [HangUp(), Wait(1.0, 2)]
    machine.retry_due(2)
    assert machine.failed(ServerDisconnect("remote", reconnect=False), 3) == [HangUp(), Stop()]


def test_closing_with_an_error_keeps_it() -> None:
    """A limit of the user's that has passed is why the line is closed."""
    machine = line()
    machine.open(0)
    assert machine.close(1, DROP) == [HangUp(), Stop()]
    assert machine.error is DROP


def test_what_cannot_happen_is_our_fault() -> None:
    """A welcome without a dial is none of the server's."""
    with pytest.raises(UnexpectedEvent, match=r"no transition from State\.IDLE on Happening\.WELCOMED"):
        line().welcomed(0)


class Broken:
    """A backoff of a user's own that fails, or answers nonsense."""

    def __init__(self, answer: object) -> None:
        self._answer = answer

    def delay(self, failures: int, random: Random) -> float:
        """Fail."""
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer  # type: ignore[return-value]


@pytest.mark.parametrize("answer", [KeyError("no"), -1.0, float("nan"), float("inf"), None])
def test_a_backoff_that_fails_does_not_end_the_line(answer: object) -> None:
    """The default wait is taken in its place, and what went wrong can be told."""
    line = Line(Broken(answer), Random(1))
    line.open(0.0)

    effects = line.failed(LineClosed(None), 1.0)

    waits = [effect for effect in effects if isinstance(effect, Wait)]
    assert len(waits) == 1
    assert 0 < waits[0].delay < 1
    assert line.state is State.DISCONNECTED
    assert line.fault is not None
