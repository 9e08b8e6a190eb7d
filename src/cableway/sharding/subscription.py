"""A subscription of a sharded cable, as a program holds it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from cableway.engine.sending import encode_command
from cableway.errors import CableError, MailboxOverflow, SubscriptionClosed
from cableway.events import Event, MoveFailed, SubscriptionMoved
from cableway.redact import redact_identifier
from cableway.telemetry.feed import EventFeed, EventStream
from cableway.types import to_limit

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from types import TracebackType

    from cableway.sharding.legs import Legs
    from cableway.states import SubscriptionState
    from cableway.stats import SubscriptionStats
    from cableway.types import JSONValue, Seconds
    from cableway.wire.message import Message

T = TypeVar("T")
E = TypeVar("E", bound=Event)


class ShardedSubscription(Generic[T]):
    """A subscription, as a program holds it, whichever shard it is on. Made by ``ShardedCable.subscribe()``.

    It is used as a :class:`~cableway.Subscription` is, and stays the same object when it moves to another shard: what
    the old shard delivered is read first, to its end, then what the new one did. What both delivered while it moved is
    read twice.
    """

    def __init__(self, legs: Legs[T], parent: EventFeed, leaving: Callable[[Legs[T]], None]) -> None:
        self._legs = legs
        self._leaving = leaving
        self._parent = parent
        self._feed = EventFeed(f"subscription {redact_identifier(self.identifier)}", parent)
        legs.on_event = self._tell
        legs.belong_to(self)

    # What it is

    @property
    def identifier(self) -> str:
        """The string by which the servers know it; empty while a function has still to name it."""
        return self._legs.current.identifier

    @property
    def topic(self) -> str:
        """What decides about its shard."""
        return self._legs.topic

    @property
    def shard(self) -> str:
        """The name of the shard that carries it; during a move the old one until the new one has confirmed."""
        return self._legs.shard.name

    @property
    def state(self) -> SubscriptionState:
        """Where it stands, with the shard that carries it."""
        return self._legs.current.state

    @property
    def channel(self) -> Any:
        """The channel instance it was made from, ``None`` if it was made from a name."""
        return self._legs.current.channel

    def stats(self) -> SubscriptionStats:
        """Return its figures, those of earlier shards included."""
        return self._legs.stats()

    def events(self) -> EventStream[Event]:
        """Return an iterator over what happens to it from now on; it ends with the subscription."""
        stream = self._feed.stream()
        if self._legs.over:
            self._feed.end()
        return stream

    def on(self, event_type: type[E], callback: Callable[[E], object]) -> Callable[[], None]:
        """Call *callback* with each event of *event_type*; return a function that ends it.

        Callbacks may be plain or async functions. One that fails stops no other.
        """
        return self._feed.on(event_type, callback)

    def __repr__(self) -> str:
        legs = self._legs
        label = redact_identifier(self.identifier)
        return f"<ShardedSubscription {label} {self.state.value} on {legs.shard.name}, {legs.stats().unread} unread>"

    # Waiting for it, leaving it

    def __await__(self) -> Generator[Any, None, Self]:
        """Wait until it is confirmed, and return it.

        Raises, and may be cancelled, as a :class:`~cableway.Subscription`. A shard that the network does not lead to is
        dialled for ever: give up with ``asyncio.timeout()``.
        """
        return self._confirmed().__await__()

    async def _confirmed(self) -> Self:
        while True:
            leg = self._legs.current
            await self._legs.shard.begun()
            try:
                await leg
            except CableError:
                if not self._legs.superseded(leg):
                    raise
            else:
                # One turn, so that the news of it is told before whoever listens from now on.
                await asyncio.sleep(0)
                return self

    async def __aenter__(self) -> Self:
        """Wait until it is confirmed, as awaiting it does. Cancelled or failed, it is unsubscribed."""
        try:
            return await self._confirmed()
        except BaseException:
            await self.unsubscribe(flush=False)
            raise

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.unsubscribe()

    async def unsubscribe(self, *, flush: bool = True) -> None:
        """End it, on all shards. Iteration delivers what is unread, then ends quietly.

        Returns once the shard that carried it has been told, or need not be; see ``Subscription.unsubscribe``.
        Cancelled, it ends all the same; only the wait is cut short.
        """
        self._leaving(self._legs)
        try:
            await self._legs.unsubscribe(flush=flush)
        finally:
            self._feed.end_soon()

    # Messages

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message[T]:
        """Return the next message: those of one shard in the order in which they came. Cancelling it loses none.

        Raises:
            StopAsyncIteration: It was unsubscribed, or the sharded cable closed by the user.
            SubscriptionRejected: The server refused it, or took it back.
            MailboxOverflow: The mailbox overflowed and its policy is ``"error"``. Iteration may go on after it.
            CableError: Its shard ended with this final failure, and it does not move to another.
        """
        while True:
            leg = self._legs.first
            try:
                return await anext(leg)
            except MailboxOverflow:
                raise
            except (StopAsyncIteration, CableError):
                if not self._legs.advance(leg):
                    raise

    async def receive(
        self, match: Callable[[Message[T]], bool] | None = None, timeout: Seconds | None = None
    ) -> Message[T]:
        """Return the next message for which *match* holds; those before it are read and gone.

        Cancelling it loses no message that was not looked at.

        Args:
            match: Tells whether a message is the awaited one; any is, without it.
            timeout: Longest wait, in seconds or as a timedelta; ``None`` for ever.

        Raises:
            TimeoutError: No such message came in time.
            SubscriptionClosed: The subscription ended first.
            CableError: As for iteration.
        """
        limit = to_limit(timeout, "timeout")
        clock = asyncio.get_running_loop().time
        until = None if limit is None else clock() + limit
        while True:
            leg = self._legs.first
            try:
                return await leg.receive(match, limit if until is None else max(0.0, until - clock()))
            except (MailboxOverflow, TimeoutError):
                raise
            except CableError:
                if not self._legs.advance(leg):
                    raise

    def take(self, limit: int = 64) -> list[Message[T]]:
        """Return at most *limit* messages that are there already, oldest first, without waiting for any.

        Messages of two shards never come in one list. With a ``decode`` of the channel's it holds at most one.
        """
        while True:
            leg = self._legs.first
            found = leg.take(limit)
            if found or not self._legs.advance(leg):
                return found

    # Commands

    async def perform(self, action: str, data: Mapping[str, JSONValue] | None = None, /, **more: JSONValue) -> None:
        """Ask the channel on the server to run *action* with *data*, or with keywords.

        Exactly one shard gets it: the new one as soon as it has confirmed a move, before that the old one. Waits,
        fails and may be cancelled as ``Subscription.perform``.
        """
        await self._send(encode_command(action, data, more))

    async def send(self, data: Mapping[str, JSONValue]) -> None:
        """Send *data* to the channel without an action: Rails runs ``receive``. Otherwise as :meth:`perform`."""
        await self._send(encode_command(None, data, {}))

    async def _send(self, text: str) -> None:
        # Encoded before the first wait: what the caller does with the data afterwards changes nothing.
        data = json.loads(text)
        while True:
            leg, shard = self._legs.current, self._legs.shard
            await shard.begun()
            # A command wakes a dormant line, and is the only one to wait for it.
            clock = asyncio.timeout(shard.wake_timeout if shard.is_dormant else None)
            try:
                async with clock:
                    await leg.send(data)
            except SubscriptionClosed:
                # The only failure by which it was certainly not sent and the reason for which may be a move.
                if not self._legs.superseded(leg):
                    raise
            except TimeoutError:
                if not clock.expired():
                    raise
                raise shard.no_line(shard.wake_timeout) from None
            else:
                return

    # Inside

    def end(self) -> None:
        """End the iterators over its events. The sharded cable does this when it is closed, or its shard has ended."""
        self._feed.end_soon()

    def _tell(self, event: Event) -> None:
        self._feed.emit(event)
        if isinstance(event, SubscriptionMoved | MoveFailed):
            self._parent.emit(event)
        if self._legs.over:
            self._feed.end_soon()
