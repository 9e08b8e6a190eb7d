"""What a user may give as ``token=``."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, cast

from cableway.auth.providers.function import CallableToken
from cableway.auth.providers.static import StaticToken
from cableway.auth.token import Token
from cableway.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cableway.auth.providers.base import TokenProvider
    from cableway.types import MaybeAwaitable

TokenSource: TypeAlias = "str | Token | TokenProvider | Callable[[], MaybeAwaitable[Token | str]]"
"""A token, a source of tokens, or a function that gives one."""


def as_provider(given: TokenSource) -> TokenProvider:
    """Return *given* if it is a provider, else one for it: a token stays what it is, a function is asked for each.

    Raises:
        UsageError: It is none of them, or a token that cannot be sent.
    """
    if isinstance(given, str | Token):
        return StaticToken(given)
    if not isinstance(given, type) and callable(getattr(given, "fetch", None)):
        return cast("TokenProvider", given)
    if callable(given):
        return CallableToken(given)
    # What it is could be a secret: only its kind is told.
    msg = f"token= is {type(given).__name__}: give a string, a Token, a function, or a provider such as EndpointToken"
    raise UsageError(msg)
