"""Frames as events, to the letter."""

from __future__ import annotations

from typing import Any

import pytest

from cableway.gateway.event_codec import A_YEAR, EventCodec
from cableway.gateway.streams import Broadcast, broadcast_data, broadcast_value
from cableway.wire.positions import Position

BARE = EventCodec(unwrap=True, raw=False)
WHOLE = EventCodec(unwrap=False, raw=False)
RAW = EventCodec(unwrap=True, raw=True)


def placed(broadcast: Broadcast, stream: str = "a/b") -> Broadcast:
    """Give it a place in a stream."""
    broadcast.place(stream, Position("era", 7))
    return broadcast


@pytest.mark.parametrize(
    ("mapping", "event"),
    [
        ({"type": "welcome"}, b'event: welcome\ndata: {"type":"welcome"}\n\n'),
        (
            {"type": "disconnect", "reason": "remote", "reconnect": False},
            b'event: disconnect\ndata: {"type":"disconnect","reason":"remote","reconnect":false}\nretry: %d\n\n'
            % A_YEAR,
        ),
        (
            {"type": "disconnect", "reason": "remote", "reconnect": True},
            b'event: disconnect\ndata: {"type":"disconnect","reason":"remote","reconnect":true}\n\n',
        ),
    ],
)
def test_what_has_a_type_is_named_by_it(mapping: dict[str, Any], event: bytes) -> None:
    """Whole, in either form; and nothing of it where only messages are wanted."""
    assert BARE.encode(mapping) == WHOLE.encode(mapping) == event
    assert RAW.encode(mapping) == b""


def test_who_is_not_to_come_back_waits_a_year() -> None:
    """In milliseconds."""
    assert A_YEAR == 365 * 24 * 3600 * 1000


def test_what_has_none_is_a_message() -> None:
    """Bare or whole."""
    assert BARE.encode({"identifier": "A", "message": {"n": 1}}) == b'data: {"n":1}\n\n'
    assert BARE.encode({"identifier": "A", "message": "x\ny"}) == b"data: x\ndata: y\n\n"
    assert WHOLE.encode({"identifier": "A", "message": "x\ny"}) == b'data: {"identifier":"A","message":"x\\ny"}\n\n'


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ('{"n":12345678901234567890123, "f": 1.10}', b'data: {"n":12345678901234567890123, "f": 1.10}'),
        ('{\n "n": 1\r\n}', b'data: {\ndata:  "n": 1\ndata: }'),
        (' "led by a blank"', b"data: led by a blank"),
        ("1e999", b"data: 1e999"),
        ("null", b"data: null"),
        ("no JSON", b"data: no JSON"),
        ('"half \\ud800 a character"', "data: half \ufffd a character".encode()),
        ("é\u2028", "data: é\u2028".encode()),
    ],
)
def test_what_is_published_stays_the_text_that_it_is(text: str, data: bytes) -> None:
    """Every digit of it; a string loses its quotes, and lines become fields."""
    event = placed(broadcast_data(text)).frame_for("A", BARE)
    assert event == data + b"\nid: 7/era/a/b\n\n"


def test_a_message_with_a_type_is_whole_and_named() -> None:
    """With its place, whatever the form; where only messages are wanted it is none."""
    broadcast = placed(broadcast_value("x", kind="presence"))
    event = broadcast.frame_for("A", BARE)
    assert event.startswith(b'event: presence\ndata: {"type":"presence","identifier":"A","message":"x","stream_id"')
    assert event.endswith(b"\nid: 7/era/a/b\n\n")
    assert broadcast.frame_for("A", WHOLE) == event
    assert broadcast.frame_for("A", RAW) == b""


def test_each_form_is_made_once_for_all_who_want_it() -> None:
    """Two of the same form share it, two of different forms do not."""
    broadcast = broadcast_value("x")
    assert broadcast.frame_for("A", BARE) is broadcast.frame_for("A", EventCodec(unwrap=True, raw=False))
    forms = {EventCodec(unwrap=unwrap, raw=raw).name for unwrap in (True, False) for raw in (True, False)}
    assert len(forms) == 4
    assert broadcast.frame_for("A", WHOLE) == b'data: {"identifier":"A","message":"x"}\n\n'


@pytest.mark.parametrize("stream", ["a\nevent: forged", "a\rb", "a\0b"])
def test_a_stream_whose_name_would_break_an_event_has_no_id(stream: str) -> None:
    """It could begin a field of its own, or void the id."""
    assert placed(broadcast_value("x"), stream).frame_for("A", BARE) == b"data: x\n\n"


def test_a_type_stays_in_its_line() -> None:
    """Whoever publishes may choose any."""
    event = broadcast_value("x", kind="a\ndata: forged").frame_for("A", BARE)
    assert event.startswith(b"event: a data: forged\ndata: {")
