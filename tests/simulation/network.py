"""A network that breaks in all the ways in which networks do, and a server at the end of it, all in memory."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from itertools import count
from typing import TYPE_CHECKING, Any

from attrs import define, field

from cableway import ConnectTimeout, HandshakeRefused, HostUnreachable, MemoryTransport
from cableway.errors import LineClosed
from cableway.transports.memory import MemoryConnection

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from cableway.transports.base import DialRequest, Sink

ANYCABLE = {"x-anycable-version": "1.6"}

_names = count()


@define
class Weather:
    """What the network, and the server, do to those who dial."""

    kind: str = "fine"
    """``fine``, ``unreachable``, ``black hole``, ``refusing``, ``mute`` or ``dropping``."""
    status: int = 503
    headers: dict[str, str] = field(factory=dict)
    drop_after: tuple[float, float] = (0.1, 2.0)


class Wire(MemoryConnection):
    """The client's end of a line that can die without a word, stall, or be jammed."""

    def __init__(self, sink: Sink, headers: dict[str, str]) -> None:
        super().__init__(sink, "actioncable-v1-json")
        self.response_headers = headers
        self.dead = False
        """Whether nothing passes any more, in either direction, and nobody says so."""
        self._held: list[bytes] | None = None

    def arrive(self, frames: list[bytes]) -> None:
        if self.dead:
            return
        if self._held is not None:
            self._held += frames
        else:
            super().arrive(frames)

    def stall(self) -> None:
        """Let nothing come through, for now."""
        if self._held is None:
            self._held = []

    def flow(self) -> None:
        """Let come through what was held."""
        held, self._held = self._held, None
        if held:
            self.arrive(held)

    async def close(self, code: int = 1000, reason: str = "", timeout: float = 1.0) -> None:
        if self.dead:
            try:
                await asyncio.sleep(timeout)
            finally:
                self.abort()
        else:
            await super().close(code, reason, timeout)


class ServerLine:
    """The server's end of a line: beats, confirms, notes what it is told, and sends messages with rising numbers."""

    def __init__(self, owner: FaultyTransport, wire: Wire, beat: float) -> None:
        self.wire = wire
        self.beat = beat
        self.mute = False
        self.longest_gap = beat
        self.subscribed: set[str] = set()
        self.closed_by_client: tuple[int, str] | None = None
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._latency = owner.random.uniform(0.005, 0.2)
        self._timer: asyncio.TimerHandle | None = None
        self._name = next(_names)
        self._number = 0

    @property
    def alive(self) -> bool:
        """Whether what is sent arrives."""
        return not self.wire.dead and self in self._owner.lines

    def begin(self) -> None:
        self._loop.call_later(self._latency, self.send, {"type": "welcome"})
        self._timer = self._loop.call_later(self.beat * self._owner.random.uniform(0.1, 1), self._beat)

    def send(self, *frames: dict[str, Any]) -> None:
        if not self.mute:
            self.wire.arrive([json.dumps(frame, separators=(",", ":")).encode() for frame in frames])

    def message(self) -> None:
        """Send the next message to all that is subscribed."""
        if not self.subscribed:
            return
        self._number += 1
        self.send(
            *({"identifier": identifier, "message": [self._name, self._number]} for identifier in self.subscribed)
        )

    def finish(self, code: int | None = None, *frames: dict[str, Any]) -> None:
        """End the line: without a word, with *frames*, or with a close frame."""
        self.send(*frames)
        if not self.wire.dead:
            self.wire.finish(code, "", None if code else LineClosed(None))

    # What the wire tells

    def took(self, frame: bytes) -> None:
        if not self.wire.dead and not self.mute:
            self._loop.call_later(self._latency, self._obey, json.loads(frame))

    def ended(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._owner.lines.discard(self)

    def _beat(self) -> None:
        self._timer = self._loop.call_later(self.beat, self._beat)
        self.send({"type": "ping", "message": 1})

    def _obey(self, command: dict[str, Any]) -> None:
        if not self.alive:
            return
        match command["command"]:
            case "ping":
                self.send({"type": "pong"})
            case "subscribe" if command["identifier"] not in self.subscribed:
                # Servers ignore a second one, which a client sends that hears no answer to the first.
                self.subscribed.add(command["identifier"])
                self.send({"identifier": command["identifier"], "type": "confirm_subscription"})
            case "unsubscribe":
                self.subscribed.discard(command["identifier"])
            case "message":
                assert command["identifier"] in self.subscribed, "a command without its subscription"
                self._owner.performed.append(json.loads(command["data"])["number"])


class FaultyTransport(MemoryTransport):
    """Opens lines of one cable through the weather."""

    def __init__(self, random: Random, weather: Callable[[], Weather], beat: Callable[[], float]) -> None:
        super().__init__()
        self.random = random
        self.lines: set[ServerLine] = set()
        """Lines that the client has open."""
        self.performed: deque[int] = deque(maxlen=10)
        """Numbers of the last commands that arrived."""
        self.dialling = 0
        self._weather = weather
        self._beat = beat

    @property
    def sockets(self) -> int:
        """Sockets that the client holds."""
        return len(self.lines) + self.dialling

    async def open(self, request: DialRequest, sink: Sink) -> Wire:
        self.dials += 1
        self.dialling += 1
        assert self.sockets <= 2, f"{self.sockets} sockets at a time"
        try:
            await asyncio.sleep(self.random.uniform(0.01, 0.3))
            return await self._reach(request, sink)
        finally:
            self.dialling -= 1

    async def _reach(self, request: DialRequest, sink: Sink) -> Wire:
        weather = self._weather()
        match weather.kind:
            case "unreachable":
                raise HostUnreachable(request.url, "no route leads there")
            case "black hole":
                await asyncio.sleep(request.timeout)
                raise ConnectTimeout(request.url, request.timeout, "the host was not reached")
            case "refusing":
                raise HandshakeRefused(request.url, weather.status, weather.headers)
        return self._line(sink, weather.kind).wire

    def _line(self, sink: Sink, kind: str) -> ServerLine:
        wire = Wire(sink, ANYCABLE if self.random.random() < 0.5 else {})
        line = ServerLine(self, wire, self._beat())
        wire.server = line  # type: ignore[assignment]
        line.mute = kind == "mute"
        self.lines.add(line)
        line.begin()
        if kind == "dropping":
            asyncio.get_running_loop().call_later(self.random.uniform(*self._weather().drop_after), line.finish, None)
        return line
