"""One subscription of one session, as the gateway sees it: its streams, its timers, and the way to the client."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from attrs import define, field

from cableway.errors import UsageError
from cableway.gateway.streams import Broadcast, Streams, broadcast_value
from cableway.wire.codecs.json import dump_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cableway.gateway.channel import Channel, Timer
    from cableway.gateway.connection import Connection
    from cableway.types import JSONValue

Transform: TypeAlias = Callable[[Any], "JSONValue"]
"""Gets a message, returns what to send instead."""

log: logging.Logger = logging.getLogger("cableway.gateway")


class Outbox(Protocol):
    """What a subscription needs of its session."""

    def deliver(self, identifier: str, broadcast: Broadcast) -> None:
        """Send a message to *identifier*."""

    def revoke(self, identifier: str) -> None:
        """Take the confirmed subscription *identifier* back."""


@define
class Listening:
    """What a subscription listens to, and what its client may do."""

    transforms: dict[str, tuple[Transform | None, bool]] = field(factory=dict)
    """By stream: what to send instead of a message, and whether that is made of the text."""
    whispers: str | None = None
    """The stream to which the client may whisper."""
    presence: str | None = None
    """The stream in which it may be present."""

    @property
    def streams(self) -> tuple[str, ...]:
        """The streams, in the order in which they were listened to."""
        return tuple(self.transforms)

    def copy(self) -> Listening:
        """Return a copy, which does not change with this one."""
        return Listening(dict(self.transforms), self.whispers, self.presence)


class Subscription:
    """Ties a channel object to a session."""

    def __init__(
        self,
        identifier: str,
        params: Mapping[str, JSONValue],
        *,
        connection: Connection,
        outbox: Outbox,
        streams: Streams,
    ) -> None:
        self.identifier = identifier
        self.params = params
        self.connection = connection
        self.rejected: bool = False
        self.confirmed: bool = False
        self._outbox = outbox
        self._streams = streams
        self.listening: Listening = Listening()
        self._timers: list[asyncio.Task[None]] = []

    def stream_from(self, stream: str, transform: Transform | None, *, raw: bool) -> None:
        """Listen to *stream*.

        Raises:
            UsageError: The name is empty or no string, or *transform* is no plain function.
        """
        if not isinstance(stream, str) or not stream:
            msg = f"stream_from({stream!r}): a stream needs a name, a non-empty string"
            raise UsageError(msg)
        if inspect.iscoroutinefunction(transform):
            msg = f"stream_from({stream!r}): transform must be a plain function, or messages would overtake each other"
            raise UsageError(msg)
        self.listening.transforms[stream] = (transform, raw)
        self._streams.attach(stream, self)

    def stop_stream(self, stream: str) -> None:
        """Listen to *stream* no more."""
        self.listening.transforms.pop(stream, None)
        self._streams.detach(stream, self)

    def stop_all_streams(self) -> None:
        """Listen to nothing."""
        for stream in self.listening.streams:
            self.stop_stream(stream)

    def hear(self, stream: str, broadcast: Broadcast) -> None:
        """Send on what was published. What *transform* raises is logged, and that message is not sent."""
        listening = self.listening.transforms.get(stream)
        # Not listening any more: another listener's transform, which ran for the same message, stopped this one.
        if listening is None or broadcast.exclude == self.connection.request.sid:
            return
        transform, raw = listening
        try:
            if transform is not None:
                given = broadcast.text.decode() if raw else broadcast.value
                broadcast = broadcast.transformed(dump_text(transform(given)).encode())
        except Exception:
            log.exception("the transform of a stream failed; the message is not sent")
            return
        self._outbox.deliver(self.identifier, broadcast)

    def resume(self, listening: Listening) -> None:
        """Listen to all that another subscription did."""
        self.listening = listening.copy()
        for stream in self.listening.streams:
            self._streams.attach(stream, self)

    def transmit(self, data: JSONValue) -> None:
        """Send *data* to this client alone."""
        self._outbox.deliver(self.identifier, broadcast_value(data))

    def reject(self) -> None:
        """Refuse, or take back."""
        self.rejected = True
        if self.confirmed:
            self._outbox.revoke(self.identifier)

    def start(self, channel: Channel) -> None:
        """Begin the timers: the subscription is confirmed."""
        self.confirmed = True
        for timer in channel.timers:
            name = f"cableway gateway: {channel.name}.{timer.method}"
            self._timers.append(asyncio.create_task(_repeat(channel, timer), name=name))

    async def end(self) -> None:
        """Stop streams and timers, and wait until the timers are gone."""
        self.stop_all_streams()
        timers, self._timers = self._timers, []
        for task in timers:
            task.cancel()
        await asyncio.gather(*timers, return_exceptions=True)


async def _repeat(channel: Channel, timer: Timer) -> None:
    loop = asyncio.get_running_loop()
    due = loop.time() + timer.every
    method = getattr(channel, timer.method)
    while True:
        await asyncio.sleep(due - loop.time())
        try:
            await run(method)
        except Exception:
            log.exception("the timer %s.%s failed; it goes on", channel.name, timer.method)
        due = max(due + timer.every, loop.time())


async def run(method: Callable[..., Any], *arguments: Any) -> None:
    """Call what the user wrote, plain or async."""
    result = method(*arguments)
    if inspect.isawaitable(result):
        await result
