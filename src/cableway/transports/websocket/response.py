"""Reads the head of an HTTP response, leniently: what answers an upgrade is often no WebSocket server."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

END_OF_HEAD: Final = b"\r\n\r\n"
LONGEST_HEAD: Final = 64 * 1024
LONGEST_BODY: Final = 4 * 1024

_START: Final = b"HTTP/1."
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: .*)?")


@frozen
class ResponseHead:
    """Status and headers of a response."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    """Names in lower case; the values of a name given twice are joined by a comma."""
    raw: bytes = field(repr=False)
    """The head as it came, the blank line included."""

    @property
    def is_html(self) -> bool:
        """Whether a page for people follows."""
        return self.headers.get("content-type", "").lower().startswith(("text/html", "application/xhtml"))


def is_junk(received: bytes | bytearray) -> bool:
    """Return whether *received* cannot become the head of an HTTP/1 response."""
    start = bytes(received[: len(_START)])
    return not _START.startswith(start) or (len(received) > LONGEST_HEAD and END_OF_HEAD not in received)


def parse_head(raw: bytes) -> ResponseHead | None:
    """Return what the head *raw* says, ``None`` if it is no head of an HTTP/1 response."""
    first, *lines = raw.removesuffix(END_OF_HEAD).split(b"\r\n")
    matched = _STATUS_LINE.fullmatch(first)
    if matched is None:
        return None
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon:
            return None
        key, text = name.strip().lower(), value.strip()
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return ResponseHead(int(matched[1]), headers, raw)


def body_is_whole(head: ResponseHead, body: bytes | bytearray) -> bool:
    """Return whether all of the body came, or as much of it as is worth keeping."""
    if len(body) >= LONGEST_BODY or head.status in {204, 304}:
        return True
    if "chunked" in head.headers.get("transfer-encoding", "").lower():
        return body.endswith(b"0\r\n\r\n")
    length = head.headers.get("content-length", "")
    return length.isdecimal() and len(body) >= int(length)


def decode_body(head: ResponseHead, body: bytes) -> bytes:
    """Return the first few kilobytes of the text that *body* carries, taken out of its chunks."""
    if "chunked" not in head.headers.get("transfer-encoding", "").lower():
        return body[:LONGEST_BODY]
    text = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        try:
            length = int(size.partition(b";")[0], 16)
        except ValueError:
            break
        if length <= 0:
            break
        text += rest[:length]
        body = rest[length + 2 :]
    return text[:LONGEST_BODY]
