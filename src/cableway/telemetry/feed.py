"""Tells events to whoever wants to hear of them. What listeners do never reaches back."""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from weakref import WeakSet

from cableway.events import CallbackFailed, Event
from cableway.runtime import until_done
from cableway.telemetry.log import EventLog

if TYPE_CHECKING:
    from collections.abc import Callable

E = TypeVar("E", bound=Event)

BACKLOG = 1000
"""Events kept for an iterator that is slow to take them; older ones go first."""


class EventStream(Generic[E]):
    """An async iterator of events, in order, from its making on. It ends after the last event of its source.

    Cancelling the wait for the next event loses none.
    """

    def __init__(self) -> None:
        self._events: deque[E] = deque(maxlen=BACKLOG)
        self._waiters: set[asyncio.Future[None]] = set()
        self._ended = False

    def __aiter__(self) -> EventStream[E]:
        return self

    async def __anext__(self) -> E:
        while not self._events:
            if self._ended:
                raise StopAsyncIteration
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.add(waiter)
            try:
                await waiter
            finally:
                self._waiters.discard(waiter)
        return self._events.popleft()

    def _push(self, event: E) -> None:
        self._events.append(event)
        self._wake()

    def _end(self) -> None:
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)


class EventFeed:
    """Fans events out to callbacks and iterators.

    Events are told in the next turn of the event loop, in order, so that a callback may do anything, close the cable
    included, and one that is registered right after ``subscribe()`` misses nothing.
    """

    def __init__(self, source: str, parent: EventFeed | None = None) -> None:
        self._log = EventLog(source)
        self._callbacks: dict[object, tuple[type[Event], Callable[[Any], object]]] = {}
        self._streams: WeakSet[EventStream[Any]] = WeakSet()
        # Whoever settles the parent waits for the callbacks of its children, too.
        self._tasks: set[asyncio.Task[None]] = set() if parent is None else parent._tasks  # noqa: SLF001 - its own kind

    def on(self, event_type: type[E], callback: Callable[[E], object]) -> Callable[[], None]:
        """Call *callback* with each event of *event_type* or a subclass; return a function that ends it.

        Raises:
            TypeError: *event_type* is no event class, or *callback* cannot be called.
        """
        if not (isinstance(event_type, type) and issubclass(event_type, Event)) or not callable(callback):
            msg = f"on({event_type!r}, {callback!r}): give an event class such as Connected, and a function"
            raise TypeError(msg)
        key = object()
        self._callbacks[key] = (event_type, callback)

        def stop() -> None:
            self._callbacks.pop(key, None)

        return stop

    def stream(self) -> EventStream[Event]:
        """Return an iterator over the events from now on."""
        stream: EventStream[Event] = EventStream()
        self._streams.add(stream)
        return stream

    def emit(self, event: Event, *, last: bool = False) -> None:
        """Tell *event* in the next turn of the loop; *last* ends the iterators after it."""
        asyncio.get_running_loop().call_soon(self._tell, event, last)

    def end_soon(self) -> None:
        """End the iterators once what was emitted has been told."""
        asyncio.get_running_loop().call_soon(self.end)

    def end(self) -> None:
        """End the iterators without a further event."""
        for stream in list(self._streams):
            stream._end()  # noqa: SLF001 - feed and stream are one thing to the user
        self._streams.clear()

    async def settle(self, timeout: float) -> None:
        """Let async callbacks finish, and cancel those that take longer than *timeout* seconds.

        Called from one of them, it waits for none: they might wait for each other.
        """
        # One turn, so that what was just emitted has been told.
        await asyncio.sleep(0)
        pending = list(self._tasks)
        if pending and asyncio.current_task() not in self._tasks:
            _, late = await asyncio.wait(pending, timeout=timeout)
            for task in late:
                task.cancel()
            # One that swallows its cancellation is left to itself: closing has an end.
            await until_done(list(late))

    def _tell(self, event: Event, last: bool) -> None:  # noqa: FBT001 - called by call_soon
        self._log.write(event)
        for stream in list(self._streams):
            stream._push(event)  # noqa: SLF001 - see end()
        for event_type, callback in list(self._callbacks.values()):
            if isinstance(event, event_type):
                self._call(callback, event)
        if last:
            self.end()

    def _call(self, callback: Callable[[Any], object], event: Event) -> None:
        try:
            result = callback(event)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - a listener's fault is told, and stays the listener's
            self._failed(callback, event, error)
            return
        if inspect.isawaitable(result):
            task = asyncio.ensure_future(self._finish(callback, event, result))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _finish(self, callback: Callable[[Any], object], event: Event, result: Any) -> None:
        try:
            await result
        except (KeyboardInterrupt, SystemExit, asyncio.CancelledError):
            raise
        except BaseException as error:  # noqa: BLE001 - as above
            self._failed(callback, event, error)

    def _failed(self, callback: Callable[[Any], object], event: Event, error: BaseException) -> None:
        failure = CallbackFailed(getattr(callback, "__qualname__", type(callback).__name__), error)
        if isinstance(event, CallbackFailed):
            # A callback that cannot even hear of a failure would otherwise be told for ever.
            self._log.write(failure)
        else:
            self.emit(failure)
