"""Where the contract of transports is played: a cable, one transport, the bundled gateway, and the way between them.

A :class:`Stage` is the same to a test whatever the transport. What differs is a :class:`Kind`: which transport it is,
what that can do, and what lies between it and the gateway. A further transport joins with one more kind.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol, Self

from attrs import define, field, frozen

from cableway import (
    Cable,
    Event,
    EventStreamTransport,
    LongPollingTransport,
    WebSocketTransport,
)
from cableway.gateway import Channel, Connection, Gateway, action
from tests.interop.peers.rough import RoughRelay
from tests.scripted import STEADY, settle
from tests.transports.bridge import Bridge

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager
    from types import CodeType, TracebackType

    from cableway import DialRequest
    from cableway.transports.base import Connection as Line
    from cableway.transports.base import Sink, Transport

USER = {"user": "ada"}
"""Who the clients are to the gateway."""
PATIENCE = 600.0
"""Seconds for what must happen; polls that bring commands and nothing back take fifteen each."""


# What lies between ----------------------------------------------------------------------------------------------------


class Way(Protocol):
    """What lies between a cable and the gateway."""

    url: str
    """Where cables dial."""
    transport: Transport

    @property
    def busy(self) -> bool:
        """Whether there is any line, or any connection of one."""
        ...

    def gone(self) -> AbstractAsyncContextManager[None]:
        """Cut all lines without a word, and let nobody through during the block."""
        ...


class Sockets(RoughRelay):
    """Sockets of this machine, through a relay that can be cut."""

    def __init__(self, transport: Transport, gateway: Gateway) -> None:
        super().__init__(gateway.port, seed=1)
        self.transport = transport


@frozen
class Kind:
    """One transport under test."""

    name: str
    way: Callable[[Gateway], Any]
    """Gives a :class:`Way`, as a context manager."""
    sends: bool = True
    """Whether it carries commands, and has sessions that can be asked back."""

    def __str__(self) -> str:
        return self.name


KINDS = (
    Kind("memory", Bridge),
    Kind("websocket", lambda gateway: Sockets(WebSocketTransport(), gateway)),
    Kind("long_polling", lambda gateway: Sockets(LongPollingTransport(), gateway)),
    Kind("interrupting", lambda gateway: Sockets(LongPollingTransport(sending="interrupt"), gateway)),
    Kind("event_stream", lambda gateway: Sockets(EventStreamTransport(), gateway), sends=False),
)


# What the gateway does ------------------------------------------------------------------------------------------------


@define
class Log:
    """What the gateway's channels were told, by all clients together."""

    told: list[str] = field(factory=list)
    """``subscribed``, ``unsubscribed`` and ``refused``, each with the room's name."""
    performed: list[tuple[str, Any]] = field(factory=list)
    """Rooms, and the data of their notes, in the order in which they were run."""
    ended: int = 0
    """Sessions whose end the gateway has seen."""


class Room(Channel):
    """Passes on what is published to it, and keeps what it is told."""

    log: Log

    async def subscribed(self) -> None:
        self.log.told.append(f"subscribed {self.params['name']}")
        self.stream_from(str(self.params["name"]))
        self.notes = 0

    async def unsubscribed(self) -> None:
        self.log.told.append(f"unsubscribed {self.params['name']}")

    @action
    def note(self, data: dict[str, Any]) -> None:
        """Keep it, and count."""
        self.notes += 1
        self.log.performed.append((str(self.params["name"]), data))

    @action
    def echo(self, data: dict[str, Any]) -> None:
        """Send it back."""
        self.transmit(data)

    @action
    def count(self) -> None:
        """Tell how many notes this subscription has made."""
        self.transmit(self.notes)


class Locked(Channel):
    """Lets nobody in."""

    log: Log

    async def subscribed(self) -> None:
        self.log.told.append(f"refused {self.params['name']}")
        self.reject()


class Guest(Connection):
    """Lets everybody in, under one name."""

    log: Log

    async def connect(self) -> None:
        self.identifiers = dict(USER)

    async def disconnected(self) -> None:
        self.log.ended += 1


