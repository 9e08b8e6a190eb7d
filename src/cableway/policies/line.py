"""When the line should be up, and how it comes back.

Rule 1: one dial at a time; every state but ``IDLE``, ``DORMANT`` and ``CLOSED`` has a way on by itself.
Rule 2: the line is dialled only while it is wanted; while it is not, an open cable is ``DORMANT``.
Rule 3: a failure that dialling again cannot mend ends in ``CLOSED``; after every other one it dials again, in a while.
Rule 4: letting the line go and wanting it again does not cut the wait short.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

from attrs import frozen

from cableway.errors import RetriesExhausted
from cableway.policies.classify import DOUBTS, Verdict, classify
from cableway.policies.retry import RetryPlan, Spell
from cableway.states import State
from cableway.transitions import Transition, look_up, to

if TYPE_CHECKING:
    from random import Random

    from cableway.errors import CableError
    from cableway.policies.backoff import Backoff


class Happening(Enum):
    """What can happen to a line."""

    OPEN = "open()"
    CLOSE = "close()"
    WANTED = "wanted"
    WANTED_EARLY = "wanted before the wait is over"
    UNWANTED = "wanted no more"
    WELCOMED = "welcomed"
    FAILED = "dial failed or line lost"
    REFUSED = "final failure"
    RETRY_DUE = "retry due"
    NUDGED = "network changed or host woke"
    RENEWED = "token renewed"
    HANDED_OVER = "handed over to another line"


class Step(Enum):
    """What is to be done on the way from one state to the next."""

    START_SERIES = "start a new series of dials"
    DIAL = "dial"
    HANG_UP = "drop the line"
    LET_GO = "close the line with a goodbye"
    REST = "schedule the next dial"
    HASTEN = "schedule the next dial soon"
    SETTLE = "note when the line came up"
    STOP = "end for good"


def _table() -> dict[tuple[State, Happening], Transition[State, Step]]:
    idle, dormant, connecting = State.IDLE, State.DORMANT, State.CONNECTING
    connected, disconnected, closed = State.CONNECTED, State.DISCONNECTED, State.CLOSED
    return {
        (idle, Happening.OPEN): to(dormant, Step.START_SERIES),
        (idle, Happening.CLOSE): to(closed, Step.STOP),
        (dormant, Happening.OPEN): to(dormant),
        (dormant, Happening.CLOSE): to(closed, Step.STOP),
        (dormant, Happening.WANTED): to(connecting, Step.DIAL),
        (dormant, Happening.WANTED_EARLY): to(disconnected, Step.REST),
        (dormant, Happening.NUDGED): to(dormant),
        (dormant, Happening.RENEWED): to(dormant),
        (connecting, Happening.OPEN): to(connecting),
        (connecting, Happening.CLOSE): to(closed, Step.HANG_UP, Step.STOP),
        (connecting, Happening.UNWANTED): to(dormant, Step.HANG_UP),
        (connecting, Happening.WELCOMED): to(connected, Step.SETTLE),
        (connecting, Happening.FAILED): to(disconnected, Step.HANG_UP, Step.REST),
        (connecting, Happening.REFUSED): to(closed, Step.HANG_UP, Step.STOP),
        # The dial under way may hang on a route that is gone.
        (connecting, Happening.NUDGED): to(disconnected, Step.HANG_UP, Step.HASTEN),
        (connecting, Happening.RENEWED): to(connecting),
        (connected, Happening.OPEN): to(connected),
        (connected, Happening.CLOSE): to(closed, Step.STOP),
        (connected, Happening.UNWANTED): to(dormant, Step.LET_GO),
        (connected, Happening.FAILED): to(disconnected, Step.HANG_UP, Step.REST),
        (connected, Happening.REFUSED): to(closed, Step.HANG_UP, Step.STOP),
        # Whether the line has survived is the monitor's to find out.
        (connected, Happening.NUDGED): to(connected),
        (connected, Happening.RENEWED): to(connected),
        (connected, Happening.HANDED_OVER): to(connected, Step.SETTLE),
        # Asked for by a person, the wait is skipped once.
        (disconnected, Happening.OPEN): to(connecting, Step.DIAL),
        (disconnected, Happening.CLOSE): to(closed, Step.STOP),
        (disconnected, Happening.UNWANTED): to(dormant),
        (disconnected, Happening.RETRY_DUE): to(connecting, Step.DIAL),
        (disconnected, Happening.NUDGED): to(disconnected, Step.HASTEN),
        (disconnected, Happening.RENEWED): to(disconnected, Step.HASTEN),
        (closed, Happening.OPEN): to(dormant, Step.START_SERIES),
        (closed, Happening.CLOSE): to(closed),
    }


TABLE = _table()


@frozen
class Dial:
    """Open a connection."""

    attempt: int


@frozen
class HangUp:
    """Drop the connection, or the dial under way."""


@frozen
class LetGo:
    """Close the connection with a goodbye."""


@frozen
class Wait:
    """Let ``RETRY_DUE`` happen after a while; :attr:`Line.retry_at` tells when."""

    delay: float
    attempt: int


@frozen
class Stop:
    """The line is closed: tell everybody."""


LineEffect: TypeAlias = Dial | HangUp | LetGo | Wait | Stop

HASTE = 1.0
"""A nudge dials within this many seconds, spread, and no sooner than this after the last dial began."""


class Line:
    """Keeps the state of the line, and decides what follows from what happens to it."""

    def __init__(self, backoff: Backoff, random: Random) -> None:
        self.state: State = State.IDLE
        self.error: CableError | None = None
        """The last failure; in ``CLOSED`` the final one, ``None`` when the user closed it."""
        self.plan: RetryPlan = RetryPlan(backoff, random)
        self.retry_at: float | None = None
        """When the next dial is due, while one is waited for."""
        self._random = random
        self._not_before = float("-inf")
        self._asked_until = float("-inf")
        self._last_dial = float("-inf")
        self._doubts = 0
        self._up_since: float | None = None
        self._beaten = self._confirmed = False

    @property
    def failures(self) -> int:
        """Failures in a row."""
        return self.plan.failures

    @property
    def wanted(self) -> bool:
        """Whether it is up, or on its way."""
        return self.state in (State.CONNECTING, State.CONNECTED, State.DISCONNECTED)

    def is_good(self, now: float) -> bool:
        """Tell whether the line is up, and has been for so long that it counts as good."""
        spell = self._spell(now)
        return spell is not None and spell.good

    def happen(self, happening: Happening, now: float) -> list[LineEffect]:
        """Let something happen that has nothing more to tell: all but a failure and ``CLOSE``."""
        early = self.state is State.DORMANT and now < self._not_before
        return self._step(Happening.WANTED_EARLY if early and happening is Happening.WANTED else happening, now)

    def failed(
        self, error: CableError, now: float, *, renewable: bool = False, wall: float | None = None
    ) -> list[LineEffect]:
        """A dial failed, or the line broke.

        Args:
            error: What went wrong.
            now: When.
            renewable: Whether other credentials can be had.
            wall: This machine's Unix time, for a ``Retry-After`` that is a date.
        """
        diagnosis = classify(error, renewable=renewable, wall=wall)
        self._doubts = self._doubts + 1 if diagnosis.verdict is Verdict.ELSEWHERE else 0
        self.error = error
        if diagnosis.verdict is Verdict.STOP or self._doubts >= DOUBTS:
            return self._step(Happening.REFUSED, now)
        at_once = diagnosis.verdict in (Verdict.NOW, Verdict.RENEW)
        wait = self.plan.failed(diagnosis.cause, now, hint=diagnosis.hint, spell=self._spell(now), at_once=at_once)
        if self.plan.gives_up(now):
            self.error = RetriesExhausted(self.plan.failures, self.plan.elapsed(now), error)
            return self._step(Happening.REFUSED, now)
        self._not_before = now + wait
        self._asked_until = float("-inf") if self.plan.asked is None else now + self.plan.asked
        return self._step(Happening.FAILED, now)

    def close(self, now: float, error: CableError | None = None) -> list[LineEffect]:
        """The user wants the line down, or a limit of theirs has passed (*error*)."""
        if self.state is not State.CLOSED:
            self.error = error
        return self._step(Happening.CLOSE, now)

    def beaten(self) -> None:
        """The server beat."""
        self._beaten = True

    def settled(self) -> None:
        """The line is good: what went wrong before it is forgotten."""
        self.plan.start()

    def confirmed(self) -> None:
        """The server confirmed a subscription."""
        self._confirmed = True

    def skip_wait(self, now: float) -> None:
        """Have the next dial that is waited for due at once."""
        if self.retry_at is not None:
            self.retry_at = self._not_before = min(self.retry_at, now)

    def replace_backoff(self, backoff: Backoff, now: float) -> list[LineEffect]:
        """Use *backoff* from now on; what is waited for at the moment is its wait, too, where that is shorter."""
        # The same one told again and again must not draw again and again: the shortest of many waits is none.
        same, self.plan.backoff = backoff == self.plan.backoff, backoff
        if same or self._not_before <= now:
            return []
        self._not_before = min(self._not_before, max(now + self.plan.another_wait(), self._asked_until))
        return [] if self.retry_at is None or self.retry_at <= self._not_before else [self._rest(now)]

    def _spell(self, now: float) -> Spell | None:
        return None if self._up_since is None else Spell(now - self._up_since, self._beaten, self._confirmed)

    def _step(self, happening: Happening, now: float) -> list[LineEffect]:
        transition = look_up(TABLE, self.state, happening)
        self.state = transition.target
        if self.state is not State.DISCONNECTED:
            self.retry_at = None
        effects = [self._perform(step, now) for step in transition.actions]
        if self.state is not State.CONNECTED:
            self._up_since = None
        return [effect for effect in effects if effect is not None]

    def _perform(self, step: Step, now: float) -> LineEffect | None:
        match step:
            case Step.DIAL:
                self._last_dial = now
                return Dial(self.plan.failures + 1)
            case Step.HASTEN:
                return self._hasten(now)
            case Step.REST:
                return self._rest(now)
            case Step.START_SERIES:
                self._start()
            case Step.SETTLE:
                self._up_since = now
                self._beaten = self._confirmed = False
                self._doubts = 0
                self.error = None
                # A wait that somebody cut short is over for good now that the server has let us in.
                self._not_before = self._asked_until = float("-inf")
            case Step.LET_GO:
                return self._let_go(now)
            case _:
                return _PLAIN[step]
        return None

    def _start(self) -> None:
        self.plan.start()
        self._doubts = 0
        self.error = None
        self._not_before = self._asked_until = float("-inf")

    def _let_go(self, now: float) -> LetGo:
        spell = self._spell(now)
        if spell is not None and (spell.good or spell.proved):
            self.plan.start()
        return LetGo()

    def _hasten(self, now: float) -> Wait:
        soon = max(now, self._last_dial + HASTE) + self._random.uniform(0.0, HASTE)
        # A dial that was cut short had no wait of its own; else the shorter one counts, save what a server asked for.
        planned = soon if self.retry_at is None else self.retry_at
        self._not_before = max(min(planned, soon), self._asked_until)
        return self._rest(now)

    def _rest(self, now: float) -> Wait:
        self.retry_at = max(now, self._not_before)
        return Wait(self.retry_at - now, self.plan.failures + 1)


_PLAIN: dict[Step, LineEffect] = {Step.HANG_UP: HangUp(), Step.STOP: Stop()}
