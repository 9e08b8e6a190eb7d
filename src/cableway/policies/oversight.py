"""Whether the line should be up now: what the monitor, the user's own gate and ``pause()`` say together.

Rule 1: the line is wanted while the monitor wants it, nobody has paused the cable, and the gate lets the dial pass.
Rule 2: the gate is asked before each dial. While it says no the cable is dormant, and asks again every few seconds.
Rule 3: a line is let go only once the last command has had the time to be run.
Rule 4: a monitor that fails changes nothing: what it last wanted counts, and it is asked again soon.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from cableway.policies.monitors.base import Check, LineFacts, Look
from cableway.states import State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cableway.policies.monitors.base import Monitor

GATE_EVERY = 5.0
"""Seconds after which a gate that said no is asked again."""

SHORTEST_LOOK = 0.05
"""Seconds between two looks, at least: a monitor that always says "now" must not keep the processor busy."""

AFTER_FAULT = 5.0


class Order(Enum):
    """What is to be done about the line."""

    WANT = "dial"
    RETRY = "dial again"
    LET_GO = "let it go"
    ASK_GATE = "ask the gate"
    PROBE = "ask the server for a sign of life"
    DROP = "drop it as dead"


@frozen
class Scene:
    """How things are with the line at the moment."""

    state: State
    retry_at: float | None = None
    """When the next dial is due, while one is waited for."""
    heard: float | None = None
    """When something last came over the line that is up; the present while we do not read ourselves."""
    quiet_at: float = float("-inf")
    """When the last command has had the time to be run."""


@define
class Oversight:
    """Turns looks of the monitor into orders."""

    monitor: Monitor
    gated: bool = False
    """Whether there is a gate to be asked."""
    paused: bool = False
    holds: int = field(default=0, init=False)
    """How many hold the line at the moment."""
    due: float | None = field(default=None, init=False)
    """When to ask for orders again, at the latest."""
    fault: Exception | None = field(default=None, init=False)
    """What the monitor failed with, for whoever tells it."""
    broken: Exception | None = field(default=None, init=False)
    """What the monitor's last look failed with; ``None`` if it did not."""
    facts: LineFacts | None = field(default=None, init=False)
    """What is known of the line, while it is up."""
    wanted: bool = field(default=False, init=False)
    """Whether the monitor wanted a line when it was last asked."""
    asking: bool = field(default=False, init=False)
    """Whether the gate is being asked."""
    _granted: bool = field(default=False, init=False)
    _ask_at: float = field(default=float("-inf"), init=False)

    @property
    def gate_is_shut(self) -> bool:
        """Whether the gate said no the last time it was asked."""
        return self.gated and not self._granted and self._ask_at > float("-inf")

    def order(self, scene: Scene, now: float) -> Order | None:
        """Return the next thing to do, ``None`` if all is as it should be until :attr:`due`."""
        self.due = None
        if scene.state in (State.IDLE, State.CLOSED):
            return None
        look = self._look(scene, now)
        self._again(look.again, now)
        self.wanted = look.up
        if not (look.up and not self.paused):
            return self._let_go(scene, now)
        retry_due = scene.state is State.DISCONNECTED and scene.retry_at is not None and scene.retry_at <= now
        if scene.state is State.DORMANT or retry_due:
            return self._dial(scene, now)
        if scene.state is State.CONNECTED:
            return {Check.PROBE: Order.PROBE, Check.DEAD: Order.DROP}.get(look.check)
        return None

    def line_up(self, facts: LineFacts, now: float) -> None:
        """The server has welcomed us."""
        self.facts = facts
        self.tell(lambda monitor: monitor.line_up(facts, now))

    def line_down(self, now: float) -> None:
        """The line is gone."""
        if self.facts is not None:
            self.facts = None
            self.tell(lambda monitor: monitor.line_down(now))

    def demand(self, now: float, *, hold: bool) -> None:
        """Somebody needs the line."""
        self.holds += hold
        self.tell(lambda monitor: monitor.demand(now, hold=hold))

    def release(self, now: float) -> None:
        """One who held the line needs it no more."""
        self.holds -= 1
        self.tell(lambda monitor: monitor.release(now))

    def replace(self, successor: Monitor, now: float) -> None:
        """Go on with another monitor, which hears of the line that is up and of those who hold it."""
        if self.facts is not None:
            self.tell(lambda monitor: monitor.line_down(now))
        for _ in range(self.holds):
            # It may come back: then those who have left meanwhile must not hold the line for ever.
            self.tell(lambda monitor: monitor.release(now))
        self.monitor = successor
        for _ in range(self.holds):
            self.tell(lambda monitor: monitor.demand(now, hold=True))
        if (facts := self.facts) is not None:
            self.tell(lambda monitor: monitor.line_up(facts, now))

    def gate_said(self, yes: bool, now: float) -> None:  # noqa: FBT001 - the answer
        """The gate has answered."""
        self.asking = False
        self._granted = yes
        self._ask_at = float("-inf") if yes else now + GATE_EVERY

    def ask_anew(self) -> None:
        """Something has happened that may have changed the gate's mind: do not wait until it would be asked again."""
        self._ask_at = float("-inf")

    def params(self) -> Mapping[str, str]:
        """Return the query parameters that the monitor dials with."""
        try:
            return dict(self.monitor.params)
        except Exception as error:  # noqa: BLE001 - as below
            self.fault = error
            return {}

    def forget_gate(self) -> None:
        """What the gate said, or was asked, is of no use any more."""
        self.asking = self._granted = False
        self._ask_at = float("-inf")

    def _let_go(self, scene: Scene, now: float) -> Order | None:
        self._granted = False
        if scene.state is State.DORMANT:
            return None
        if scene.state is State.CONNECTED and now < scene.quiet_at:
            self._again(scene.quiet_at, now)
            return None
        return Order.LET_GO

    def _dial(self, scene: Scene, now: float) -> Order | None:
        if not self.gated or self._granted:
            self._granted = False
            return Order.WANT if scene.state is State.DORMANT else Order.RETRY
        if self.asking:
            return None
        if now < self._ask_at:
            self._again(self._ask_at, now)
            return Order.LET_GO if scene.state is State.DISCONNECTED else None
        self.asking = True
        return Order.ASK_GATE

    def _again(self, at: float | None, now: float) -> None:
        if at is not None:
            at = max(at, now + SHORTEST_LOOK)
            self.due = at if self.due is None else min(self.due, at)

    def _look(self, scene: Scene, now: float) -> Look:
        try:
            if scene.heard is not None:
                self.monitor.heard(scene.heard)
            look = _checked(self.monitor.look(now))
        except Exception as error:  # noqa: BLE001 - the user's code; told by whoever carries the orders out
            self.fault = self.broken = error
            return Look(up=self.wanted, again=now + AFTER_FAULT)
        self.broken = None
        return look

    def trait(self, name: str, *, default: bool) -> bool:
        """Ask the monitor for one of its traits, such as ``perform_wakes``."""
        try:
            return bool(getattr(self.monitor, name))
        except Exception as error:  # noqa: BLE001 - as above
            self.fault = error
            return default

    def tell(self, call: Callable[[Monitor], None]) -> None:
        """Have the monitor hear of something."""
        try:
            call(self.monitor)
        except Exception as error:  # noqa: BLE001 - as above
            self.fault = error


def _checked(look: object) -> Look:
    if not isinstance(look, Look):
        msg = f"look() gave {look!r}: give a Look, such as Look(up=True)"
        raise TypeError(msg)
    # Not a number compares with nothing: a timer that is set to it upsets all others of the loop.
    if look.again is not None and not abs(look.again) >= 0:
        msg = f"look() gave again={look.again!r}: give a time on the clock of now, or None"
        raise ValueError(msg)
    return look
