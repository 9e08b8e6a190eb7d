"""One client's session: carries out what the machine asks, and runs the channels' code for it.

Three tasks a session: the reader (the request's own task) feeds the machine, the worker runs what users wrote, one
command at a time, and the writer empties the queue of frames. A slow channel holds up its own session alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING, Any

from cableway.auth.jwts import Verified
from cableway.errors import MalformedFrame
from cableway.gateway.admission import Admission, spread
from cableway.gateway.channel import Channel, takes_data
from cableway.gateway.connection import Connection, Request, identifiers_text
from cableway.gateway.entrance import Entrance
from cableway.gateway.identity import TokenRule, TurnedAway, read_identifiers, token_rule
from cableway.gateway.outbound import Outbound
from cableway.gateway.stats import ODDITIES
from cableway.gateway.streams import broadcast_value
from cableway.gateway.subscription import Subscription, run
from cableway.redact import printable
from cableway.wire.codecs.json import load
from cableway.wire.commands import Perform, Subscribe, Unsubscribe
from cableway.wire.server_session import (
    TOKEN_EXPIRED,
    TOO_SLOW,
    Ask,
    CloseLine,
    Effect,
    Expulsion,
    Leave,
    Note,
    PingPlan,
    SendFrame,
    ServerSession,
    Verdict,
    WakeAt,
    server_restart,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Iterable, Mapping

    from cableway.gateway.options import GatewayOptions
    from cableway.gateway.outbound import Line
    from cableway.gateway.policy import PolicyDocument
    from cableway.gateway.stats import Counters
    from cableway.gateway.streams import Broadcast, Streams
    from cableway.types import JSONValue
    from cableway.wire.server_session import AppCommand

HELD_COMMANDS = 64
"""Commands that may wait for a slow channel before the socket is read no further; beyond, TCP holds the client up."""

log: logging.Logger = logging.getLogger("cableway.gateway")


class House:
    """What all sessions of a gateway share."""

    def __init__(
        self,
        options: GatewayOptions,
        *,
        connection: type[Connection],
        channels: Mapping[str, type[Channel]],
        streams: Streams,
        counters: Counters,
    ) -> None:
        self.options = options
        self.connection = connection
        self.channels = channels
        self.streams = streams
        self.counters = counters
        self.sessions: dict[Session, None] = {}
        self.entrance: Entrance = Entrance(Admission(options.accept_rate, options.accept_wait), counters)
        self.token_rule: TokenRule = token_rule(options)
        self.policy: PolicyDocument | None = None
        self.farewell: Expulsion | None = None
        """What is said to who enters now, once the gateway stops."""
        self._empty = asyncio.Event()
        self._empty.set()

    def enter(self, session: Session) -> None:
        """Take *session* in."""
        self.sessions[session] = None
        self._empty.clear()
        if self.farewell is not None:
            session.expel(self.farewell)

    def leave(self, session: Session) -> None:
        """Let *session* go."""
        self.sessions.pop(session, None)
        if not self.sessions:
            self._empty.set()

    def close(self) -> Expulsion:
        """Let nobody in any more; return how to say goodbye: with the time that all should take to come back."""
        crowd = len(self.sessions) + self.entrance.waiting
        self.farewell = self.farewell or server_restart(spread(crowd, self.options.accept_rate))
        self.entrance.close()
        return self.farewell

    async def publish(self, stream: str, broadcast: Broadcast) -> None:
        """Give *broadcast* to all who listen to *stream*."""
        self.counters["broadcasts"] += 1
        self.streams.publish(stream, broadcast)
        # Let the writers write: who publishes in a loop must not make good readers look slow.
        await asyncio.sleep(0)

    async def wait_until_empty(self, timeout: float) -> None:
        """Wait until all sessions are gone, or *timeout* seconds are over."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._empty.wait(), timeout)


