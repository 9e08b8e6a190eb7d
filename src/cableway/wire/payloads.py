"""What may stand in a command besides text: JSON that every server can read.

A Go server that cannot decode one field stops reading the line and says nothing of it. So what it could not decode is
refused here, before anything is sent.
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from cableway.errors import InvalidPayload

if TYPE_CHECKING:
    from collections.abc import Iterator

DEEPEST = 200
"""Levels of lists and dicts, at most; Python's own writer gives up at a thousand or so."""


def check_json(value: object, what: str) -> None:
    """Check that *value* is JSON that every server can read.

    Raises:
        InvalidPayload: It holds what JSON has not, a key that is no string, a number beyond the range of a float, a
            lone surrogate, itself, or too many levels. The text begins with *what* and tells where.
    """
    waiting: list[tuple[object, str, int]] = [(value, what, 0)]
    while waiting:
        one, place, depth = waiting.pop()
        if depth > DEEPEST:
            msg = f"{what} is nested more than {DEEPEST} levels deep, or holds itself: send a flatter value"
            raise InvalidPayload(msg)
        rule = _fault(one)
        if rule is not None:
            msg = f"{place} {rule}"
            raise InvalidPayload(msg)
        waiting += ((inner, inside, depth + 1) for inner, inside in _parts(one, place))


def _fault(value: object) -> str | None:
    fault: str | None = None
    match value:
        case None | bool() | list() | tuple():
            pass
        case str():
            fault = None if _is_text(value) else "holds a lone surrogate, which UTF-8 cannot write: replace it"
        case int():
            fault = None if _in_range(value) else "is beyond the range of a float: send it as a string"
        case float():
            fault = None if isfinite(value) else f"is {value!r}, which JSON has not: send None or a string"
        case dict():
            fault = next((wrong for key in value if (wrong := _key_fault(key)) is not None), None)
        case _:
            fault = f"is of type {type(value).__name__}: use strings, numbers, booleans, None, lists and dicts"
    return fault


def _key_fault(key: object) -> str | None:
    if not isinstance(key, str):
        return f"has the key {key!r}, which is no string: write it as str(key)"
    return None if _is_text(key) else "has a key with a lone surrogate, which UTF-8 cannot write: replace it"


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _in_range(value: int) -> bool:
    try:
        return isfinite(float(value))
    except OverflowError:
        return False


def _parts(value: Any, place: str) -> Iterator[tuple[object, str]]:
    if isinstance(value, dict):
        yield from ((inner, f"{place}[{key!r}]") for key, inner in value.items())
    elif isinstance(value, list | tuple):
        yield from ((inner, f"{place}[{index}]") for index, inner in enumerate(value))
