"""Servers of several shards, played within the process: each behaves as Rails does, or as badly as a test wants."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from attrs import define, field

from cableway import MemoryTransport
from cableway.sharded import ShardedCable
from tests.scripted import STEADY, background

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cableway import MemoryServer


@define(eq=False)
class Server:
    """The server of one shard."""

    name: str
    mood: str = "fine"
    """``fine``; ``silent``: confirms nothing; ``rejecting``; ``gone``: ends each line; ``locked``: lets nobody in."""
    latency: float = 0.01
    """Seconds that it takes for a broadcast."""
    pace: float = 0.01
    """Seconds that it takes for a command; it does one after the other."""
    lines: list[MemoryServer] = field(factory=list)
    subscribed: set[str] = field(factory=set)
    performed: list[dict[str, Any]] = field(factory=list)
    commands: list[tuple[str, str]] = field(factory=list)
    broadcasts: deque[tuple[str, Any]] = field(factory=deque)

    @property
    def line(self) -> MemoryServer:
        """The present line."""
        return self.lines[-1]

    @property
    def is_up(self) -> bool:
        """Whether a client is there."""
        return bool(self.lines) and not self.line.over.is_set()

    def obey(self, line: MemoryServer, command: dict[str, Any]) -> None:
        """Do what a command asks for."""
        name, wanted = command["command"], command["identifier"]
        self.commands.append((name, wanted))
        if name == "unsubscribe":
            self.subscribed.discard(wanted)
        elif name == "message":
            self.performed.append(json.loads(command["data"]))
        elif self.mood == "rejecting":
            line.reject(wanted)
        elif self.mood != "silent":
            self.subscribed.add(wanted)
            line.confirm(wanted)


class Servers:
    """All servers, on one network."""

    def __init__(self, *names: str) -> None:
        self.transport = MemoryTransport()
        self.by_name = {name: Server(name) for name in names}
        self.urls = {name: f"ws://{name}.example/cable" for name in names}
        self._tasks: set[asyncio.Task[Any]] = set()

    def __getitem__(self, name: str) -> Server:
        return self.by_name[name]

    @property
    def dialled(self) -> list[str]:
        """Names of the servers that were dialled."""
        return [name for name, server in self.by_name.items() if server.lines]

    def publish(self, identifier: str, value: Any) -> None:
        """Have each server send *value* to its subscribers, in its own time."""
        loop = asyncio.get_running_loop()
        for server in self.by_name.values():
            # A queue, because timers of one moment fire in any order.
            server.broadcasts.append((identifier, value))
            loop.call_later(server.latency, self._send, server)

    def _send(self, server: Server) -> None:
        identifier, value = server.broadcasts.popleft()
        if server.is_up and identifier in server.subscribed:
            server.line.message(identifier, value)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Take dials until the block is left."""
        self._start(self._accept())
        try:
            yield
        finally:
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    def _start(self, work: Any) -> None:
        task = background(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self) -> None:
        while True:
            line = await self.transport.accept()
            server = self.by_name[(urlsplit(line.request.url).hostname or "").partition(".")[0]]
            server.subscribed.clear()
            server.lines.append(line)
            self._start(self._talk(server, line))
            self._start(self._beat(line))
            self._start(self._forget(server, line))

    async def _beat(self, line: MemoryServer) -> None:
        while not line.over.is_set():
            await asyncio.sleep(3)
            line.send({"type": "ping", "message": 1})

    async def _forget(self, server: Server, line: MemoryServer) -> None:
        await line.over.wait()
        if line is server.line:
            server.subscribed.clear()

    async def _talk(self, server: Server, line: MemoryServer) -> None:
        await asyncio.sleep(0.01)
        if server.mood == "gone":
            line.cut()
        elif server.mood == "locked":
            line.send({"type": "disconnect", "reason": "unauthorized", "reconnect": False})
        else:
            line.welcome()
        while not line.over.is_set():
            command = await line.receive()
            await asyncio.sleep(server.pace)
            if not line.over.is_set():
                server.obey(line, command)


@asynccontextmanager
async def sharded(
    *names: str, also: tuple[str, ...] = (), **options: Any
) -> AsyncIterator[tuple[ShardedCable, Servers]]:
    """A sharded cable on shards *names*, open, and the servers, those of *also* with no shard yet."""
    servers = Servers(*names, *also)
    urls = {name: servers.urls[name] for name in names}
    async with servers.serving():
        cable = ShardedCable(urls, transports=[servers.transport], **{"backoff": STEADY, **options})
        try:
            async with cable:
                yield cable, servers
        finally:
            await cable.close(flush=False)


def topic_on(cable: ShardedCable, shard: str) -> str:
    """Find a topic that belongs to *shard*."""
    return next(topic for topic in map("topic-{}".format, range(10_000)) if cable.router.shard_of(topic) == shard)
