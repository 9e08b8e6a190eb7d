"""The string by which a server knows a subscription."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from math import isfinite
from typing import TYPE_CHECKING, Final

from cableway.errors import InvalidIdentifier
from cableway.types import Identifier

if TYPE_CHECKING:
    from cableway.types import JSONValue

PUBSUB_CHANNEL = "$pubsub"
"""The channel by which AnyCable serves streams that need no channel class."""


def canonical_identifier(channel: str, params: Mapping[str, JSONValue] | None = None) -> Identifier:
    """Build the identifier of *channel* with *params*.

    Top-level keys are sorted, nothing is escaped that need not be, no space is put in, numbers are written as there:
    these are the bytes that the JavaScript client ``@anycable/core`` sends, so both clients mean one subscription.
    Nested values keep their own order, as there. What JavaScript cannot hold, such as whole numbers beyond 2**53, is
    written as Python has it.

    Raises:
        InvalidIdentifier: The channel name is empty or no string, the parameters are no mapping, a key is no string or
            is ``channel``, or a value is something that JSON cannot write.
    """
    if not isinstance(channel, str) or not channel.strip():
        msg = f"channel={channel!r} is not a channel name: give a non-empty string such as 'ChatChannel'"
        raise InvalidIdentifier(msg)
    if not isinstance(params, Mapping | None):
        msg = f"the parameters of {channel!r} are a {type(params).__name__}: give a mapping such as {{'room': 42}}"
        raise InvalidIdentifier(msg)
    given = dict(params or {})
    for key in given:
        if not isinstance(key, str):
            msg = f"the parameter name {key!r} is not a string: JSON objects have only string keys"
            raise InvalidIdentifier(msg)
    if "channel" in given:
        msg = "params must not hold the key 'channel': the channel's name is the first argument"
        raise InvalidIdentifier(msg)
    whole = {"channel": channel, **given}
    try:
        members = (f"{_dump(key)}:{_dump(whole[key])}" for key in sorted(whole, key=_utf16))
        text = "{" + ",".join(members) + "}"
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        msg = f"the parameters of {channel!r} cannot be written as JSON ({error}): use strings, numbers, lists, dicts"
        raise InvalidIdentifier(msg) from error
    return Identifier(text)


def _utf16(key: str) -> bytes:
    # JavaScript sorts strings by UTF-16 code units; Python by code points. They differ beyond the basic plane.
    return key.encode("utf-16-be", "surrogatepass")


def _dump(value: JSONValue) -> str:
    if isinstance(value, float) and isfinite(value):
        return _javascript_number(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{_key(key)}:{_dump(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_dump, value)) + "]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _key(key: object) -> str:
    if not isinstance(key, str):
        msg = f"the key {key!r} is not a string"
        raise TypeError(msg)
    return _dump(key)


def _javascript_number(value: float) -> str:
    """Write a finite float as JavaScript does (ECMA-262, Number::toString): ``1.0`` is ``1``, ``1e-07`` is ``1e-7``."""
    if value == 0:
        return "0"
    sign, digits, exponent = Decimal(float.__repr__(value)).normalize().as_tuple()
    text = "".join(map(str, digits))
    point = len(text) + int(exponent)
    head = "-" if sign else ""
    if len(text) <= point <= 21:
        return head + text + "0" * (point - len(text))
    if 0 < point <= 21:
        return f"{head}{text[:point]}.{text[point:]}"
    if -6 < point <= 0:
        return f"{head}0.{'0' * -point}{text}"
    mantissa = text[0] + (f".{text[1:]}" if len(text) > 1 else "")
    return f"{head}{mantissa}e{'+' if point > 0 else '-'}{abs(point - 1)}"


def raw_identifier(text: str) -> Identifier:
    """Take *text* as the identifier, byte for byte, for servers that want another form than the canonical one.

    Raises:
        InvalidIdentifier: The text is empty, no string, or cannot be written as UTF-8.
    """
    if not isinstance(text, str) or not text:
        msg = f"identifier={text!r} is not an identifier: give the exact string that the server expects"
        raise InvalidIdentifier(msg)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        msg = "the identifier holds a lone surrogate, which UTF-8 cannot write"
        raise InvalidIdentifier(msg) from error
    return Identifier(text)


def stream_identifier(name: str) -> Identifier:
    """Build the identifier of the public stream *name* on AnyCable's ``$pubsub`` channel.

    Raises:
        InvalidIdentifier: The name is empty or no string.
    """
    return canonical_identifier(PUBSUB_CHANNEL, {"stream_name": _stream_name(name)})


SIGNED_CHANNELS: Final = {
    "pubsub": (PUBSUB_CHANNEL, "signed_stream_name"),
    "turbo": ("Turbo::StreamsChannel", "signed_stream_name"),
    "cable_ready": ("CableReady::Stream", "identifier"),
}
"""Channel and parameter by which each kind of signed stream is subscribed to."""


_ONE_STREAM: Final = frozenset(channel for channel, _ in SIGNED_CHANNELS.values())


def signed_stream_identifier(signed_name: str, kind: str = "pubsub") -> Identifier:
    """Build the identifier of a signed stream: AnyCable's own, one of Turbo's, or one of CableReady's.

    Raises:
        InvalidIdentifier: The signed name is empty or no string, or *kind* is none of ``pubsub``, ``turbo`` and
            ``cable_ready``.
    """
    channel, parameter = signed_channel(kind)
    return canonical_identifier(channel, {parameter: _stream_name(signed_name)})


def signed_channel(kind: str) -> tuple[str, str]:
    """Return the channel and the parameter by which signed streams of *kind* are subscribed to.

    Raises:
        InvalidIdentifier: There is no such kind.
    """
    if kind not in SIGNED_CHANNELS:
        msg = f"kind={kind!r} is no kind of signed streams: give one of {', '.join(map(repr, SIGNED_CHANNELS))}"
        raise InvalidIdentifier(msg)
    return SIGNED_CHANNELS[kind]


def is_one_stream(identifier: str) -> bool:
    """Tell whether a subscription listens to one stream, and no other can ever be added to it.

    Those that AnyCable serves by itself do; what a channel's own code listens to, nobody knows.
    """
    try:
        params = json.loads(identifier)
    except (ValueError, RecursionError):
        return False
    return isinstance(params, dict) and params.get("channel") in _ONE_STREAM


def _stream_name(name: str) -> str:
    if not isinstance(name, str) or not name:
        msg = "a stream needs a name: give a non-empty string"
        raise InvalidIdentifier(msg)
    return name


def merge_params(params: Mapping[str, JSONValue] | None, more: Mapping[str, JSONValue]) -> dict[str, JSONValue]:
    """Return the parameters that were given as a mapping and those given as keywords, in one.

    Raises:
        InvalidIdentifier: One is given twice.
    """
    given = dict(params or {})
    twice = sorted(given.keys() & more.keys(), key=str)
    if twice:
        msg = f"the parameter {twice[0]!r} is given twice, in the mapping and as a keyword"
        raise InvalidIdentifier(msg)
    given.update(more)
    return given
