"""A subscription, as a program holds it."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from cableway.engine.echo import whispers_pass
from cableway.engine.figures import subscription_figures
from cableway.engine.history import ask_history, history_query, server_seconds
from cableway.engine.reading import Reading
from cableway.engine.sending import NOT_OPEN, Outgoing, encode_command
from cableway.engine.whispering import Whispering
from cableway.errors import MailboxOverflow, NamingFault, NotConnected, SubscriptionClosed
from cableway.events import ConfirmationTimedOut, Event, NamingFailed, Rejected
from cableway.presence import Presence
from cableway.redact import redact_identifier
from cableway.states import State, SubscriptionState
from cableway.telemetry.feed import EventFeed, EventStream
from cableway.types import to_limit, to_seconds
from cableway.wire.positions import Bookmark

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from datetime import datetime, timedelta
    from types import TracebackType

    from cableway.engine.core import Engine
    from cableway.errors import CableError
    from cableway.hub.hub import NameSource
    from cableway.hub.options import SubscriptionOptions
    from cableway.stats import SubscriptionStats
    from cableway.types import Identifier, JSONValue, Seconds
    from cableway.wire.message import Message
    from cableway.wire.positions import Position

T = TypeVar("T")
E = TypeVar("E", bound=Event)


class Subscription(Generic[T]):
    """A subscription, as a program holds it. Made by ``cable.subscribe()``.

    Await it to wait for the confirmation; use it as an async context manager to unsubscribe at the end; iterate over it
    for messages. Its mailbox fills from the start, iterated or not, and survives reconnects.
    """

    def __init__(
        self,
        engine: Engine,
        identifier: Identifier | NameSource,
        options: SubscriptionOptions,
        channel: Any = None,
        decode: Callable[[JSONValue], T] | None = None,
    ) -> None:
        self._engine = engine
        if not engine.at_rest:
            engine.home.check()
        self._waiters: set[asyncio.Future[None]] = set()
        self._channel = channel
        self._handle = engine.hub.join(identifier, options, self._tell, engine.home.now())
        self._feed = EventFeed(f"subscription {self._label}", engine.feed)
        self._handle.holder = self
        if options.since is not None:
            self._handle.wish.recall.resume(Bookmark(since=server_seconds(engine, options.since)), former=False)
        self._mailbox = self._handle.mailbox
        self._reading: Reading[T] = Reading(engine, self._handle, decode)
        self._outgoing = Outgoing(engine, self._handle)
        self._whispering = Whispering(engine, self._handle)
        self._presence = Presence(self)
        engine.settle()

    # What it is

    @property
    def identifier(self) -> str:
        """The string by which the server knows it; empty while a function has still to name it."""
        return self._handle.wish.identifier or ""

    @property
    def state(self) -> SubscriptionState:
        """Where it stands."""
        return self._handle.state

    @property
    def channel(self) -> Any:
        """The channel instance it was made from, ``None`` if it was made from a name."""
        return self._channel

    @property
    def presence(self) -> Presence:
        """Who is present in it, and whether we are."""
        return self._presence

    def stats(self) -> SubscriptionStats:
        """Return its figures."""
        return subscription_figures(self._engine, self._handle, self._reading.lag, self._whispering.replaced)

    def events(self) -> EventStream[Event]:
        """Return an iterator over what happens to it from now on; it ends with the subscription."""
        stream = self._feed.stream()
        if self._over() is not None and self._engine.home.settled:
            self._feed.end_soon()
        return stream

    def on(self, event_type: type[E], callback: Callable[[E], object]) -> Callable[[], None]:
        """Call *callback* with each event of *event_type*; return a function that ends it.

        Callbacks may be plain or async functions. One that fails stops no other.
        """
        return self._feed.on(event_type, callback)

    def __repr__(self) -> str:
        return f"<Subscription {self._label} {self.state.value}, {len(self._mailbox)} unread>"

    # Waiting for it, leaving it

    def __await__(self) -> Generator[Any, None, Self]:
        """Wait until it is confirmed, and return it.

        May be awaited any number of times; each waits whenever it is not confirmed at the moment. Cancelling it has no
        effect but that: the subscription is still wished for.

        Raises:
            SubscriptionRejected: The server refused it.
            SubscriptionTimeout: The server did not answer. It is tried again in the background; await it again to see.
            SubscriptionClosed: It was unsubscribed.
            NotConnected: The cable is not open.
            CableError: The cable ended with this final failure.
        """
        return self._confirmed().__await__()

    async def _confirmed(self) -> Self:
        while self.state is not SubscriptionState.SUBSCRIBED:
            over = self._over()
            if over is not None:
                raise over
            if self._engine.line.state is State.IDLE:
                raise NotConnected(State.IDLE.value, NOT_OPEN)
            await self._change(self._waiters)
        return self

    async def __aenter__(self) -> Self:
        """Wait until it is confirmed, as awaiting it does. Cancelled or failed, it is unsubscribed."""
        try:
            return await self._confirmed()
        except BaseException:
            self._leave(flush=False)
            raise

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.unsubscribe()

    async def unsubscribe(self, *, flush: bool = True) -> None:
        """End it. Iteration delivers what is unread, then ends quietly.

        Returns once the server has been told, or need not be: another handle still wants the same subscription, or the
        line is down. On the base protocol that is no sooner than 0.25 s after the last command, because Rails drops a
        command that it has not begun to run by then; ``flush=False`` does not wait for that.

        Cancelled, it ends all the same; only the wait is cut short.
        """
        told = self._leave(flush=flush)
        if told is not None:
            await told

    def _leave(self, *, flush: bool) -> asyncio.Future[None] | None:
        engine, wish = self._engine, self._handle.wish
        told: asyncio.Future[None] | None = None
        if not engine.at_rest:
            engine.home.check()
        if engine.home.settled and self._handle in wish.handles and len(wish.handles) == 1:
            told = engine.home.loop.create_future()
            wish.partings.append(partial(_settle, told))
        engine.hub.leave(self._handle, engine.home.now(), flush=flush)
        engine.settle()
        return told

    # Messages

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message[T]:
        """Return the next message, in the order in which they came. Cancelling it loses none.

        It may begin before the cable is opened, and then waits for that.

        Raises:
            StopAsyncIteration: It was unsubscribed, or the cable closed by the user.
            SubscriptionRejected: The server refused it, or took it back.
            MailboxOverflow: The mailbox overflowed and its policy is ``"error"``. Iteration may go on after it.
            CableError: The cable ended with this final failure.
        """
        await self._reading.breathe()
        while (message := self._reading.next()) is None:
            await self._wait_for_message()
        return message

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
        # Outside of the limit, so that a limit of 0 means "if there is one".
        await self._reading.breathe()
        clock = asyncio.timeout(limit)
        try:
            async with clock:
                while True:
                    message = await anext(self)
                    if match is None or match(message):
                        return message
        except StopAsyncIteration:
            raise SubscriptionClosed(self._handle.wish.label) from None
        except TimeoutError:
            if not clock.expired():
                raise
            msg = f"no matching message of {self._label} within {limit:g} s"
            raise TimeoutError(msg) from None

    def take(self, limit: int = 64) -> list[Message[T]]:
        """Return at most *limit* messages that are there already, oldest first, without waiting for any.

        With a ``decode`` of the channel's that is one, so that a failure of it loses no other.
        """
        out: list[Message[T]] = []
        most = min(limit, 1) if self._reading.costly else limit
        while len(out) < most and (message := self._reading.next()) is not None:
            out.append(message)
        return out

    async def history(
        self,
        since: datetime | timedelta | None = None,
        *,
        after: Mapping[str, Position] | None = None,
        timeout: Seconds = 10.0,
    ) -> list[Message[Any]]:
        """Return what the server still has of the subscription's streams, oldest first in each.

        These messages are shown, not delivered: what was iterated over before may be among them, and what is published
        after this call comes by iteration as ever. Nothing is in neither. Waits for the confirmation first.

        Cancelling it changes nothing for the iteration.

        Args:
            since: From when on: an aware datetime, or a timedelta, so long ago. Whole seconds, inclusive.
            after: The last message to leave out, by stream; for the streams that it names, *since* does not count.
            timeout: Longest wait for the server's answer, in seconds or as a timedelta.

        Raises:
            HistoryRejected: The server keeps no history, or not that far back: nothing was told.
            HistoryTimeout: It did not answer in time.
            NotSupported: The line speaks the base protocol.
            NotConnected: The line is down.
            UsageError: Neither *since* nor *after* says from when on.
        """
        query = history_query(self._engine, since, after)
        limit = to_seconds(timeout, "timeout")
        await self._confirmed()
        return await ask_history(self._engine, self._handle, query, limit)

    async def _wait_for_message(self) -> None:
        if self._mailbox.overflowed:
            self._mailbox.overflowed = False
            raise MailboxOverflow(
                self._handle.wish.label,
                f"{self._handle.options.max_messages} messages, {self._handle.options.max_bytes} bytes",
            )
        over = None if self._reading.held else self._over()
        if isinstance(over, SubscriptionClosed | NotConnected):
            raise StopAsyncIteration
        if over is not None:
            raise over
        await self._change(self._reading.waiters)
        self._reading.rested()

    # Commands

    async def perform(self, action: str, data: Mapping[str, JSONValue] | None = None, /, **more: JSONValue) -> None:
        """Ask the channel on the server to run *action* with *data*, or with keywords.

        Waits for the confirmation first. Returns once the command is handed to the network (on long polling: kept for
        the next poll), not when the server ran it: Action Cable acknowledges no command. Commands of one subscription
        go out in the order of the calls. What is passed in is encoded before the first wait and never changed.

        Cancelled before the hand-over, nothing is sent; after it, the command may still arrive.

        Raises:
            InvalidPayload: *action* is no name, or the data is no JSON object, or holds the key ``action``.
            MessageTooLarge: The command is over ``max_command_size``.
            NotConnected: The line is down. Nothing was sent.
            LineStale: The network took no data for ``write_timeout``; the line is being replaced.
            LineLost: The line broke while the command was handed over: whether it arrives is not known.
            SubscriptionRejected: The server refused the subscription.
            SubscriptionTimeout: The server did not answer the subscription while this waited for it.
            SubscriptionClosed: It was unsubscribed.
        """
        await self._send(encode_command(action, data, more))

    async def send(self, data: Mapping[str, JSONValue]) -> None:
        """Send *data* to the channel without an action: Rails runs ``receive``. Otherwise as :meth:`perform`."""
        await self._send(encode_command(None, data, {}))

    async def _send(self, data: str) -> None:
        self._engine.enter()
        over = self._over()
        if over is not None:
            raise over
        await self._outgoing.send(data)

    async def whisper(self, data: JSONValue, /) -> None:
        """Send *data* to the other clients of the subscription, past the application.

        Returns once the network has it, or by ``whisper_every`` once a newer one took its place. Nothing is kept for a
        line to come. It is checked and copied before the first wait; cancelled while it waits, it is not sent.

        Raises:
            InvalidPayload: *data* is not JSON that every server can read, or is ``None``.
            NotConnected: The line is down, or the subscription is not confirmed. Nothing was sent.
            NotSupported: The line's protocol has no whispers.
            CableError: As for :meth:`perform`.
        """
        await self._whispering.send(data)

    async def whispers_pass(self, data: JSONValue, /, timeout: Seconds = 5.0) -> bool:
        """Whisper *data*; tell whether a second line, open for *timeout* seconds at most, heard it. Raises likewise."""
        return await whispers_pass(self._engine, self._handle, data, to_limit(timeout, "timeout") or 0.0)

    # Inside

    @property
    def _label(self) -> str:
        return redact_identifier(self._handle.wish.label)

    def _over(self) -> CableError | None:
        """Return what ended it, if anything did."""
        handle = self._handle
        if handle.state is SubscriptionState.REJECTED and not handle.options.retry_rejected:
            # One refusal is raised in many places: each begins its own story, or the traceback would grow for ever.
            return handle.error and handle.error.with_traceback(None)
        if handle.state is not SubscriptionState.CLOSED:
            return None
        if handle in handle.wish.handles:
            return self._engine.closed_error
        return SubscriptionClosed(handle.wish.label)

    async def _change(self, waiters: set[asyncio.Future[None]]) -> None:
        waiter = self._engine.enter().create_future()
        waiters.add(waiter)
        try:
            await waiter
        finally:
            waiters.discard(waiter)

    def _tell(self, event: Event | None) -> None:
        if event is not None:
            self._feed.emit(event)
        over = self._over()
        error: CableError | None = None
        if isinstance(event, ConfirmationTimedOut):
            error = event.error
        elif isinstance(event, NamingFailed):
            error = NamingFault(event.error)
        elif isinstance(event, Rejected):
            error = self._handle.error
        # Where it is asked for again, those who iterate wait on; for those who asked for the answer, this is it.
        if error is not None:
            self._outgoing.fail(error)
        else:
            self._outgoing.advance(over)
        self._presence.wake()
        self._whispering.advance(over)
        for waiter in self._waiters:
            _settle(waiter, error)
        for reader in self._reading.waiters:
            _settle(reader)
        if over is not None and self._engine.home.settled:
            self._feed.end_soon()


def _settle(waiter: asyncio.Future[None], error: Exception | None = None) -> None:
    if not waiter.done():
        waiter.set_result(None) if error is None else waiter.set_exception(error)
