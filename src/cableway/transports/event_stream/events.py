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
    id: str = ""
    """Its own id: one without has none, though a browser would still remember that of an earlier one."""


class EventParser:
    """Reads one stream as it comes in."""

    def __init__(self, max_size: int) -> None:
        self._limit = max_size
        self._rest = bytearray()
        self._kind = self._id = ""
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
        elif name == b"id":
            self._id = value.decode(errors="replace") if b"\0" not in value else self._id
        elif name == b"data":
            self._data.append(value)
            self._size += len(value) + 1
            if self._size > self._limit + 1:
                raise EventTooLong
        return None

    def _end(self) -> ServerEvent | None:
        event = ServerEvent(self._kind, b"\n".join(self._data), self._id) if self._data else None
        self._kind, self._id, self._data, self._size = "", "", [], 0
        return event
