"""A function that gives tokens."""

from __future__ import annotations

import asyncio
import inspect
import traceback
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypeVar, cast

from cableway.auth.providers.reading import as_token
from cableway.errors import Unauthorized, UsageError
from cableway.errors.tokens import TokenUnavailable
from cableway.redact import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from cableway.auth.token import Token
    from cableway.types import MaybeAwaitable

T = TypeVar("T")


class CallableToken:
    """Asks a function of yours, plain or async, for each token.

    ::

        async def token() -> str:
            return (await api.post("/cable/token")).json()["token"]

        Cable(url, token=CallableToken(token))  # or just token=token

    A plain function runs in the event loop and must not block it. What goes wrong in the function is told as its kind
    and the line of code, without its text: that may hold a secret.

    Args:
        function: Takes no arguments; returns a str or a :class:`Token`. It may raise :class:`TokenUnavailable` to say
            in its own words why there is none, or when to ask again; and ``Unauthorized`` to say that there never will
            be one.

    Raises:
        UsageError: It is no function, or needs arguments.
    """

    renewable: bool = True

    def __init__(self, function: Callable[[], MaybeAwaitable[Token | str]]) -> None:
        self._function = checked_function("a token", function)
        self.label: str = f"the function {_name_of(function)}"

    def __repr__(self) -> str:
        return f"CallableToken({self.label.removeprefix('the function ')})"

    async def fetch(self) -> Token:
        """Ask the function. Cancelling it cancels the function, if that is async.

        Raises:
            TokenUnavailable: It failed, or gave what is no token.
            Unauthorized: It has raised this.
        """
        return as_token(self.label, await asked(self.label, self._function))


def checked_function(what: str, function: Callable[[], T]) -> Callable[[], T]:
    """Return *function*.

    Raises:
        UsageError: It is no function, or needs arguments.
    """
    if not callable(function):
        msg = f"{what} comes from a function; got {type(function).__name__}"
        raise UsageError(msg)
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):
        # Some functions written in C do not tell what they take.
        return function
    try:
        signature.bind()
    except TypeError:
        msg = f"the function {_name_of(function)} needs arguments, and is called without: bind them, as with partial()"
        raise UsageError(msg) from None
    return function


async def asked(label: str, function: Callable[[], MaybeAwaitable[T]], subject: str = "it") -> T:
    """Return what a user's *function* gives, awaited if need be; errors call it *subject*.

    Raises:
        TokenUnavailable: It failed; or it has raised this.
        Unauthorized: It has raised this.
    """
    try:
        given = function()
        return cast("T", await given if inspect.isawaitable(given) else given)
    except (TokenUnavailable, Unauthorized):
        raise
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        # Nobody cancelled us: something that the function waited for was.
        raise TokenUnavailable(label, f"what {subject} waited for was cancelled") from None
    except Exception as error:  # noqa: BLE001 - it is the user's code
        raise TokenUnavailable(label, f"{subject} failed with {type(error).__name__}{_place(error)}") from None


def _place(error: BaseException) -> str:
    """Tell where *error* came from; nothing where only this module is to see."""
    frames = traceback.extract_tb(error.__traceback__)[1:]
    return f" at {PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""


def _name_of(function: Any) -> str:
    while isinstance(function, partial):
        function = function.func
    return printable(str(getattr(function, "__qualname__", type(function).__qualname__)))
