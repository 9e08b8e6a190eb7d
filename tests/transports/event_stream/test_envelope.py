"""From messages without their envelope to whole frames."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cableway.errors import MalformedFrame
from cableway.transports.event_stream.envelope import Envelope
from cableway.transports.event_stream.events import ServerEvent
from cableway.wire.codecs.json import load

IDENTIFIER = '{"channel":"$pubsub","stream_name":"caf\u00e9"}'
ID = "42/q8Zd/room/7"
PLACE = {"stream_id": "room/7", "epoch": "q8Zd", "offset": 42}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def read(data: bytes, event_id: str = "", *, bare: bool = True) -> dict[str, Any]:
    """Put *data* into its envelope."""
    frame: dict[str, Any] = json.loads(Envelope(IDENTIFIER, bare=bare).frame(ServerEvent("", data, event_id)))
    return frame


def meaning(text: str) -> Any:
    """Tell what *text* says, which is all that is known of it."""
    try:
        return load(text.encode())
    except MalformedFrame:
        return text


@given(value=JSON)
def test_a_bare_message_is_put_into_its_envelope(value: Any) -> None:
    """The subscription is known by the request, the place by the event's id."""
    data = value.encode() if isinstance(value, str) else json.dumps(value).encode()
    frame = read(data, ID)
    assert (frame["identifier"], frame["stream_id"], frame["epoch"], frame["offset"]) == (IDENTIFIER, *PLACE.values())
    assert frame["message"] == (meaning(value) if isinstance(value, str) else value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"hello", "hello"),
        (b"", ""),
        (b"one\ntwo", "one\ntwo"),
        (b"NaN", "NaN"),
        (b'{"a":', '{"a":'),
        (b"\xff", "\ufffd"),
        (b"5", 5),
        (b'"5"', "5"),
        (b"null", None),
        (b'{"a":\n1}', {"a": 1}),
        (b'{"identifier":"gps-7","message":"here"}', {"identifier": "gps-7", "message": "here"}),
    ],
)
def test_text_is_what_is_no_json(data: bytes, message: Any) -> None:
    """What reads as JSON is taken for it."""
    assert read(data) == {"identifier": IDENTIFIER, "message": message}


@pytest.mark.parametrize("bare", [True, False])
@pytest.mark.parametrize("place", [{}, PLACE])
@pytest.mark.parametrize("spaced", [True, False])
def test_a_whole_frame_stays_as_it_is(bare: bool, place: dict[str, Any], spaced: bool) -> None:  # noqa: FBT001
    """Whichever was asked for: AnyCable gives all who listen to one identifier the form that one of them wanted."""
    whole = {"identifier": IDENTIFIER, "message": {"a": 1}, **place}
    data = json.dumps(whole, separators=None if spaced else (",", ":")).encode()
    event = ServerEvent("", data, ID if place else "")
    assert Envelope(IDENTIFIER, bare=bare).frame(event) == data


@pytest.mark.parametrize("data", [b"hello", b"5", b'{"a":1}', b'{"identifier":"gps-7"}'])
def test_a_bare_message_where_a_whole_one_was_asked_for_is_read_all_the_same(data: bytes) -> None:
    """Beside a browser on AnyCable."""
    assert read(data, ID, bare=False) == {**read(data), **PLACE}


def test_a_message_that_only_looks_like_a_frame_is_none() -> None:
    """One that was copied from the same stream has another place than its event."""
    copied = {"identifier": IDENTIFIER, "message": 1, **PLACE, "offset": 41}
    assert read(json.dumps(copied).encode(), ID) == {"identifier": IDENTIFIER, "message": copied, **PLACE}


@pytest.mark.parametrize("event_id", ["7", "7/e", "x/e/a", "-1/e/a", "\u00b2/e/a", "9" * 5000 + "/e/a"])
def test_an_id_that_is_no_place_gives_none(event_id: str) -> None:
    """The message arrives without."""
    assert read(b"1", event_id) == {"identifier": IDENTIFIER, "message": 1}


def test_what_the_server_says_of_itself_has_no_envelope() -> None:
    """A confirmation, a disconnect, who came."""
    for kind in ("confirm_subscription", "disconnect", "presence"):
        data = json.dumps({"type": kind, "identifier": IDENTIFIER}).encode()
        assert Envelope(IDENTIFIER, bare=True).frame(ServerEvent(kind, data)) == data
