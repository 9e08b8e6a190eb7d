"""Names for the types that public signatures use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any, NewType, TypeAlias, TypeVar

T = TypeVar("T")

JSONValue: TypeAlias = Any
"""Any value that JSON can write: ``None``, ``bool``, ``int``, ``float``, ``str``, ``list``, ``dict`` of them."""

Seconds: TypeAlias = float | timedelta
"""A duration: seconds as a number, or a :class:`~datetime.timedelta`."""

Identifier = NewType("Identifier", str)
"""The exact string by which a server knows a subscription."""

MaybeAwaitable: TypeAlias = T | Awaitable[T]

HeaderSource: TypeAlias = Mapping[str, str] | Callable[[], MaybeAwaitable[Mapping[str, str]]]
"""Headers, or a plain or async function that gives them anew before each dial."""

ParamSource: TypeAlias = Mapping[str, str] | Callable[[], MaybeAwaitable[Mapping[str, str]]]
"""Query parameters, or a plain or async function that gives them anew before each dial."""


def to_seconds(value: Seconds, name: str) -> float:
    """Turn a duration into seconds.

    Raises:
        ValueError: The duration is negative, infinite or not a number; the text names *name*.
    """
    try:
        seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    except (TypeError, ValueError):
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        msg = f"{name}={value!r} is not a duration: give seconds >= 0 or a timedelta"
        raise ValueError(msg)
    return seconds


def to_limit(value: Seconds | None, name: str) -> float | None:
    """Turn a time limit into seconds; ``None`` stays ``None`` and means no limit.

    Raises:
        ValueError: The limit is negative, infinite or not a number; the text names *name*.
    """
    return None if value is None else to_seconds(value, name)
