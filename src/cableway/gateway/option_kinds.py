"""The kinds of values that options of the gateway take: from keywords, from a command line, from the environment."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from attrs import Attribute, field

from cableway.auth.minting import identifiers_text
from cableway.errors import UsageError
from cableway.types import to_seconds

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

CLEARED: Final = "none"
"""In place of a secret: as in AnyCable, the word clears one that a file or the environment set."""
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off", ""})


def option(help_text: str, *, default: T, convert: Callable[[str, Any], T], secret: bool = False) -> T:
    """Declare an option: a field with its help and its conversion."""
    metadata = {"help": help_text, "convert": convert, "secret": secret}
    result: T = field(default=default, metadata=metadata, repr=not secret)
    return result


def text(_name: str, value: object) -> str:
    """Take any text."""
    return str(value)


def path_of(name: str, value: object) -> str:
    """Take a path of the server."""
    path = str(value)
    if not path.startswith("/") or any(char in path for char in "{}?# "):
        msg = f"{name}={path!r} is not a path: give one such as '/cable', without query or placeholder"
        raise UsageError(msg)
    return path


def optional(_name: str, value: object) -> str | None:
    """Take a text, or nothing."""
    return str(value) if value else None


def optional_path(name: str, value: object) -> str | None:
    """Take a path, or nothing."""
    return path_of(name, value) if value else None


def identifiers(name: str, value: Any) -> str:
    """Take identifiers, as a mapping or as their text."""
    try:
        return identifiers_text(value)
    except UsageError as error:
        msg = f"{name}={value!r}: {error}"
        raise UsageError(msg) from None


def secret_of(_name: str, value: object) -> str | None:
    """Take a secret; empty, and the word that clears one, are none."""
    return None if value in (None, "", CLEARED) else str(value)


def flag(name: str, value: object) -> bool:
    """Take yes or no, as command lines write it."""
    word = str(value).lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    msg = f"{name}={value!r} is neither true nor false"
    raise UsageError(msg)


def number(name: str, value: Any) -> int:
    """Take a whole number, 0 or more."""
    try:
        whole = int(value)
    except (TypeError, ValueError, OverflowError):
        whole = None
    if whole is None or (isinstance(value, float) and value != whole):
        msg = f"{name}={value!r} is not a whole number"
        raise UsageError(msg)
    if whole < 0:
        msg = f"{name}={whole} is negative: give 0 or more"
        raise UsageError(msg)
    return whole


def seconds(name: str, value: Any) -> float:
    """Take a duration."""
    try:
        return to_seconds(float(value) if isinstance(value, str) else value, name)
    except (TypeError, ValueError, OverflowError):
        msg = f"{name}={value!r} is not a duration: give seconds, 0 or more"
        raise UsageError(msg) from None


def precision(name: str, value: object) -> str:
    """Take a unit of time."""
    if value not in {"s", "ms", "ns"}:
        msg = f"{name}={value!r} is not a unit of time: give s, ms or ns"
        raise UsageError(msg)
    return str(value)


def converted(_cls: type, attributes: list[Attribute[Any]]) -> list[Attribute[Any]]:
    """Give each attribute the conversion that its option names."""
    return [
        attribute.evolve(converter=partial(attribute.metadata["convert"], attribute.name)) for attribute in attributes
    ]


def one_of(*words: str) -> Callable[[str, object], str]:
    """Return a conversion that takes one of *words*; an empty value is the first."""

    def convert(name: str, value: object) -> str:
        word = str(value or words[0]).lower()
        if word not in words:
            msg = f"{name}={value!r} is not known: give one of {', '.join(words)}"
            raise UsageError(msg)
        return word

    return convert
