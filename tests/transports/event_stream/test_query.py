"""A subscription as the address of a GET."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict
from yarl import URL

from cableway.gateway.event_request import commands_of_query
from cableway.transports.event_stream.query import LONGEST, Query, query_of

IDENTIFIER = '{"channel":"$pubsub","stream_name":"room/7"}'


def subscribe(**past: Any) -> dict[str, Any]:
    """Make a command."""
    return {"command": "subscribe", "identifier": IDENTIFIER, **({"history": past} if past else {})}


def place(offset: int = 41, epoch: str = "q8Zd") -> dict[str, Any]:
    """Make a place in a stream."""
    return {"epoch": epoch, "offset": offset}


def asked(query: Query) -> dict[str, Any]:
    """Read it as a server does."""
    (command,) = commands_of_query(MultiDict(URL(f"/?{query.text}", encoded=True).query), query.last_event_id)
    read: dict[str, Any] = json.loads(command)
    return read


def test_an_address_names_the_subscription() -> None:
    """By its whole identifier, so that the server makes no other text of it."""
    query = query_of(subscribe())
    assert query == Query("identifier=%7B%22channel%22%3A%22%24pubsub%22%2C%22stream_name%22%3A%22room%2F7%22%7D")
    assert query.headers == {}


def test_a_place_is_the_id_of_the_last_event() -> None:
    """As the server wrote it: offset, epoch, stream; the time is a parameter."""
    query = query_of(subscribe(streams={"room/7": place()}, since=1790000000))
    assert query is not None
    assert query.headers == {"last-event-id": "41/q8Zd/room/7"}
    assert query.text.endswith("&history_since=1790000000")


@given(
    identifier=st.text(min_size=1, max_size=80).filter(lambda text: text.isprintable()),
    stream=st.text(max_size=20),
    epoch=st.text(max_size=8),
    offset=st.integers(0, 2**63 - 1),
    since=st.none() | st.integers(1, 2**40),
)
def test_the_server_makes_the_same_question_of_it(
    identifier: str, stream: str, epoch: str, offset: int, since: int | None
) -> None:
    """Whatever the names are, and whatever is asked; or else no address is made."""
    past = {"streams": {stream: place(offset, epoch)}, **({} if since is None else {"since": since})}
    command = {"command": "subscribe", "identifier": identifier, "history": past}
    query = query_of(command)
    assert query is None or asked(query) == command
    assert query is not None or not (stream + epoch).isascii() or not epoch.isalnum() or not stream.isalnum()


@pytest.mark.parametrize(
    "command",
    [
        {**subscribe(), "presence": {"id": "ada"}},
        {**subscribe(), "identifier": ""},
        {"command": "subscribe"},
        {**subscribe(), "identifier": "x" * LONGEST},
        subscribe(streams={"a": place(), "b": place()}),
        subscribe(streams={"x" * LONGEST: place()}),
        subscribe(since="yesterday"),
        subscribe(since=True),
        subscribe(since=7, until=8),
        *[subscribe(streams={name: place()}) for name in ("", "a ", "caf\u00e9", "a\nb", "a\0b", "a\tb")],
        *[subscribe(streams={"a": place(epoch=epoch)}) for epoch in ("", "e/f", "\u00e9")],
    ],
)
def test_what_an_address_cannot_say_is_not_said_by_half(command: dict[str, Any]) -> None:
    """Two places, names that are trimmed or recoded on the way, or what is too long for one."""
    assert query_of(command) is None


def test_its_text_holds_no_secret() -> None:
    """Whoever knows a signed name may listen."""
    query = query_of({**subscribe(streams={"s3cr3t": place()}), "identifier": '{"signed_stream_name":"s3cr3t"}'})
    assert query is not None
    assert "s3cr3t" in query.text + query.last_event_id
    assert "s3cr3t" not in repr(query)
