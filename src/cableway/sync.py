"""The same client for threads and scripts, no asyncio in sight.

Example::

    from cableway.sync import Cable

    with Cable("wss://example.com/cable") as cable:
        with cable.subscribe("ChatChannel", room=42) as chat:
            chat.perform("speak", text="hi")
            for message in chat:
                print(message.data)

The engine is the one of :class:`cableway.Cable`, on a private thread. Threads may share a cable and a subscription.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, TypeVar

import cableway.cable as asynchronous
from cableway.errors import CableError
from cableway.events import CallbackFailed, Event
from cableway.hub.options import DEFAULT_OPTIONS
from cableway.portal import Portal
from cableway.states import State, SubscriptionState
from cableway.sync_presence import Presence
from cableway.types import to_limit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime, timedelta
    from types import TracebackType

    from cableway.channel import Channel
    from cableway.hub.options import SubscriptionOptions
    from cableway.policies.backoff import Backoff
    from cableway.policies.monitors.base import Monitor
    from cableway.stats import CableStats, SubscriptionStats
    from cableway.subscription import Subscription as AsyncSubscription
    from cableway.telemetry.feed import EventStream
    from cableway.types import JSONValue, MaybeAwaitable, Seconds
    from cableway.wire.message import Message
    from cableway.wire.positions import Position

__all__ = ["Cable", "Subscription"]

T = TypeVar("T")
E = TypeVar("E", bound=Event)

AT_ONCE = 64
"""Messages fetched from the private thread at a time."""


class Cable:
    """A line to an Action Cable or AnyCable server that comes back by itself, for threads and scripts.

    Takes the arguments of :class:`cableway.Cable` and behaves as that does; where that waits, this blocks. Ctrl-C
    interrupts every wait. Functions that are given to it, such as ``headers=``, run on the private thread and should
    not block; callbacks of :meth:`on` run on a thread of their own, one after another, and may use the cable.
    """

    def __init__(self, url: Any, **options: Any) -> None:
        self._portal = Portal("cableway cable")
        self._cable = asynchronous.Cable(url, **options)

    @property
    def state(self) -> State:
        """Where the cable stands."""
        return self._cable.state

    @property
    def error(self) -> CableError | None:
        """What ended the cable for good, or what last broke the line; ``None`` while all is well."""
        return self._cable.error

    def open(self) -> Self:
        """Bring the line up; see :meth:`cableway.Cable.open`. Interrupted, it dials no more."""
        self._portal.hold()
        try:
            self._portal.call(self._cable.open)
        finally:
            # A line that others have opened, or that comes back by itself, still needs the thread.
            if self.state in (State.IDLE, State.CLOSED):
                self._portal.release()
        return self

    def close(self, flush: bool = True, timeout: Seconds = 5.0) -> None:  # noqa: FBT001, FBT002 - a fixed name
        """Finish well, and end the private thread; see :meth:`cableway.Cable.close`."""
        try:
            self._portal.call(self._cable.close, flush, timeout)
        finally:
            self._portal.release()

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def awake(self, reason: str = "awake()") -> Iterator[Self]:
        """Have the line up inside of the block; see :meth:`cableway.Cable.awake`."""
        held = self._cable.awake(reason)
        self._portal.call(held.__aenter__)
        try:
            yield self
        finally:
            self._portal.call(held.__aexit__, None, None, None)

    def wake(self, reason: str = "wake()") -> None:
        """Have the line up soon; see :meth:`cableway.Cable.wake`."""
        self._portal.run(self._cable.wake, reason)

    def rest(self) -> None:
        """Let the line go as soon as nobody holds it; see :meth:`cableway.Cable.rest`."""
        self._portal.run(self._cable.rest)

    def pause(self) -> None:
        """Have no line until :meth:`resume`; see :meth:`cableway.Cable.pause`."""
        self._portal.run(self._cable.pause)

    def resume(self) -> None:
        """Let the monitor decide again."""
        self._portal.run(self._cable.resume)

    def configure(self, *, backoff: Backoff | None = None, monitor: Monitor | None = None) -> None:
        """Change how the line is kept; see :meth:`cableway.Cable.configure`."""
        self._portal.run(self._cable.configure, backoff=backoff, monitor=monitor)

    def on(self, event_type: type[E], callback: Callable[[E], object]) -> Callable[[], None]:
        """Call *callback* with each event of *event_type*, on a thread of its own; return a function that ends it."""
        return self._cable.on(event_type, self._told(callback))

    def events(self, timeout: Seconds | None = None) -> Iterator[Event]:
        """Return an iterator over what happens from now on; it ends after ``Closed``.

        It raises ``TimeoutError`` when nothing happens for *timeout* seconds, and may be continued after that.
        """
        stream = self._portal.run(self._cable.events)
        return _Iteration(lambda limit: self._portal.call(_anext, stream, limit), to_limit(timeout, "timeout"))

    def stats(self) -> CableStats:
        """Return its figures."""
        return self._cable.stats()

    def subscribe(
        self,
        channel: str | Channel[Any] | type[Channel[Any]],
        params: Mapping[str, JSONValue] | None = None,
        /,
        *,
        options: SubscriptionOptions = DEFAULT_OPTIONS,
        **more: JSONValue,
    ) -> Subscription[Any]:
        """Subscribe to *channel*; see :meth:`cableway.Cable.subscribe`. :meth:`Subscription.wait` waits for it."""
        made: AsyncSubscription[Any] = self._portal.run(self._cable.subscribe, channel, params, options=options, **more)
        return Subscription(self._portal, made)

    def subscribe_raw(self, identifier: str, *, options: SubscriptionOptions = DEFAULT_OPTIONS) -> Subscription[Any]:
        """Subscribe by the exact identifier string; see :meth:`cableway.Cable.subscribe_raw`."""
        return Subscription(self._portal, self._portal.run(self._cable.subscribe_raw, identifier, options=options))

    def stream(self, name: str, *, options: SubscriptionOptions = DEFAULT_OPTIONS) -> Subscription[Any]:
        """Subscribe to a public stream; see :meth:`cableway.Cable.stream`."""
        return Subscription(self._portal, self._portal.run(self._cable.stream, name, options=options))

    def signed_stream(
        self,
        name: str | Callable[[], MaybeAwaitable[str]],
        *,
        kind: Literal["pubsub", "turbo", "cable_ready"] = "pubsub",
        options: SubscriptionOptions = DEFAULT_OPTIONS,
    ) -> Subscription[Any]:
        """Subscribe to a stream by its signed name; see :meth:`cableway.Cable.signed_stream`."""
        made: AsyncSubscription[Any] = self._portal.run(self._cable.signed_stream, name, kind=kind, options=options)
        return Subscription(self._portal, made)

    def __repr__(self) -> str:
        return repr(self._cable)

    def _told(self, callback: Callable[[E], object]) -> Callable[[E], None]:
        feed = self._cable._engine.feed  # noqa: SLF001 - two faces of one engine
        name = getattr(callback, "__qualname__", type(callback).__name__)

        def tell(event: E) -> None:
            self._portal.later(callback, event, failed=lambda error: feed.emit(CallbackFailed(name, error)))

        return tell


class Subscription(Generic[T]):
    """A subscription, for threads and scripts. Made by ``cable.subscribe()``.

    Use it as a context manager to wait for the confirmation and to unsubscribe at the end; iterate over it for
    messages. Several threads may iterate: each message goes to one of them.
    """

    def __init__(self, portal: Portal, subscription: AsyncSubscription[T]) -> None:
        self._portal = portal
        self._subscription = subscription
        # Filled on the private thread, so that a wait that is interrupted loses nothing it had fetched.
        self._fetched: deque[Message[T]] = deque()
        self._fetchers = 0

    @property
    def identifier(self) -> str:
        """The string by which the server knows it."""
        return self._subscription.identifier

    @property
    def state(self) -> SubscriptionState:
        """Where it stands."""
        return self._subscription.state

    @property
    def channel(self) -> Any:
        """The channel instance it was made from, ``None`` if it was made from a name."""
        return self._subscription.channel

    def stats(self) -> SubscriptionStats:
        """Return its figures."""
        return self._subscription.stats()

    def wait(self, timeout: Seconds | None = None) -> Self:
        """Wait until it is confirmed, and return it; as awaiting it does with :class:`cableway.Subscription`.

        Raises:
            TimeoutError: It was not confirmed within *timeout* seconds.
            SubscriptionRejected: The server refused it.
            CableError: As with :class:`cableway.Subscription`.
        """
        self._portal.call(_confirmed, self._subscription, to_limit(timeout, "timeout"))
        return self

    def __enter__(self) -> Self:
        self._portal.call(_enter, self._subscription)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.unsubscribe()

    def unsubscribe(self, *, flush: bool = True) -> None:
        """End it; see :meth:`cableway.Subscription.unsubscribe`."""
        self._portal.call(self._subscription.unsubscribe, flush=flush)

    def perform(self, action: str, data: Mapping[str, JSONValue] | None = None, /, **more: JSONValue) -> None:
        """Ask the channel on the server to run *action*; see :meth:`cableway.Subscription.perform`."""
        self._portal.call(self._subscription.perform, action, data, **more)

    def send(self, data: Mapping[str, JSONValue]) -> None:
        """Send *data* without an action; see :meth:`cableway.Subscription.send`."""
        self._portal.call(self._subscription.send, data)

    def history(
        self,
        since: datetime | timedelta | None = None,
        *,
        after: Mapping[str, Position] | None = None,
        timeout: Seconds = 10.0,
    ) -> list[Message[Any]]:
        """Return what the server still has of its streams; see :meth:`cableway.Subscription.history`."""
        return self._portal.call(partial(self._subscription.history, since, after=after, timeout=timeout))

    def ack(self, message: Message[Any]) -> None:
        """Say that you are done with *message*, and with all before it; see :meth:`cableway.Message.ack`."""
        self._portal.call(message.ack)

    @property
    def presence(self) -> Presence:
        """Who is present in it, and whether we are."""
        return Presence(self._portal, self._subscription)

    def whisper(self, data: JSONValue, /) -> None:
        """Send *data* to the other clients of the subscription; see :meth:`cableway.Subscription.whisper`."""
        self._portal.call(self._subscription.whisper, data)

    def whispers_pass(self, data: JSONValue, /, timeout: Seconds = 5.0) -> bool:
        """Tell whether whispers arrive; see :meth:`cableway.Subscription.whispers_pass`."""
        return self._portal.call(self._subscription.whispers_pass, data, timeout)

    def receive(self, match: Callable[[Message[T]], bool] | None = None, timeout: Seconds | None = None) -> Message[T]:
        """Return the next message for which *match* holds; see :meth:`cableway.Subscription.receive`."""
        while self._fetched:
            message = self._fetched.popleft()
            if match is None or match(message):
                return message
        return self._portal.call(self._subscription.receive, match, timeout)

    def messages(self, timeout: Seconds | None = None) -> Iterator[Message[T]]:
        """Return an iterator over the messages.

        It raises ``TimeoutError`` when no message comes for *timeout* seconds, and may be continued after that. It ends
        and fails as iteration over :class:`cableway.Subscription` does.
        """
        return _Iteration(self._next, to_limit(timeout, "timeout"))

    def __iter__(self) -> Iterator[Message[T]]:
        return self.messages()

    def __repr__(self) -> str:
        return repr(self._subscription)

    def _next(self, timeout: float | None) -> Message[T]:
        while True:
            try:
                return self._fetched.popleft()
            except IndexError:
                pass
            self._portal.call(self._fetch, timeout)

    async def _fetch(self, timeout: float | None) -> None:
        self._fetchers += 1
        try:
            ready = self._subscription.take(1)
            if not ready:
                async with asyncio.timeout(timeout):
                    ready = [await anext(self._subscription)]
            self._fetched.extend(ready)
            # Not where other threads wait for a share; not where reading one may fail, and those before it would wait.
            if self._fetchers == 1 and self._subscription.channel is None:
                self._fetched.extend(self._subscription.take(AT_ONCE - 1))
        finally:
            self._fetchers -= 1


class _Iteration(Generic[T]):
    def __init__(self, fetch: Callable[[float | None], T], timeout: float | None) -> None:
        self._fetch = fetch
        self._timeout = timeout

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        try:
            return self._fetch(self._timeout)
        except StopAsyncIteration:
            raise StopIteration from None
        except TimeoutError as error:
            if self._timeout is None or isinstance(error, CableError):
                raise
            msg = f"nothing came within {self._timeout:g} s"
            raise TimeoutError(msg) from None


async def _anext(stream: EventStream[Event], timeout: float | None) -> Event:
    async with asyncio.timeout(timeout):
        return await anext(stream)


async def _enter(subscription: AsyncSubscription[Any]) -> None:
    _ = await subscription.__aenter__()


async def _confirmed(subscription: AsyncSubscription[Any], timeout: float | None) -> None:
    async with asyncio.timeout(timeout):
        _ = await subscription
