"""The base protocol from the server's side."""

from __future__ import annotations

from typing import Any

import pytest

from cableway.errors import MalformedFrame
from cableway.wire.codecs.json import JSONCodec
from cableway.wire.commands import Perform, Probe, Subscribe, Unsubscribe
from cableway.wire.dialects.base import BaseDialect
from cableway.wire.dialects.base_server import (
    BaseServerDialect,
    RailsServerDialect,
    ServerFrame,
    UnknownCommand,
    UnreadableCommand,
    data_frame,
)
from cableway.wire.frames import Confirm, Data, Disconnect, Ping, Pong, Reject, Welcome

dialect = BaseServerDialect()


@pytest.mark.parametrize(
    ("mapping", "command"),
    [
        ({"command": "subscribe", "identifier": "A"}, Subscribe("A")),
        ({"command": "subscribe", "identifier": "A", "history": {"since": 1}}, Subscribe("A")),
        ({"command": "subscribe"}, Subscribe("")),
        ({"command": "subscribe", "identifier": None}, Subscribe("")),
        ({"command": "unsubscribe", "identifier": "A"}, Unsubscribe("A")),
        ({"command": "message", "identifier": "A", "data": "{}"}, Perform("A", "{}")),
        ({"command": "message", "identifier": "A"}, UnreadableCommand("message", "data is not a string")),
        ({"command": "message", "identifier": "A", "data": 1}, UnreadableCommand("message", "data is not a string")),
        ({"command": "ping"}, Probe()),
        ({"command": "pong"}, UnknownCommand("pong")),
        ({}, UnknownCommand("")),
    ],
)
def test_commands_are_read_leniently(mapping: dict[str, Any], command: object) -> None:
    """Missing and null fields are empty ones, unknown fields and commands do no harm."""
    assert dialect.parse(mapping) == command


@pytest.mark.parametrize(
    ("mapping", "command"),
    [
        ({"command": "subscribe", "identifier": "A"}, Subscribe("A")),
        ({"command": "subscribe"}, UnreadableCommand("subscribe", "there is no identifier")),
        ({"command": "ping"}, UnknownCommand("ping")),
        ({"command": "whisper", "identifier": "A", "data": 1}, UnknownCommand("whisper")),
        ({"command": "message", "identifier": "A", "data": "{}"}, Perform("A", "{}")),
    ],
)
def test_rails_knows_fewer_commands(mapping: dict[str, Any], command: object) -> None:
    """It answers no probe, and rejects nothing that has no name."""
    assert RailsServerDialect().parse(mapping) == command


@pytest.mark.parametrize("mapping", [{"command": 1}, {"command": "subscribe", "identifier": {"channel": "A"}}])
def test_a_field_of_a_wrong_type_is_malformed(mapping: dict[str, Any]) -> None:
    """The whole frame says nothing then."""
    with pytest.raises(MalformedFrame, match="is not a string"):
        dialect.parse(mapping)


@pytest.mark.parametrize(
    "command", [Subscribe('{"channel":"A"}'), Unsubscribe("A"), Perform("A", '{"action":"x"}'), Probe()]
)
def test_what_clients_compose_servers_read(command: Subscribe | Unsubscribe | Perform | Probe) -> None:
    """Both sides mean the same by a command."""
    assert dialect.parse(BaseDialect().compose(command)) == command


@pytest.mark.parametrize(
    "frame",
    [
        Welcome(),
        Welcome("s1"),
        Ping(1_790_000_003),
        Pong(),
        Confirm("A"),
        Reject("A"),
        Reject(None),
        Disconnect("remote", reconnect=False),
        Disconnect("server_restart", reconnect=True),
        Disconnect("server_restart", reconnect=True, retry_after=2.5),
        Data("A", {"a": 1}),
        Data("A", None),
        Data("A", 0, "room/7", "q8Zd", 42),
    ],
)
def test_what_servers_compose_clients_read(frame: ServerFrame) -> None:
    """Both sides mean the same by a frame."""
    assert BaseDialect().parse(dialect.compose(frame)) == frame


def test_empty_fields_are_left_out() -> None:
    """As AnyCable writes them; but disconnect always has all three."""
    assert dialect.compose(Welcome()) == {"type": "welcome"}
    assert dialect.compose(Reject(None)) == {"type": "reject_subscription"}
    assert dialect.compose(Data("A", 1)) == {"identifier": "A", "message": 1}
    assert dialect.compose(Disconnect()) == {"type": "disconnect", "reason": "", "reconnect": True}


def test_the_time_to_spread_the_return_is_told_in_whole_milliseconds() -> None:
    """Rounded up: none at all would bring everybody back at once."""
    frame = Disconnect("server_restart", retry_after=0.0001)
    assert dialect.compose(frame) == {
        "type": "disconnect",
        "reason": "server_restart",
        "reconnect": True,
        "retry_after_ms": 1,
    }


def test_a_data_frame_is_put_together_from_pieces() -> None:
    """The result is what composing and encoding would have given."""
    whole = JSONCodec().encode(dialect.compose(Data('{"channel":"Ä"}', {"a": [1]})))
    assert data_frame('"{\\"channel\\":\\"Ä\\"}"'.encode(), b'{"a":[1]}') == whole
