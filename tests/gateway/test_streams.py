"""Streams, their listeners, and messages on their way."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cableway.gateway.streams import Broadcast, Streams, broadcast_data, broadcast_value
from cableway.wire.codecs.json import JSONCodec

JSON = JSONCodec()


class Ear:
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Any]] = []

    def hear(self, stream: str, broadcast: Broadcast) -> None:
        """Keep it."""
        self.heard.append((stream, broadcast.value))


def test_listeners_hear_their_streams_in_order() -> None:
    """Each message once, whoever else listens."""
    streams, one, two = Streams(), Ear(), Ear()
    streams.attach("a", one)
    streams.attach("a", one)
    streams.attach("b", one)
    streams.attach("a", two)
    for stream, value in (("a", 1), ("b", 2), ("a", 3), ("c", 4)):
        streams.publish(stream, broadcast_value(value))
    assert one.heard == [("a", 1), ("b", 2), ("a", 3)]
    assert two.heard == [("a", 1), ("a", 3)]


def test_who_left_hears_no_more_and_nothing_stays() -> None:
    """Leaving twice, or what one never heard, does no harm."""
    streams, one = Streams(), Ear()
    streams.attach("a", one)
    assert len(streams) == 1
    streams.detach("a", one)
    streams.detach("a", one)
    streams.detach("never", one)
    streams.publish("a", broadcast_value(1))
    assert one.heard == []
    assert len(streams) == 0


def test_a_listener_may_leave_while_it_hears() -> None:
    """The others still hear that message."""
    streams, stays = Streams(), Ear()

    class Leaver(Ear):
        def hear(self, stream: str, broadcast: Broadcast) -> None:
            super().hear(stream, broadcast)
            streams.detach(stream, self)

    leaver = Leaver()
    streams.attach("a", leaver)
    streams.attach("a", stays)
    streams.publish("a", broadcast_value(1))
    streams.publish("a", broadcast_value(2))
    assert leaver.heard == [("a", 1)]
    assert stays.heard == [("a", 1), ("a", 2)]


def test_a_frame_is_composed_once_for_all_with_one_identifier() -> None:
    """Sessions share the bytes."""
    broadcast = broadcast_value({"ä": [1]})
    frame = broadcast.frame_for('{"channel":"A"}', JSON)
    assert json.loads(frame) == {"identifier": '{"channel":"A"}', "message": {"ä": [1]}}
    assert broadcast.frame_for('{"channel":"A"}', JSON) is frame
    assert json.loads(broadcast.frame_for("B", JSON))["identifier"] == "B"


def test_nobody_shares_what_somebody_may_change() -> None:
    """Each look at the value is a fresh one."""
    broadcast = broadcast_value({"list": []})
    broadcast.value["list"].append(1)
    assert broadcast.value == {"list": []}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ('{"a":1}', {"a": 1}),
        ("42", 42),
        ("true", True),
        ("false", False),
        ('"text"', "text"),
        ('"{\\"a\\":1}"', '{"a":1}'),
        ("null", "null"),
        ("plain", "plain"),
        ("", ""),
        ("NaN", "NaN"),
        ("9007199254740993", 9007199254740993),
        ("1.0", 1.0),
        ("\ud800", "\ufffd"),
        ("👋", "👋"),
    ],
)
def test_text_is_read_as_json_where_it_is(data: str, message: Any) -> None:
    """JSON becomes its value, ``null`` the word, and the rest stays text; digits are kept."""
    frame = json.loads(broadcast_data(data).frame_for("A", JSON))
    assert frame["message"] == message
    assert type(frame["message"]) is type(message)


def test_in_process_any_value_arrives_as_it_is() -> None:
    """Nothing is converted, ``None`` included."""
    for value in (None, 0, "", False, "null", "42", [], {}):
        assert json.loads(broadcast_value(value).frame_for("A", JSON))["message"] == value


@pytest.mark.parametrize(("value", "error"), [(object(), TypeError), (float("nan"), ValueError)])
def test_what_is_no_json_is_the_publishers_error(value: Any, error: type[Exception]) -> None:
    """It is raised where it was published."""
    with pytest.raises(error):
        broadcast_value(value)
