"""The base protocol, as a client reads and writes it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cableway.errors import MalformedFrame
from cableway.wire.commands import Perform, Subscribe, Unsubscribe
from cableway.wire.dialects.base import SUBPROTOCOL, UNSUPPORTED, BaseDialect
from cableway.wire.dialects.base_server import BaseServerDialect
from cableway.wire.frames import Confirm, Data, Disconnect, Frame, Ping, Reject, ServerError, Unknown, Welcome

dialect = BaseDialect()


def test_its_names() -> None:
    """As they are offered in the handshake."""
    assert (dialect.name, SUBPROTOCOL, UNSUPPORTED) == (
        "actioncable-v1-json",
        "actioncable-v1-json",
        "actioncable-unsupported",
    )


@pytest.mark.parametrize(
    ("mapping", "frame"),
    [
        ({"type": "welcome"}, Welcome()),
        ({"type": "welcome", "sid": "Vq3"}, Welcome("Vq3")),
        ({"type": "welcome", "sid": ""}, Welcome()),
        ({"type": "welcome", "sid": 7}, Welcome()),
        ({"type": "ping", "message": 1_790_000_003}, Ping(1_790_000_003)),
        ({"type": "ping"}, Ping(None)),
        ({"type": "ping", "message": {"odd": []}}, Ping({"odd": []})),
        ({"type": "confirm_subscription", "identifier": "a", "more": 1}, Confirm("a")),
        ({"type": "reject_subscription", "identifier": "a"}, Reject("a")),
        ({"type": "reject_subscription"}, Reject(None)),
        ({"type": "reject_subscription", "identifier": 3}, Reject(None)),
        ({"type": "disconnect"}, Disconnect(None, reconnect=True)),
        ({"type": "disconnect", "reason": "remote", "reconnect": False}, Disconnect("remote", reconnect=False)),
        ({"type": "disconnect", "reason": 3, "reconnect": "false"}, Disconnect(None, reconnect=True)),
        ({"type": "disconnect", "reconnect": None}, Disconnect(None, reconnect=True)),
        ({"type": "disconnect", "reconnect": 0}, Disconnect(None, reconnect=True)),
        ({"type": "disconnect", "url": "wss://elsewhere", "reconnect": True}, Disconnect(None, reconnect=True)),
        ({"type": "error", "reason": "x"}, ServerError({"type": "error", "reason": "x"})),
        ({"type": "later"}, Unknown("later")),
        ({"type": "message", "identifier": "a", "message": 1}, Unknown("message")),
        ({"identifier": "a", "message": None}, Data("a", None)),
        ({"type": None, "identifier": "a", "message": 1}, Data("a", 1)),
        ({"identifier": "a", "message": 1, "stream_id": "s", "epoch": "e", "offset": 0}, Data("a", 1, "s", "e", 0)),
        ({"identifier": "a", "message": 1, "stream_id": 1, "epoch": [], "offset": "7"}, Data("a", 1)),
        ({"identifier": "a", "message": 1, "offset": -1}, Data("a", 1)),
        ({"identifier": "a", "message": 1, "offset": 1.0}, Data("a", 1)),
        ({"identifier": "a", "message": 1, "offset": True}, Data("a", 1)),
    ],
    ids=repr,
)
def test_what_servers_say(mapping: dict[str, Any], frame: Frame) -> None:
    """Read leniently: odd values of what may be missing are as if they were missing."""
    assert dialect.parse(mapping) == frame


@pytest.mark.parametrize(
    ("mapping", "rule"),
    [
        ({}, "neither type nor message"),
        ({"identifier": "a"}, "neither type nor message"),
        ({"type": 3}, "type is not a string"),
        ({"type": ["ping"]}, "type is not a string"),
        ({"type": False, "identifier": "a", "message": 1}, "type is not a string"),
        ({"message": 1}, "identifier is missing or not a string"),
        ({"identifier": {"channel": "A"}, "message": 1}, "identifier is missing or not a string"),
        ({"type": "confirm_subscription"}, "identifier is missing or not a string"),
        ({"type": "confirm_subscription", "identifier": None}, "identifier is missing or not a string"),
        ({"type": "confirm_subscription", "identifier": "\ud800"}, "identifier holds a lone surrogate"),
        ({"identifier": "\ud800", "message": 1}, "identifier holds a lone surrogate"),
    ],
    ids=repr,
)
def test_what_makes_no_sense(mapping: dict[str, Any], rule: str) -> None:
    """Malformed is only that of which nothing sensible can be made."""
    with pytest.raises(MalformedFrame) as raised:
        dialect.parse(mapping)
    assert raised.value.rule == rule


def test_commands() -> None:
    """Written strictly, in the order of the protocol's own examples."""
    assert list(dialect.compose(Subscribe("a")).items()) == [("command", "subscribe"), ("identifier", "a")]
    assert dialect.compose(Unsubscribe("a")) == {"command": "unsubscribe", "identifier": "a"}
    assert dialect.compose(Perform("a", "{}")) == {"command": "message", "identifier": "a", "data": "{}"}


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
positions = st.none() | texts
frames = st.one_of(
    st.builds(Welcome, st.none() | texts),
    st.builds(Ping, st.integers()),
    st.builds(Confirm, texts),
    st.builds(Reject, st.none() | texts),
    st.builds(Disconnect, texts, st.booleans()),
    st.builds(Data, texts, st.integers() | st.none(), positions, positions, st.none() | st.integers(1, 99)),
)


@given(frames)
def test_a_client_reads_what_a_server_writes(frame: Any) -> None:
    """The two halves of the dialect agree on every kind of frame."""
    assert dialect.parse(BaseServerDialect().compose(frame)) == frame


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)
types = st.sampled_from(["welcome", "ping", "confirm_subscription", "reject_subscription", "disconnect", "error"])
fields = ["identifier", "message", "reason", "reconnect", "sid", "stream_id", "epoch", "offset"]


@given(st.dictionaries(st.sampled_from(fields), junk), types | junk)
def test_nothing_but_the_one_error(mapping: dict[str, Any], kind: Any) -> None:
    """Whatever is in a mapping, it is a frame or malformed."""
    with suppress(MalformedFrame):
        dialect.parse({**mapping, "type": kind})
