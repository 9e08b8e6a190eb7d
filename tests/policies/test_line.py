"""When the line should be up, and how it comes back."""

from __future__ import annotations

from itertools import product
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from cableway.errors import (
    HandshakeRefused,
    LineClosed,
    LineLost,
    NotAWebSocket,
    RetriesExhausted,
    ServerDisconnect,
    TLSFailure,
    Unauthorized,
)
from cableway.policies.backoff import ConstantBackoff, DecorrelatedBackoff, ExponentialBackoff
from cableway.policies.classify import DOUBTS
from cableway.policies.line import TABLE, Dial, HangUp, Happening, LetGo, Line, LineEffect, Step, Stop, Wait
from cableway.states import State
from cableway.transitions import UnexpectedEvent, look_up

if TYPE_CHECKING:
    from cableway.errors import CableError
    from cableway.policies.backoff import Backoff

IDLE, CONNECTING, CONNECTED = State.IDLE, State.CONNECTING, State.CONNECTED
DISCONNECTED, DORMANT, CLOSED = State.DISCONNECTED, State.DORMANT, State.CLOSED
DROP = LineClosed(1006)
URL = "wss://example.com/cable"

EXPECTED: dict[State, dict[Happening, tuple[State, tuple[Step, ...]]]] = {
    IDLE: {
        Happening.OPEN: (DORMANT, (Step.START_SERIES,)),
        Happening.CLOSE: (CLOSED, (Step.STOP,)),
    },
    DORMANT: {
        Happening.OPEN: (DORMANT, ()),
        Happening.CLOSE: (CLOSED, (Step.STOP,)),
        Happening.WANTED: (CONNECTING, (Step.DIAL,)),
        Happening.WANTED_EARLY: (DISCONNECTED, (Step.REST,)),
        Happening.NUDGED: (DORMANT, ()),
        Happening.RENEWED: (DORMANT, ()),
    },
    CONNECTING: {
        Happening.OPEN: (CONNECTING, ()),
        Happening.CLOSE: (CLOSED, (Step.HANG_UP, Step.STOP)),
        Happening.UNWANTED: (DORMANT, (Step.HANG_UP,)),
        Happening.WELCOMED: (CONNECTED, (Step.SETTLE,)),
        Happening.FAILED: (DISCONNECTED, (Step.HANG_UP, Step.REST)),
        Happening.REFUSED: (CLOSED, (Step.HANG_UP, Step.STOP)),
        Happening.NUDGED: (DISCONNECTED, (Step.HANG_UP, Step.HASTEN)),
        Happening.RENEWED: (CONNECTING, ()),
    },
    CONNECTED: {
        Happening.OPEN: (CONNECTED, ()),
        Happening.CLOSE: (CLOSED, (Step.STOP,)),
        Happening.UNWANTED: (DORMANT, (Step.LET_GO,)),
        Happening.FAILED: (DISCONNECTED, (Step.HANG_UP, Step.REST)),
        Happening.REFUSED: (CLOSED, (Step.HANG_UP, Step.STOP)),
        Happening.NUDGED: (CONNECTED, ()),
        Happening.RENEWED: (CONNECTED, ()),
        Happening.HANDED_OVER: (CONNECTED, (Step.SETTLE,)),
    },
    DISCONNECTED: {
        Happening.OPEN: (CONNECTING, (Step.DIAL,)),
        Happening.CLOSE: (CLOSED, (Step.STOP,)),
        Happening.UNWANTED: (DORMANT, ()),
        Happening.RETRY_DUE: (CONNECTING, (Step.DIAL,)),
        Happening.NUDGED: (DISCONNECTED, (Step.HASTEN,)),
        Happening.RENEWED: (DISCONNECTED, (Step.HASTEN,)),
    },
    CLOSED: {
        Happening.OPEN: (DORMANT, (Step.START_SERIES,)),
        Happening.CLOSE: (CLOSED, ()),
    },
}


