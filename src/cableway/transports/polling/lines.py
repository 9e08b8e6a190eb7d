"""From the bytes of a response to messages: one JSON object a line."""

from __future__ import annotations


class LineTooLong(Exception):
    """A message is larger than the limit."""


class LineSplitter:
    """Cuts one response into messages as it comes in."""

    def __init__(self, max_message_size: int) -> None:
        self._limit = max_message_size
        self._rest = bytearray()

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take what came and return the messages that are whole by now.

        Raises:
            LineTooLong: One is larger than the limit.
        """
        *whole, rest = chunk.split(b"\n")
        if not whole:
            self._rest += rest
            self._check(len(self._rest))
            return []
        whole[0] = bytes(self._rest) + whole[0]
        self._rest = bytearray(rest)
        for line in (*whole, rest):
            self._check(len(line))
        return _said(whole)

    def end(self) -> list[bytes]:
        """Return what came after the last line end: not every server ends the last line."""
        rest, self._rest = bytes(self._rest), bytearray()
        return _said([rest])

    def _check(self, size: int) -> None:
        if size > self._limit:
            raise LineTooLong


def _said(lines: list[bytes]) -> list[bytes]:
    return [line for one in lines if (line := one.strip(b" \t\r"))]
