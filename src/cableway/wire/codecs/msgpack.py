"""MessagePack: the same mappings as in JSON, in fewer bytes. Needs ormsgpack.

It has values that JSON has not. Those that a server might mean as text, byte strings, are read as text; those that
stand for nothing in JSON, such as NaN and extension types, make the frame malformed. So whatever the encoding of a
line, the same values come out of it.
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any, Final

import ormsgpack

from cableway.errors import MalformedFrame

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cableway.types import JSONValue


_PLAIN: Final = frozenset({str, int, bool, type(None)})
"""Types whose values are JSON's as they are."""


def pack(value: JSONValue) -> bytes:
    """Write *value*.

    Integers beyond 64 bits become floats, and half a character, which JSON can escape and UTF-8 cannot write, the sign
    for that.

    Raises:
        TypeError: It is no JSON value, nested more than 255 levels deep, or has a number beyond the range of a float.
    """
    try:
        return ormsgpack.packb(value)
    except ormsgpack.MsgpackEncodeError:
        return ormsgpack.packb(_writable(value))


def unpack(packed: bytes) -> JSONValue:
    """Read one value.

    Raises:
        MalformedFrame: The bytes are not exactly one value that JSON could have written.
    """
    try:
        value = ormsgpack.unpackb(packed)
    except ormsgpack.MsgpackDecodeError:
        # Never the error's own text: it may quote the frame, and frames are the user's data.
        rule = "not MessagePack"
        raise MalformedFrame(rule, len(packed)) from None
    if _ends_early(packed):
        rule = "more than one MessagePack value"
        raise MalformedFrame(rule, len(packed))
    return _readable(value, len(packed))


class MsgpackCodec:
    """One map a frame."""

    name = "msgpack"

    def encode(self, mapping: Mapping[str, Any]) -> bytes:
        """Write *mapping*; see :func:`pack` for errors."""
        return pack(mapping)

    def decode(self, frame: bytes) -> dict[str, Any] | None:
        """Read one frame.

        Raises:
            MalformedFrame: The frame is not one map (or ``nil``) of JSON's values.
        """
        value = unpack(frame)
        if value is None or isinstance(value, dict):
            return value
        rule = f"a {type(value).__name__} where a map was due"
        raise MalformedFrame(rule, len(frame))


def _ends_early(packed: bytes) -> bool:
    # ormsgpack says nothing of what follows the value. No value is the beginning of another one, so that all but the
    # last byte can be read only if that byte is not part of the value.
    try:
        ormsgpack.unpackb(packed[:-1])
    except ormsgpack.MsgpackDecodeError:
        return False
    return True


def _readable(value: Any, size: int) -> Any:
    """Return *value* with text for byte strings, after a look at each value within, however deep."""
    whole = [value]
    waiting: list[dict[Any, Any] | list[Any]] = [whole]
    while waiting:
        one = waiting.pop()
        for place, inner in one.items() if isinstance(one, dict) else enumerate(one):
            kind = type(inner)
            if kind in _PLAIN:
                continue
            if kind is bytes:
                one[place] = _text(inner, size)
            elif kind is not float:
                waiting.append(inner)
            elif not isfinite(inner):
                rule = "a number that JSON has not"
                raise MalformedFrame(rule, size)
    return whole[0]


def _text(value: bytes, size: int) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        rule = "a byte string that is not UTF-8"
        raise MalformedFrame(rule, size) from None


def _writable(value: Any) -> Any:
    try:
        return _tidied(value)
    except (RecursionError, OverflowError):
        msg = "nested too deeply for MessagePack, or with a number beyond the range of a float"
        raise TypeError(msg) from None


def _tidied(value: Any) -> Any:
    match value:
        case dict():
            return {_tidied(key): _tidied(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_tidied(inner) for inner in value]
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case int() if not -(2**63) <= value < 2**64:
            return float(value)
        case _:
            return value
