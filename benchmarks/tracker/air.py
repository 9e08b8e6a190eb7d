"""The way between the tracker and its server: a radio that must wake first, and the time that a packet travels.

Whatever moves is told to the accountant: each round trip of the handshake, each frame either way, each acknowledgement,
the goodbye and the end of the TCP line.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

from cableway import MemoryTransport

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cableway.policies.energy import EnergyAccountant
    from cableway.transports.base import Connection, DialRequest, Sink

T = TypeVar("T")

ROUND_TRIP = 0.1
HANDSHAKE = ("DNS", "TCP", "TLS 1.3", "HTTP")
"""What costs a round trip each before a WebSocket, or the answer to an HTTP request, is there."""


class Air:
    """One radio, and the network behind it."""

    def __init__(self, accountant: EnergyAccountant, round_trip: float = ROUND_TRIP) -> None:
        self.accountant = accountant
        self.latency = round_trip / 2

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    def move(self) -> None:
        """Something is sent or received now."""
        self.accountant.transfer(self._loop.time())

    def leave(self) -> float:
        """Send something as soon as the radio is ready; return when it arrives. What answers comes another way later.

        The acknowledgement of the other end is received a round trip later.
        """
        ready = self.accountant.ready_at(self._loop.time())
        self.move()
        self._loop.call_at(ready + 2 * self.latency, self.move)
        return ready + self.latency

    def land(self) -> float:
        """Something comes down now; return when the radio hands it over."""
        self.move()
        return self.accountant.ready_at(self._loop.time())

    async def round_trip(self) -> None:
        """Send something small and wait for the answer."""
        arrival = self.leave()
        await asyncio.sleep(arrival + self.latency - self._loop.time())


class Pipe(Generic[T]):
    """Carries items one way, in order."""

    def __init__(self, deliver: Callable[[T], object]) -> None:
        self.empty_at = 0.0
        """When the last item so far arrives."""
        self._deliver = deliver
        self._items: deque[T] = deque()

    def put(self, item: T, arrival: float) -> None:
        """Have *item* arrive then, or together with the one before it if that is later."""
        self.empty_at = max(self.empty_at, arrival)
        self._items.append(item)
        # Each timer takes the oldest item: two that are set for one moment cannot change places.
        asyncio.get_running_loop().call_at(self.empty_at, self._next)

    def _next(self) -> None:
        self._deliver(self._items.popleft())


class Downlink:
    """Carries frames from the server to the tracker."""

    def __init__(self, air: Air, deliver: Callable[[bytes], object]) -> None:
        self._air = air
        self._to_mast: Pipe[bytes] = Pipe(self._at_mast)
        self._to_device: Pipe[bytes] = Pipe(deliver)

    def send(self, frame: bytes) -> None:
        """Send a frame: over the network first, then over the radio, which it may wake."""
        self._to_mast.put(frame, asyncio.get_running_loop().time() + self._air.latency)

    def _at_mast(self, frame: bytes) -> None:
        self._to_device.put(frame, self._air.land())


class AirTransport:
    """Opens lines through the air to whoever accepts them from :attr:`memory`."""

    name = "air"

    def __init__(self, air: Air) -> None:
        self.memory = MemoryTransport()
        self.lines = 0
        self._air = air

    async def open(self, request: DialRequest, sink: Sink) -> Connection:
        """Open one line, after the round trips of its handshake."""
        for _ in HANDSHAKE:
            await self._air.round_trip()
        inner = await self.memory.open(request, sink)
        self.lines += 1
        return AirConnection(self._air, inner)


class AirConnection:
    """The tracker's end of a line."""

    def __init__(self, air: Air, inner: Connection) -> None:
        self._air = air
        self._inner = inner
        self._up: Pipe[bytes] = Pipe(inner.send)
        self._closed = False

    @property
    def subprotocol(self) -> str | None:
        """What the server selected."""
        return self._inner.subprotocol

    @property
    def response_headers(self) -> Mapping[str, str]:
        """What the server said."""
        return self._inner.response_headers

    @property
    def last_received(self) -> float:
        """When something last came."""
        return self._inner.last_received

    def send(self, frame: bytes) -> None:
        """Send a frame."""
        if not self._closed:
            self._up.put(frame, self._air.leave())

    async def drain(self) -> None:
        """Wait until there is room."""
        await self._inner.drain()

    def pause(self) -> None:
        """Stop reading."""
        self._inner.pause()

    def resume(self) -> None:
        """Read on."""
        self._inner.resume()

    async def close(self, code: int = 1000, reason: str = "", timeout: float = 1.0) -> None:
        """Say goodbye behind all that was sent, wait for the answer, and end the TCP line."""
        if self._closed:
            return
        self._closed = True
        loop = asyncio.get_running_loop()
        arrival = max(self._up.empty_at, self._air.leave())
        await asyncio.sleep(arrival - loop.time())
        await self._inner.close(code, reason, timeout)
        await asyncio.sleep(self._air.latency)
        # The server's end of the line comes with its goodbye; ours is acknowledged a round trip later.
        self._air.leave()

    def abort(self) -> None:
        """Be gone; what is still on its way does not arrive."""
        if not self._closed:
            self._closed = True
            self._air.leave()
        self._inner.abort()
