"""A cable in a network that does what a test says: in memory, or on 127.0.0.1 where bytes matter."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
from attrs import Factory, define, field

from cableway import Cable, Connecting, Event, RetryScheduled, WebSocketTransport
from cableway.host.clocks import Clocks
from cableway.host.watch import HostWatch
from tests.scripted import URL
from tests.simulation.network import FaultyTransport, ServerLine, Weather
from tests.simulation.world import Host
from tests.transports.websocket.peers import frame

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.transports.websocket.peers import Peer

E = TypeVar("E", bound=Event)


@define
class Rig:
    """A cable, its network, and its host."""

    cable: Cable = field(init=False)
    weather: Weather = Factory(Weather)
    host: Host = Factory(Host)
    wall: float = 1.0e9
    events: list[tuple[float, Event]] = Factory(list)
    net: FaultyTransport = field(init=False)

    def told(self, kind: type[E]) -> list[E]:
        """Return the events of *kind* so far."""
        return [event for _, event in self.events if isinstance(event, kind)]

    def at(self, kind: type[Event]) -> list[float]:
        """Return when events of *kind* were told."""
        return [at for at, event in self.events if isinstance(event, kind)]

    @property
    def line(self) -> ServerLine:
        """The server's end of the line that is up."""
        (line,) = self.net.lines
        return line

    def break_lines(self) -> None:
        """Cut all lines without a word."""
        for line in list(self.net.lines):
            line.finish(None)

    async def until(self, condition: Callable[[], bool], limit: float = 1000) -> float:
        """Wait for what nobody announces; return the seconds that it took."""
        began = now()
        while not condition():
            assert now() - began < limit, self.events[-8:]
            await asyncio.sleep(0.05)
        return now() - began

    @property
    def retry(self) -> RetryScheduled:
        """What was last said of the next dial."""
        return self.told(RetryScheduled)[-1]


def now() -> float:
    """The loop's time."""
    return asyncio.get_running_loop().time()


def rig(seed: int = 1, beat: float = 3.0, url: Any = URL, watch: HostWatch | None = None, **options: Any) -> Rig:
    """Make a cable whose network and host are in the hands of the test; many may share one *watch*."""
    loop = asyncio.get_running_loop()
    made = Rig()
    made.net = FaultyTransport(Random(seed), lambda: made.weather, lambda: beat)
    made.cable = Cable(url, transports=[made.net], **{"dial_gate": None, **options})
    clocks = Clocks(loop.time, lambda: loop.time() + made.host.slept, lambda: made.wall + loop.time())
    own = watch or HostWatch(loop, clocks=clocks, way=made.host.way, netlink=lambda: None)
    engine = made.cable._engine
    engine.settings = attrs.evolve(engine.settings, watch=lambda _: own)
    made.cable.on(Event, lambda event: made.events.append((now(), event)))
    return made


@asynccontextmanager
async def up(good: float = 60.0, **options: Any) -> AsyncIterator[Rig]:
    """A cable that has been up for *good* seconds; what it is told after that is kept. Closed at the end."""
    made = rig(**options)
    await made.cable.open()
    try:
        await asyncio.sleep(good)
        made.events.clear()
        yield made
    finally:
        await made.cable.close(flush=False)


def dials(rig: Rig) -> int:
    """How often it has dialled."""
    return len(rig.told(Connecting))


# Servers on 127.0.0.1 ------------------------------------------------------------------------------------------------

PROTOCOL = "Server: selects no subprotocol"


def text(value: Any) -> bytes:
    """A frame with *value* as JSON."""
    return frame(json.dumps(value).encode())


WELCOME = text({"type": "welcome"})
PING = text({"type": "ping", "message": 1})


def confirm(identifier: str) -> bytes:
    """A frame that confirms a subscription."""
    return text({"identifier": identifier, "type": "confirm_subscription"})


async def serve(peer: Peer) -> None:
    """Behave as a server should, without a beat, until the client leaves."""
    await peer.upgrade(PROTOCOL, after=WELCOME)
    while True:
        try:
            opcode, payload = await peer.read_frame()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        if opcode == 8:
            await peer.send(frame(payload[:2], 8))
            return
        command = json.loads(payload)
        if command["command"] == "subscribe":
            await peer.send(confirm(command["identifier"]))


def near(port: int, scheme: str = "ws", **options: Any) -> Cable:
    """A cable that dials 127.0.0.1 by WebSocket alone: what these servers do, they do to that."""
    given = {"proxy": None, "dial_gate": None, "transports": [WebSocketTransport()], **options}
    return Cable(f"{scheme}://127.0.0.1:{port}/cable", **given)


@asynccontextmanager
async def trying(cable: Cable) -> AsyncIterator[list[Event]]:
    """Have *cable* try to open its line while the block runs; gives what it tells."""
    events: list[Event] = []
    cable.on(Event, events.append)
    opening = asyncio.get_running_loop().create_task(cable.open())
    try:
        yield events
    finally:
        opening.cancel()
        await asyncio.wait([opening])
        await cable.close(flush=False)


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait for real sockets; virtual time passes as it likes."""
    for _ in range(20_000):
        if condition():
            return
        await asyncio.sleep(0.05)
    msg = "it never happened"
    raise AssertionError(msg)