@pytest.mark.parametrize(("state", "happening"), list(product(State, Happening)), ids=lambda item: item.name.lower())
def test_every_cell(state: State, happening: Happening) -> None:
    """Each pair goes where it is written, or names itself as unexpected."""
    expected = EXPECTED[state].get(happening)
    if expected is None:
        with pytest.raises(UnexpectedEvent, match=rf"no transition from {state} on {happening}") as raised:
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


def line(backoff: Backoff | None = None, seed: int = 1) -> Line:
    """Make a line; without a backoff its waits are exact."""
    return Line(backoff or ExponentialBackoff(minimum=1, maximum=30, jitter=0), Random(seed))


def dialling(backoff: Backoff | None = None, seed: int = 1) -> Line:
    """Make a line that is opened and wanted at 0."""
    machine = line(backoff, seed)
    assert machine.happen(Happening.OPEN, 0.0) == []
    assert machine.happen(Happening.WANTED, 0.0) == [Dial(1)]
    return machine


def up(backoff: Backoff | None = None, seed: int = 1) -> Line:
    """Make a line that is connected since 0, and has proved itself."""
    machine = dialling(backoff, seed)
    assert machine.happen(Happening.WELCOMED, 0.0) == []
    machine.beaten()
    return machine


def fail(machine: Line, error: CableError, now: float = 0.0) -> list[LineEffect]:
    """Have a dial fail, and the next one begin if there is one."""
    effects = machine.failed(error, now)
    if machine.state is DISCONNECTED:
        machine.happen(Happening.RETRY_DUE, now)
    return effects


def waiting(error: CableError, failures: int = 9) -> Line:
    """Make a line that has failed at 0 for the last time, and waits."""
    machine = dialling()
    for _ in range(failures - 1):
        fail(machine, DROP)
    machine.failed(error, 0.0)
    assert machine.state is DISCONNECTED
    return machine


def wait(effects: list[LineEffect]) -> float:
    """Return the one wait among *effects*."""
    (delay,) = [effect.delay for effect in effects if isinstance(effect, Wait)]
    return delay


def asked(seconds: int) -> HandshakeRefused:
    """Refuse the upgrade, and say when to come back."""
    return HandshakeRefused(URL, 503, {"Retry-After": str(seconds)})


# A life --------------------------------------------------------------------------------------------------------------


def test_an_ordinary_life() -> None:
    """Open, dial, welcome, drop, wait, dial, welcome, close."""
    machine = line()
    assert (machine.state, machine.wanted) == (IDLE, False)
    assert machine.happen(Happening.OPEN, 0.0) == []
    assert (machine.state, machine.wanted) == (DORMANT, False)
    assert machine.happen(Happening.WANTED, 0.0) == [Dial(1)]
    assert machine.wanted
    assert machine.happen(Happening.WELCOMED, 1.0) == []
    assert machine.state is CONNECTED
    effects = machine.failed(DROP, 2.0)
    assert effects[0] == HangUp()
    assert 0 <= wait(effects) <= 1
    assert machine.retry_at == 2.0 + wait(effects)
    assert (machine.error, machine.failures) == (DROP, 1)
    assert machine.happen(Happening.RETRY_DUE, 3.0) == [Dial(2)]
    assert machine.retry_at is None
    assert machine.happen(Happening.WELCOMED, 4.0) == []
    assert machine.close(5.0) == [Stop()]
    assert (machine.state, machine.error, machine.wanted) == (CLOSED, None, False)
    assert machine.close(6.0) == []


def test_opening_again_joins_what_is_under_way() -> None:
    """There is one dial at a time, however many ask; while waiting, a person's asking skips the wait."""
    machine = dialling()
    assert machine.happen(Happening.OPEN, 0.0) == []
    machine.failed(asked(60), 1.0)
    assert machine.happen(Happening.OPEN, 1.0) == [Dial(2)]
    machine.happen(Happening.WELCOMED, 2.0)
    assert machine.happen(Happening.OPEN, 2.0) == []


def test_waits_grow_while_dials_fail() -> None:
    """And are counted for the reader of the log."""
    machine = dialling()
    waits = [effect for _ in range(7) for effect in fail(machine, DROP) if isinstance(effect, Wait)]
    assert waits == [Wait(seconds, attempt) for attempt, seconds in enumerate([1, 2, 4, 8, 16, 30, 30], start=2)]


