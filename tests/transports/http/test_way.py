"""How plain requests get to a server, and what is spoken by them."""

from __future__ import annotations

import ssl
from typing import Any
from urllib.parse import urlsplit

import pytest

from cableway import DialRequest, UsageError
from cableway.transports.http.way import Ways, spoken_as_text

SECURE = urlsplit("https://user:pass@example.com/lp?a=b")


async def test_what_goes_with_each_request() -> None:
    """Names in lower case, the origin, and the address's own user; not what is for the first request alone."""
    headers = {"X-Jid": " token ", "X-ANYCABLE-RESTORE-SID": "s1"}
    request = DialRequest("wss://x", headers=headers, origin="https://example.com", timeout=3.0, proxy="http://proxy")
    way = await Ways().way(request, SECURE, without=("x-anycable-restore-sid",))
    assert way.headers == {"x-jid": "token", "origin": "https://example.com", "authorization": "Basic dXNlcjpwYXNz"}
    assert (way.address.bare, way.address.target) == ("https://example.com/lp", b"/lp?a=b")
    assert (way.proxy, way.connect_timeout) == ("http://proxy", 3.0)


async def test_a_header_of_the_user_s_counts_before_the_address() -> None:
    """Who gives both means the header."""
    way = await Ways().way(DialRequest("wss://x", headers={"Authorization": "Bearer x"}), SECURE)
    assert way.headers["authorization"] == "Bearer x"


async def test_certificates_are_read_once() -> None:
    """It takes a while; a context of one's own is taken as it is, and without TLS there is none."""
    ways, mine = Ways(), ssl.create_default_context()
    first = await ways.way(DialRequest("wss://x"), SECURE)
    assert first.ssl is not None
    assert (await ways.way(DialRequest("wss://x"), SECURE)).ssl is first.ssl
    assert (await ways.way(DialRequest("wss://x", ssl=mine), SECURE)).ssl is mine
    assert (await ways.way(DialRequest("ws://x"), urlsplit("http://example.com/lp"))).ssl is None


async def test_no_secret_is_shown() -> None:
    """Headers, query and proxy may hold some."""
    request = DialRequest("wss://x", headers={"x-jid": "s3cr3t"}, proxy="http://user:s3cr3t@proxy")
    way = await Ways().way(request, urlsplit("https://user:s3cr3t@example.com/lp?jid=s3cr3t"))
    assert "s3cr3t" not in repr(way)


@pytest.mark.parametrize(
    ("offer", "spoken"),
    [
        (("actioncable-v1-ext-json", "anycable-token.x"), "actioncable-v1-ext-json"),
        (("actioncable-v1-json", "actioncable-unsupported"), "actioncable-v1-json"),
        ((), "actioncable-v1-json"),
        (("chat",), "actioncable-v1-json"),
    ],
)
def test_what_is_spoken_where_nobody_says(offer: Any, spoken: str) -> None:
    """The first that is known of those that were offered."""
    assert spoken_as_text(DialRequest("wss://x", subprotocols=offer)) == spoken


def test_bytes_cannot_travel_as_lines_of_text() -> None:
    """The text tells what can."""
    with pytest.raises(UsageError, match="ends with -json"):
        spoken_as_text(DialRequest("wss://x", subprotocols=("actioncable-v1-ext-msgpack",)))
