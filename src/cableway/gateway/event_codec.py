"""Frames as server-sent events: the form of AnyCable's, to the letter.

A message that has no type is an event without a name, all others are events named by their type. Clients of GET get the
bare message, so that a browser's ``EventSource`` needs to know no protocol; clients of POST get whole frames.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from cableway.wire.codecs.json import JSONCodec, dump_text, load

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cableway.gateway.streams import Broadcast

A_YEAR: Final = 31_536_000_000
"""Milliseconds: what a browser is told to wait that is not to come back."""

_LINE_END = re.compile(r"\r\n|\r|\n")


class EventCodec(JSONCodec):
    """Writes events; reads JSON.

    Forms that differ have different names, so that clients of one identifier never get each other's. AnyCable keeps one
    form for all of them, and each gets the one that was asked for first.
    """

    def __init__(self, *, unwrap: bool, raw: bool) -> None:
        self.name = f"events{'-unwrapped' if unwrap else ''}{'-raw' if raw else ''}"
        self._unwrap = unwrap
        self._raw = raw

    def encode(self, mapping: Mapping[str, Any]) -> bytes:
        """Write one event; nothing where only messages are wanted and it is none."""
        kind = mapping.get("type") or ""
        if not kind and self._unwrap:
            message = mapping.get("message")
            return self._write("", message if isinstance(message, str) else dump_text(message))
        retry = A_YEAR if kind == "disconnect" and not mapping.get("reconnect") else None
        return self._write(kind, dump_text(dict(mapping)), retry=retry)

    def event(self, frame: bytes, broadcast: Broadcast) -> bytes:
        """Write what was published; *frame* is the whole frame as JSON."""
        kind, text = broadcast.kind or "", frame
        if not kind and self._unwrap:
            text = broadcast.text
            if text.lstrip()[:1] == b'"':
                text = _utf8(str(load(text)))
        place = ""
        if broadcast.position is not None:
            place = f"{broadcast.position.offset}/{broadcast.position.epoch}/{broadcast.stream}"
        return self._write(kind, text.decode(), place=place)

    def _write(self, kind: str, data: str, *, place: str = "", retry: int | None = None) -> bytes:
        if kind and self._raw:
            return b""
        # A line end would begin another field: of names and places that hold one, clients could make nothing.
        event = f"event: {_LINE_END.sub(' ', kind)}\n" if kind else ""
        lines = "\ndata: ".join(_LINE_END.split(data))
        at = f"\nid: {place}" if place and not (_LINE_END.search(place) or "\0" in place) else ""
        again = "" if retry is None else f"\nretry: {retry}"
        return _utf8(f"{event}data: {lines}{at}{again}\n\n")


def _utf8(text: str) -> bytes:
    # JSON can escape half a character, which UTF-8 cannot write: it becomes the sign for that, as in Go.
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
