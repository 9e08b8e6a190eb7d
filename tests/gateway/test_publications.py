"""What back ends post."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cableway.errors import MalformedFrame
from cableway.gateway.publications import Publication, RemoteDisconnect, read_publication


def read(value: Any) -> object:
    """Read a value that was posted as JSON."""
    return read_publication(json.dumps(value).encode())


def test_one_publication_is_read() -> None:
    """Stream and data, and perhaps what is special about it."""
    assert read({"stream": "a", "data": "1"}) == (Publication("a", "1"),)
    assert read({"stream": "a", "data": "1", "meta": {"exclude_socket": "s1"}}) == (Publication("a", "1", "s1"),)
    assert read({"stream": "a", "data": "1", "meta": {"transient": True}}) == (Publication("a", "1", transient=True),)
    assert read({"stream": "a", "data": "1", "meta": {"broadcast_type": "tick"}}) == (
        Publication("a", "1", broadcast_type="tick"),
    )
    assert read({"stream": "a"}) == (Publication("a", ""),)


def test_a_batch_is_read_in_order() -> None:
    """What names no stream, beyond the first, reaches nobody."""
    batch = [{"stream": "a", "data": "1"}, {"data": "2"}, {"stream": "b", "data": "3"}]
    assert read(batch) == (Publication("a", "1"), Publication("b", "3"))


def test_a_remote_disconnect_is_for_good_unless_told_otherwise() -> None:
    """The flag is false by default."""
    assert read({"command": "disconnect", "payload": {"identifier": "x"}}) == RemoteDisconnect("x", reconnect=False)
    payload = {"identifier": "x", "reconnect": True}
    assert read({"command": "disconnect", "payload": payload}) == RemoteDisconnect("x", reconnect=True)


@pytest.mark.parametrize(
    "value",
    [
        7,
        "text",
        {},
        [],
        [7],
        [{"data": "first without stream"}, {"stream": "a", "data": "1"}],
        [{"stream": "a", "data": "1"}, {"stream": "b", "data": {}}],
        [{"stream": "a", "data": "1"}, 7],
        {"stream": "a", "data": {"an": "object"}},
        {"stream": 7, "data": "1"},
        {"stream": "a", "data": "1", "meta": "text"},
        {"stream": "", "data": "1"},
        {"command": "dance", "payload": {}},
        {"command": "disconnect"},
        {"command": "disconnect", "payload": {"identifier": 7}},
        {"command": "disconnect", "payload": {"identifier": "x", "reconnect": "yes"}},
    ],
)
def test_what_is_none_of_these_is_malformed(value: Any) -> None:
    """The caller decides what to answer."""
    with pytest.raises(MalformedFrame):
        read(value)


def test_what_is_no_json_is_malformed() -> None:
    """The text does not quote it."""
    with pytest.raises(MalformedFrame, match="not JSON at byte 0"):
        read_publication(b"hush")
