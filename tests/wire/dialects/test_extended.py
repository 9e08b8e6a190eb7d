"""The extended protocol, as a client reads and writes it."""

from __future__ import annotations

from typing import Any

import pytest

from cableway.errors import MalformedFrame, NotSupported
from cableway.wire.commands import (
    AskPresence,
    Beat,
    Command,
    History,
    Join,
    Leave,
    Perform,
    Probe,
    Subscribe,
    Unsubscribe,
    Whisper,
)
from cableway.wire.dialects.extended import EXTENDED_SUBPROTOCOL, ExtendedDialect
from cableway.wire.frames import (
    ConfirmHistory,
    Data,
    Frame,
    Ping,
    PresenceChange,
    PresenceInfo,
    RejectHistory,
    Unknown,
    Welcome,
)
from cableway.wire.positions import HistoryQuery, Member, Position
from cableway.wire.subprotocols import MSGPACK, PROTOBUF, Subprotocol

dialect = ExtendedDialect()
QUERY = HistoryQuery({"room/7": Position("q8Zd", 41)}, 1_790_000_000)


def test_its_name() -> None:
    """As it is offered in the handshake."""
    assert (dialect.name, dialect.extended) == (EXTENDED_SUBPROTOCOL, True)
    assert EXTENDED_SUBPROTOCOL == "actioncable-v1-ext-json"


@pytest.mark.parametrize(
    ("command", "mapping"),
    [
        (Subscribe("I"), {"command": "subscribe", "identifier": "I"}),
        (
            Subscribe("I", QUERY, Member("u1", {"name": "Ann"})),
            {
                "command": "subscribe",
                "identifier": "I",
                "history": {"since": 1_790_000_000, "streams": {"room/7": {"epoch": "q8Zd", "offset": 41}}},
                "presence": {"id": "u1", "info": {"name": "Ann"}},
            },
        ),
        (Unsubscribe("I"), {"command": "unsubscribe", "identifier": "I"}),
        (Perform("I", "{}"), {"command": "message", "identifier": "I", "data": "{}"}),
        (Probe(), {"command": "ping"}),
        (Beat(), {"command": "pong"}),
        (
            History("I", HistoryQuery(since=5)),
            {"command": "history", "identifier": "I", "history": {"since": 5}},
        ),
        (
            History("I", HistoryQuery({"a": Position("e", 0)})),
            {"command": "history", "identifier": "I", "history": {"streams": {"a": {"epoch": "e", "offset": 0}}}},
        ),
        (Whisper("I", {"event": "typing"}), {"command": "whisper", "identifier": "I", "data": {"event": "typing"}}),
        (Join("I", Member("u1")), {"command": "join", "identifier": "I", "presence": {"id": "u1"}}),
        (Leave("I"), {"command": "leave", "identifier": "I"}),
        (AskPresence("I"), {"command": "presence", "identifier": "I"}),
    ],
)
def test_commands(command: Command, mapping: dict[str, Any]) -> None:
    """What is not set is left out: one field of a wrong type would end the reading of a Go server."""
    assert dialect.compose(command) == mapping


@pytest.mark.parametrize(
    ("mapping", "frame"),
    [
        ({"type": "welcome", "sid": "n2"}, Welcome("n2")),
        (
            {"type": "welcome", "sid": "n2", "restored": True, "restored_ids": ["a", 3, "b"]},
            Welcome("n2", restored=True, restored_ids=("a", "b")),
        ),
        # Left out, the list is empty: nothing was subscribed.
        ({"type": "welcome", "sid": "n2", "restored": True}, Welcome("n2", restored=True)),
        ({"type": "welcome", "sid": "n2", "restored": 1, "restored_ids": ["a"]}, Welcome("n2")),
        ({"type": "confirm_history", "identifier": "I"}, ConfirmHistory("I")),
        ({"type": "reject_history", "identifier": "I"}, RejectHistory("I")),
        (
            {"type": "presence", "identifier": "I", "message": {"type": "join", "id": "u1", "info": 0}},
            PresenceChange("I", "join", Member("u1", 0)),
        ),
        (
            {"type": "presence", "identifier": "I", "message": {"type": "leave", "id": "u1"}},
            PresenceChange("I", "leave", Member("u1")),
        ),
        (
            {
                "type": "presence",
                "identifier": "I",
                "message": {"type": "info", "total": 1, "records": [{"info": [], "id": "u1"}]},
            },
            PresenceInfo("I", 1, (Member("u1", []),)),
        ),
        ({"type": "presence", "identifier": "I", "message": {"type": "info", "total": 0}}, PresenceInfo("I", 0)),
        (
            {"type": "presence", "identifier": "I", "message": {"type": "error", "total": 0}},
            PresenceInfo("I", 0, failed=True),
        ),
        ({"type": "presence", "identifier": "I", "message": {"type": "info", "total": True}}, PresenceInfo("I", 0)),
        ({"type": "ping", "message": 1}, Ping(1)),
        ({"identifier": "I", "message": 0, "stream_id": "s", "epoch": "e", "offset": 7}, Data("I", 0, "s", "e", 7)),
        ({"type": "later"}, Unknown("later")),
    ],
)
def test_frames(mapping: dict[str, Any], frame: Frame) -> None:
    """Read leniently, falsy values kept."""
    assert dialect.parse(mapping) == frame


@pytest.mark.parametrize(
    "mapping",
    [
        {"type": "confirm_history"},
        {"type": "reject_history", "identifier": 3},
        {"type": "presence", "identifier": "I"},
        {"type": "presence", "identifier": "I", "message": {"type": "dance"}},
        {"type": "presence", "identifier": "I", "message": {"type": "join"}},
        {"type": "presence", "identifier": "I", "message": {"type": "join", "id": 7}},
        {"type": "presence", "identifier": "I", "message": {"type": "join", "id": "\ud800"}},
        {"type": "presence", "identifier": "I", "message": {"type": "info", "records": [3]}},
        {"type": []},
    ],
)
def test_what_makes_no_sense(mapping: dict[str, Any]) -> None:
    """Nothing but ``MalformedFrame`` comes of it."""
    with pytest.raises(MalformedFrame):
        dialect.parse(mapping)


@pytest.mark.parametrize("command", [Probe(), Join("I", Member("u1")), Leave("I"), AskPresence("I")])
def test_what_an_encoding_has_no_word_for_is_refused(command: Command) -> None:
    """In Protobuf, by its full name; MessagePack has words for all."""
    wordless = ExtendedDialect(Subprotocol(extended=True, encoding=PROTOBUF))
    with pytest.raises(NotSupported, match="is not part of actioncable-v1-ext-protobuf"):
        wordless.compose(command)
    assert ExtendedDialect(Subprotocol(extended=True, encoding=MSGPACK)).compose(command) == dialect.compose(command)


def test_a_subscribe_says_what_there_are_words_for() -> None:
    """The past, and not who is to be present."""
    wordless = ExtendedDialect(Subprotocol(extended=True, encoding=PROTOBUF))
    assert wordless.compose(Subscribe("I", QUERY, Member("u1"))) == dialect.compose(Subscribe("I", QUERY))
