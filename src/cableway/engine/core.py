"""Feeds what happens to the machines, and carries out what they ask for.

Everything runs in callbacks and in one task a dial; there is no loop of its own that could die unseen.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from cableway.engine.carrier import Carrier
from cableway.engine.dialing import Dialer, Dialing, check_protocol, dial_failure
from cableway.engine.sending import Outgoing, send_waiting
from cableway.errors import CableError, ConnectTimeout, NotConnected
from cableway.events import (
    CallbackFailed,
    Closed,
    Connected,
    Connecting,
    Disconnected,
    NamingFailed,
    RetryScheduled,
    ServerErrorReceived,
    ServerMisbehaved,
)
from cableway.hub.effects import HubEffect, Name, PauseReading, Recycle, ResumeReading, Send
from cableway.hub.hub import Hub
from cableway.policies.classify import as_refusal
from cableway.policies.line import Dial, HangUp, Line, LineEffect, Stop, Wait
from cableway.redact import redact_url
from cableway.runtime import Home, new_random, resolve, until_done
from cableway.states import State
from cableway.telemetry.feed import EventFeed
from cableway.wire.codecs.json import JSONCodec
from cableway.wire.dialects.base import SUBPROTOCOL, BaseDialect

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping, Sequence

    from cableway.errors import MalformedFrame
    from cableway.hub.hub import NameSource
    from cableway.hub.wish import Wish
    from cableway.policies.backoff import Backoff
    from cableway.transports.base import Transport
    from cableway.types import Identifier

NAMING_TIMEOUT = 10.0


@frozen
class Settings:
    """What a cable was built with."""

    dialing: Dialing
    transports: Sequence[Transport]
    backoff: Backoff
    write_timeout: float = 10.0
    welcome_timeout: float = 10.0
    max_command_size: int | None = field(default=65536)


class Engine:
    """Runs one cable."""

    def __init__(self, settings: Settings) -> None:
        random = new_random()
        self.settings = settings
        self.home: Home = Home("the cable")
        self.feed: EventFeed = EventFeed("cable")
        self.line: Line = Line(settings.backoff, random)
        self.hub: Hub = Hub(JSONCodec(), BaseDialect(), random)
        self.hub.on_effects = self.settle
        self.hub.on_stray = self._stray
        self.carrier: Carrier | None = None
        """The line that is up, or coming up."""
        self.calls: count[int] = count()
        """Numbers the calls that have to wait."""
        self.ready: list[Outgoing] = []
        """Those whose waiting calls can go."""
        self._dialer = Dialer(settings.dialing, random)
        self._dialing: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._retry_at: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._waiters: set[asyncio.Future[None]] = set()
        self._openers = 0
        # Whether an open() has succeeded since the cable was last at rest.
        self._claimed = False
        self._goodbyes: set[asyncio.Future[None]] = set()
        self._connected_before = False
        self._settling = False

    # For the user's side

    @property
    def at_rest(self) -> bool:
        """Whether nothing ties it to an event loop."""
        return self.line.state in (State.IDLE, State.CLOSED) and not self._tasks

    def enter(self) -> asyncio.AbstractEventLoop:
        """Return the running loop, after a check that it is the one the cable lives in; at rest it moves in."""
        return self.home.enter(at_rest=self.at_rest)

    async def open(self, timeout: float | None) -> None:
        """Bring the line up; see ``Cable.open``."""
        self.enter()
        if self.line.state in (State.IDLE, State.CLOSED):
            self._claimed = False
            self.hub.set_open(is_open=True)
        self._do(self.line.open(self.home.now()))
        self._openers += 1
        try:
            await self._until_open(timeout)
            self._claimed = True
        except BaseException as error:
            # A line that another call has opened, or still waits for, is not this caller's to take down.
            if self._openers == 1 and not self._claimed:
                await self._give_up(error if isinstance(error, CableError) else None)
            raise
        finally:
            self._openers -= 1

    async def _until_open(self, timeout: float | None) -> None:
        limit = asyncio.timeout(timeout)
        try:
            async with limit:
                while self.line.state is not State.CONNECTED:
                    if self.line.state is State.CLOSED:
                        raise self.closed_error()
                    await self._change()
        except TimeoutError:
            if not limit.expired():
                raise
            last = self.line.error
            raise ConnectTimeout(self._dialer.address, timeout or 0, "no line came up", last) from last

    async def _give_up(self, error: CableError | None) -> None:
        if self.line.state is not State.CLOSED:
            self._hang_up()
            self._do(self.line.close(self.home.now(), error))
            await until_done(self._cancel_tasks())

    async def close(self, *, flush: bool, timeout: float) -> None:
        """Take the line down; see ``Cable.close``."""
        self.enter()
        carrier = self.carrier
        try:
            if flush:
                await self._flush(timeout)
        except BaseException:
            await self._give_up(None)
            raise
        carrier, self.carrier = self.carrier, None
        if self.line.state is not State.CLOSED:
            self._do(self.line.close(self.home.now()))
        tasks = self._cancel_tasks()
        if carrier is not None:
            await self._say_goodbye(carrier, min(timeout, 1.0))
        # Another call may still be saying goodbye.
        await until_done([*tasks, *self._goodbyes])
        await self.feed.settle(timeout)

    async def _say_goodbye(self, carrier: Carrier, timeout: float) -> None:
        self._goodbyes.add(goodbye := self.home.loop.create_future())
        try:
            await carrier.close(timeout)
        finally:
            carrier.drop()
            self._goodbyes.discard(goodbye)
            goodbye.set_result(None)

    async def _change(self) -> None:
        """Wait for the next change of the cable's state. Cancelling it has no effect but that."""
        waiter = self.home.loop.create_future()
        self._waiters.add(waiter)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)

    def closed_error(self) -> CableError:
        """Return what to raise where a closed cable is used."""
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
        self._rearm()

    # What a carrier reports

    def welcomed(self) -> None:
        """The server welcomed us."""
        now = self.home.now()
        self._do(self.line.welcomed(now))
        again, self._connected_before = self._connected_before, True
        transport = self.settings.transports[0].name
        self.feed.emit(Connected(again, transport, SUBPROTOCOL))
        self.hub.line_up(transport, SUBPROTOCOL, now)
        self._notify()

    def broke(self, carrier: Carrier, error: CableError) -> None:
        """The line is of no more use."""
        if carrier is self.carrier:
            self._failed(error)

    def told(self, fields: Mapping[str, Any]) -> None:
        """The server sent an error frame."""
        self.feed.emit(ServerErrorReceived(fields))

    def misbehaved(self, fault: MalformedFrame) -> None:
        """An episode of malformed frames began."""
        self.feed.emit(ServerMisbehaved(fault.rule))

    # Inside

    def _do(self, effects: list[LineEffect]) -> None:
        for effect in effects:
            match effect:
                case Dial(attempt):
                    self._retry_at = None
                    self._start_dial(attempt)
                case HangUp():
                    self._hang_up()
                case Wait(delay, attempt):
                    self._retry_at = self.home.now() + delay
                    self._tell_backoff_fault()
                    self.feed.emit(Disconnected(self.line.error))
                    self.feed.emit(RetryScheduled(delay, attempt, self.line.error))
                case Stop():
                    self._stop()
        self._notify()
        self._rearm()

    def _tell_backoff_fault(self) -> None:
        fault, self.line.fault = self.line.fault, None
        if fault is not None:
            self.feed.emit(CallbackFailed("backoff", fault))

    def _carry_out(self, effect: HubEffect) -> None:
        carrier = self.carrier
        match effect:
            case Send(command) if carrier is not None:
                carrier.send(command)
            case Name(wish, question) if wish.name_source is not None:
                _ = self._spawn(self._name(wish, wish.name_source, question), "cableway-name")
            case Recycle(error) if carrier is not None:
                self._failed(error)
            case PauseReading() if carrier is not None:
                carrier.pause()
            case ResumeReading() if carrier is not None:
                carrier.resume()

    def _start_dial(self, attempt: int) -> None:
        self.feed.emit(Connecting(attempt, redact_url(self._dialer.address)))
        carrier = Carrier(self, self.hub, JSONCodec(), BaseDialect(), self.home.now)
        self.carrier = carrier
        self._dialing = self._spawn(self._dial(carrier), "cableway-dial")

    async def _dial(self, carrier: Carrier) -> None:
        address = self._dialer.address
        try:
            request = await self._dialer.request()
            address = request.url
            if carrier is not self.carrier:
                return
            connection = await self.settings.transports[0].open(request, carrier)
            if carrier is not self.carrier:
                connection.abort()
                return
            check_protocol(connection, address)
            carrier.attach(connection, address, self.settings.welcome_timeout)
            self._rearm()
        except CableError as error:
            self.broke(carrier, error)
        except asyncio.CancelledError as error:
            # If we had cancelled it, this would not be the line that counts: a function of the user's, or a transport,
            # cancelled itself, and the next dial is due all the same.
            self.broke(carrier, dial_failure(address, error))
            raise
        except Exception as error:  # noqa: BLE001 - a transport of the user's own may raise anything; the cable lives on
            self.broke(carrier, dial_failure(address, error))

    def _failed(self, error: CableError) -> None:
        if self.line.state is State.CONNECTING:
            self._dialer.failed()
        error = as_refusal(error)
        now = self.home.now()
        effects = self.line.failed(error, now)
        self.hub.line_down(error, now)
        self._do(effects)
        self.settle()

    def _hang_up(self) -> None:
        carrier, self.carrier = self.carrier, None
        if carrier is not None:
            carrier.drop()
        if self._dialing is not None and self._dialing is not asyncio.current_task(self.home.loop):
            self._dialing.cancel()
        self._dialing = None

    def _stop(self) -> None:
        self._retry_at = None
        self.hub.line_down(self.line.error, self.home.now())
        self.hub.set_open(is_open=False)
        if self.home.settled:
            self.feed.emit(Closed(self.line.error), last=True)

    async def _flush(self, timeout: float) -> None:
        carrier = self.carrier
        if carrier is None or self.line.state is not State.CONNECTED:
            return
        with suppress(TimeoutError, CableError):
            async with asyncio.timeout(timeout):
                await carrier.flush(self.settings.write_timeout)

    async def _name(self, wish: Wish, source: NameSource, question: int) -> None:
        try:
            async with asyncio.timeout(NAMING_TIMEOUT):
                identifier = await resolve(source())
        except asyncio.CancelledError:
            # Nobody waits for the name any more, or the function cancelled itself: then it is asked again later.
            self._named(wish, None, question)
            raise
        except Exception as error:  # noqa: BLE001 - the user's function; it is told, and asked again later
            for handle in list(wish.handles):
                handle.tell(NamingFailed(error))
            identifier = None
        self._named(wish, identifier, question)

    def _named(self, wish: Wish, identifier: Identifier | None, question: int) -> None:
        if question == wish.naming:
            self.hub.named(wish, identifier, self.home.now())
        self.settle()

    def _stray(self, frame: bytes, fault: MalformedFrame | None) -> None:
        if self.carrier is not None:
            self.carrier.stray(frame, fault)

    def _spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = self.home.loop.create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _cancel_tasks(self) -> list[asyncio.Task[Any]]:
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        return tasks

    def _notify(self) -> None:
        for waiter in [waiter for waiter in self._waiters if not waiter.done()]:
            waiter.set_result(None)

    def _rearm(self) -> None:
        times = (self._retry_at, self.hub.deadline, self.carrier.deadline if self.carrier is not None else None)
        due = min((time for time in times if time is not None), default=None)
        if self._timer is not None:
            # A timer that fires too early only looks again: cheaper than a new one for each frame that comes.
            if due is not None and self._timer.when() <= due:
                return
            self._timer.cancel()
            self._timer = None
        if due is not None and self.home.settled:
            self._timer = self.home.loop.call_at(due, self._tick)

    def _tick(self) -> None:
        self._timer = None
        now = self.home.now()
        if self._retry_at is not None and self._retry_at <= now:
            self._retry_at = None
            self._do(self.line.retry_due(now))
        self.hub.tick(now)
        if self.carrier is not None:
            self.carrier.tick(now)
        self.settle()
