"""From the bytes of an event stream to events."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cableway.transports.event_stream.events import EventParser, EventTooLong, ServerEvent

STREAM = (
    b"\xef\xbb\xbf: a comment\n\n"
    b'event: welcome\ndata: {"type":"welcome"}\n\n'
    b'data: {"a":1}\nid: 42/e/room/7\nretry: 5\n\n'
    b"event: ping\nid: of nothing\n\n"
    b"data:one\ndata: two\nunknown: x\nlonely\n\n"
    b"data: cut"
)

EVENTS = [
    ServerEvent("welcome", b'{"type":"welcome"}'),
    ServerEvent("", b'{"a":1}', "42/e/room/7"),
    ServerEvent("", b"one\ntwo"),
]


def parsed(*chunks: bytes, limit: int = 1000) -> list[ServerEvent]:
    """Read *chunks* as they come in."""
    parser = EventParser(limit)
    return [event for chunk in chunks for event in parser.feed(chunk)]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@given(data=st.data())
def test_events_come_whole_however_they_are_cut(end: bytes, data: st.DataObject) -> None:
    """With each kind of line end; comments, events without data, and what is cut off at the end are none.

    An id is that of its own event: who counts by ids must not take one for another's.
    """
    body = STREAM.replace(b"\n", end)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=6)))
    chunks = [body[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    assert parsed(*chunks) == EVENTS


def test_an_id_that_no_header_can_carry_is_none() -> None:
    """As browsers have it."""
    assert parsed(b"id: 7\0\ndata: a\n\n") == [ServerEvent("", b"a")]


@pytest.mark.parametrize("chunks", [[b"data: " + b"x" * 2000], [b"data: " + b"x" * 600 + b"\n"] * 2])
def test_an_event_that_does_not_end_is_given_up(chunks: list[bytes]) -> None:
    """In one line or in many: before it has filled the memory."""
    with pytest.raises(EventTooLong):
        parsed(*chunks)


def test_as_long_as_allowed_is_allowed() -> None:
    """Event after event."""
    assert len(parsed(*[b"data: " + b"x" * 990 + b"\n\n"] * 5)) == 5
