"""A model of an AnyCable server with a memory broker, and of a Rails one, written from the protocol alone.

It shares nothing with the gateway, so that one wrong assumption cannot hide on both sides. Where AnyCable works on
several things at once, dice decide which of them is first: a live message may overtake the confirmation and the
replay, be in the replay as well, and two of them may change places.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from typing import TYPE_CHECKING, Any, Literal, Protocol

from attrs import define, frozen

from tests.simulation.recovery.broker import Broker
from tests.simulation.recovery.decoding import Command, NotDecodable, decode

if TYPE_CHECKING:
    from random import Random

EXTENDED = "actioncable-v1-ext-json"
BASE = "actioncable-v1-json"
YEAR_2026 = 1_790_000_000.0
"""The server's Unix time, about, when a simulation begins."""


@frozen(kw_only=True)
class ServerOptions:
    """How a server is set up. The names are AnyCable's where it has one."""

    flavour: Literal["anycable", "rails"] = "anycable"
    broker: bool = True
    history_limit: int = 100
    history_ttl: int = 300
    sessions_ttl: float = 300.0
    ping_interval: float = 3.0
    pong_timeout: float | None = None
    pending: int = 400
    """Frames that may wait for a reader; one that lags by more is cut off as too slow."""
    disorder: float = 0.0
    """Part of the messages that change places with the next one of their stream."""
    clock: float = YEAR_2026
    """The server's Unix time when the loop's is 0."""


@frozen
class Publication:
    """One message that a server took from a publisher."""

    stream: str
    number: int
    """Which one of its stream, from 1, whatever server took it."""
    at: float
    """The loop's time."""
    epoch: str | None = None
    offset: int | None = None
    excluded: str | None = None
    """The session that does not get it."""
    transient: bool = False
    """Whether it was never stored, though others are."""

    @property
    def key(self) -> tuple[str, int]:
        """What the message says."""
        return self.stream, self.number


class Line(Protocol):
    """The server's end of a connection."""

    def send(self, frame: bytes) -> None:
        """Send one frame, if there still is a client."""

    def close(self, code: int | None) -> None:
        """Close after what was sent, with a close frame or without one."""

    @property
    def waiting(self) -> int:
        """Frames that were sent and that the client has not taken."""
        ...

    def discard(self) -> None:
        """Forget the frames that have not left yet."""


@define
class Cached:
    """What is kept of a session for the one that comes after it."""

    channels: dict[str, tuple[str, ...]]
    deadline: float | None = None
    """``None`` while it is connected."""