def test_accept_then_drop_still_backs_off() -> None:
    """A welcome alone is no success; a line that stayed up and was beaten on is."""
    machine = dialling()
    now, delays = 0.0, []
    for seconds, beaten in ((1.0, False), (1.0, False), (100.0, False), (29.9, True), (30.0, True), (1.0, False)):
        machine.happen(Happening.WELCOMED, now)
        if beaten:
            machine.beaten()
        now += seconds
        delays.append(wait(machine.failed(DROP, now)))
        machine.happen(Happening.RETRY_DUE, now)
    assert delays[0] <= 1
    assert delays[1:4] == [2, 4, 8]
    assert delays[4] <= 1
    assert delays[5] == 2


def test_proof_of_one_line_does_not_speak_for_the_next() -> None:
    """A beat or a confirmation counts for the line on which it came."""
    machine = up(ConstantBackoff(20, jitter=0))
    fail(machine, DROP, 1.0)
    machine.happen(Happening.WELCOMED, 2.0)
    assert wait(fail(machine, DROP, 3.0)) == 20
    machine.happen(Happening.WELCOMED, 4.0)
    machine.confirmed()
    assert wait(fail(machine, DROP, 5.0)) <= 1.5


def test_failed_dials_after_a_good_line_go_on_backing_off() -> None:
    """How long the line before the last one stayed up does not count any more."""
    machine = up()
    fail(machine, DROP, 100.0)
    assert wait(fail(machine, DROP, 200.0)) == 2


# What ends it --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["connecting", "connected"])
def test_a_final_failure_closes_the_line_with_its_error(when: str) -> None:
    """``open()`` starts anew, with nothing left of it."""
    machine = dialling() if when == "connecting" else up()
    error = Unauthorized("unauthorized")
    assert machine.failed(error, 2.0) == [HangUp(), Stop()]
    assert (machine.state, machine.error) == (CLOSED, error)
    assert machine.close(3.0) == []
    assert machine.error is error
    assert machine.happen(Happening.OPEN, 4.0) == []
    assert machine.error is None
    assert machine.happen(Happening.WANTED, 4.0) == [Dial(1)]


def test_other_credentials_keep_it_alive() -> None:
    """Where they can be renewed, a refusal is a failure like others."""
    machine = up()
    effects = machine.failed(Unauthorized("token_expired"), 1.0, renewable=True)
    assert effects == [HangUp(), Wait(1.0, 2)]
    machine.happen(Happening.RETRY_DUE, 2.0)
    assert wait(machine.failed(HandshakeRefused(URL, 401, {}), 2.0, renewable=True)) == 2


def test_doubtful_failures_are_retried_a_few_times() -> None:
    """A wrong path is given up after five; what stands between them starts the count anew."""
    machine = dialling()
    doubt = HandshakeRefused(URL, 404, {})
    for _ in range(DOUBTS - 1):
        fail(machine, doubt)
    fail(machine, DROP)
    for _ in range(DOUBTS - 1):
        fail(machine, doubt)
    machine.happen(Happening.WELCOMED, 1.0)
    for _ in range(DOUBTS - 1):
        fail(machine, doubt, 2.0)
    assert machine.state is CONNECTING
    assert machine.failed(doubt, 3.0) == [HangUp(), Stop()]
    assert (machine.state, machine.error) == (CLOSED, doubt)


def test_doubts_do_not_outlive_a_closed_line() -> None:
    """Opened again, the address is given as many tries as before."""
    machine = dialling()
    for _ in range(DOUBTS):
        fail(machine, HandshakeRefused(URL, 404, {}))
    assert machine.state is CLOSED
    machine.happen(Happening.OPEN, 10.0)
    machine.happen(Happening.WANTED, 10.0)
    fail(machine, HandshakeRefused(URL, 404, {}), 11.0)
    assert machine.state is CONNECTING