# The stage ------------------------------------------------------------------------------------------------------------


class Counted:
    """A transport whose lines are counted."""

    def __init__(self, inner: Transport) -> None:
        self.lines = 0
        self._inner = inner

    async def open(self, request: DialRequest, sink: Sink) -> Line:
        """Open a line."""
        line = await self._inner.open(request, sink)
        self.lines += 1
        return line

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class Stage:
    """A gateway, and the way to it. Left well, it makes sure that no task and no timer stays behind."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.gateway: Gateway
        self._log = Log()
        self._way: Way
        self._transport: Counted
        self._stack = AsyncExitStack()
        self._before: tuple[set[Any], set[Any]]

    async def __aenter__(self) -> Self:
        """Start the gateway."""
        self._before = set(asyncio.all_tasks()), set(timers())
        self.gateway = Gateway(
            [self._logging(Room), self._logging(Locked)], connection=self._logging(Guest), poll=True, sse=True
        )
        await self._stack.enter_async_context(self.gateway)
        self._way = await self._stack.enter_async_context(self.kind.way(self.gateway))
        self._transport = Counted(self._way.transport)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        await self._stack.aclose()
        await settle()
        if error is None:
            assert asyncio.all_tasks() <= self._before[0]
            assert set(timers()) <= self._before[1]

    def _logging(self, kind: type[Any]) -> type[Any]:
        return type(kind.__name__, (kind,), {"log": self._log, "name": kind.__name__})

    @asynccontextmanager
    async def cable(self, events: list[Event] | None = None, **options: Any) -> AsyncIterator[Cable]:
        """Open a cable on the transport, note what happens to it in *events*, and close it."""
        made = Cable(self._way.url, transports=[self._transport], **{"backoff": STEADY, **options})
        if events is not None:
            made.on(Event, events.append)
        async with made:
            yield made

    @property
    def told(self) -> list[str]:
        """What the gateway's channels were told."""
        return self._log.told

    @property
    def performed(self) -> list[tuple[str, Any]]:
        """What they ran: rooms, and the data of their notes."""
        return self._log.performed

    @property
    def ended(self) -> int:
        """How many sessions the gateway has seen end; on event streams each request is one."""
        return self._log.ended

    @property
    def lines(self) -> int:
        """How many lines were opened so far."""
        return self._transport.lines

    @property
    def busy(self) -> bool:
        """Whether there is any line between a cable and the gateway."""
        return self._way.busy or bool(self.gateway.stats().connections)

    async def publish(self, room: str, *values: Any) -> None:
        """Publish *values*, one after another."""
        for value in values:
            await self.gateway.broadcast(room, value)

    async def send_away(self, *, reconnect: bool) -> None:
        """Have the gateway end all sessions."""
        assert await self.gateway.disconnect(USER, reconnect=reconnect) > 0

    @asynccontextmanager
    async def outage(self) -> AsyncIterator[None]:
        """Cut all lines without a word; nothing gets through during the block, nor until no line can live on."""
        async with self._way.gone():
            yield
            await asyncio.sleep(10)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for what nobody announces."""
        async with asyncio.timeout(PATIENCE):
            while not condition():  # noqa: ASYNC110 - a list of the gateway's wakes nobody
                await asyncio.sleep(0.1)


def timers() -> list[asyncio.TimerHandle]:
    """Return the timers of the running loop that will still go off."""
    return [timer for timer in asyncio.get_running_loop()._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]


def of_clients() -> list[object]:
    """Return the tasks and timers that the client's code has started."""
    tasks = [task for task in asyncio.all_tasks() if _is_client(getattr(task.get_coro(), "cr_code", None))]
    return [*tasks, *(timer for timer in timers() if _is_client(_code(timer._callback)))]  # type: ignore[attr-defined]


def _code(callback: Any) -> CodeType | None:
    while hasattr(callback, "func"):
        callback = callback.func
    return getattr(callback, "__code__", None)


def _is_client(code: CodeType | None) -> bool:
    path = "" if code is None else code.co_filename
    return "/src/cableway/" in path and "/src/cableway/gateway/" not in path
