"""The extended protocol, as a server reads and writes it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cableway.errors import MalformedFrame
from cableway.wire.commands import AskPresence, Beat, History, Join, Leave, Perform, Probe, Subscribe, Whisper
from cableway.wire.dialects.base_server import UnknownCommand, UnreadableCommand
from cableway.wire.dialects.extended import ExtendedDialect
from cableway.wire.dialects.extended_server import ExtendedServerDialect
from cableway.wire.frames import ConfirmHistory, Ping, PresenceChange, PresenceInfo, RejectHistory, Welcome
from cableway.wire.positions import HistoryQuery, Member, Position

server, client = ExtendedServerDialect(), ExtendedDialect()

COMMANDS = [
    Subscribe("I"),
    Subscribe("I", HistoryQuery({"a": Position("e", 3)}, 7), Member("u", {"n": 1})),
    Perform("I", "{}"),
    Probe(),
    Beat(),
    History("I", HistoryQuery(since=7)),
    Whisper("I", ["hush", None]),
    Join("I", Member("u")),
    Leave("I"),
    AskPresence("I"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda one: type(one).__name__)
def test_what_a_client_says_is_what_a_server_reads(command: Any) -> None:
    """Over JSON, as on the wire."""
    assert server.parse(json.loads(json.dumps(client.compose(command)))) == command


@pytest.mark.parametrize(
    "frame",
    [
        Welcome("s"),
        Welcome("s", restored=True),
        Welcome("s", restored=True, restored_ids=("a", "b")),
        ConfirmHistory("I"),
        RejectHistory("I"),
        PresenceChange("I", "join", Member("u", {"n": 1})),
        PresenceChange("I", "leave", Member("u")),
        PresenceInfo("I", 2, (Member("u"), Member("v", 0))),
        PresenceInfo("I", 0),
        PresenceInfo("I", 0, failed=True),
        Ping(5),
    ],
    ids=lambda one: type(one).__name__,
)
def test_what_a_server_says_is_what_a_client_reads(frame: Any) -> None:
    """Over JSON, as on the wire."""
    assert client.parse(json.loads(json.dumps(server.compose(frame)))) == frame


@pytest.mark.parametrize(
    ("asked", "read"),
    [
        ({"since": -1, "streams": {"a": {"epoch": "e", "offset": 3}}}, {"a": Position("e", 3)}),
        ({"since": -1}, {"": Position("", 0)}),
        ({"since": 0, "streams": {}}, {"": Position("", 0)}),
        ({"streams": {}}, {"": Position("", 0)}),
    ],
)
def test_a_question_that_fits_nothing_is_one_all_the_same(asked: dict[str, Any], read: dict[str, Any]) -> None:
    """It names a stream that no subscription has."""
    assert server.parse({"command": "history", "identifier": "I", "history": asked}) == History("I", HistoryQuery(read))


@pytest.mark.parametrize(
    ("asked", "read"),
    [({"since": -1}, None), ({}, None), ({"streams": {}}, HistoryQuery({"": Position("", 0)}))],
)
def test_a_subscribe_asks_for_less(asked: dict[str, Any], read: HistoryQuery | None) -> None:
    """A time below 0 is none there."""
    assert server.parse({"command": "subscribe", "identifier": "I", "history": asked}) == Subscribe("I", read)


@pytest.mark.parametrize(
    "fields",
    [
        {"command": "history", "identifier": "I", "history": {"since": False}},
        {"command": "history", "identifier": "I", "history": {"since": 1.5}},
        {"command": "history", "identifier": "I", "history": {"streams": {"a": {"epoch": 3, "offset": 1}}}},
        {"command": "history", "identifier": "I", "history": {"streams": {"a": {"epoch": "e", "offset": -1}}}},
        {"command": "history", "identifier": "I", "history": []},
        {"command": "join", "identifier": "I", "presence": {"id": 7}},
        {"command": "join", "identifier": "I", "presence": {"id": "u", "type": 7}},
        {"command": "message", "identifier": "I", "data": "{}", "presence": "u"},
        {"command": "subscribe", "identifier": {"channel": "A"}},
        {"command": "pong", "history": {"since": "now"}},
    ],
)
def test_a_wrong_type_spoils_the_whole_frame(fields: dict[str, Any]) -> None:
    """Whatever its command makes of the field: Go decodes first."""
    with pytest.raises(MalformedFrame):
        server.parse(fields)


def test_a_server_may_take_false_for_no_time() -> None:
    """As AnyCable's own client writes it; true, or another type, is no time to it either."""
    lenient = ExtendedServerDialect(since_may_be_false=True)
    place = {"a": {"epoch": "e", "offset": 1}}
    asked = HistoryQuery({"a": Position("e", 1)})
    fields = {"identifier": "I", "history": {"since": False, "streams": place}}
    assert lenient.parse({"command": "history", **fields}) == History("I", asked)
    assert lenient.parse({"command": "subscribe", **fields}) == Subscribe("I", asked)
    with pytest.raises(MalformedFrame):
        lenient.parse({"command": "history", "identifier": "I", "history": {"since": True, "streams": place}})


def test_what_asks_for_nothing_is_not_answered() -> None:
    """As there: a history without a question, a join of nobody, and what is not known."""
    assert server.parse({"command": "history", "identifier": "I", "history": {}}) == UnreadableCommand(
        "history", "it asks for nothing"
    )
    assert server.parse({"command": "join", "identifier": "I"}) == UnreadableCommand("join", "nobody is named")
    assert server.parse({"command": "dance", "identifier": "I"}) == UnknownCommand("dance")
    assert server.parse({"command": "subscribe", "identifier": "I", "history": {"since": 0}}) == Subscribe("I")


def test_frames_keep_the_order_of_keys() -> None:
    """That of a Go server, though clients must not care."""
    info = server.compose(PresenceInfo("I", 1, (Member("u", 1),)))
    assert json.dumps(info["message"]) == '{"type": "info", "total": 1, "records": [{"info": 1, "id": "u"}]}'