def test_a_number_of_failures_ends_it() -> None:
    """With an error of its own, whose cause is the last failure; opening again starts a new count."""
    machine = dialling(ConstantBackoff(1, jitter=0, max_attempts=3))
    fail(machine, LineClosed(1011), 10.0)
    fail(machine, LineClosed(1011), 12.0)
    assert machine.failed(DROP, 14.5) == [HangUp(), Stop()]
    assert machine.state is CLOSED
    assert isinstance(machine.error, RetriesExhausted)
    assert (machine.error.attempts, machine.error.elapsed, machine.error.__cause__) == (3, 4.5, DROP)
    machine.happen(Happening.OPEN, 20.0)
    machine.happen(Happening.WANTED, 20.0)
    assert wait(machine.failed(DROP, 21.0)) == 1


def test_a_time_of_failures_ends_it() -> None:
    """Counted from the first failure, not from the first dial, and anew after a good line."""
    machine = dialling(ConstantBackoff(1, jitter=0, max_elapsed=60))
    fail(machine, DROP, 100.0)
    fail(machine, DROP, 159.0)
    assert machine.state is CONNECTING
    machine.happen(Happening.WELCOMED, 159.0)
    machine.beaten()
    fail(machine, DROP, 200.0)
    fail(machine, DROP, 259.0)
    assert machine.state is CONNECTING
    fail(machine, DROP, 260.0)
    assert isinstance(machine.error, RetriesExhausted)
    assert machine.error.elapsed == 60


def test_a_disconnect_that_asks_to_come_back_is_a_drop() -> None:
    """What the server says about coming back is obeyed."""
    machine = up()
    assert wait(fail(machine, ServerDisconnect("server_restart"), 1.0)) <= 5
    assert machine.failed(ServerDisconnect("remote", reconnect=False), 3.0) == [HangUp(), Stop()]


@pytest.mark.parametrize("state", State, ids=lambda state: state.name.lower())
def test_closing_with_an_error_keeps_it(state: State) -> None:
    """A limit of the user's that has passed is why the line is closed, unless it was closed already."""
    machine = up()
    machine.state = state
    machine.error = None
    machine.close(1.0, DROP)
    assert machine.state is CLOSED
    assert machine.error is (None if state is CLOSED else DROP)


def test_what_cannot_happen_is_our_fault() -> None:
    """A welcome without a dial is none of the server's."""
    with pytest.raises(UnexpectedEvent, match=r"no transition from State\.IDLE on Happening\.WELCOMED"):
        line().happen(Happening.WELCOMED, 0.0)


# Wanted or not -------------------------------------------------------------------------------------------------------


def test_a_line_is_let_go_and_wanted_again() -> None:
    """With a goodbye where it was up; then it is dialled at once, as after a first wish."""
    machine = up()
    assert machine.happen(Happening.UNWANTED, 9.0) == [LetGo()]
    assert (machine.state, machine.wanted) == (DORMANT, False)
    assert machine.happen(Happening.WANTED, 9.1) == [Dial(1)]
    assert machine.happen(Happening.UNWANTED, 9.2) == [HangUp()]
    assert machine.state is DORMANT


def test_letting_go_does_not_cut_a_wait_short() -> None:
    """Who is wanted again waits for the rest of it, and dials at once when it is over."""
    for early, effects in ((20.0, [Wait(10.0, 10)]), (30.0, [Dial(10)]), (99.0, [Dial(10)])):
        machine = waiting(DROP)
        assert machine.retry_at == 30
        assert machine.happen(Happening.UNWANTED, 5.0) == []
        assert machine.retry_at is None
        assert machine.happen(Happening.NUDGED, 6.0) == []
        assert machine.happen(Happening.RENEWED, 7.0) == []
        assert machine.happen(Happening.WANTED, early) == effects


def test_a_line_that_came_up_after_a_skipped_wait_owes_nothing_of_it() -> None:
    """The server has let us in: neither the wait nor its request to stay away holds any more."""
    machine = waiting(asked(300))
    assert machine.happen(Happening.OPEN, 5.0) == [Dial(10)]
    machine.happen(Happening.WELCOMED, 6.0)
    machine.happen(Happening.UNWANTED, 7.0)
    assert machine.happen(Happening.WANTED, 8.0) == [Dial(10)]


