"""One line, from its opening to its end: the connection, the session on it, and whether it is alive."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol, TypeAlias

from attrs import frozen

from cableway.errors import (
    CableError,
    LineClosed,
    LineStale,
    MalformedFrame,
    NotConnected,
    ServerDisconnect,
    ServerSilent,
    Unauthorized,
)
from cableway.hub.driver import QUIET
from cableway.policies.monitors.base import LineFacts
from cableway.runtime import wall_clock
from cableway.states import State
from cableway.wire.client_session import ClientSession, Phase
from cableway.wire.commands import Beat, Probe
from cableway.wire.frames import (
    Confirm,
    ConfirmHistory,
    Data,
    Disconnect,
    Frame,
    Ping,
    Pong,
    PresenceChange,
    PresenceInfo,
    Reject,
    RejectHistory,
    ServerError,
    Welcome,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from cableway.engine.beside import Sieve
    from cableway.engine.precedence import Precedence
    from cableway.engine.speech import Speech
    from cableway.hub.hub import Hub
    from cableway.transports.base import Connection
    from cableway.wire.commands import Command

_AUTH_REASONS = frozenset({"unauthorized", "token_expired"})

ANYCABLE = "x-anycable-version"
"""The header by which AnyCable names itself in its answer to the upgrade."""


@frozen
class RoundTrip:
    """The server has answered a request, on a line that is made of many: as good a sign as a beat."""

    server_time: float | None
    """The server's Unix time of an answer before which nothing was left to say; ``None`` where that is not known."""


Noted: TypeAlias = Ping | Pong | Confirm | ServerError | MalformedFrame | RoundTrip
"""What an owner takes note of: frames, the first malformed one of an episode, and answers without a message."""


class Owner(Protocol):
    """Whom a carrier reports to."""

    def welcomed(self, facts: LineFacts, welcome: Welcome) -> None:
        """The server welcomed us."""

    def broke(self, carrier: Carrier, error: CableError) -> None:
        """The line is of no more use."""

    def noted(self, news: Noted) -> None:
        """The server sent something that is of no matter to a subscription alone."""

    def settle(self) -> None:
        """Something happened: carry out what the hub asks for."""


