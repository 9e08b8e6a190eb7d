"""Cuts plain frames out of a stream of bytes, fast.

A plain frame is what an Action Cable server sends nearly always: final, text (or binary, where the line speaks a binary
encoding), unmasked, no extension bits, within the size limit, and not in the middle of a fragmented message (RFC 6455
section 5.2). Its header is two to ten bytes and its payload is the message, so that a slice is all the work.
"""

from __future__ import annotations

from typing import Final

PLAIN_TEXT: Final = 0x81
"""First byte of a plain frame of text."""
PLAIN_BINARY: Final = 0x82
"""Likewise of one that is no text."""

_MASK_BIT: Final = 0x80
_TWO_BYTE_LENGTH: Final = 126
_EIGHT_BYTE_LENGTH: Final = 127


def cut_plain(data: bytes, at: int, limit: int, batch: list[bytes], first: int = PLAIN_TEXT) -> int:
    """Append the payloads of the plain frames that start at *at* to *batch*: of those that begin with *first*.

    Stops at the first frame that is not plain, not whole or larger than *limit*, and returns where that one starts.
    """
    size = len(data)
    append = batch.append
    while at + 2 <= size and data[at] == first:
        length = data[at + 1]
        start = at + 2
        if length >= _TWO_BYTE_LENGTH:
            start = at + header_size(length)
            if length & _MASK_BIT or start > size:
                break
            length = int.from_bytes(data[at + 2 : start], "big")
        end = start + length
        if end > size or length > limit:
            break
        append(data[start:end])
        at = end
    return at


def header_size(second: int) -> int:
    """Return the size of a frame's header, told by its *second* byte; the mask is not counted."""
    length = second & 0x7F
    if length < _TWO_BYTE_LENGTH:
        return 2
    return 4 if length == _TWO_BYTE_LENGTH else 10


def payload_size(data: bytes, at: int) -> int:
    """Return the size of the payload of the frame at *at*, whose header must be whole."""
    length = data[at + 1] & 0x7F
    if length < _TWO_BYTE_LENGTH:
        return length
    return int.from_bytes(data[at + 2 : at + (4 if length < _EIGHT_BYTE_LENGTH else 10)], "big")