@pytest.mark.parametrize("proof", ["beaten", "confirmed"])
def test_a_line_let_go_after_it_had_proved_itself_was_good(proof: str) -> None:
    """What went wrong before it is forgotten, however briefly it was wanted: nobody dropped it."""
    machine = waiting(DROP)
    machine.happen(Happening.RETRY_DUE, 30.0)
    machine.happen(Happening.WELCOMED, 30.0)
    getattr(machine, proof)()
    assert machine.happen(Happening.UNWANTED, 34.0) == [LetGo()]
    assert machine.failures == 0
    assert machine.happen(Happening.WANTED, 900.0) == [Dial(1)]
    assert wait(machine.failed(DROP, 901.0)) == 1


def test_a_line_let_go_before_it_had_proved_itself_was_not() -> None:
    """A server that only accepts has shown nothing yet."""
    machine = waiting(DROP)
    machine.happen(Happening.RETRY_DUE, 30.0)
    machine.happen(Happening.WELCOMED, 30.0)
    machine.happen(Happening.UNWANTED, 90.0)
    assert machine.happen(Happening.WANTED, 900.0) == [Dial(10)]


def test_a_line_used_by_the_quarter_hour_does_not_run_into_a_limit_of_time() -> None:
    """A failure in the morning and one in the evening, and good lines in between, are no day of failures."""
    machine = dialling(ConstantBackoff(1, jitter=0, max_elapsed=3600))
    fail(machine, DROP, 1.0)
    for quarter in range(30):
        now = 900.0 * quarter + 10
        machine.happen(Happening.WELCOMED, now)
        machine.beaten()
        machine.happen(Happening.UNWANTED, now + 5)
        machine.happen(Happening.WANTED, now + 890)
    assert machine.failed(DROP, 900.0 * 31) == [HangUp(), Wait(1.0, 2)]


# Nudges --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nudge", [Happening.NUDGED, Happening.RENEWED])
def test_a_nudge_cuts_a_wait_short(nudge: Happening) -> None:
    """Within a second, spread over all of it, so that a crowd that wakes together does not dial together."""
    delays = []
    for seed in range(300):
        machine = dialling(seed=seed)
        for _ in range(8):
            fail(machine, DROP)
        machine.failed(DROP, 0.0)
        delays.append(wait(machine.happen(nudge, 10.0)))
        assert machine.retry_at == 10.0 + delays[-1]
    assert 0 <= min(delays) < 0.02
    assert 0.98 < max(delays) <= 1
    assert sum(delay < 0.5 for delay in delays) == pytest.approx(150, abs=30)


def test_many_nudges_dial_no_sooner_than_a_second_after_the_last_dial() -> None:
    """A network that changes all the time is no reason to dial all the time."""
    machine = dialling()
    machine.failed(TLSFailure(URL, "expired"), 0.1)
    times = []
    for number in range(3, 200):
        now = number / 10
        wait(machine.happen(Happening.NUDGED, now))
        assert machine.retry_at is not None
        if machine.retry_at <= now:
            times.append(now)
            machine.happen(Happening.RETRY_DUE, now)
            machine.failed(TLSFailure(URL, "expired"), now)
    assert times
    assert all(later - earlier >= 1 for earlier, later in zip([0.0, *times], times, strict=False))


def test_a_nudge_never_lengthens_a_wait() -> None:
    """The one under way counts where it is shorter."""
    for seed in range(100):
        machine = up(seed=seed)
        before = wait(machine.failed(DROP, 100.0))
        assert wait(machine.happen(Happening.NUDGED, 100.0)) <= before


def test_a_nudge_begins_a_dial_anew() -> None:
    """The one under way may hang on a route that is gone; it is no failure of the server's."""
    machine = dialling()
    effects = machine.happen(Happening.NUDGED, 5.0)
    assert effects[0] == HangUp()
    assert 0 <= wait(effects) <= 1
    assert (machine.state, machine.failures) == (DISCONNECTED, 0)