class Carrier:
    """One line. Once :meth:`drop` was called it reports nothing any more."""

    def __init__(
        self,
        owner: Owner,
        hub: Hub | Sieve,
        speech: Speech,
        clock: Callable[[], float],
        *,
        rung: int = 0,
        moved: Callable[[], None] = lambda: None,
        said: Callable[[], None] = lambda: None,
    ) -> None:
        self.speech: Speech = speech
        """What is spoken on it; known for sure once it is open."""
        self.session: ClientSession = ClientSession(speech.codec, speech.dialect)
        self.last_command: float = float("-inf")
        """When a command for a channel was last written."""
        self.error: CableError | None = None
        """What ended the line, if it ended by itself."""
        self.owner: Owner = owner
        """Whom it reports to."""
        self.hub: Hub | Sieve = hub
        """Where messages and answers go."""
        self.rung: int = rung
        """Number of the transport that carries it."""
        self._clock = clock
        # Called for each transfer, so that somebody may reckon what it costs.
        self._moved = moved
        # Called for each command that the server has to read for us.
        self._said = said
        self.probes: bool = False
        """Whether the server answers questions for a sign of life."""
        self.precedence: Precedence | None = None
        """What waits for the line before to have had its say; ``None``: nothing has to."""
        self._connection: Connection | None = None
        self._welcome_by = float("inf")
        self._welcome_timeout = 0.0
        self._address = ""
        self._paused = False
        self._read_since = float("-inf")
        self._over = False

    def attach(self, connection: Connection, speech: Speech, address: str, welcome_timeout: float) -> None:
        """Take over an open connection on which *speech* is spoken, and begin to listen."""
        self._connection = connection
        self.speech = speech
        self.session = ClientSession(speech.codec, speech.dialect)
        self._address = address
        self._welcome_timeout = welcome_timeout
        self._welcome_by = self._clock() + welcome_timeout
        connection.resume()

    @property
    def connection(self) -> Connection:
        """The open connection.

        Raises:
            NotConnected: There is none yet.
        """
        if self._connection is None:
            hint = "the line is still coming up"
            raise NotConnected(State.CONNECTING.value, hint)
        return self._connection

    @property
    def deadline(self) -> float | None:
        """When :meth:`tick` next has something to say."""
        waiting = not self._over and self._connection is not None and self.session.phase is Phase.GREETING
        return self._welcome_by if waiting else None

    def tick(self, now: float) -> None:
        """Report the line as broken if the welcome did not come in time."""
        deadline = self.deadline
        if deadline is not None and now >= deadline:
            what = "the line was opened, but no welcome came"
            self._break(ServerSilent(self._address, self._welcome_timeout, what))

    @property
    def heard(self) -> float:
        """When something last came; the present while we do not read: who does not listen cannot tell silence."""
        if self._paused:
            return self._clock()
        return max(self.connection.last_received, self._read_since)

    @property
    def quiet_at(self) -> float:
        """When the last command has had the time to be run: a line closed before that may lose it."""
        return self.last_command + QUIET

    def send(self, command: Command) -> None:
        """Write a command."""
        if not self._over:
            self._moved()
            if self.precedence is None or not self.precedence.keep(command, self._encode):
                self.connection.send(self._encode(command))
            if not isinstance(command, Beat | Probe):
                self._said()

    @property
    def command_latency(self) -> float:
        """Seconds that commands wait, at most, while a request is under way that is not to be given up."""
        return float(getattr(self.connection, "command_latency", 0.0))

    @property
    def untaken(self) -> bool:
        """Whether commands wait here still: for the line before, or for a server that is to fetch them."""
        kept = self.precedence is not None and self.precedence.pending
        return kept or bool(getattr(self.connection, "untaken", 0))

    def pause(self) -> None:
        """Stop reading."""
        self._paused = True
        self.connection.pause()

    def resume(self) -> None:
        """Read on. The silence so far was our own and does not count."""
        if self._paused:
            self._paused = False
            self._read_since = self._clock()
            self.connection.resume()

    @property
    def jammed(self) -> bool:
        """Whether commands that were sent long ago have not left, or did so only now."""
        return bool(getattr(self.connection, "jammed", False))

    async def drain(self, timeout: float) -> None:
        """Wait until the connection takes more. Once it took nothing for *timeout* seconds the line is called stale.

        Raises:
            LineStale: It took no more data for so long.
            CableError: The line ended meanwhile: what became of the data is not known.
        """
        timeout += self.command_latency
        written = getattr(self.connection, "written", None)
        while not await self._drained(timeout):
            before, written = written, getattr(self.connection, "written", None)
            if written == before:
                stale = LineStale(timeout, "the network took no more data")
                self._break(stale)
                raise stale
        if self._over:
            error = self.error or LineClosed(None, "it was closed on this side before all was written")
            # One end is raised to all who wait: each begins its own story, or the traceback would grow with each.
            raise error.with_traceback(None)

    async def _drained(self, timeout: float) -> bool:
        try:
            if self.precedence is not None:
                await self.precedence.room()
            async with asyncio.timeout(timeout):
                await self.connection.drain()
        except TimeoutError:
            return False
        return True

    def retire(self) -> None:
        """Act on nothing that comes any more; the connection stays until :meth:`close` or :meth:`drop`."""
        self._over = True

    def drop(self) -> None:
        """Be done with the line, without a word to the server."""
        self._over = True
        self._fall_silent()
        if self._connection is not None:
            self._connection.abort()

    async def close(self, timeout: float) -> None:
        """Be done with the line, with a goodbye of at most *timeout* seconds."""
        self._over = True
        if self._connection is not None:
            self._moved()
            await self._connection.close(timeout=timeout)
            self._moved()

    # What the connection pushes

    def frames(self, batch: list[bytes]) -> None:
        """Take the frames of one read."""
        if self._over:
            return
        self._moved()
        at = wall_clock()
        if not batch:
            self.owner.noted(RoundTrip(getattr(self.connection, "server_time", None)))
        elif self.session.phase is Phase.LIVE:
            self.hub.router.route(batch, at, self._clock(), lambda frame: self._take(frame, at))
        else:
            for frame in batch:
                self._take(frame, at)
        self.owner.settle()

    def lost(self, code: int | None, reason: str, error: BaseException | None) -> None:
        """Take note that the connection is gone."""
        if not self._over:
            self.session.lost()
            self._break(LineClosed(code, reason, error))

    def stray(self, frame: bytes, fault: MalformedFrame | None) -> None:
        """Take a frame that its reader, later and elsewhere, found not to be a message of theirs.

        It makes no sense at all (*fault*), or says something else beside the message. No server sends such a thing, and
        by the time it is read it may be of an earlier line: it is counted, never acted on.
        """
        fault = fault or MalformedFrame("a message that is something else, too", len(frame))
        self.session.malformed(fault, self._clock())
        self._judge(fault)

    def _take(self, raw: bytes, at: float) -> None:
        if self._over:
            return
        fault = self.session.fault
        for frame in self.session.receive(raw, self._clock()):
            self._act(frame, raw, at)
        if self.session.fault is not None and self.session.fault is not fault:
            self._judge(self.session.fault)

    def _judge(self, fault: MalformedFrame) -> None:
        if self.session.flooded:
            self._break(fault)
        elif self.session.episode_begins:
            self.owner.noted(fault)

    def _act(self, frame: Frame, raw: bytes, at: float) -> None:
        now = self._clock()
        match frame:
            case Data():
                self.hub.router.deliver(frame, raw, at, now)
            case Ping():
                self.owner.noted(frame)
                if self.speech.dialect.extended:
                    self.send(Beat())
            case Pong() | ServerError():
                self.owner.noted(frame)
            case Confirm():
                self.owner.noted(frame)
                self.hub.hear(frame, now)
            case Reject() | ConfirmHistory() | RejectHistory() | PresenceChange() | PresenceInfo():
                self.hub.hear(frame, now)
            case Welcome(sid):
                known = sid is not None or ANYCABLE in self.connection.response_headers
                probes = known and self.speech.dialect.probes and getattr(self.connection, "sends", True)
                self.probes = probes
                self.owner.welcomed(LineFacts(probes=probes, slack=self.command_latency), frame)
            case Disconnect():
                self._break(_as_error(frame))

    def _break(self, error: CableError) -> None:
        if not self._over:
            self._over = True
            self.error = error
            self._fall_silent()
            self.owner.broke(self, error)

    def _fall_silent(self) -> None:
        # Who waits for room must find the line ended.
        if self.precedence is not None:
            self.precedence.end()

    def _encode(self, command: Command) -> bytes:
        return self.speech.codec.encode(self.speech.dialect.compose(command))


def _as_error(frame: Disconnect) -> ServerDisconnect:
    if frame.reason in _AUTH_REASONS:
        hint = "The token has expired" if frame.reason == "token_expired" else "Check the token or the cookies"
        return Unauthorized(frame.reason, reconnect=frame.reconnect, hint=hint)
    return ServerDisconnect(frame.reason, reconnect=frame.reconnect, retry_after=frame.retry_after)
