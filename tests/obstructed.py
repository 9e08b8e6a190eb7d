"""Several transports to one server, with things in their way that the test puts there and takes away."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from attrs import define, field

from cableway import Fallback, ServerSilent
from tests.issuing import Issuer, Scene, staged

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from cableway import CableError
    from cableway.transports.base import Connection, DialRequest, Sink, Transport

NAMES = ("websocket", "long_polling", "event_stream")


@define
class Way:
    """A transport of some name, which hands its dials on to another one unless something is in the way."""

    name: str
    inner: Transport
    obstacle: Callable[[DialRequest], CableError] | None = None
    """Gives what dials fail with, at once."""
    swallows: bool = False
    """Dials are never answered."""
    slowness: float = 0.0
    """Seconds that each dial takes."""
    sends: bool = True
    max_command_size: int | None = None
    extras: dict[str, Any] = field(factory=dict)
    """Attributes of its connections."""
    dials: list[float] = field(factory=list)
    """When they were."""
    requests: list[DialRequest] = field(factory=list)

    async def open(self, request: DialRequest, sink: Sink) -> Connection:
        """Open a line, or not."""
        self.dials.append(asyncio.get_running_loop().time())
        self.requests.append(request)
        if self.swallows or self.slowness > request.timeout:
            await asyncio.sleep(request.timeout)
            raise ServerSilent(request.url, request.timeout, "the upgrade was not answered")
        if self.obstacle is not None:
            raise self.obstacle(request)
        await asyncio.sleep(self.slowness)
        connection = await self.inner.open(request, sink)
        for name, value in {"sends": self.sends, **self.extras}.items():
            setattr(connection, name, value)
        return connection


@define
class Obstructed:
    """A cable with three transports to one server."""

    scene: Scene
    websocket: Way
    polling: Way
    events: Way

    def blocked(self, way: Way) -> bool:
        """Whether nothing gets through by *way*."""
        return way.swallows or way.obstacle is not None


@asynccontextmanager
async def obstructed(
    issuer: Issuer | None = None, *, times: dict[str, float] | None = None, **options: Any
) -> AsyncIterator[Obstructed]:
    """A cable that is ready to be opened; nothing is in the way yet."""
    ways: list[Way] = []

    def through(transport: Any) -> Fallback:
        ways.extend(Way(name, transport, sends=name != "event_stream") for name in NAMES)
        return Fallback(ways, **(times or {}))

    async with staged(issuer, through=through, **options) as scene:
        yield Obstructed(scene, *ways)
