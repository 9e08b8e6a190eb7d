"""JSON: the encoding of every Action Cable server.

orjson is used when it is installed. What it refuses is read again by the standard library, so that both accept the
same frames; the one difference is that integers beyond 64 bits become floats with orjson.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

from cableway.errors import MalformedFrame

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cableway.types import JSONValue

fast_loads: Callable[[bytes], JSONValue] | None
"""orjson's reader where it is installed. It raises ``ValueError``."""
try:
    from orjson import loads as fast_loads
except ImportError:
    fast_loads = None


def _refuse_constant(name: str) -> NoReturn:
    msg = f"{name} is not JSON"
    raise ValueError(msg)


_decoder = json.JSONDecoder(parse_constant=_refuse_constant)
_raw_decode = _decoder.raw_decode


def dump_text(value: JSONValue) -> str:
    """Write *value* as compact JSON text, without escaping what need not be.

    Raises:
        TypeError: Something in it cannot be written as JSON, or a key is no string.
        ValueError: It holds ``NaN``, an infinity or itself.
        RecursionError: It is nested too deeply.
    """
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def load(frame: bytes) -> JSONValue:
    """Read one JSON value.

    Raises:
        MalformedFrame: The bytes are not one JSON value in UTF-8.
    """
    if fast_loads is not None:
        try:
            return fast_loads(frame)
        except ValueError:
            pass
    return _load_strict(frame)


def _load_strict(frame: bytes) -> JSONValue:
    try:
        return _decoder.decode(str(frame, "utf-8"))
    except (ValueError, RecursionError) as error:
        rule = "nested too deeply" if isinstance(error, RecursionError) else _rule(error)
        raise MalformedFrame(rule, len(frame)) from None


def _rule(error: ValueError) -> str:
    # Never the error's own text: it may quote the frame, and frames are the user's data.
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON at byte {error.pos}"
    return "not JSON"


class JSONCodec:
    """One JSON object a frame, in UTF-8."""

    name = "json"

    def encode(self, mapping: Mapping[str, Any]) -> bytes:
        """Write *mapping* as compact JSON; see :func:`dump_text` for errors."""
        return dump_text(mapping).encode()

    def decode(self, frame: bytes) -> dict[str, Any] | None:
        """Read one frame.

        Raises:
            MalformedFrame: The frame is not one JSON object (or ``null``) in UTF-8.
        """
        value = load(frame)
        if value is None or isinstance(value, dict):
            return value
        rule = f"a JSON {type(value).__name__} where an object was due"
        raise MalformedFrame(rule, len(frame))


def value_reader() -> Callable[[str, int], tuple[JSONValue, int]]:
    """Return a function that reads the JSON value starting at a position of a text and tells where it ended."""
    return _raw_decode