class Session:
    """One client."""

    def __init__(self, house: House, request: Request, line: Line, pings: PingPlan) -> None:
        self._house = house
        self._machine = ServerSession(request.sid, pings)
        self._connection = house.connection(request, self)
        self._channels: dict[str, tuple[Channel, Subscription]] = {}
        self._asks: asyncio.Queue[Ask | Leave] = asyncio.Queue()
        self._room = asyncio.Event()
        self._alarm: asyncio.TimerHandle | None = None
        self._line = line
        self._outbound = Outbound(
            line,
            limit=house.options.ws_max_pending_size,
            write_timeout=house.options.ws_write_timeout,
            on_overflow=self._too_slow,
            on_stall=lambda: self._count("stalled"),
        )
        self._tasks: list[asyncio.Task[None]] = []
        self.identifiers: str = ""
        """The text by which a remote disconnect finds this session; empty until the client is let in."""

    @property
    def subscriptions(self) -> int:
        """How many subscriptions are confirmed."""
        return sum(subscription.confirmed for _, subscription in self._channels.values())

    # What the gateway and the channels use ---------------------------------------------------------------------------

    async def serve(self, messages: AsyncIterable[bytes]) -> None:
        """Live from the upgrade until the client is gone and its channels have ended."""
        loop = asyncio.get_running_loop()
        worker = loop.create_task(self._work(), name="cableway gateway: session worker")
        writer = loop.create_task(self._outbound.run(), name="cableway gateway: session writer")
        worker.add_done_callback(self._worker_ended)
        self._tasks = [worker, writer]
        self._house.enter(self)
        self._count("sessions")
        try:
            async for frame in messages:
                self._count("frames_received")
                self._carry_out(self._machine.receive(frame))
                await self._wait_for_room()
            self._carry_out(self._machine.lost())
            await asyncio.wait([worker])
        finally:
            await self._clean_up()
            self._house.leave(self)

    def expel(self, expulsion: Expulsion) -> None:
        """End the session from our side; the channels' ``unsubscribed`` follows."""
        self._carry_out(self._machine.expel(expulsion))

    def drop(self) -> None:
        """Cut the line without a word and run nothing more."""
        self._line.abort()
        for task in self._tasks:
            task.cancel()

    def deliver(self, identifier: str, frame: bytes) -> None:
        """Send a frame composed for *identifier*, if it is subscribed."""
        self._carry_out(self._machine.deliver(identifier, frame))

    def revoke(self, identifier: str) -> None:
        """Take a confirmed subscription back."""
        self._carry_out(self._machine.revoke(identifier))

    async def publish(self, stream: str, data: JSONValue) -> None:
        """Publish to all listeners of *stream*, whichever session they belong to."""
        await self._house.publish(stream, broadcast_value(data))

    # What the machine asks -------------------------------------------------------------------------------------------

    def _carry_out(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            match effect:
                case SendFrame(frame):
                    self._count("frames_sent")
                    self._outbound.send(frame)
                case Ask() | Leave():
                    self._asks.put_nowait(effect)
                case WakeAt(at):
                    self._alarm = asyncio.get_running_loop().call_at(at, self._wake)
                case CloseLine(code, reason):
                    self._outbound.finish(code, reason)
                case Note(oddity, detail):
                    self._count(ODDITIES[oddity])
                    log.debug("%s: %s", oddity.value, printable(detail))
        if len(self._machine.held) < HELD_COMMANDS:
            self._room.set()

    def _wake(self) -> None:
        self._carry_out(self._machine.wake(asyncio.get_running_loop().time(), time.time_ns()))

    def _too_slow(self) -> None:
        self._count("too_slow")
        self._outbound.discard()
        self.expel(TOO_SLOW)

    async def _wait_for_room(self) -> None:
        if len(self._machine.held) >= HELD_COMMANDS:
            self._room.clear()
            await self._room.wait()

    def _worker_ended(self, worker: asyncio.Task[None]) -> None:
        if not worker.cancelled() and (error := worker.exception()) is not None:
            log.error("a session broke; its line is cut", exc_info=error)
            self._line.abort()

    def _count(self, name: str) -> None:
        self._house.counters[name] += 1

    async def _clean_up(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for _, subscription in self._channels.values():
            await subscription.end()

    # What users wrote ------------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        accepted = await self._authorise()
        while True:
            match await self._asks.get():
                case Ask(command):
                    self._carry_out(self._machine.settle(await self._run(command)))
                case Leave(identifiers):
                    for identifier in identifiers:
                        await self._unsubscribe(identifier)
                    if accepted:
                        await self._call("disconnected", self._connection.disconnected)
                    return

    async def _authorise(self) -> bool:
        match self._house.token_rule.judge(self._connection.request, time.time()):
            case TurnedAway() as turned_away:
                self._turn_away(turned_away)
                return False
            case Verified(text, claims):
                self.identifiers = text
                self._connection.claims, self._connection.identifiers = claims, read_identifiers(text)
            case None if not await self._ask_connection():
                return False
        self._carry_out(self._machine.accept(asyncio.get_running_loop().time()))
        return True

    async def _ask_connection(self) -> bool:
        connection = self._connection
        try:
            if not self._house.options.open_to_all:
                await run(connection.connect)
            self.identifiers = "" if connection.rejected else identifiers_text(connection.identifiers)
        except Exception:
            log.exception("the connection's connect failed; the client is turned away")
            self._carry_out(self._machine.fail())
            return False
        if connection.rejected:
            self._count("unauthorized")
            self._carry_out(self._machine.refuse())
        return not connection.rejected

    def _turn_away(self, turned_away: TurnedAway) -> None:
        self._count("unauthorized")
        expulsion = turned_away.expulsion
        if expulsion is TOKEN_EXPIRED:
            self._count("expired_tokens")
        # One without ext was minted by us, and wrongly: that wants to be seen.
        log.log(logging.WARNING if expulsion is None else logging.DEBUG, "a token is refused: %s", turned_away.why)
        self._carry_out(self._machine.fail() if expulsion is None else self._machine.refuse(expulsion))

    async def _run(self, command: AppCommand) -> Verdict:
        match command:
            case Subscribe(identifier):
                return await self._subscribe(identifier)
            case Unsubscribe(identifier):
                return await self._unsubscribe(identifier)
            case Perform(identifier, data):
                return await self._perform(self._channels[identifier][0], data)

    async def _subscribe(self, identifier: str) -> Verdict:
        name, params = read_identifier(identifier)
        channel_class = self._house.channels.get(name)
        if channel_class is None:
            log.info("no channel is called %s: rejected", printable(name) or "(nothing)")
            return Verdict.REJECTED
        subscription = Subscription(
            identifier, params, connection=self._connection, outbox=self, streams=self._house.streams
        )
        try:
            channel = channel_class(subscription)
            self._channels[identifier] = (channel, subscription)
            await run(channel.subscribed)
        except Exception:
            log.exception("%s.subscribed failed; the client gets no answer", name)
            self._count("failed_commands")
            await subscription.end()
            self._channels.pop(identifier, None)
            return Verdict.FAILED
        if subscription.rejected:
            await self._forget(identifier)
            return Verdict.REJECTED
        subscription.start(channel)
        return Verdict.CONFIRMED

    async def _unsubscribe(self, identifier: str) -> Verdict:
        channel, subscription = self._channels[identifier]
        # First of all nothing more is sent; ``unsubscribed`` may still broadcast.
        await subscription.end()
        done = await self._call(f"{channel.name}.unsubscribed", channel.unsubscribed)
        # Once more: it may have listened to something anew.
        await self._forget(identifier)
        return Verdict.DONE if done else Verdict.FAILED

    async def _perform(self, channel: Channel, data: str) -> Verdict:
        arguments = read_action(data)
        name = arguments.pop("action", None) or "receive" if arguments is not None else None
        method_name = channel.actions.get(name) if isinstance(name, str) else None
        if method_name is None:
            self._count("failed_commands")
            hint = (
                "; it is there, but not marked with @action" if isinstance(name, str) and hasattr(channel, name) else ""
            )
            log.warning("%s has no action %s%s", channel.name, printable(str(name)), hint)
            return Verdict.FAILED
        method = getattr(channel, method_name)
        done = await self._call(f"{channel.name}.{name}", method, *([arguments] if takes_data(method) else []))
        return Verdict.DONE if done else Verdict.FAILED

    async def _forget(self, identifier: str) -> None:
        _, subscription = self._channels.pop(identifier)
        await subscription.end()

    async def _call(self, what: str, method: Callable[..., Any], *arguments: Any) -> bool:
        try:
            await run(method, *arguments)
        except Exception:
            log.exception("%s failed", what)
            self._count("failed_commands")
            return False
        return True


def read_identifier(identifier: str) -> tuple[str, Mapping[str, JSONValue]]:
    """Take the channel's name and the parameters out of an identifier; ``""`` where it names no channel."""
    params = _read_object(identifier)
    name = params.pop("channel", "") if params is not None else ""
    return (name, params) if isinstance(name, str) and params is not None else ("", {})


def read_action(data: str) -> dict[str, JSONValue] | None:
    """Read the data of a perform; ``None`` where it is no JSON object."""
    return _read_object(data)


def _read_object(text: str) -> dict[str, JSONValue] | None:
    try:
        value = load(text.encode("utf-8", "surrogatepass"))
    except MalformedFrame:
        return None
    return value if isinstance(value, dict) else None
