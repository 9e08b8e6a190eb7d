"""A cable on lines within the process: either the test plays the server, word by word, or a model of Rails does."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define, field

from cableway import Cable, ConnectError, Event, ExponentialBackoff, MemoryServer, MemoryTransport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from random import Random

T = TypeVar("T")

URL = "ws://cable.example/cable"

STEADY = ExponentialBackoff(minimum=1, maximum=1, factor=1, jitter=0)
"""Dials again after exactly one second."""


async def settle() -> None:
    """Let all that is due happen; under virtual time nothing is left over after it."""
    await asyncio.sleep(0.001)


def refusal() -> ConnectError:
    """An error that is worth another dial."""
    return ConnectError(URL, "nobody is there")


def identifier(channel: str, **params: Any) -> str:
    """Write an identifier as the client does."""
    return json.dumps({"channel": channel, **params}, separators=(",", ":"), sort_keys=True)


def background(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Run *work* beside the test."""
    return asyncio.get_running_loop().create_task(work)


async def confirmation(subscription: Any) -> Any:
    """Wait for a confirmation, as a coroutine that can be made a task."""
    return await subscription


@define
class Line:
    """A cable, and the test's hand on what it dials."""

    cable: Cable
    transport: MemoryTransport
    events: list[Event] = field(factory=list)
    speaks: str | None = None
    """The subprotocol that the server selects; ``None``: none, and that is the base protocol."""
    server: MemoryServer = field(init=False)

    async def connect(self) -> MemoryServer:
        """Open the cable and welcome it."""
        opening = background(self.cable.open())
        server = await self.welcome()
        await opening
        return server

    async def welcome(self) -> MemoryServer:
        """Take the next dial and welcome the client."""
        async with asyncio.timeout(120):
            self.server = await self.transport.accept(self.speaks)
        self.server.welcome()
        await settle()
        return self.server

    async def live(self, channel: str = "Chat", **params: Any) -> Any:
        """Subscribe, and confirm that."""
        subscription = self.cable.subscribe(channel, params)
        await settle()
        self.server.confirm(subscription.identifier)
        assert [command["command"] for command in self.server.received] == ["subscribe"]
        return await subscription

    def told(self, *kinds: type[Event]) -> list[Event]:
        """Return the events of *kinds* so far."""
        return [event for event in self.events if isinstance(event, kinds)]


def line(url: Any = URL, *, speaks: str | None = None, **options: Any) -> Line:
    """Make a cable that dials the test."""
    transport = MemoryTransport()
    made = Line(Cable(url, transports=[transport], **{"backoff": STEADY, **options}), transport, speaks=speaks)
    made.cable.on(Event, made.events.append)
    return made


@asynccontextmanager
async def connected(**options: Any) -> AsyncIterator[Line]:
    """A cable that is up; whatever the test does, it is closed afterwards."""
    made = line(**options)
    await made.connect()
    try:
        yield made
    finally:
        await made.cable.close(flush=False)


class Model:
    """A server that behaves as Rails does, takes its time, and notes what no client should do.

    Channels whose name begins with ``Silent`` get no answer, those with ``Rejected`` a refusal. With *workers* commands
    are run side by side, each after its own delay, as Rails' pool of threads does. *lossy* tells of each answer
    whether it is lost.
    """

    def __init__(
        self,
        transport: MemoryTransport,
        *,
        delay: Callable[[], float] = lambda: 0.01,
        workers: bool = False,
        lossy: Callable[[], bool] = lambda: False,
    ) -> None:
        self.transport = transport
        self.subscribed: set[str] = set()
        """Identifiers that the server has on the present line."""
        self.performed: list[tuple[str, dict[str, Any]]] = []
        self.faults: list[str] = []
        self.lines: list[MemoryServer] = []
        self.commands: list[tuple[str, str]] = []
        self._delay = delay
        self._workers = workers
        self._lossy = lossy
        self._unheard: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Model]:
        """Take dials until the block is left."""
        serving = background(self._serve())
        try:
            yield self
        finally:
            for task in (serving, *self._tasks):
                task.cancel()
            await asyncio.wait([serving, *self._tasks])

    @property
    def line(self) -> MemoryServer:
        """The present line."""
        return self.lines[-1]

    async def _serve(self) -> None:
        while True:
            server = await self.transport.accept()
            self.subscribed.clear()
            self._unheard.clear()
            self.lines.append(server)
            self._start(self._talk(server))
            self._start(self._beat(server))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = background(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _beat(self, server: MemoryServer) -> None:
        while not server.over.is_set():
            await asyncio.sleep(3)
            server.send({"type": "ping", "message": 1})

    async def _talk(self, server: MemoryServer) -> None:
        await asyncio.sleep(self._delay())
        server.welcome()
        while not server.over.is_set():
            command = await server.receive()
            if self._workers:
                self._start(self._run(server, command))
            else:
                await self._run(server, command)

    async def _run(self, server: MemoryServer, command: dict[str, Any]) -> None:
        await asyncio.sleep(self._delay())
        if not server.over.is_set():
            self._obey(server, command)

    def _obey(self, server: MemoryServer, command: dict[str, Any]) -> None:
        name, wanted = command["command"], command["identifier"]
        self.commands.append((name, wanted))
        channel = json.loads(wanted)["channel"]
        if name == "subscribe":
            self._subscribe(server, wanted, channel)
        elif wanted not in self.subscribed:
            # Rails logs these as errors: unable to find the subscription.
            self.faults.append(f"{name} without a subscription: {wanted}")
        elif name == "unsubscribe":
            self.subscribed.discard(wanted)
        else:
            self.performed.append((wanted, json.loads(command["data"])))

    def _subscribe(self, server: MemoryServer, wanted: str, channel: str) -> None:
        if channel.startswith("Silent"):
            return
        if channel.startswith("Rejected"):
            server.reject(wanted)
        elif wanted in self.subscribed:
            # A second subscribe is never answered, and only one whose answer was lost is to be expected.
            if wanted not in self._unheard:
                self.faults.append(f"subscribed twice: {wanted}")
        else:
            self.subscribed.add(wanted)
            if self._lossy():
                self._unheard.add(wanted)
            else:
                server.confirm(wanted)


def jitter(random: Random, longest: float = 0.1) -> Callable[[], float]:
    """Delays that differ."""
    return lambda: random.uniform(0, longest)
