"""From the bytes of an event stream to events (HTML Living Standard, 9.2)."""

from __future__ import annotations

from attrs import frozen


class EventTooLong(Exception):
    """An event is larger than the limit."""


@frozen
class ServerEvent:
    """One event."""

    kind: str
    """Its name; empty for a message."""
    data: bytes


class EventParser:
    """Reads one stream as it comes in."""

    def __init__(self, max_size: int) -> None:
        self._limit = max_size
        self._rest = bytearray()
        self._kind = ""
        self._data: list[bytes] = []
        self._size = 0
        self._began = False

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """Take what came and return the events that are whole by now.

        Raises:
            EventTooLong: One is larger than the limit.
        """
        self._rest += chunk
        # A line end may be cut in two: what ends with a return waits for what follows.
        held = b"\r" if self._rest.endswith(b"\r") else b""
        text = bytes(self._rest[: len(self._rest) - len(held)]).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = text.split(b"\n")
        self._rest = bytearray(rest + held)
        events = [event for line in lines if (event := self._line(line)) is not None]
        if len(self._rest) > self._limit:
            raise EventTooLong
        return events

    def _line(self, line: bytes) -> ServerEvent | None:
        if not self._began:
            self._began = True
            line = line.removeprefix(b"\xef\xbb\xbf")
        if not line:
            return self._end()
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"event":
            self._kind = value.decode(errors="replace")
        elif name == b"data":
            self._data.append(value)
            self._size += len(value) + 1
            if self._size > self._limit + 1:
                raise EventTooLong
        return None

    def _end(self) -> ServerEvent | None:
        kind, data = self._kind, self._data
        self._kind, self._data, self._size = "", [], 0
        return ServerEvent(kind, b"\n".join(data)) if data else None