def test_a_nudge_undercuts_the_backoff_s_part_of_a_wait() -> None:
    """A server that asked for five seconds gets them, and not the thirty that the backoff would have waited."""
    for seed in range(50):
        machine = dialling(seed=seed)
        for _ in range(9):
            fail(machine, DROP)
        assert wait(machine.failed(asked(5), 0.0)) == 30
        assert 5 <= wait(machine.happen(Happening.NUDGED, 0.0)) <= 6


@pytest.mark.parametrize("nudge", [Happening.NUDGED, Happening.RENEWED])
def test_a_nudge_does_not_undercut_what_the_server_asked_for(nudge: Happening) -> None:
    """It asked everybody; that our network changed makes it no faster."""
    machine = waiting(asked(60))
    planned = machine.retry_at
    assert planned is not None
    assert 60 <= planned <= 72
    for now in (1.0, 30.0, 59.0):
        assert now + wait(machine.happen(nudge, now)) == pytest.approx(planned)


def test_what_one_answer_asked_for_ends_with_the_next() -> None:
    """After a failure without such a request a nudge counts again."""
    machine = waiting(asked(60))
    machine.happen(Happening.RETRY_DUE, 70.0)
    assert wait(machine.failed(DROP, 71.0)) == 30
    assert wait(machine.happen(Happening.NUDGED, 72.0)) <= 1


# Another backoff -----------------------------------------------------------------------------------------------------


def test_another_backoff_counts_at_once() -> None:
    """Where its wait is shorter than what is left of the present one; the next one is its in any case."""
    machine = waiting(DROP)
    assert machine.replace_backoff(ConstantBackoff(7, jitter=0), 10.0) == [Wait(7.0, 10)]
    assert machine.retry_at == 17
    assert machine.replace_backoff(ConstantBackoff(9, jitter=0), 11.0) == []
    assert machine.retry_at == 17
    machine.happen(Happening.RETRY_DUE, 17.0)
    assert wait(machine.failed(DROP, 17.0)) == 9


def test_another_backoff_does_not_undercut_what_the_server_asked_for() -> None:
    """An operator who pushes a policy does not know what each server has said."""
    machine = waiting(asked(60))
    planned = machine.retry_at
    assert machine.replace_backoff(ConstantBackoff(1, jitter=0), 10.0) == []
    assert machine.retry_at == planned


def test_the_same_backoff_told_again_draws_no_other_wait() -> None:
    """The shortest of many draws would be hardly a wait at all."""
    machine = dialling(ExponentialBackoff())
    for _ in range(9):
        fail(machine, DROP)
    machine.failed(DROP, 0.0)
    assert all(machine.replace_backoff(ExponentialBackoff(), now / 100) == [] for now in range(100))


def test_another_backoff_counts_in_a_line_let_go() -> None:
    """Wanted again, it waits no longer than the new one says."""
    machine = waiting(DROP)
    machine.happen(Happening.UNWANTED, 1.0)
    assert machine.replace_backoff(ConstantBackoff(3, jitter=0), 2.0) == []
    assert machine.happen(Happening.WANTED, 4.0) == [Wait(1.0, 10)]


@pytest.mark.parametrize("machine", [line(), dialling(), up()], ids=["idle", "connecting", "connected"])
def test_another_backoff_changes_nothing_else(machine: Line) -> None:
    """Where nothing is waited for, it is the next failure's."""
    state = machine.state
    assert machine.replace_backoff(ConstantBackoff(3, jitter=0), 2.0) == []
    assert machine.state is state


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
    machine = dialling(Broken(answer))
    assert 0 < wait(machine.failed(LineClosed(1011), 1.0)) < 1
    assert machine.state is DISCONNECTED
    assert machine.plan.fault is not None


# Whatever happens ----------------------------------------------------------------------------------------------------