class Server:
    """One server, with all that survives its restarts: nothing but the list of what it took."""

    def __init__(self, random: Random, options: ServerOptions) -> None:
        self.options = options
        self.random = random
        self.loop = asyncio.get_running_loop()
        self.up = False
        self.published: list[Publication] = []
        self.faults: list[str] = []
        """What no client may do."""
        self.sessions: dict[str, Session] = {}
        self.known_sids: set[str] = set()
        self.restored = 0
        self.rejected_histories = 0
        self.confirmed_histories = 0
        self.attached: dict[str, dict[Session, dict[str, None]]] = {}
        self.cache: dict[str, Cached] = {}
        self.broker: Broker | None = None
        self._runs = 0
        self._numbers: dict[str, int] = {}
        self._gate: deque[Publication] = deque()
        self._held: dict[str, Publication] = {}
        self._expiry: asyncio.TimerHandle | None = None

    # Its life

    def start(self) -> None:
        """Come up, with nothing known of the run before."""
        self._runs += 1
        self.up = True
        options = self.options
        if options.broker and options.flavour == "anycable":
            epoch = f"{self._runs:02}{self.random.randrange(36**2):02x}"
            self.broker = Broker(epoch, options.history_limit, options.history_ttl)
            self._expiry = self.loop.call_later(1.0, self._expire)

    def stop(self, *, notice: bool) -> None:
        """Go down: with a word to everybody, or as one that is killed."""
        self.up = False
        for session in list(self.sessions.values()):
            if notice:
                session.disconnect("server_restart", 1001, reconnect=True)
            else:
                session.line.close(None)
        for session in list(self.sessions.values()):
            session.end()
        self.cache.clear()
        self._gate.clear()
        self._held.clear()
        self.broker = None
        if self._expiry is not None:
            self._expiry.cancel()

    @property
    def second(self) -> int:
        """Its clock, as far as anybody sees it."""
        return int(self.options.clock + self.loop.time())

    def _expire(self) -> None:
        self._expiry = self.loop.call_later(1.0, self._expire)
        assert self.broker is not None
        self.broker.expire(self.second)
        now = self.loop.time()
        gone = [sid for sid, entry in self.cache.items() if entry.deadline is not None and entry.deadline <= now]
        for sid in gone:
            del self.cache[sid]

    # Publishers

    def publish(self, stream: str, *, transient: bool = False, excluded: str | None = None) -> Publication | None:
        """Take one message, as from a back end; ``None`` while the server is down."""
        if not self.up:
            return None
        number = self._numbers[stream] = self._numbers.get(stream, 0) + 1
        epoch = offset = None
        if self.broker is not None and not transient:
            epoch, offset = self.broker.epoch, self.broker.add(stream, number, self.second)
        publication = Publication(stream, number, self.loop.time(), epoch, offset, excluded, transient)
        self.published.append(publication)
        self._pass(publication)
        return publication

    def _pass(self, publication: Publication) -> None:
        held = self._held.pop(publication.stream, None)
        if held is None and self.options.disorder and self.random.random() < self.options.disorder:
            self._held[publication.stream] = publication
            self.loop.call_later(0.01, self._release, publication)
            return
        self._queue(publication)
        if held is not None:
            self._queue(held)

    def _release(self, publication: Publication) -> None:
        if self._held.get(publication.stream) is publication:
            del self._held[publication.stream]
            self._queue(publication)

    def _queue(self, publication: Publication) -> None:
        if not self._gate:
            self.loop.call_later(self.random.choice((0.0, 0.001, 0.01)), self._fan_out)
        self._gate.append(publication)

    def _fan_out(self) -> None:
        while self._gate:
            publication = self._gate.popleft()
            frames: dict[str, bytes] = {}
            for session, identifiers in list(self.attached.get(publication.stream, {}).items()):
                if session.sid == publication.excluded:
                    continue
                for identifier in list(identifiers):
                    frame = frames.get(identifier)
                    if frame is None:
                        frame = frames[identifier] = message_frame(identifier, publication)
                    session.send_raw(frame)

    def stored(self, stream: str, number: int, offset: int) -> Publication:
        """Return what the broker of now holds, as a publication."""
        assert self.broker is not None
        return Publication(stream, number, 0.0, self.broker.epoch, offset)

    # Sessions

    def connect(self, line: Line, *, extended: bool, restore: str | None) -> Session:
        """Take a connection that was upgraded."""
        if restore is not None and restore not in self.known_sids:
            self.faults.append("a session was asked for that never was")
        session = Session(self, line, extended=extended, restore=restore)
        self.sessions[session.sid] = session
        self.known_sids.add(session.sid)
        return session

    def commit(self, session: Session) -> None:
        """Keep what is needed to restore *session*."""
        if session.extended and self.broker is not None and self.options.sessions_ttl > 0:
            self.cache[session.sid] = Cached(dict(session.channels))

    def forget(self, session: Session) -> None:
        """Have the time of an ended session run."""
        self.sessions.pop(session.sid, None)
        entry = self.cache.get(session.sid)
        if entry is not None:
            entry.deadline = self.loop.time() + self.options.sessions_ttl
        for identifier in list(session.channels):
            self.detach(session, identifier)

    def attach(self, session: Session, identifier: str, streams: tuple[str, ...]) -> None:
        """Have live messages of *streams* go to *session*."""
        for stream in streams:
            self.attached.setdefault(stream, {}).setdefault(session, {})[identifier] = None

    def detach(self, session: Session, identifier: str) -> None:
        """Have them go there no more."""
        for stream in session.channels.get(identifier, ()):
            sessions = self.attached.get(stream, {})
            sessions.get(session, {}).pop(identifier, None)
            if not sessions.get(session, True):
                del sessions[session]


