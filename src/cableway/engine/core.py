"""Feeds what happens to the machines, and carries out what they ask for.

Everything runs in callbacks and in one task a dial; there is no loop of its own that could die unseen.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any

from cableway.engine.carrier import RoundTrip
from cableway.engine.climbing import Climbing
from cableway.engine.credentials import Credentials
from cableway.engine.dials import Dials
from cableway.engine.farewell import Farewells, quiet
from cableway.engine.handover import HandOver
from cableway.engine.naming import ask_name
from cableway.engine.opening import Opening
from cableway.engine.overseer import STOOD_STILL, Overseer
from cableway.engine.resync import resync
from cableway.engine.sending import Outgoing, send_waiting
from cableway.engine.sessions import Sessions
from cableway.engine.vigilance import Vigilance
from cableway.engine.waiting import Waiting
from cableway.errors import CableError, MalformedFrame, NotConnected
from cableway.events import (
    CallbackFailed,
    Closed,
    Connected,
    Disconnected,
    RetryScheduled,
    ServerErrorReceived,
    ServerMisbehaved,
)
from cableway.hub.effects import Doubt, HubEffect, Name, PauseReading, Recycle, ResumeReading, Resync, Send
from cableway.hub.hub import Hub
from cableway.policies.classify import as_refusal
from cableway.policies.line import Dial, HangUp, Happening, LetGo, Line, LineEffect, Stop, Wait
from cableway.policies.oversight import SHORTEST_LOOK
from cableway.runtime import Home, new_random, until_done, wall_clock
from cableway.states import State
from cableway.telemetry.feed import EventFeed
from cableway.transports.chain import sends
from cableway.wire.codecs.json import JSONCodec
from cableway.wire.dialects.base import BaseDialect
from cableway.wire.frames import Confirm, Ping, Pong, ServerError

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from cableway.engine.carrier import Carrier, Noted
    from cableway.engine.settings import Settings
    from cableway.policies.monitors.base import LineFacts
    from cableway.wire.frames import Welcome


class Engine:
    """Runs one cable."""

    def __init__(self, settings: Settings) -> None:
        random = new_random()
        self.settings = settings
        self.home: Home = Home("the cable")
        self.feed: EventFeed = EventFeed("cable")
        self.line: Line = Line(settings.backoff, random)
        self.hub: Hub = Hub(JSONCodec(), BaseDialect(), random, settings.positions)
        self.hub.on_effects = self.settle
        self.hub.on_stray = self._stray
        self.waiting: Waiting = Waiting(self.home)
        self.farewells: Farewells = Farewells(self.home)
        self.overseer: Overseer = Overseer(self)
        self.vigilance: Vigilance = Vigilance(self)
        self.credentials: Credentials = Credentials(self)
        self.sessions: Sessions = Sessions()
        self.handover: HandOver = HandOver(self)
        self.climbing: Climbing = Climbing(self)
        self.opening: Opening = Opening(self)
        self.carrier: Carrier | None = None
        """The line that is up, or coming up."""
        self.calls: count[int] = count()
        """Numbers the calls that have to wait."""
        self.ready: list[Outgoing] = []
        """Those whose waiting calls can go."""
        self.dials: Dials = Dials(self, random)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._connected_before = False
        self._settling = False
        self._catching_up = False

    # For the user's side

    @property
    def at_rest(self) -> bool:
        """Whether nothing ties it to an event loop."""
        return self.line.state in (State.IDLE, State.CLOSED) and not self._tasks and not self.farewells.pending

    def enter(self) -> asyncio.AbstractEventLoop:
        """Return the running loop, after a check that it is the one the cable lives in; at rest it moves in."""
        return self.home.enter(at_rest=self.at_rest)

    async def give_up(self, error: CableError | None) -> None:
        """Drop the line, and dial no more."""
        if self.line.state is not State.CLOSED:
            self._hang_up()
            self.do(self.line.close(self.home.now(), error))
            await until_done(self._cancel_tasks())
            await self.farewells.cut_short()

    async def close(self, *, flush: bool, timeout: float) -> None:
        """Take the line down; see ``Cable.close``."""
        self.enter()
        try:
            if flush:
                await self._flush(timeout)
        except BaseException:
            await self.give_up(None)
            raise
        carrier, self.carrier = self.carrier, None
        now = self.home.now()
        if self.line.state is State.CONNECTED:
            self.dials.closed(now, good=self.line.is_good(now))
        if self.line.state is not State.CLOSED:
            self.do(self.line.close(now))
        tasks = self._cancel_tasks()
        try:
            if carrier is not None:
                await self.farewells.say(carrier, timeout)
            # Another call may still be saying goodbye.
            await until_done(tasks)
            await self.farewells.over(1.0)
        finally:
            await self.farewells.cut_short()
        if self.settings.policy is not None:
            await self.settings.policy.released()
        await self.credentials.released()
        self.hub.places.close(self.hub.wishes)
        await self.feed.settle(timeout)

    async def _flush(self, timeout: float) -> None:
        with suppress(TimeoutError, CableError):
            async with asyncio.timeout(timeout):
                carrier = self.carrier
                if carrier is not None and self.line.state is State.CONNECTED:
                    await carrier.drain(self.settings.write_timeout)
                    if carrier.precedence is not None:
                        await carrier.precedence.over()
                    await quiet(self, carrier)
                await self.farewells.over(timeout)

    @property
    def closed_error(self) -> CableError:
        """What to raise where a closed cable is used."""
        error = self.line.error or NotConnected("closed", "open it again with await cable.open()")
        # One failure is raised in many places: each begins its own story, or the traceback would grow for ever.
        return error.with_traceback(None)

    @property
    def up(self) -> Carrier:
        """The line that is up; ``NotConnected`` if there is none."""
        if self.carrier is None:
            raise NotConnected(self.line.state.value)
        return self.carrier

    def settle(self) -> None:
        """Carry out what the hub asks for, and set the timer anew."""
        if self._settling:
            return
        self._settling = True
        try:
            while effects := self.hub.drain():
                for effect in effects:
                    self._carry_out(effect)
            ready, self.ready = self.ready, []
            send_waiting(ready)
        finally:
            self._settling = False
        self.rearm()

    # What a carrier reports

    def welcomed(self, facts: LineFacts, welcome: Welcome) -> None:
        """The server welcomed us."""
        now, speech = self.home.now(), self.up.speech
        rung = self.up.rung
        effects = self.line.happen(Happening.WELCOMED, now)
        self.overseer.line_up(facts)
        self.dials.welcomed(now, extended=speech.dialect.extended)
        self.sessions.welcomed(welcome, extended=speech.dialect.extended)
        again, self._connected_before = self._connected_before, True
        transport = self.dials.transport.name
        self.feed.emit(Connected(again, transport, speech.name))
        self.climbing.stands(rung)
        self.hub.speak(speech.codec, speech.dialect, sends=sends(self.dials.transport))
        restored = welcome.restored_ids if welcome.restored else None
        self.hub.line_up(transport, now, protocol=speech.name, restored=restored, slack=facts.slack)
        self.do(effects)

    def broke(self, carrier: Carrier, error: CableError) -> None:
        """The line is of no more use."""
        if carrier is self.carrier:
            self.failed(error)

    def noted(self, news: Noted) -> None:
        """Take note of what is of no matter to a subscription alone."""
        match news:
            case Ping(message):
                self.credentials.beaten(message)
                self.hub.hear(news, self.home.now())
                self._beaten()
                self.overseer.beaten()
            case RoundTrip(server_time):
                if server_time is not None:
                    self.credentials.beaten(server_time)
                    self.hub.hear(Ping(server_time), self.home.now())
                self._beaten()
            case Confirm():
                self.line.confirmed()
            case Pong():
                self.overseer.vitals.answered(self.home.now())
                self.vigilance.answered()
            case ServerError(fields):
                self.feed.emit(ServerErrorReceived(fields))
            case MalformedFrame():
                self.feed.emit(ServerMisbehaved(news.rule))

    # Inside

    def _beaten(self) -> None:
        self.line.beaten()
        if self.line.is_good(self.home.now()):
            self.credentials.accepted()
            self.line.settled()
            self.dials.served()

    def do(self, effects: list[LineEffect]) -> None:
        """Carry out what the line asks for, and see to it that it is as it should be."""
        for effect in effects:
            match effect:
                case Dial(attempt):
                    self.carrier = self.dials.start(attempt)
                case HangUp():
                    self._hang_up()
                case LetGo():
                    self._let_go()
                case Wait(delay, attempt):
                    self._tell_wait(delay, attempt, lost=HangUp() in effects)
                case Stop():
                    self._stop()
        self.waiting.notify()
        self.overseer.look()

    def _tell_wait(self, delay: float, attempt: int, *, lost: bool) -> None:
        plan = self.line.plan
        fault, plan.fault = plan.fault, None
        if fault is not None:
            self.feed.emit(CallbackFailed("backoff", fault))
        if lost:
            self.feed.emit(Disconnected(self.line.error))
        self.feed.emit(RetryScheduled(delay, attempt, self.line.error))

    def _carry_out(self, effect: HubEffect) -> None:
        carrier = self.carrier
        match effect:
            case Send(command) if carrier is not None:
                carrier.send(command)
            case Name(wish, question) if wish.name_source is not None:
                _ = self.spawn(ask_name(self, wish, wish.name_source, question), "cableway-name")
            case Recycle(error) if carrier is not None:
                self.failed(error)
            case Doubt():
                self.vigilance.doubt()
            case Resync(handle):
                _ = self.spawn(resync(self, handle), "cableway-resync")
            case PauseReading() if carrier is not None:
                carrier.pause()
                self.handover.pause()
            case ResumeReading() if carrier is not None:
                self.handover.resume()
                now = self.home.now()
                self.overseer.oversight.tell(lambda monitor: monitor.interrupted(now))
                carrier.resume()

    def failed(self, error: CableError) -> None:
        """The dial has failed, or the line is of no more use."""
        now = self.home.now()
        error, renewable = self.credentials.judge(as_refusal(error))
        self.sessions.failed(error)
        self.dials.judge(error, now, was_up=self.line.state is State.CONNECTED, was_good=self.line.is_good(now))
        self.overseer.oversight.line_down(now)
        effects = self.line.failed(error, now, renewable=renewable, wall=wall_clock())
        self.hub.line_down(error, now)
        self.do(effects)
        self.settle()

    def _let_go(self) -> None:
        self.handover.abandon()
        carrier, self.carrier = self.carrier, None
        now = self.home.now()
        self.dials.let_go(now, well=self.line.failures == 0)
        self.overseer.oversight.line_down(now)
        self.hub.line_down(None, now)
        if carrier is not None:
            self.farewells.say_later(carrier, self.settings.write_timeout)
        self.feed.emit(Disconnected(None))
        self.settle()

    def _hang_up(self) -> None:
        self.handover.abandon()
        carrier, self.carrier = self.carrier, None
        if carrier is not None:
            carrier.drop()
        self.dials.drop()

    def _stop(self) -> None:
        self.sessions.forget()
        self.overseer.stop()
        self.credentials.stop()
        self.hub.line_down(self.line.error, self.home.now())
        self.hub.set_open(is_open=False)
        if self.home.settled:
            self.feed.emit(Closed(self.line.error), last=True)

    def _stray(self, frame: bytes, fault: MalformedFrame | None) -> None:
        if self.carrier is not None:
            self.carrier.stray(frame, fault)

    def spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run *coroutine* until the cable is closed."""
        task = self.home.loop.create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _cancel_tasks(self) -> list[asyncio.Task[Any]]:
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        return tasks

    def rearm(self) -> None:
        """Set the timer to the next thing that is due."""
        carrier = self.carrier.deadline if self.carrier is not None else None
        times = (self.overseer.deadline, self.vigilance.deadline, self.climbing.deadline, self.hub.deadline, carrier)
        due = min((time for time in times if time is not None), default=None)
        if self._timer is not None:
            # A timer that fires too early only looks again: cheaper than a new one for each frame that comes.
            if due is not None and self._timer.when() <= due:
                return
            self._timer.cancel()
            self._timer = None
        if due is not None and self.home.settled:
            self._timer = self.home.loop.call_at(max(due, self.home.now()), self._tick)

    def _tick(self) -> None:
        timer, self._timer = self._timer, None
        now = self.home.now()
        if timer is not None and now - timer.when() > STOOD_STILL and not self._catching_up:
            # The loop tells timers before it has looked for data again: the answer may long be here, unread.
            self._catching_up = True
            self._timer = self.home.loop.call_at(now + SHORTEST_LOOK, self._tick)
            return
        self._catching_up = False
        due = self.overseer.deadline
        if due is not None and due <= now:
            self.overseer.look(timely=True)
        router = self.hub.router
        router.jammed = self.line.state is State.CONNECTED and self.up.jammed
        self.vigilance.tick()
        self.climbing.tick()
        self.hub.tick(now)
        if self.carrier is not None:
            self.carrier.tick(now)
        self.settle()
