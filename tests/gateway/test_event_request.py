"""What a request for an event stream asks for. The rest is held against AnyCable in the conformance tests."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cableway.errors import MalformedFrame
from cableway.gateway.event_request import commands_of_body, commands_of_query, wants_raw


def read(commands: list[bytes]) -> list[dict[str, Any]]:
    """Read the commands."""
    return [json.loads(command) for command in commands]


def test_a_channel_is_named_by_itself() -> None:
    """As by clients that write identifiers."""
    assert read(commands_of_query({"channel": "Chat"}, "")) == [
        {"identifier": '{"channel":"Chat"}', "history": {}, "command": "subscribe"}
    ]
    turbo = read(commands_of_query({"turbo_signed_stream_name": "x"}, ""))[0]["identifier"]
    assert turbo == '{"channel":"Turbo::StreamsChannel","signed_stream_name":"x"}'


@pytest.mark.parametrize(
    ("query", "last", "history"),
    [
        ({}, "5/era/room/7", {"streams": {"room/7": {"epoch": "era", "offset": 5}}}),
        ({}, "5/era", {}),
        ({}, "", {}),
        ({"history_since": "9"}, "0/e/a", {"streams": {"a": {"epoch": "e", "offset": 0}}, "since": 9}),
        ({"history_since": "+9"}, "", {"since": 9}),
        ({"history_since": "-9"}, "", {"since": 0}),
    ],
)
def test_the_past_is_asked_for_by_place_and_time(query: dict[str, str], last: str, history: dict[str, Any]) -> None:
    """A stream's name may hold slashes; before 1970 nothing is asked for."""
    assert read(commands_of_query({"stream": "a", **query}, last))[0]["history"] == history


@pytest.mark.parametrize(
    ("query", "last"),
    [
        ({}, ""),
        ({"stream": "a"}, "x/e/a"),
        ({"stream": "a"}, "²/e/a"),
        ({"stream": "a"}, f"{2**64}/e/a"),
        ({"stream": "a"}, "1/\udcff/a"),
        ({"stream": "a", "history_since": "1.0"}, ""),
        ({"identifier": "\udcff"}, ""),
    ],
)
def test_an_address_that_makes_no_sense_is_refused(query: dict[str, str], last: str) -> None:
    """Rather than answered with less than what was meant."""
    with pytest.raises(MalformedFrame):
        commands_of_query(query, last)


def test_a_body_is_subscribes_line_by_line() -> None:
    """Whatever they say they are; what goes with a subscribe stays."""
    body = b'\n{"command":"unsubscribe","identifier":"A","presence":{"id":"1"}}\n\n{"identifier":"B"}'
    assert read(commands_of_body(body)) == [
        {"command": "subscribe", "identifier": "A", "presence": {"id": "1"}},
        {"identifier": "B", "command": "subscribe"},
    ]
    assert commands_of_body(b"") == []


@pytest.mark.parametrize("body", [b"{", b"[]", b"null", b'{"identifier":1}', b'{"identifier":"A"}\n' * 2, b"\xff"])
def test_a_body_that_makes_no_sense_is_refused(body: bytes) -> None:
    """As a whole."""
    with pytest.raises(MalformedFrame):
        commands_of_body(body)


@pytest.mark.parametrize(("word", "raw"), [("1", True), ("T", True), ("yes", False), ("0", False), ("", False)])
def test_raw_is_one_of_four_words(word: str, raw: bool) -> None:  # noqa: FBT001 - the expectation
    """Those that AnyCable knows."""
    assert wants_raw({"raw": word}) is raw
    assert not wants_raw({})
