"""From raw frames to messages, in the consumer's time instead of the reader's.

A subscription's frames mostly begin with the same bytes, up to where the message starts. Once such a head was read in
full it need not be read again: a frame that begins with the very same bytes has the same identifier. What follows the
head is read as one value, and only if exactly ``}`` is left is the frame known to hold nothing else; any other frame is
read in full. So what is skipped is always character for character what was once parsed.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attrs import define, field

from cableway.errors import MalformedFrame
from cableway.wire.codecs.json import JSONCodec, fast_loads, value_reader
from cableway.wire.frames import Data
from cableway.wire.message import Message

if TYPE_CHECKING:
    from collections.abc import Callable

    from cableway.types import JSONValue
    from cableway.wire.codecs.base import Codec
    from cableway.wire.dialects.base import BaseDialect

SEPARATOR = b'","message":'

_read_value = value_reader()


def learn_head(frame: bytes, identifier: str) -> bytes | None:
    """Return the head of *frame*, if it is one that all frames of *identifier* may begin with."""
    cut = frame.find(SEPARATOR)
    if cut < 0:
        return None
    head = frame[: cut + len(SEPARATOR)]
    try:
        pairs = json.loads(head + b"null}", object_pairs_hook=list)
    except (ValueError, RecursionError):
        return None
    return head if pairs == [("identifier", identifier), ("message", None)] else None


@define
class Decoder:
    """Reads the raw frames of one subscription."""

    identifier: str
    codec: Codec
    dialect: BaseDialect
    stray: Callable[[bytes, MalformedFrame | None], None]
    """Takes a frame that turned out not to be a message of this subscription, and why if it is malformed."""
    places: dict[str, tuple[str, str]] = field(factory=dict)
    """Stream and epoch by the text with which a frame ends before its offset; what was learned from whole frames."""
    _is_json: bool = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._is_json = isinstance(self.codec, JSONCodec)

    def messages(self, frames: list[bytes], head: bytes, at: float) -> list[Message[Any]]:
        """Read *frames*, which all begin with *head*, received at wall time *at*."""
        if not self._is_json:
            return [message for frame in frames if (message := self._in_full(frame, at)) is not None]
        # With orjson the whole frame is read faster than the standard library reads the value alone.
        if fast_loads is not None:
            return self._wholes(fast_loads, frames, at)
        return self._values(frames, len(str(head, "utf-8")), at)

    def _values(self, frames: list[bytes], start: int, at: float) -> list[Message[Any]]:
        out: list[Message[Any]] = []
        tail, stream, epoch = "", "", ""
        for frame in frames:
            message: Message[Any] | None = None
            try:
                text = str(frame, "utf-8")
                value, end = _read_value(text, start)
            except (ValueError, RecursionError):
                text, value, end = "", None, 0
            if text[end:] == "}":
                message = Message(value, at)
            elif text.endswith("}"):
                if not tail or not text.startswith(tail, end):
                    tail = text[end : text.rfind(":") + 1]
                    stream, epoch = self.places.get(tail, ("", ""))
                number = text[end + len(tail) : -1]
                # As JSON writes a number: nothing else that Python reads as one.
                if stream and number.isdecimal() and number.isascii() and number[0] != "0":
                    message = Message(value, at, stream=stream, epoch=epoch, offset=int(number))
            message = message or self._in_full(frame, at)
            if message is not None:
                out.append(message)
        return out

    def _wholes(self, read: Callable[[bytes], JSONValue], frames: list[bytes], at: float) -> list[Message[Any]]:
        identifier = self.identifier
        out: list[Message[Any]] = []
        for frame in frames:
            message: Message[Any] | None = None
            mapping: dict[str, Any] = {}
            try:
                mapping = read(frame)
                if mapping["identifier"] == identifier:
                    if len(mapping) == 2:
                        message = Message(mapping["message"], at)
                    elif len(mapping) == 5:
                        message = _placed_message(mapping, at)
            except (ValueError, TypeError, LookupError):
                pass
            if message is None:
                message = self._whole(mapping, frame, at)
            if message is not None:
                out.append(message)
        return out

    def _whole(self, mapping: dict[str, Any], frame: bytes, at: float) -> Message[Any] | None:
        if not isinstance(mapping, dict) or mapping.get("identifier") != self.identifier or "type" in mapping:
            return self._in_full(frame, at)
        return self._message(mapping, frame, at)

    def _in_full(self, frame: bytes, at: float) -> Message[Any] | None:
        try:
            mapping = self.codec.decode(frame)
        except MalformedFrame as fault:
            self.stray(frame, fault)
            return None
        return self._message(mapping, frame, at)

    def _message(self, mapping: dict[str, Any] | None, frame: bytes, at: float) -> Message[Any] | None:
        try:
            parsed = None if mapping is None else self.dialect.parse(mapping)
        except MalformedFrame as fault:
            self.stray(frame, fault)
            return None
        if isinstance(parsed, Data) and parsed.identifier == self.identifier:
            return Message(parsed.message, at, stream=parsed.stream, epoch=parsed.epoch, offset=parsed.offset)
        self.stray(frame, None)
        return None


def _placed_message(mapping: dict[str, Any], at: float) -> Message[Any] | None:
    stream, epoch, offset = mapping["stream_id"], mapping["epoch"], mapping["offset"]
    if type(stream) is not str or type(epoch) is not str or type(offset) is not int or offset < 0:
        return None
    return Message(mapping["message"], at, stream=stream, epoch=epoch, offset=offset)