ERRORS: list[CableError] = [
    DROP,
    LineClosed(1013),
    LineLost("gone"),
    ServerDisconnect("server_restart"),
    ServerDisconnect("server_restart", retry_after=20.0),
    ServerDisconnect("no_pong", retry_after=0.0),
    TLSFailure(URL, "expired"),
    NotAWebSocket(URL, "a page"),
    HandshakeRefused(URL, 503, {}),
    *(asked(seconds) for seconds in (0, 1, 40, 10**9)),
]
BACKOFFS: list[Backoff] = [
    ExponentialBackoff(),
    ExponentialBackoff(jitter="full"),
    DecorrelatedBackoff(),
    ConstantBackoff(1e-6, jitter=1.0),
    Broken(float("nan")),
]
OTHERS: list[Any] = ["due", "due", "welcome", "welcome", "beat"]
OTHERS += [Happening.NUDGED, Happening.RENEWED, Happening.WANTED, Happening.UNWANTED]
STEPS = st.tuples(
    st.sampled_from([*ERRORS, *BACKOFFS, *OTHERS]),
    st.floats(0, 1) | st.floats(0, 400),
)


@define
class Driver:
    """Lets things happen to a line where they can, and checks every dial and every wait."""

    line: Line
    now: float = 0.0
    not_before: float = field(default=float("-inf"), init=False)
    """What the server asked for."""
    last: float = field(default=float("-inf"), init=False)
    """When the last dial was."""
    let_go: bool = field(default=True, init=False)

    def step(self, what: Any) -> None:
        """Let one thing happen."""
        if what == "due":
            if self.line.retry_at is None:
                return
            self.now = max(self.now, self.line.retry_at)
            what = Happening.RETRY_DUE
        elif what == "welcome":
            what = Happening.WELCOMED
        if what == "beat":
            self.line.beaten()
        elif isinstance(what, Happening):
            self.happen(what)
        elif isinstance(what, Exception):
            self.fail(what)  # type: ignore[arg-type]
        else:
            self.check(self.line.replace_backoff(what, self.now))

    def happen(self, what: Happening) -> None:
        """Let it happen if it can."""
        if (self.line.state, what) not in TABLE:
            return
        self.let_go = self.let_go or what is Happening.UNWANTED
        if what is Happening.WELCOMED:
            self.not_before = float("-inf")
        self.check(self.line.happen(what, self.now))

    def fail(self, error: CableError) -> None:
        """Fail, and note what the server asked for."""
        if self.line.state not in (CONNECTING, CONNECTED):
            return
        self.let_go = False
        effects = self.line.failed(error, self.now)
        self.check(effects)
        assert self.line.retry_at is not None
        header = getattr(error, "headers", {}).get("Retry-After")
        hint: Any = getattr(error, "retry_after", None) if header is None else min(float(header), 600)
        if header is not None:
            assert wait(effects) >= hint
        # A first try may come within what the server named; any other one not before.
        self.not_before = float("-inf") if hint is None else min(self.line.retry_at, self.now + hint)

    def check(self, effects: list[LineEffect]) -> None:
        """Judge what follows."""
        for effect in effects:
            if isinstance(effect, Wait):
                assert 0 <= effect.delay < 1000
                assert self.line.retry_at == pytest.approx(self.now + effect.delay, abs=1e-6)
            elif isinstance(effect, Dial):
                assert self.now >= self.not_before
                assert self.let_go or self.now - self.last >= 0.1 - 1e-6
                self.last, self.let_go = self.now, False


@given(st.sampled_from(BACKOFFS), st.lists(STEPS, max_size=80), st.integers(0, 20))
def test_no_sequence_of_happenings_breaks_the_rules(backoff: Backoff, steps: list[Any], seed: int) -> None:
    """Waits stay finite, a server's request stands whatever nudges us, and dials keep their distance.

    Only who lets the line go and wants it again may dial sooner.
    """
    driver = Driver(dialling(backoff, seed))
    driver.last = 0.0
    for what, gap in steps:
        driver.now += gap
        if driver.line.retry_at is not None and driver.line.retry_at < driver.now:
            driver.now, now = driver.line.retry_at, driver.now
            driver.happen(Happening.RETRY_DUE)
            driver.now = now
        driver.step(what)
    assert driver.line.state is not CLOSED