class Session:
    """One connection, as the server sees it."""

    def __init__(self, server: Server, line: Line, *, extended: bool, restore: str | None) -> None:
        self.server = server
        self.line = line
        self.extended = extended
        self.sid = f"s{len(server.known_sids) + 1}"
        self.channels: dict[str, tuple[str, ...]] = {}
        self.zombie = False
        """Whether it reads nothing any more, though its pings go on."""
        self.over = False
        self._restore = restore
        self._inbox: asyncio.Queue[bytes] = asyncio.Queue()
        self._pinging: asyncio.TimerHandle | None = None
        self._pong_due: asyncio.TimerHandle | None = None
        self._task = server.loop.create_task(self._serve())

    # What the line tells

    def took(self, frame: bytes) -> None:
        """Take a frame of the client's."""
        self._inbox.put_nowait(frame)

    def end(self) -> None:
        """Be gone: the line is."""
        if self.over:
            return
        self.over = True
        self._task.cancel()
        for timer in (self._pinging, self._pong_due):
            if timer is not None:
                timer.cancel()
        self.server.forget(self)

    # What is sent

    def send(self, frame: dict[str, Any]) -> None:
        """Send one frame that is no message."""
        self.send_raw(json.dumps(frame, separators=(",", ":")).encode())

    def send_raw(self, frame: bytes) -> None:
        """Queue one frame; a reader that lags too far is cut off."""
        if self.over:
            return
        if self.line.waiting >= self.server.options.pending:
            self.line.discard()
            self.disconnect("too_slow", 1000, reconnect=True)
            return
        self.line.send(frame)

    def disconnect(self, reason: str, code: int, *, reconnect: bool) -> None:
        """Tell the client to go, and close."""
        if not self.over:
            self.line.send(
                b'{"type":"disconnect","reason":"%s","reconnect":%s}'
                % (reason.encode(), b"true" if reconnect else b"false")
            )
            self.line.close(code)
            self.end()

    # What it does

    async def _pause(self, longest: float = 0.02) -> None:
        await asyncio.sleep(self.server.random.uniform(0.0, longest))

    async def _serve(self) -> None:
        await self._pause(0.05)
        await self._greet()
        interval = self.server.options.ping_interval
        self._pinging = self.server.loop.call_later(interval * self.server.random.uniform(0.5, 1.5), self._ping)
        while True:
            frame = await self._inbox.get()
            try:
                command = decode(frame)
            except NotDecodable as error:
                self.server.faults.append(str(error))
                self.zombie = True
            if not self.zombie:
                await self._obey(command)

    async def _greet(self) -> None:
        welcome: dict[str, Any] = {"type": "welcome"}
        if self.server.options.flavour == "anycable":
            welcome["sid"] = self.sid
            entry = self.server.cache.get(self._restore or "") if self.extended else None
            if entry is not None:
                self.server.restored += 1
                self.channels = dict(entry.channels)
                for identifier, streams in self.channels.items():
                    self.server.attach(self, identifier, streams)
                welcome["restored"] = True
                if self.channels:
                    names = list(self.channels)
                    self.server.random.shuffle(names)
                    welcome["restored_ids"] = names
                # Live messages may come before the welcome.
                await self._pause()
            self.server.commit(self)
        self.send(welcome)

    def _ping(self) -> None:
        options = self.server.options
        self._pinging = self.server.loop.call_later(options.ping_interval, self._ping)
        self.send_raw(b'{"type":"ping","message":%d}' % self.server.second)
        if options.pong_timeout is not None and self.extended and self._pong_due is None:
            self._pong_due = self.server.loop.call_later(options.pong_timeout, self._no_pong)

    def _no_pong(self) -> None:
        self.disconnect("no_pong", 1000, reconnect=True)

    async def _obey(self, command: Command) -> None:
        if self._pong_due is not None:
            self._pong_due.cancel()
            self._pong_due = None
        if self.server.options.flavour == "rails":
            await self._obey_as_rails(command)
            return
        match command.name:
            case "ping":
                self.send({"type": "pong"})
            case "subscribe":
                await self._subscribe(command)
            case "unsubscribe":
                await self._unsubscribe(command)
            case "history":
                if not command.asks_for_history:
                    self.server.faults.append("a history command that asks for nothing is never answered")
                await self._history(command)
            case "pong" | "message" | "presence" | "join" | "leave" | "whisper":
                pass
            case _:
                self.server.faults.append(f"the unknown command {command.name!r}")

    async def _obey_as_rails(self, command: Command) -> None:
        # Rails writes a command that it does not know into its log.
        match command.name:
            case "subscribe":
                await self._subscribe(command)
            case "unsubscribe":
                await self._unsubscribe(command)

    async def _subscribe(self, command: Command) -> None:
        identifier = command.identifier
        if identifier in self.channels:
            return
        await self._pause()
        streams = streams_of(identifier)
        if streams is None:
            self.send({"type": "reject_subscription", "identifier": identifier})
            return
        self.channels[identifier] = streams
        self.server.attach(self, identifier, streams)
        # Live messages may overtake the confirmation.
        await self._pause()
        self.send({"type": "confirm_subscription", "identifier": identifier})
        if self.server.options.flavour == "anycable":
            self.server.commit(self)
            if command.since > 0 or command.streams is not None:
                await self._history(command)

    async def _unsubscribe(self, command: Command) -> None:
        await self._pause()
        if command.identifier in self.channels:
            self.server.detach(self, command.identifier)
            del self.channels[command.identifier]
            self.server.commit(self)

    async def _history(self, command: Command) -> None:
        identifier = command.identifier
        streams = self.channels.get(identifier)
        if streams is None or not command.asks_for_history:
            return
        await self._pause()
        backlog = self._backlog(streams, command)
        if backlog is None:
            self.server.rejected_histories += 1
            self.send({"type": "reject_history", "identifier": identifier})
            return
        # Live messages may come before the replay, in the middle of it, or once more after it.
        pauses = {self.server.random.randrange(len(backlog) + 1) for _ in range(self.server.random.randrange(3))}
        for index, publication in enumerate(backlog):
            if index in pauses:
                await self._pause()
            self.send_raw(message_frame(identifier, publication))
        if len(backlog) in pauses:
            await self._pause()
        self.server.confirmed_histories += 1
        self.send({"type": "confirm_history", "identifier": identifier})

    def _backlog(self, streams: tuple[str, ...], command: Command) -> list[Publication] | None:
        broker = self.server.broker
        if broker is None:
            return None if streams else []
        order = list(streams)
        self.server.random.shuffle(order)
        out: list[Publication] = []
        for stream in order:
            position = (command.streams or {}).get(stream)
            if position is not None:
                entries = broker.after(stream, *position)
                if entries is None:
                    return None
            else:
                entries = broker.since(stream, command.since) if command.since > 0 else []
            out += [self.server.stored(stream, entry.number, entry.offset) for entry in entries]
        return out


def streams_of(identifier: str) -> tuple[str, ...] | None:
    """Tell which streams the application would attach, ``None`` if it refuses.

    ``Feed`` has a stream for each of the words in its parameter ``of``; ``$pubsub`` is a public stream.
    """
    params = json.loads(identifier)
    if params.get("channel") == "$pubsub":
        return (params["stream_name"],)
    if params.get("channel") == "Feed":
        return tuple(params["of"].split())
    return None


def message_frame(identifier: str, publication: Publication) -> bytes:
    """Write a message as AnyCable does: with its place where the broker has stored it."""
    place = ""
    if publication.offset is not None:
        place = (
            f',"stream_id":{json.dumps(publication.stream)},"epoch":"{publication.epoch}","offset":{publication.offset}'
        )
    message = json.dumps([publication.stream, publication.number], separators=(",", ":"))
    return f'{{"identifier":{json.dumps(identifier)},"message":{message}{place}}}'.encode()
