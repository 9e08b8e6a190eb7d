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
        ValueError: It asks for nothing, which servers do not answer, or *since* is out of range.
    """

    streams: Mapping[str, Position] = field(factory=dict)
    """The last message seen of each stream; the answer begins after it."""
    since: int | None = None
    """Unix seconds by the server's clock, inclusive; counts for the streams that :attr:`streams` does not name."""

    def __attrs_post_init__(self) -> None:
        """Refuse what no server can read, or would leave unanswered."""
        if self.since is not None and (type(self.since) is not int or not 0 < self.since <= LARGEST_OFFSET):
            msg = f"since={self.since!r} is not a time: give whole Unix seconds"
            raise ValueError(msg)
        if self.since is None and not self.streams:
            msg = "a history query needs a position or a time"
            raise ValueError(msg)
        for stream, position in self.streams.items():
            if not isinstance(stream, str) or not isinstance(position, Position):
                msg = f"streams[{stream!r}] is not a Position of a stream"
                raise TypeError(msg)


@frozen
class Member:
    """Who is present: an id, and what is told about them, any JSON value.

    Raises:
        TypeError: *id* is no string.
    """

    id: str = field(validator=_text)
    info: Any = None


@frozen
class Bookmark:
    """Where a subscription left off."""

    streams: Mapping[str, Position] = field(factory=dict)
    """The last message of each stream that counts as seen."""
    since: int | None = None
    """Unix seconds by the server's clock from which on to ask for streams that are not named; ``None``: not known."""
