"""The network between a client and the model of a server: bytes that come late, in part, or not at all."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from cableway import ConnectTimeout, HandshakeRefused, HostUnreachable
from cableway.errors import LineClosed
from cableway.transports.memory import MemoryConnection
from tests.simulation.recovery.server import BASE, EXTENDED

if TYPE_CHECKING:
    from random import Random

    from cableway.transports.base import DialRequest, Sink
    from tests.simulation.recovery.server import Server, Session

RESTORE = "x-anycable-restore-sid"


class Pipe:
    """One direction: what goes in comes out later, in order, together with what is there by then."""

    def __init__(self, wire: Wire, *, down: bool) -> None:
        self.held = False
        self.frames: deque[tuple[float, bytes]] = deque()
        self._wire = wire
        self._down = down
        self._timer: asyncio.TimerHandle | None = None
        self._last = 0.0

    def put(self, frame: bytes) -> None:
        """Send one frame on its way."""
        wire = self._wire
        self._last = max(self._last, wire.loop.time() + wire.latency * wire.random.uniform(0.8, 1.2))
        self.frames.append((self._last, frame))
        self._arm()

    def flow(self) -> None:
        """Let through what was held."""
        self.held = False
        self._arm()

    def cut(self, at: int) -> None:
        """Lose all but the first *at* frames that are under way, and have these arrive now."""
        while len(self.frames) > at:
            self.frames.pop()
        self.held = False
        self._out(self._wire.loop.time() + 1e9)
        self.stop()

    def stop(self) -> None:
        """Carry nothing any more."""
        self.frames.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        if self._timer is None and self.frames and not self.held:
            self._timer = self._wire.loop.call_at(max(self.frames[0][0], self._wire.loop.time()), self._due)

    def _due(self) -> None:
        self._timer = None
        if not self.held:
            self._out(self._wire.loop.time())
            self._arm()

    def _out(self, now: float) -> None:
        batch = []
        while self.frames and self.frames[0][0] <= now:
            batch.append(self.frames.popleft()[1])
        if batch:
            self._wire.carried(batch, down=self._down)


class Wire(MemoryConnection):
    """The client's end of a connection, and all between it and the server."""

    def __init__(self, transport: BrokenTransport, sink: Sink, subprotocol: str | None) -> None:
        super().__init__(sink, subprotocol)
        self.loop = asyncio.get_running_loop()
        self.random = transport.random
        self.latency = transport.random.choice((0.002, 0.02, 0.1, 0.3))
        self.dead = False
        """Whether nothing passes any more, and nobody says so."""
        self.session: Session | None = None
        self.server = self  # type: ignore[assignment]
        self.closed_by_client: tuple[int, str] | None = None
        self._transport = transport
        self._down = Pipe(self, down=True)
        self._up = Pipe(self, down=False)
        self._closing = False

    # What the server does: a Line

    def send_down(self, frame: bytes) -> None:
        """Send one frame to the client."""
        if not self.dead and not self._closing:
            self._down.put(frame)

    @property
    def waiting(self) -> int:
        """Frames that the client has not taken."""
        return len(self._down.frames) + (len(self._arrived) if self.paused else 0)

    def discard(self) -> None:
        """Lose what waits at the server: all but what the network has taken."""
        while len(self._down.frames) > 50:
            self._down.frames.pop()

    def close_down(self, code: int | None) -> None:
        """Close as a server does: what was sent still arrives."""
        if self.dead or self._closing:
            return
        self._closing = True
        if self._down.frames:
            when = max(self._down.frames[-1][0], self.loop.time()) + 0.001
            self.loop.call_at(when, self._closed, code)
        else:
            self._closed(code)

    def _closed(self, code: int | None) -> None:
        if self._down.held and self._down.frames:
            self.loop.call_later(0.5, self._closed, code)
        else:
            self._end_now(code)

    def _end_now(self, code: int | None) -> None:
        if not self.dead:
            self.finish(code, "", None if code else LineClosed(None))

    # What the network does

    def cut(self, at: int) -> None:
        """End without a word after *at* more frames in each direction."""
        if self.dead:
            return
        self._up.cut(min(at, len(self._up.frames)))
        self._down.cut(min(at, len(self._down.frames)))
        self._end_now(None)

    def die(self, at: int) -> None:
        """Have nothing come through after *at* more frames, and nobody learn of it."""
        if self.dead:
            return
        self._up.cut(0)
        self._down.cut(min(at, len(self._down.frames)))
        # Half of the next frame.
        self.last_received = self.loop.time()
        self.dead = True

    def stall(self) -> None:
        """Hold everything."""
        self._down.held = self._up.held = True

    def flow(self) -> None:
        """Let through what was held."""
        if not self.dead:
            self._up.flow()
            self._down.flow()

    def carried(self, batch: list[bytes], *, down: bool) -> None:
        """Hand over what has come through."""
        if down:
            if not self.dead:
                self.arrive(batch)
        elif self.session is not None:
            for frame in batch:
                self.session.took(frame)

    # What MemoryConnection says to its server

    def took(self, frame: bytes) -> None:
        if not self.dead and not self._closing:
            self._up.put(frame)

    def ended(self) -> None:
        self._closing = True
        self._up.cut(len(self._up.frames))
        self._down.stop()
        self._transport.lines.pop(self, None)
        if self.session is not None and self.dead:
            # No word of it reaches the server.
            self.loop.call_later(self.random.uniform(1.0, 30.0), self.session.end)
        elif self.session is not None:
            self.session.end()

    async def close(self, code: int = 1000, reason: str = "", timeout: float = 1.0) -> None:
        if self.dead:
            try:
                await asyncio.sleep(timeout)
            finally:
                self.abort()
        else:
            await super().close(code, reason, timeout)


