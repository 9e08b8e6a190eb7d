"""One client's session: carries out what the machine asks, and runs the channels' code for it.

Three tasks a session: the reader (the request's own task) feeds the machine, the worker runs what users wrote, one
command at a time, and the writer empties the queue of frames. A slow channel holds up its own session alone.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Protocol

from attrs import frozen

from cableway.auth.jwts import Verified
from cableway.errors import NotSupported
from cableway.gateway.cache import KeptSession
from cableway.gateway.connection import Request, identifiers_text, last_of
from cableway.gateway.desk import Clerk, call
from cableway.gateway.identity import TurnedAway, read_identifiers
from cableway.gateway.outbound import Outbound
from cableway.gateway.stats import ODDITIES
from cableway.gateway.streams import broadcast_value
from cableway.gateway.subscription import run
from cableway.redact import printable
from cableway.wire.dialects.base_server import RailsServerDialect
from cableway.wire.dialects.extended_server import ExtendedServerDialect
from cableway.wire.expulsions import TOKEN_EXPIRED, TOO_SLOW, Expulsion
from cableway.wire.server_session import Ask, CloseLine, Effect, Leave, Note, SendFrame, ServerSession, WakeAt

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Iterable

    from cableway.gateway.house import House
    from cableway.gateway.outbound import Line
    from cableway.gateway.streams import Broadcast
    from cableway.types import JSONValue
    from cableway.wire.codecs.base import Codec
    from cableway.wire.dialects.base_server import BaseServerDialect
    from cableway.wire.dialects.extended_server import ExtendedFrame
    from cableway.wire.server_pulse import PingPlan
    from cableway.wire.server_session import Verdict

RESTORE_HEADER = "X-ANYCABLE-RESTORE-SID"
"""Names the session to restore; it counts before the query parameter ``sid``."""

HELD_COMMANDS = 64
"""Commands that may wait for a slow channel before the socket is read no further; beyond, TCP holds the client up."""

log: logging.Logger = logging.getLogger("cableway.gateway")


@frozen
class Terms:
    """What was agreed in the handshake of a session."""

    pings: PingPlan
    codec: Codec
    dialect: BaseServerDialect
    extended: bool = False
    """Whether it can be restored, and presence lasts."""
    binary: bool = False
    """Whether frames are no text."""
    nameless: bool = False
    """Whether it is not told its id, as by Rails."""
    patient: bool = False
    """Whether the client fetches what is sent when it likes, so that no write takes too long."""


class Witness(Protocol):
    """Learns how a session begins, where an HTTP status is to tell it."""

    def let_in(self) -> None:
        """The client is let in. If it is not, the line is closed."""

    def settled(self, verdict: Verdict, *, idle: bool) -> None:
        """The next command has been carried out, and all that it brought is queued; *idle*: and it was the last one."""


def dialect_of(flavour: str) -> BaseServerDialect:
    """Return the dialect of a server of this flavour: the extended one, which reads the base one, or that alone."""
    return RailsServerDialect() if flavour == "rails" else ExtendedServerDialect(since_may_be_false=flavour == "strict")


class Session:
    """One client."""

    def __init__(
        self, house: House, request: Request, line: Line, terms: Terms, witness: Witness | None = None
    ) -> None:
        self._house = house
        self._witness = witness
        self._machine = ServerSession(
            "" if terms.nameless else request.sid,
            terms.pings,
            terms.codec,
            terms.dialect,
            deafens=house.options.flavour == "anycable",
        )
        self._codec = terms.codec
        self._restorable = terms.extended
        self._connection = house.connection(request, self)
        self._clerk = Clerk(house, self._connection, self, self._say, kept=terms.extended)
        self._asks: asyncio.Queue[Ask | Leave] = asyncio.Queue()
        self._room = asyncio.Event()
        self._alarm: asyncio.TimerHandle | None = None
        self._line = line
        self._outbound = Outbound(
            line,
            limit=house.options.ws_max_pending_size,
            write_timeout=None if terms.patient else house.options.ws_write_timeout,
            on_overflow=self._too_slow,
            on_stall=lambda: self._count("stalled"),
        )
        self._tasks: list[asyncio.Task[None]] = []
        self.identifiers: str = ""
        """The text by which a remote disconnect finds this session; empty until the client is let in."""

    @property
    def subscriptions(self) -> int:
        """How many subscriptions are confirmed."""
        return self._clerk.subscriptions

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

    def deliver(self, identifier: str, broadcast: Broadcast) -> None:
        """Send a message to *identifier*, if that is subscribed, and if its encoding can write the message."""
        try:
            frame = broadcast.frame_for(identifier, self._codec)
        except (NotSupported, TypeError) as error:
            # Others may have it in theirs.
            self._count("unwritable")
            log.debug("a message is not sent to a client: %s", error)
            return
        self._carry_out(self._machine.deliver(identifier, frame))

    def revoke(self, identifier: str) -> None:
        """Take a confirmed subscription back."""
        self._carry_out(self._machine.revoke(identifier))

    async def publish(self, stream: str, data: JSONValue, *, to_others: bool = False) -> None:
        """Publish to all listeners of *stream*, whichever session they belong to; or to all but this one."""
        exclude = self._connection.request.sid if to_others else None
        await self._house.publish(stream, broadcast_value(data, exclude=exclude))

    # What the machine asks -------------------------------------------------------------------------------------------

    def _carry_out(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            match effect:
                case SendFrame(frame):
                    self._count("frames_sent")
                    self._outbound.send(frame)
                case Ask():
                    self._asks.put_nowait(effect)
                case Leave():
                    # As it is now: what the channels do at the end is no part of it.
                    self._house.cache.end(self._connection.request.sid, asyncio.get_running_loop().time())
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
        await self._clerk.end()

    # What users wrote ------------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        accepted = await self._authorise()
        if accepted and self._witness is not None:
            self._witness.let_in()
        while True:
            match await self._asks.get():
                case Ask(command):
                    verdict = await self._clerk.run(command)
                    self._carry_out(self._machine.settle(verdict))
                    if self._witness is not None:
                        idle = self._machine.running is None and not self._machine.held
                        self._witness.settled(verdict, idle=idle)
                case Leave(identifiers):
                    for identifier in identifiers:
                        await self._clerk.hang_up(identifier)
                    if accepted:
                        self._house.attendance.disconnected(
                            self._connection.request.sid, asyncio.get_running_loop().time()
                        )
                        await call(self._house.counters, "disconnected", self._connection.disconnected)
                    return

    async def _authorise(self) -> bool:
        if self._restore():
            return True
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
        self._remember()
        return True

    def _restore(self) -> bool:
        """Take up the session that the client asks back, before any authentication and in its place: as AnyCable."""
        request, now = self._connection.request, asyncio.get_running_loop().time()
        sid = request.headers.get(RESTORE_HEADER) or last_of(request.query, "sid")
        kept = self._house.cache.find(sid, now) if self._restorable and sid else None
        if kept is None:
            return False
        self._count("restored")
        self.identifiers = kept.identifiers
        self._connection.claims = kept.claims
        self._connection.identifiers = read_identifiers(kept.identifiers)
        self._carry_out(self._machine.accept(now, tuple(kept.channels)))
        self._clerk.restore(kept.channels)
        self._remember()
        return True

    def _remember(self) -> None:
        if self._restorable:
            self._house.cache.begin(self._connection.request.sid, self._kept)

    def _kept(self) -> KeptSession:
        return KeptSession(self.identifiers, self._connection.claims, self._clerk.keep())

    def _say(self, identifier: str, frame: ExtendedFrame) -> None:
        raw = self._codec.encode(self._machine.dialect.compose(frame))
        self._carry_out(self._machine.deliver(identifier, raw))

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
