"""A model of AnyCable's memory broker, made from its rules and sharing nothing with the gateway.

It has no clock: each call is given the server's time in whole Unix seconds, which is all that AnyCable looks at.
"""

from __future__ import annotations

from attrs import define, field, frozen

IDLE_LIFE = 10
"""A stream outlives its last message by this many ``ttl``; then it is forgotten, its offset with it."""


@frozen
class Stored:
    """One message that the broker keeps."""

    offset: int
    second: int
    number: int
    """Which publication it was."""


@define
class Stream:
    """What is kept of one stream."""

    limit: int
    ttl: int
    entries: list[Stored] = field(factory=list)
    low: int = 0
    offset: int = 0
    deadline: int = 0

    def add(self, number: int, second: int) -> int:
        """Keep one more, and the limit."""
        self.offset += 1
        self.entries.append(Stored(self.offset, second, number))
        if len(self.entries) > self.limit:
            del self.entries[0]
        self.low = self.entries[0].offset
        self.deadline = second + IDLE_LIFE * self.ttl
        return self.offset

    def expire(self, second: int) -> None:
        """Drop what is older than the time to live."""
        self.entries = [entry for entry in self.entries if entry.second >= second - self.ttl]
        self.low = self.entries[0].offset if self.entries else 0

    def after(self, offset: int) -> list[Stored] | None:
        """Return what came after *offset*, ``None`` if that cannot be told."""
        if self.low == 0 or self.low > offset or offset > self.entries[-1].offset:
            return None
        return [entry for entry in self.entries if entry.offset > offset]


class Broker:
    """All streams of one run of a server."""

    def __init__(self, epoch: str, limit: int, ttl: int) -> None:
        self.epoch = epoch
        self._limit = limit
        self._ttl = ttl
        self._streams: dict[str, Stream] = {}

    def add(self, stream: str, number: int, second: int) -> int:
        """Store one message and return its offset."""
        if stream not in self._streams:
            self._streams[stream] = Stream(self._limit, self._ttl)
        return self._streams[stream].add(number, second)

    def expire(self, second: int) -> None:
        """Do what the server does every second."""
        for stream in self._streams.values():
            stream.expire(second)
        self._streams = {name: stream for name, stream in self._streams.items() if stream.deadline >= second}

    def after(self, stream: str, epoch: str, offset: int) -> list[Stored] | None:
        """Return what *stream* holds after a position, ``None`` if that is refused."""
        known = self._streams.get(stream)
        return None if known is None or epoch != self.epoch else known.after(offset)

    def since(self, stream: str, second: int) -> list[Stored]:
        """Return what *stream* holds of *second* and later."""
        known = self._streams.get(stream)
        return [] if known is None else [entry for entry in known.entries if entry.second >= second]
