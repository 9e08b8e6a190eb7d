"""Feeds what happens to the machines, and carries out what they ask for.

Everything runs in callbacks and in one task a dial; there is no loop of its own that could die unseen.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from cableway.engine.carrier import Carrier
from cableway.engine.dialing import Dialer, Dialing
from cableway.errors import (
    CableError,
    ConnectError,
    ConnectTimeout,
    MalformedFrame,
    NotConnected,
    UnsupportedProtocol,
)
from cableway.events import (
    Closed,
    Connected,
    Connecting,
    Disconnected,
    NamingFailed,
    RetryScheduled,
    ServerErrorReceived,
    ServerMisbehaved,
)
from cableway.hub.driver import QUIET
from cableway.hub.effects import HubEffect, Name, PauseReading, Recycle, ResumeReading, Send
from cableway.hub.hub import Hub
from cableway.policies.classify import as_refusal
from cableway.policies.line import Dial, HangUp, Line, LineEffect, Stop, Wait
from cableway.redact import redact_url
from cableway.runtime import Home, new_random, resolve
from cableway.states import State
from cableway.telemetry.feed import EventFeed
from cableway.wire.codecs.json import JSONCodec
from cableway.wire.commands import Perform
from cableway.wire.dialects.base import SUBPROTOCOL, UNSUPPORTED, BaseDialect

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping, Sequence

    from cableway.hub.wish import Wish
    from cableway.policies.backoff import Backoff
    from cableway.transports.base import Connection, Transport

OFFERED = (SUBPROTOCOL, UNSUPPORTED)
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
        self.home = Home("the cable")
        self.feed = EventFeed("cable")
        self.line = Line(settings.backoff, random)
        self.hub = Hub(JSONCodec(), BaseDialect(), random)
        self.hub.on_effects = self.settle
        self.hub.on_stray = self._stray
        self.carrier: Carrier | None = None
        """The line that is up, or coming up."""
        self._dialer = Dialer(settings.dialing, random)
        self._dialing: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._retry_at: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._waiters: set[asyncio.Future[None]] = set()
        self._openers = 0
        self._connected_before = False
        self._settling = False

    # For the user's side

    async def open(self, timeout: float | None) -> None:
        """Bring the line up; see ``Cable.open``."""
        at_rest = self.line.state in (State.IDLE, State.CLOSED) and not self._tasks
        self.home.enter(at_rest=at_rest)
        starts = self.line.state in (State.IDLE, State.CLOSED)
        if self.line.state is State.CLOSED:
            self.hub.set_open(is_open=True)
        self._do(self.line.open(self.home.now()))
        self._openers += 1
        try:
            async with asyncio.timeout(timeout):
                await self._until_open()
        except BaseException as error:
            # A line that was up before this call, or that others wait for, is not this caller's to take down.
            mine = starts and self._openers == 1
            if isinstance(error, TimeoutError):
                error = ConnectTimeout(self._dialer.address, timeout or 0, "no line came up", self.line.error)
            if mine and self.line.state is not State.CLOSED:
                self._do(self.line.close(self.home.now(), error if isinstance(error, CableError) else None))
                await self._finish_tasks()
            raise error
        finally:
            self._openers -= 1

    async def _until_open(self) -> None:
        while self.line.state is not State.CONNECTED:
            if self.line.state is State.CLOSED:
                raise self.closed_error()
            await self.change()

    async def close(self, *, flush: bool, timeout: float) -> None:
        """Take the line down; see ``Cable.close``."""
        if self.line.state is State.IDLE and not self.home.settled:
            self._do(self.line.close(0.0))
            return
        self.home.enter(at_rest=self.line.state in (State.IDLE, State.CLOSED) and not self._tasks)
        try:
            async with asyncio.timeout(timeout):
                if flush:
                    await self._flush()
        except TimeoutError:
            pass
        finally:
            carrier, self.carrier = self.carrier, None
            if self.line.state is not State.CLOSED:
                self._do(self.line.close(self.home.now()))
            try:
                if carrier is not None:
                    await carrier.close(min(timeout, 1.0))
            finally:
                if carrier is not None:
                    carrier.drop()
                await self._finish_tasks()
        await self.feed.settle(timeout)

    async def change(self) -> None:
        """Wait for the next change of the cable's state. Cancelling it has no effect but that."""
        waiter = self.home.loop.create_future()
        self._waiters.add(waiter)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)

    def closed_error(self) -> CableError:
        """Return what to raise where a closed cable is used."""
        return self.line.error or NotConnected("closed", "open it again with await cable.open()")

    def write(self, wish: Wish, data: str) -> None:
        """Write a message command with *data* for the channel of *wish*, on the line that is up."""
        assert self.carrier is not None
        self.carrier.last_command = wish.last_command = self.home.now()
        self.carrier.send(Perform(wish.identifier or "", data))

    async def drain(self) -> None:
        """Wait until the line takes more data; a line that does not for ``write_timeout`` is dropped as stale."""
        if self.carrier is not None:
            await self.carrier.drain(self.settings.write_timeout)

    def settle(self) -> None:
        """Carry out what the hub asks for, and set the timer anew."""
        if self._settling:
            return
        self._settling = True
        try:
            while effects := self.hub.drain():
                for effect in effects:
                    self._carry_out(effect)
        finally:
            self._settling = False
        self._rearm()

    # What a carrier reports

    def welcomed(self) -> None:
        """The server welcomed us."""
        carrier = self.carrier
        assert carrier is not None
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
                    self.feed.emit(Disconnected(self.line.error))
                    self.feed.emit(RetryScheduled(delay, attempt, self.line.error))
                case Stop():
                    self._stop()
        self._notify()
        self._rearm()

    def _carry_out(self, effect: HubEffect) -> None:
        carrier = self.carrier
        match effect:
            case Send(command) if carrier is not None:
                carrier.send(command)
            case Name(wish):
                _ = self._spawn(self._name(wish), "cableway-name")
            case Recycle(error) if carrier is not None:
                self._failed(error)
            case PauseReading() if carrier is not None:
                carrier.connection.pause()
            case ResumeReading() if carrier is not None:
                carrier.connection.resume()

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
            connection = await self.settings.transports[0].open(request, carrier)
            if carrier is not self.carrier:
                connection.abort()
                return
            self._check_protocol(connection, address)
            carrier.attach(connection, address, self.settings.welcome_timeout)
            self._rearm()
        except CableError as error:
            self._dial_failed(carrier, error)
        except Exception as error:  # noqa: BLE001 - a transport of the user's own may raise anything; the cable lives on
            failure = ConnectError(address, f"the transport failed with {type(error).__name__}")
            failure.__cause__ = error
            self._dial_failed(carrier, failure)

    def _check_protocol(self, connection: Connection, address: str) -> None:
        selected = connection.subprotocol
        if selected not in (None, SUBPROTOCOL):
            connection.abort()
            raise UnsupportedProtocol(address, selected, OFFERED)

    def _dial_failed(self, carrier: Carrier, error: CableError) -> None:
        if carrier is self.carrier:
            self._dialer.failed()
            self._failed(error)

    def _failed(self, error: CableError) -> None:
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

    async def _flush(self) -> None:
        carrier = self.carrier
        if carrier is None or self.line.state is not State.CONNECTED:
            return
        await self.drain()
        while (rest := carrier.last_command + QUIET - self.home.now()) > 0 and carrier is self.carrier:
            await asyncio.sleep(rest)

    async def _name(self, wish: Wish) -> None:
        assert wish.name_source is not None
        try:
            async with asyncio.timeout(NAMING_TIMEOUT):
                identifier = await resolve(wish.name_source())
        except Exception as error:  # noqa: BLE001 - the user's function; it is told, and asked again later
            for handle in list(wish.handles):
                handle.tell(NamingFailed(error))
            identifier = None
        self.hub.named(wish, identifier, self.home.now())
        self.settle()

    def _stray(self, frame: bytes, fault: MalformedFrame | None) -> None:
        carrier = self.carrier
        if carrier is None:
            return
        if fault is not None:
            carrier.malformed(fault)
        else:
            carrier.reread(frame)

    def _spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = self.home.loop.create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _finish_tasks(self) -> None:
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _notify(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
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
