"""Places in streams, and how the past of a subscription is asked for (AnyCable's extended protocol).

Everything here is checked when it is made: AnyCable stops reading a line on which one field has a wrong type, and says
nothing of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import Attribute, field, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

LARGEST_OFFSET = 2**63 - 1
"""Protobuf has 63 bits for it, JSON 64; no stream lives that long."""


def _text(_: object, attribute: Attribute[Any], value: object) -> None:
    if not isinstance(value, str):
        msg = f"{attribute.name}={value!r} is not a string"
        raise TypeError(msg)
    value.encode()


def _time(_: object, attribute: Attribute[Any], value: object) -> None:
    if value is not None and (type(value) is not int or not 0 < value <= LARGEST_OFFSET):
        msg = f"{attribute.name}={value!r} is not a time: give whole Unix seconds"
        raise ValueError(msg)


def _by_stream(_: object, attribute: Attribute[Any], value: Mapping[Any, Any]) -> None:
    for stream, position in value.items():
        if not isinstance(stream, str) or not isinstance(position, Position):
            msg = f"{attribute.name}[{stream!r}] is not a Position of a stream"
            raise TypeError(msg)
        stream.encode()


def _whole(_: object, attribute: Attribute[Any], value: object) -> None:
    # bool is an int in Python, and a frame that no server can read on the wire.
    if type(value) is not int or not 0 <= value <= LARGEST_OFFSET:
        msg = f"{attribute.name}={value!r} is not a whole number from 0 to 2**63-1"
        raise ValueError(msg)


@frozen
class Position:
    """A place in a stream: the server's era, and how many messages of that era came before and with it.

    Raises:
        TypeError: *epoch* is no string.
        ValueError: *offset* is no whole number, or out of range.
    """

    epoch: str = field(validator=_text)
    offset: int = field(validator=_whole)


@frozen
class HistoryQuery:
    """What to ask of a subscription's past: what came after a position, stream by stream, or since a time.

    Raises:
        TypeError: *streams* holds something other than positions by the names of their streams.
        ValueError: It asks for nothing, which servers do not answer, or *since* is out of range.
    """

    streams: Mapping[str, Position] = field(factory=dict, validator=_by_stream)
    """The last message seen of each stream; the answer begins after it."""
    since: int | None = field(default=None, validator=_time)
    """Unix seconds by the server's clock, inclusive; counts for the streams that :attr:`streams` does not name."""

    def __attrs_post_init__(self) -> None:
        """Refuse what servers leave unanswered."""
        if self.since is None and not self.streams:
            msg = "a history query needs a position or a time"
            raise ValueError(msg)


@frozen
class Bookmark:
    """Where a subscription left off: the last message taken of each stream. Empty, it has no past.

    Raises:
        TypeError: *streams* holds something other than positions by the names of their streams.
        ValueError: *since* is out of range, or the name of a stream cannot be written as UTF-8.
    """

    streams: Mapping[str, Position] = field(factory=dict, validator=_by_stream)
    """The last message taken of each stream that was heard."""
    since: int | None = field(default=None, validator=_time)
    """Unix seconds by the server's clock from which on the streams that were never heard must be asked for; ``None``
    if that is not known."""

    def updated(self, newer: Bookmark) -> Bookmark:
        """Return this one with what *newer* says in place of what it said itself; streams that it omits stay."""
        since = self.since if newer.since is None else newer.since
        return Bookmark({**self.streams, **newer.streams}, since)


@frozen
class Member:
    """Who is present: an id, and what is told about them, any JSON value.

    Raises:
        TypeError: *id* is no string.
    """

    id: str = field(validator=_text)
    info: Any = None
