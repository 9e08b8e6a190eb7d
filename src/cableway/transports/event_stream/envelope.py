"""From messages without their envelope to whole frames. Does no I/O.

Who asks by ``GET`` is sent the bare message, with its place as the event's id; who asks by ``POST`` the whole frame.
AnyCable 1.6 gives all who listen to one identifier the form that was asked for first. So either may come, whichever was
asked for.

A bare message does not tell text from what the text says: ``5`` may have been published as a number, or as text. It is
read as JSON where it can be, as browsers' programs do, and as text where it cannot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import define, field

from cableway.errors import MalformedFrame
from cableway.wire.codecs.json import dump_text, load

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cableway.transports.event_stream.events import ServerEvent
    from cableway.types import JSONValue

_FIELDS: Final = frozenset({"identifier", "message", "stream_id", "epoch", "offset"})

_LONGEST_OFFSET: Final = 20
"""Digits."""


@define
class Envelope:
    """That of the messages of one subscription."""

    identifier: str
    bare: bool
    """Whether messages were asked for without it."""
    _head: bytes = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Write what each frame begins with."""
        self._head = b'{"identifier":%b,"message":' % dump_text(self.identifier).encode()

    def frame(self, event: ServerEvent) -> bytes:
        """Return the whole frame of *event*."""
        if event.kind or (not self.bare and event.data.startswith(self._head)):
            return event.data
        text, place = event.data, _place(event.id)
        try:
            value = load(text)
        except MalformedFrame:
            value, text = None, dump_text(text.decode(errors="replace")).encode()
        if isinstance(value, dict) and self._is_frame(value, place):
            return text
        return self._head + text + _tail(place)

    def _is_frame(self, value: Mapping[str, JSONValue], place: tuple[int, str, str] | None) -> bool:
        if value.get("identifier") != self.identifier:
            return False
        if not self.bare:
            return True
        # A message that looks like a frame down to its own place, nobody could have published.
        told = tuple(value.get(name) for name in ("offset", "epoch", "stream_id"))
        return told == (place or (None, None, None)) and value.keys() <= _FIELDS


def _place(event_id: str) -> tuple[int, str, str] | None:
    offset, _, rest = event_id.partition("/")
    epoch, slash, stream = rest.partition("/")
    known = offset.isascii() and offset.isdecimal() and len(offset) <= _LONGEST_OFFSET and slash
    return (int(offset), epoch, stream) if known else None


def _tail(place: tuple[int, str, str] | None) -> bytes:
    if place is None:
        return b"}"
    offset, epoch, stream = place
    return f',"stream_id":{dump_text(stream)},"epoch":{dump_text(epoch)},"offset":{offset}}}'.encode()
