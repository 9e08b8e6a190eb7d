"""Channels as Python classes: what the user of a gateway writes."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, overload

from attrs import frozen

from cableway.errors import UsageError
from cableway.types import to_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cableway.gateway.connection import Connection
    from cableway.gateway.subscription import Subscription, Transform
    from cableway.types import JSONValue, Seconds

F = TypeVar("F", bound="Callable[..., Any]")

_ACTION = "__cableway_action__"
_PERIOD = "__cableway_period__"


@overload
def action(function: F, /) -> F: ...


@overload
def action(*, name: str) -> Callable[[F], F]: ...


def action(function: F | None = None, /, *, name: str | None = None) -> F | Callable[[F], F]:
    """Mark a channel's method as one that clients may call by its name (or by *name*).

    Only marked methods can be reached from outside. The method is plain or ``async`` and takes what the client sent,
    without the action's name, as one dict; or nothing.

    Raises:
        UsageError: The name starts with an underscore.
    """

    def mark(marked: F) -> F:
        known_as = name or marked.__name__
        if known_as.startswith("_"):
            msg = f"{known_as!r} cannot be an action: names with an underscore are private"
            raise UsageError(msg)
        setattr(marked, _ACTION, known_as)
        return marked

    return mark if function is None else mark(function)


def periodically(every: Seconds) -> Callable[[F], F]:
    """Have a channel's method called every *every* seconds, from the confirmation until the subscription ends.

    One call at a time; a slow one delays the next. An exception is logged, and the timer goes on.

    Raises:
        ValueError: *every* is no duration, or zero.
    """
    seconds = to_seconds(every, "every")
    if seconds == 0:
        msg = "every=0 would never let anything else run: give more than 0 seconds"
        raise ValueError(msg)

    def mark(marked: F) -> F:
        setattr(marked, _PERIOD, seconds)
        return marked

    return mark


@frozen
class Timer:
    """A method to be called again and again."""

    method: str
    every: float


class Channel:
    """One client's subscription to one channel. Subclass it; each subscription gets an object of its own.

    ::

        class ChatChannel(Channel):
            async def subscribed(self):
                self.stream_from(f"room/{self.params['room']}")

            @action
            async def speak(self, data):
                await self.broadcast(f"room/{self.params['room']}", {"text": data["text"]})

    Free attributes are yours, and last as long as the subscription. What a method raises is logged and goes no further.
    One client's commands run one after another; different clients do not wait for each other.

    A client that lost its line may have its session back (``sessions_ttl``). Each of its subscriptions then goes on in
    a new object, with the streams and free attributes of the old one, and :meth:`subscribed` is not called again;
    :meth:`unsubscribed` was called when the line broke, as with AnyCable.
    """

    name: ClassVar[str] = "Channel"
    """How clients call the channel: the class's own name, unless set."""
    actions: ClassVar[Mapping[str, str]] = {}
    """Methods by the action's name; collected from the class."""
    timers: ClassVar[tuple[Timer, ...]] = ()
    """What is called periodically; collected from the class."""

    def __init_subclass__(cls, **more: Any) -> None:
        """Name the channel, and collect what is marked."""
        super().__init_subclass__(**more)
        if "name" not in cls.__dict__:
            cls.name = cls.__name__
        # Names, not functions: what a subclass overrides without marking it is not reachable any more.
        methods = [(name, getattr(cls, name)) for name in dir(cls) if not name.startswith("__")]
        cls.actions = {getattr(method, _ACTION): name for name, method in methods if hasattr(method, _ACTION)}
        cls.timers = tuple(
            Timer(name, getattr(method, _PERIOD)) for name, method in methods if hasattr(method, _PERIOD)
        )

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription

    # What you write --------------------------------------------------------------------------------------------------

    async def subscribed(self) -> None:
        """Start: listen to streams, transmit what is to come first, or :meth:`reject`. The confirmation follows."""

    async def unsubscribed(self) -> None:
        """End: the client unsubscribed, left, or lost its line. Not called after a rejection."""

    # What you use ----------------------------------------------------------------------------------------------------

    @property
    def identifier(self) -> str:
        """The exact string by which the client knows this subscription."""
        return self._subscription.identifier

    @property
    def params(self) -> Mapping[str, JSONValue]:
        """What the client subscribed with, the channel's name left out."""
        return self._subscription.params

    @property
    def connection(self) -> Connection:
        """The client's session: who it is, and the request that opened it."""
        return self._subscription.connection

    def stream_from(self, stream: str, transform: Transform | None = None, *, raw: bool = False) -> None:
        """Send what is published to *stream* to the client, from now on.

        Args:
            stream: The stream's name. Asked for again, it is still sent once, by the newest *transform*.
            transform: A plain function that gets each message and returns what to send instead.
            raw: Give *transform* the message as JSON text, not read.
        """
        self._subscription.stream_from(stream, transform, raw=raw)

    def stop_stream(self, stream: str) -> None:
        """Send no more of *stream*."""
        self._subscription.stop_stream(stream)

    def stop_all_streams(self) -> None:
        """Send no more of any stream."""
        self._subscription.stop_all_streams()

    def transmit(self, data: JSONValue) -> None:
        """Send *data*, any JSON value, to this client. Before the confirmation, it precedes it.

        Raises:
            TypeError: It cannot be written as JSON.
            ValueError: It holds ``NaN``, an infinity, itself, or half a character.
        """
        self._subscription.transmit(data)

    async def broadcast(self, stream: str, data: JSONValue, *, to_others: bool = False) -> None:
        """Publish *data*, any JSON value, to all listeners of *stream*; for errors see :meth:`transmit`.

        With *to_others* this client's session does not get it. Its place in the stream is taken all the same: to the
        client it looks like a message that went missing.
        """
        await self._subscription.connection.broadcast(stream, data, to_others=to_others)

    def allow_whispers(self, stream: str) -> None:
        """Let the client whisper: what it sends so reaches all other listeners of *stream*, past this class."""
        self._subscription.listening.whispers = stream

    def allow_presence(self, stream: str) -> None:
        """Let the client be present in *stream*, and ask who is."""
        self._subscription.listening.presence = stream

    def reject(self) -> None:
        """Refuse the subscription, within :meth:`subscribed`; later, take it back."""
        self._subscription.reject()


def takes_data(method: Callable[..., Any]) -> bool:
    """Tell whether a bound action wants the client's data."""
    kinds = (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.VAR_POSITIONAL,
    )
    return any(parameter.kind in kinds for parameter in inspect.signature(method).parameters.values())
