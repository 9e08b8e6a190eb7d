"""Requests, and what is known of who is at the other end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from multidict import MultiDict

from cableway.gateway import Connection, Request
from cableway.gateway.connection import identifiers_text, last_of, read_cookies

if TYPE_CHECKING:
    from cableway.wire.expulsions import Expulsion


class Outlet:
    """Keeps what a connection asks for."""

    def __init__(self) -> None:
        self.published: list[tuple[str, Any, bool]] = []
        self.expelled: list[Expulsion] = []

    async def publish(self, stream: str, data: Any, *, to_others: bool = False) -> None:
        """Keep it."""
        self.published.append((stream, data, to_others))

    def expel(self, expulsion: Expulsion) -> None:
        """Keep it."""
        self.expelled.append(expulsion)


def request() -> Request:
    """Give a request full of secrets."""
    return Request(
        sid="hush-sid",
        url="ws://host/cable?token=hush",
        host="host",
        path="/cable",
        query={"token": "hush"},
        headers={"authorization": "hush"},
        cookies={"session": "hush"},
    )


def test_of_two_values_the_last_counts() -> None:
    """Of a query as it was sent, and of a plain mapping."""
    assert last_of(MultiDict([("sid", "a"), ("pi", "1"), ("sid", "b")]), "sid") == "b"
    assert last_of({"sid": "a"}, "sid") == "a"
    assert last_of({}, "sid") == ""


def test_a_request_does_not_tell_its_secrets() -> None:
    """Its text is safe in a log."""
    assert "hush" not in repr(request())
    assert "host='host'" in repr(request())


async def test_by_default_everybody_is_let_in_and_known_by_the_session() -> None:
    """The session's id is the one identifier."""
    connection = Connection(request(), Outlet())
    await connection.connect()
    await connection.disconnected()
    assert not connection.rejected
    assert connection.identifiers == {"sid": "hush-sid"}


async def test_a_connection_publishes_and_disconnects() -> None:
    """Both go through the gateway; the client is told to come back unless told otherwise."""
    outlet = Outlet()
    connection = Connection(request(), outlet)
    await connection.broadcast("a", {"n": 1})
    await connection.broadcast("a", 2, to_others=True)
    connection.disconnect()
    connection.disconnect(reconnect=False)
    assert outlet.published == [("a", {"n": 1}, False), ("a", 2, True)]
    assert [(expulsion.reason, expulsion.reconnect) for expulsion in outlet.expelled] == [
        ("remote", True),
        ("remote", False),
    ]


def test_identifiers_are_written_as_rails_writes_them() -> None:
    """Compact, in the given order."""
    assert identifiers_text({"user_id": 7, "b": "ä"}) == '{"user_id":7,"b":"ä"}'


@pytest.mark.parametrize(
    ("header", "cookies"),
    [
        ("", {}),
        ("a=1", {"a": "1"}),
        ("a=1; b=2;c=3 ;", {"a": "1", "b": "2", "c": "3"}),
        ("name=jack london; a=b=c", {"name": "jack london", "a": "b=c"}),
        ('a="quoted; b="', {"a": '"quoted', "b": '"'}),
        ('a="quoted"', {"a": "quoted"}),
        ("a=; b", {"a": ""}),
        ("a=1; a=2", {"a": "1"}),
        ("=1", {}),
    ],
)
def test_cookies_are_read_whole(header: str, cookies: dict[str, str]) -> None:
    """Spaces belong to the value; the first of a name wins."""
    assert read_cookies(header) == cookies
