"""Channels as classes: typed parameters, typed actions, messages of the user's own type."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Concatenate,
    Generic,
    ParamSpec,
    TypeVar,
    cast,
    dataclass_transform,
    overload,
)

import attrs

from cableway.errors import InvalidIdentifier, UsageError

if TYPE_CHECKING:
    from cableway.subscription import Subscription
    from cableway.types import JSONValue

T = TypeVar("T")
P = ParamSpec("P")
C = TypeVar("C", bound="Channel[Any]")

_Method = Callable[Concatenate[C, P], object]
_Action = Callable[Concatenate[C, P], Coroutine[Any, Any, None]]


@dataclass_transform(kw_only_default=True, eq_default=False)
class Channel(Generic[T]):
    """A channel of the server, as a class.

    Annotated attributes are its parameters, given by keyword; methods marked :func:`action` are its actions. Subscribe
    to an instance, or to the class with the parameters beside it.

    Example::

        class ChatChannel(Channel):
            name = "ChatChannel"
            room: int

            @action
            async def speak(self, text: str) -> None:
                "Say something to everybody in the room."


        async with cable.subscribe(ChatChannel(room=42)) as chat:
            await chat.channel.speak("hi")

    For messages of your own type, give ``decode``: a function from the JSON value to it. Messages then carry its result
    as ``data``; what it raises comes out of the iteration, for that one message.

    Raises:
        InvalidIdentifier: The class has no ``name``.
    """

    name: ClassVar[str]
    """The channel's class name on the server."""
    decode: ClassVar[Callable[[JSONValue], Any] | None] = None
    """Turns the JSON value of a message into what users of this class want to see."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        attrs.define(cls, kw_only=True, slots=False, eq=False)

    @property
    def params(self) -> dict[str, JSONValue]:
        """The parameters that make up the identifier."""
        if not isinstance(getattr(type(self), "name", None), str):
            msg = f"{type(self).__name__} has no name: set name = 'YourChannel', as it is called on the server"
            raise InvalidIdentifier(msg)
        own = type(self)
        fields = attrs.fields(own) if attrs.has(own) else ()
        return {field.name: getattr(self, field.name) for field in fields if field.init}

    @property
    def subscription(self) -> Subscription[T]:
        """The subscription that this instance is used by.

        Raises:
            UsageError: It was not given to ``cable.subscribe()`` yet.
        """
        subscription = self.__dict__.get("_subscription")
        if subscription is None:
            msg = f"this {type(self).__name__} was not given to cable.subscribe() yet"
            raise UsageError(msg)
        return cast("Subscription[T]", subscription)

    def bind(self, subscription: Subscription[T]) -> None:
        """Have the actions go by *subscription*. ``cable.subscribe()`` does this."""
        self.__dict__["_subscription"] = subscription


@overload
def action(method: _Method[C, P], /) -> _Action[C, P]: ...
@overload
def action(*, name: str) -> Callable[[_Method[C, P]], _Action[C, P]]: ...
def action(method: Any = None, /, *, name: str | None = None) -> Any:
    """Make a method of a :class:`Channel` an action: calling it performs the server's method of the same name.

    The arguments are sent by the names of the parameters. The body is not run; its docstring tells what the server
    does. ``@action(name="...")`` is for names that Python cannot write.

    The call waits, fails and may be cancelled as ``Subscription.perform`` does.
    """
    if method is None:
        return lambda method: _make_action(method, name)
    return _make_action(method, name)


def _make_action(method: Callable[..., object], name: str | None) -> Callable[..., Coroutine[Any, Any, None]]:
    signature = inspect.signature(method)
    server_name = name or method.__name__

    @wraps(method)
    async def perform(self: Channel[Any], *args: Any, **kwargs: Any) -> None:
        bound = signature.bind(self, *args, **kwargs)
        bound.apply_defaults()
        own, *_ = signature.parameters
        data: dict[str, JSONValue] = {}
        for key, value in bound.arguments.items():
            if signature.parameters[key].kind is inspect.Parameter.VAR_KEYWORD:
                data.update(value)
            elif key != own:
                data[key] = value
        await self.subscription.perform(server_name, data)

    return perform


def instance_of(channel: Channel[Any] | type[Channel[Any]], params: dict[str, JSONValue]) -> Channel[Any]:
    """Return the channel that a program means by *channel*, a class or an instance.

    Raises:
        InvalidIdentifier: It is neither, or the parameters do not fit.
    """
    if isinstance(channel, Channel):
        if params:
            msg = f"{type(channel).__name__} has its parameters already: give them to the class or to subscribe()"
            raise InvalidIdentifier(msg)
        return channel
    if isinstance(channel, type) and issubclass(channel, Channel):
        try:
            return channel(**params)
        except TypeError as error:
            msg = f"the parameters do not fit {channel.__name__}: {error}"
            raise InvalidIdentifier(msg) from error
    msg = f"channel={channel!r} is neither a name nor a Channel class or instance"
    raise InvalidIdentifier(msg)