class ServerEnd:
    """The server's hold on a wire."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire

    def send(self, frame: bytes) -> None:
        self.wire.send_down(frame)

    def close(self, code: int | None) -> None:
        self.wire.close_down(code)

    @property
    def waiting(self) -> int:
        return self.wire.waiting

    def discard(self) -> None:
        self.wire.discard()


class BrokenTransport:
    """Opens connections to one server, as far as the network lets it."""

    name = "memory"

    def __init__(self, random: Random, server: Server) -> None:
        self.random = random
        self.server = server
        self.weather = "fine"
        """``fine``, ``unreachable``, ``black hole``, ``refusing``, ``mute`` or ``dropping``."""
        self.lines: dict[Wire, None] = {}
        """Connections that the client has open."""
        self.dials = 0
        self.offered: set[str] = set()

    async def open(self, request: DialRequest, sink: Sink) -> Wire:
        """Dial."""
        self.dials += 1
        self.offered.update(request.subprotocols)
        await asyncio.sleep(self.random.uniform(0.01, 0.3))
        match self.weather if self.server.up else "unreachable":
            case "unreachable":
                raise HostUnreachable(request.url, "no route leads there")
            case "black hole":
                await asyncio.sleep(request.timeout)
                raise ConnectTimeout(request.url, request.timeout, "the host was not reached")
            case "refusing":
                raise HandshakeRefused(request.url, 502, {})
        return self._line(request, sink)

    def _line(self, request: DialRequest, sink: Sink) -> Wire:
        subprotocol = self._selected(request.subprotocols)
        wire = Wire(self, sink, subprotocol)
        anycable = self.server.options.flavour == "anycable"
        wire.response_headers = {"x-anycable-version": "1.6.16"} if anycable else {}
        self.lines[wire] = None
        if self.weather != "mute":
            headers = {name.lower(): value for name, value in request.headers.items()}
            wire.session = self.server.connect(
                ServerEnd(wire), extended=subprotocol == EXTENDED, restore=headers.get(RESTORE)
            )
        if self.weather == "dropping":
            wire.loop.call_later(self.random.uniform(0.0, 1.0), wire.cut, self.random.randrange(4))
        return wire

    def _selected(self, offered: object) -> str | None:
        # The server's list counts, not the client's.
        known = (BASE,) if self.server.options.flavour == "rails" else (BASE, EXTENDED)
        return next((name for name in known if name in list(offered)), None)  # type: ignore[call-overload]
