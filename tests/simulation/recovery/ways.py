"""Several transports that lead to one server, some of which the network blocks at times."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cableway import HandshakeCut, HandshakeRefused, NotAWebSocket, ServerSilent

if TYPE_CHECKING:
    from cableway.transports.base import DialRequest, Sink
    from tests.simulation.recovery.wires import BrokenTransport, Wire

OBSTACLES = ("", "", "swallow", "refuse", "cut", "page", "mute")
"""What a network may do to a transport; nothing, quite often."""

FETCH = 0.8
"""Seconds by which a lesser transport is late, at most."""


class Way:
    """One transport. The lesser ones are slower, as those are that fetch what they bring."""

    def __init__(self, name: str, inner: BrokenTransport, *, late: float) -> None:
        self.name = name
        self.blocked = ""
        self._inner = inner
        self._late = late
        self._lines: list[Wire] = []

    @property
    def lines(self) -> list[Wire]:
        """Those that are open."""
        self._lines = [wire for wire in self._lines if wire in self._inner.lines]
        return self._lines

    def block(self, obstacle: str) -> None:
        """Have the network do *obstacle* to dials from now on."""
        self.blocked = obstacle

    async def open(self, request: DialRequest, sink: Sink) -> Wire:
        """Dial."""
        match self.blocked:
            case "swallow":
                await asyncio.sleep(request.timeout)
                raise ServerSilent(request.url, request.timeout, "the upgrade was not answered")
            case "refuse":
                raise HandshakeRefused(request.url, 501, {})
            case "cut":
                raise HandshakeCut(request.url, "the connection was cut")
            case "page":
                raise NotAWebSocket(request.url, "a web page came")
        wire = await self._inner.open(request, sink)
        self._lines.append(wire)
        if self._late:
            wire.latency = self._inner.random.uniform(0.1, self._late)
            wire.message_latency = self._late  # type: ignore[attr-defined]
        if self.blocked == "mute":
            # The handshake passes, and nothing behind it.
            wire.die(0)
        return wire


def ways_to(inner: BrokenTransport, count: int) -> list[Way]:
    """Return *count* transports by which *inner* dials, the best one first."""
    names = ("memory", "second", "third")[:count]
    return [Way(name, inner, late=FETCH if index else 0.0) for index, name in enumerate(names)]
