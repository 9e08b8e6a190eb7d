"""Messages, as consumers see them."""

from __future__ import annotations

from datetime import UTC, datetime

from cableway.wire.message import Message


def test_a_message_says_what_came_and_when() -> None:
    """Falsy data is data; the time is aware; a message is live unless it says otherwise."""
    message = Message(0, 1_790_000_000.5, stream="s", epoch="e", offset=0)
    assert message.data == 0
    assert message.received_at == datetime(2026, 9, 21, 14, 13, 20, 500_000, UTC)
    assert message.received_at.utcoffset() is not None
    assert (message.stream, message.epoch, message.offset, message.replayed) == ("s", "e", 0, False)


def test_other_data_keeps_the_rest() -> None:
    """A decoded copy has the same place and time; the original stays."""
    message = Message("7", 1.0, stream="s", epoch="e", offset=3)
    other = message.with_data(7)
    assert (other.data, other.stream, other.epoch, other.offset) == (7, "s", "e", 3)
    assert other.received_at == message.received_at
    assert message.data == "7"


def test_its_repr_is_short_and_tells_its_place() -> None:
    """As a log line wants it."""
    assert repr(Message({"a": 1}, 0.0)) == "<Message {'a': 1}>"
    assert repr(Message(None, 0.0, stream="s", offset=0)) == "<Message None s@0>"
