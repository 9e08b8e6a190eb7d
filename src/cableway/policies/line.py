"""When the line should be up, and how it comes back.

Rule 1: one dial at a time; every state but ``IDLE`` and ``CLOSED`` has a way on by itself.
Rule 2: a failure that dialling again cannot mend ends in ``CLOSED``; every other one is followed by a dial.
Rule 3: a line counts as good again only after it stayed up for a while, so that accept-then-drop still backs off.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from attrs import frozen

from cableway.policies.backoff import ExponentialBackoff
from cableway.policies.classify import DOUBTS, Verdict, classify
from cableway.states import State
from cableway.transitions import Transition, look_up, to

if TYPE_CHECKING:
    from random import Random

    from cableway.errors import CableError
    from cableway.policies.backoff import Backoff


class Happening(Enum):
    """What can happen to a line."""

    OPEN = "open()"
    WELCOMED = "welcomed"
    FAILED = "dial failed or line lost"
    REFUSED = "final failure"
    RETRY_DUE = "retry due"
    CLOSE = "close()"


class Step(Enum):
    """What is to be done on the way from one state to the next."""

    START_SERIES = "start a new series of dials"
    DIAL = "dial"
    HANG_UP = "drop the line"
    REST = "schedule the next dial"
    SETTLE = "note when the line came up"
    STOP = "end for good"


def _table() -> dict[tuple[State, Happening], Transition[State, Step]]:
    idle, connecting, connected = State.IDLE, State.CONNECTING, State.CONNECTED
    disconnected, closed = State.DISCONNECTED, State.CLOSED
    return {
        (idle, Happening.OPEN): to(connecting, Step.START_SERIES, Step.DIAL),
        (idle, Happening.CLOSE): to(closed, Step.STOP),
        (connecting, Happening.OPEN): to(connecting),
        (connecting, Happening.WELCOMED): to(connected, Step.SETTLE),
        (connecting, Happening.FAILED): to(disconnected, Step.HANG_UP, Step.REST),
        (connecting, Happening.REFUSED): to(closed, Step.HANG_UP, Step.STOP),
        (connecting, Happening.CLOSE): to(closed, Step.HANG_UP, Step.STOP),
        (connected, Happening.OPEN): to(connected),
        (connected, Happening.FAILED): to(disconnected, Step.HANG_UP, Step.REST),
        (connected, Happening.REFUSED): to(closed, Step.HANG_UP, Step.STOP),
        (connected, Happening.CLOSE): to(closed, Step.STOP),
        # Asked for by a person, the wait is skipped once.
        (disconnected, Happening.OPEN): to(connecting, Step.DIAL),
        (disconnected, Happening.RETRY_DUE): to(connecting, Step.DIAL),
        (disconnected, Happening.CLOSE): to(closed, Step.STOP),
        (closed, Happening.OPEN): to(connecting, Step.START_SERIES, Step.DIAL),
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
class Wait:
    """Let ``RETRY_DUE`` happen after a while."""

    delay: float
    attempt: int


@frozen
class Stop:
    """The line is closed: tell everybody."""


LineEffect = Dial | HangUp | Wait | Stop


_FALLBACK = ExponentialBackoff()


class Line:
    """Keeps the state of the line, and decides what follows from what happens to it."""

    def __init__(self, backoff: Backoff, random: Random, *, stable_after: float = 30.0) -> None:
        self.state: State = State.IDLE
        self.failures: int = 0
        """Failures in a row."""
        self.error: CableError | None = None
        """The last failure; in ``CLOSED`` the final one, ``None`` when the user closed it."""
        self.fault: Exception | None = None
        """What the backoff last failed with; the wait was that of the default one."""
        self._backoff = backoff
        self._random = random
        self._stable_after = stable_after
        self._doubts = 0
        self._up_since: float | None = None

    def open(self, now: float) -> list[LineEffect]:
        """The user wants the line up."""
        return self._step(Happening.OPEN, now)

    def welcomed(self, now: float) -> list[LineEffect]:
        """The server welcomed us."""
        return self._step(Happening.WELCOMED, now)

    def failed(self, error: CableError, now: float) -> list[LineEffect]:
        """A dial failed, or the line broke."""
        verdict = classify(error)
        self._doubts = self._doubts + 1 if verdict is Verdict.DOUBT else 0
        self.error = error
        final = verdict is Verdict.STOP or self._doubts >= DOUBTS
        return self._step(Happening.REFUSED if final else Happening.FAILED, now)

    def retry_due(self, now: float) -> list[LineEffect]:
        """The wait is over."""
        return self._step(Happening.RETRY_DUE, now)

    def close(self, now: float, error: CableError | None = None) -> list[LineEffect]:
        """The user wants the line down, or a limit of theirs has passed (*error*)."""
        if self.state is not State.CLOSED:
            self.error = error
        return self._step(Happening.CLOSE, now)

    def _step(self, happening: Happening, now: float) -> list[LineEffect]:
        transition = look_up(TABLE, self.state, happening)
        self.state = transition.target
        effects: list[LineEffect] = []
        for step in transition.actions:
            effect = self._perform(step, now)
            if effect is not None:
                effects.append(effect)
        return effects

    def _perform(self, step: Step, now: float) -> LineEffect | None:
        match step:
            case Step.START_SERIES:
                self.failures = self._doubts = 0
                self.error = None
                self._up_since = None
            case Step.SETTLE:
                self._up_since = now
                self._doubts = 0
            case Step.DIAL:
                return Dial(self.failures + 1)
            case Step.HANG_UP:
                return HangUp()
            case Step.STOP:
                return Stop()
            case Step.REST:
                return self._rest(now)
        return None

    def _rest(self, now: float) -> Wait:
        up_since, self._up_since = self._up_since, None
        if up_since is not None and now - up_since >= self._stable_after:
            self.failures = 0
        delay = self._delay()
        self.failures += 1
        return Wait(delay, self.failures + 1)

    def _delay(self) -> float:
        # A backoff of the user's own may fail, or answer nonsense: the line comes back all the same.
        try:
            delay = float(self._backoff.delay(self.failures, self._random))
        except Exception as error:  # noqa: BLE001 - told by whoever carries the wait out
            self.fault = error
            return _FALLBACK.delay(self.failures, self._random)
        if not 0 <= delay < float("inf"):
            self.fault = ValueError(f"the backoff gave {delay!r}, which is no wait")
            return _FALLBACK.delay(self.failures, self._random)
        return delay
