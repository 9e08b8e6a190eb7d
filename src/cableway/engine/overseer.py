"""Carries out what the monitor, the user's gate and ``pause()`` say together; hears of demand and of the host."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import TYPE_CHECKING

from cableway.errors import LineClosed, LineStale
from cableway.events import CallbackFailed, Demanded, Dormant
from cableway.host.network import is_ours
from cableway.policies.energy import EnergyAccountant
from cableway.policies.line import Happening
from cableway.policies.oversight import SHORTEST_LOOK, Order, Oversight, Scene
from cableway.policies.vitals import Vitals
from cableway.runtime import resolve
from cableway.states import State
from cableway.wire.commands import Probe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cableway.engine.core import Engine
    from cableway.host.watch import HostChange
    from cableway.policies.backoff import Backoff
    from cableway.policies.energy import EnergyFigures
    from cableway.policies.monitors.base import LineFacts, Monitor
    from cableway.policies.remote import Policy

ORDERS = 8
"""Orders carried out at a time: a monitor that changes its mind with each look must not keep the loop busy."""

GATE_TIMEOUT = 10.0

STOOD_STILL = 1.0
"""Seconds. What was due so long ago, and did not happen, tells that the process was suspended, or its loop blocked."""

SETTLING = 5.0
"""Seconds that a line which nobody needs stays for the server to answer for the subscriptions."""

LOOK_AGAIN = 0.1
"""Seconds between looks at whether it has."""


class Overseer:
    """Sees to it that the line of one cable is up when it should be, and only then."""

    def __init__(self, engine: Engine) -> None:
        self.oversight: Oversight = Oversight(engine.settings.monitor, gated=engine.settings.gate is not None)
        self.vitals: Vitals = Vitals()
        self.backoff: Backoff = engine.settings.backoff
        """The user's own, whatever a policy says."""
        radio = engine.settings.radio
        self._accountant = None if radio is None else EnergyAccountant(radio)
        self._engine = engine
        self._looking = False
        self._up_at = 0.0
        self._doubted_at = float("-inf")
        self._leaving = ExitStack()
        self._question: asyncio.Task[None] | None = None
        # What the last policy had to say to a monitor.
        self._numbers: Mapping[str, float] = {}

    @property
    def energy(self) -> EnergyFigures | None:
        """What the radio has spent so far; ``None`` where nobody asked for it."""
        return None if self._accountant is None else self._accountant.figures(self._engine.home.now())

    def moved(self) -> None:
        """Something was sent or received."""
        if self._accountant is not None:
            self._accountant.transfer(self._engine.home.now())

    @property
    def patient(self) -> bool:
        """Whether ``open()`` does not wait for the line."""
        return not self.oversight.trait("dials_at_once", default=True)

    @property
    def wakeable(self) -> bool:
        """Whether a command wakes a line that is down."""
        return self.oversight.trait("perform_wakes", default=False) and not self.oversight.paused

    @property
    def held_back(self) -> str:
        """Why there may be no line at the moment, in words to be added to a text; empty if nothing is in the way."""
        if self.oversight.paused:
            return " (the cable is paused: call resume())"
        if self.oversight.broken is not None:
            return (
                f" (the monitor failed with {type(self.oversight.broken).__name__}: is its super().__init__() called?)"
            )
        return " (the gate= function says no)" if self.oversight.gate_is_shut else ""

    @property
    def params(self) -> Mapping[str, str]:
        """Query parameters that the monitor dials with; none where it fails to tell, which is told."""
        params = self.oversight.params()
        self._tell_fault()
        return params

    @property
    def deadline(self) -> float | None:
        """When :meth:`look` has something to do."""
        line = self._engine.line
        times = (self.oversight.due, None if self.oversight.asking else line.retry_at)
        return min((time for time in times if time is not None), default=None)

    def look(self, *, timely: bool = False) -> None:
        """Do what is due about the line; *timely* if the event loop has just looked for data, as before a timer."""
        if self._looking:
            return
        self._looking = True
        try:
            for _ in range(ORDERS):
                now = self._engine.home.now()
                order = self.oversight.order(self._scene(now), now)
                self._tell_fault()
                if order is None:
                    return
                if order is Order.DROP and not timely:
                    # Who asks may have blocked the loop until now, and a beat lie there unread.
                    self.oversight.due = now
                    return
                self._carry_out(order, now)
                if order is Order.PROBE:
                    return
            self.oversight.due = self._engine.home.now() + SHORTEST_LOOK
        finally:
            self._looking = False
            self._engine.rearm()

    def start(self) -> None:
        """The cable was opened: watch the host, and hear of new policies."""
        self._leave()
        engine = self._engine
        watch = engine.settings.watch(engine.home.loop)
        watch.listen(self._host_changed)
        self._leaving.callback(watch.ignore, self._host_changed)
        if engine.settings.policy is not None:
            try:
                ended = engine.settings.policy.attach(self._apply, lambda: engine.line.wanted)
            except BaseException:
                self._leave()
                raise
            self._leaving.callback(ended)

    def stop(self) -> None:
        """The cable was closed."""
        self._leave()
        self.oversight.line_down(self._engine.home.now())
        self._question = None
        self.oversight.forget_gate()

    # What users do

    def demand(self, reason: str, *, hold: bool = False) -> None:
        """Somebody needs the line; with *hold* until :meth:`release`."""
        if self._engine.line.state is State.DORMANT:
            self._engine.feed.emit(Demanded(reason))
        self.oversight.ask_anew()
        self.oversight.demand(self._engine.home.now(), hold=hold)
        self.look()

    def release(self) -> None:
        """One who held the line needs it no more."""
        self.oversight.release(self._engine.home.now())
        self.look()

    def rest(self) -> None:
        """Forget the demands that nobody holds."""
        now = self._engine.home.now()
        self.oversight.tell(lambda monitor: monitor.rest(now))
        self.look()

    def pause(self, *, paused: bool) -> None:
        """Have no line, whatever the monitor wants; or have one again."""
        self.oversight.paused = paused
        self.oversight.ask_anew()
        self.look()

    def replace_backoff(self, backoff: Backoff) -> None:
        """Go on with another backoff."""
        self.backoff = backoff
        self._engine.do(self._engine.line.replace_backoff(backoff, self._engine.home.now()))

    def replace(self, monitor: Monitor) -> None:
        """Go on with another monitor."""
        self.oversight.replace(monitor, self._engine.home.now())
        if self._numbers:
            self.oversight.tell(lambda monitor: monitor.tune(self._numbers))
        self.look()

    # What happens to the line

    def line_up(self, facts: LineFacts) -> None:
        """The server has welcomed us."""
        self._up_at = self._engine.home.now()
        self.vitals.line_up()
        self._engine.vigilance.line_up(facts)
        self.oversight.line_up(facts, self._engine.home.now())

    def beaten(self) -> None:
        """The server beat."""
        now = self._engine.home.now()
        self.vitals.beaten(now)
        if self.oversight.due is not None and now - self.oversight.due > STOOD_STILL:
            # Nobody was here to look at the line: the gap since the last beat is ours.
            self.oversight.tell(lambda monitor: monitor.interrupted(now))
        self.oversight.tell(lambda monitor: monitor.pinged(now))
        # The beat that was learned may shorten what silence is allowed.
        self.look()

    # Inside

    def _scene(self, now: float) -> Scene:
        line, carrier = self._engine.line, self._engine.carrier
        if line.state is not State.CONNECTED or carrier is None:
            return Scene(line.state, line.retry_at)
        return Scene(line.state, None, min(carrier.heard, now), max(carrier.quiet_at, self._settled_at(now)))

    def _settled_at(self, now: float) -> float:
        # Who wakes for a moment would be gone before the server could answer for a single subscription.
        if self._engine.hub.settled or now >= self._up_at + SETTLING:
            return now
        return min(now + LOOK_AGAIN, self._up_at + SETTLING)

    def _carry_out(self, order: Order, now: float) -> None:
        engine = self._engine
        match order:
            case Order.WANT:
                if engine.settings.policy is not None:
                    engine.settings.policy.nudge()
                engine.do(engine.line.happen(Happening.WANTED, now))
                engine.credentials.nudge()
            case Order.RETRY:
                engine.do(engine.line.happen(Happening.RETRY_DUE, now))
            case Order.LET_GO:
                engine.do(engine.line.happen(Happening.UNWANTED, now))
                # Calls that wait for a line that was still coming up hear that there will be none.
                engine.hub.line_down(engine.line.error, now)
                engine.feed.emit(Dormant())
                engine.credentials.nudge()
            case Order.ASK_GATE:
                self._question = engine.spawn(self._ask_gate(), "cableway-gate")
            case Order.PROBE:
                self.vitals.asked(now)
                engine.up.send(Probe())
            case Order.DROP:
                self._drop(engine.up.heard, now)

    def _drop(self, heard: float, now: float) -> None:
        self._engine.failed(LineStale(now - heard))
        # What came in the same moment was on its way already.
        if min(heard, now - SHORTEST_LOOK) <= self._doubted_at:
            self._hasten(now)

    def _hasten(self, now: float) -> None:
        # What the host's own news ended is dialled anew as after any news of its: without a long wait.
        if self._engine.line.state is State.DISCONNECTED:
            self._engine.do(self._engine.line.happen(Happening.NUDGED, now))

    async def _ask_gate(self) -> None:
        ask = self._engine.settings.gate
        yes = False
        try:
            async with asyncio.timeout(GATE_TIMEOUT):
                yes = ask is None or bool(await resolve(ask()))
        except asyncio.CancelledError:
            # Unless the cable was closed, the function has cancelled itself: it is asked again later.
            self._answered(yes=False)
            raise
        except Exception as error:  # noqa: BLE001 - the user's function; it is told, and taken for a no
            self._engine.feed.emit(CallbackFailed("gate", error))
        self._answered(yes=yes)

    def _answered(self, *, yes: bool) -> None:
        # A cable that was closed and opened meanwhile has asked anew.
        if asyncio.current_task() is self._question:
            self._question = None
            self.oversight.gate_said(yes, self._engine.home.now())
            self.look()

    def _tell_fault(self) -> None:
        fault, self.oversight.fault = self.oversight.fault, None
        if fault is not None:
            self._engine.feed.emit(CallbackFailed("monitor", fault))

    def _is_cut_off(self) -> bool:
        """Tell whether the line cannot have survived: nothing that is sent to its address reaches us any more."""
        carrier = self._engine.carrier
        if self._engine.line.state is not State.CONNECTED or carrier is None:
            return False
        address = getattr(carrier.connection, "local_address", None)
        return address is not None and not is_ours(address)

    def _leave(self) -> None:
        leaving, self._leaving = self._leaving, ExitStack()
        leaving.close()

    def _apply(self, policy: Policy) -> None:
        engine = self._engine
        # Each policy stands alone: what it does not set is the user's own again.
        engine.do(engine.line.replace_backoff(policy.backoff or self.backoff, engine.home.now()))
        self._numbers = policy.monitor
        self.oversight.tell(lambda monitor: monitor.tune(policy.monitor))
        if engine.settings.dial_gate is not None:
            engine.settings.dial_gate.override(policy.dial_gate)
        self.look()

    def _host_changed(self, change: HostChange) -> None:
        engine, now = self._engine, self._engine.home.now()
        facts = self.oversight.facts
        certain = change.slept > 0 or change.network
        if change.slept > 0:
            engine.credentials.slept(change.slept)
        self.oversight.ask_anew()
        # Where only the wall clock jumped, the server may be asked, but no line is lost for it.
        if certain or (facts is not None and facts.probes):
            self.oversight.tell(lambda monitor: monitor.suspect(now, change.slept))
        if certain:
            self._doubted_at = now
        if change.network:
            engine.dials.ladder.moved(now)
        if change.network and self._is_cut_off():
            engine.failed(LineClosed(None, "this machine has not the address any more from which it was opened"))
            self._hasten(now)
        elif certain:
            engine.do(engine.line.happen(Happening.NUDGED, now))
        self.look(timely=True)
