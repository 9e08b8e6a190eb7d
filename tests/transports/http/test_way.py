"""How plain requests get to a server, and what is spoken by them."""

from __future__ import annotations

import ssl
from typing import Any
from urllib.parse import urlsplit

import pytest

from cableway import DialRequest, InvalidURL, UsageError
from cableway.transports.http.way import Ways, spoken_as_text

SECURE = urlsplit("https://user:pass@example.com/lp?a=b")


async def test_what_goes_with_each_request() -> None:
    """Names in lower case, the origin, and the address's own user; not what is for the first request alone."""
    headers = {"X-Jid": " token ", "X-ANYCABLE-RESTORE-SID": "s1"}
    request = DialRequest("wss://x", headers=headers, origin="https://example.com", timeout=3.0, proxy="http://proxy")
    way = await Ways().way(request, SECURE, without=("x-anycable-restore-sid",))
    assert way.headers == {"x-jid": "token", "origin": "https://example.com", "authorization": "Basic dXNlcjpwYXNz"}
    assert (way.address.bare, way.address.target) == ("https://example.com/lp", b"/lp?a=b")
    assert (way.route.host, way.route.port, way.route.timeout) == ("example.com", 443, 3.0)
    assert way.route.proxy is not None
    assert way.route.proxy.at == "proxy:80"


async def test_a_header_of_the_user_s_counts_before_the_address() -> None:
    """Who gives both means the header."""
    way = await Ways().way(DialRequest("wss://x", headers={"Authorization": "Bearer x"}), SECURE)
    assert way.headers["authorization"] == "Bearer x"


async def test_certificates_are_read_once() -> None:
    """It takes a while; a context of one's own is taken as it is, and without TLS there is none."""
    ways, mine = Ways(), ssl.create_default_context()
    first = await ways.way(DialRequest("wss://x"), SECURE)
    assert first.route.tls is not None
    assert (await ways.way(DialRequest("wss://x"), SECURE)).route.tls is first.route.tls
    assert (await ways.way(DialRequest("wss://x", ssl=mine), SECURE)).route.tls is mine
    assert (await ways.way(DialRequest("ws://x"), urlsplit("http://example.com/lp"))).route.tls is None


@pytest.mark.parametrize(
    ("url", "proxy", "forwarded"),
    [
        ("http://example.com/lp", "http://me:s3cr3t@proxy", True),
        ("http://example.com/lp", "https://me:s3cr3t@proxy", True),
        ("https://example.com/lp", "http://me:s3cr3t@proxy", False),
        ("http://example.com/lp", "socks5://me:s3cr3t@proxy", False),
        ("http://example.com/lp", None, False),
    ],
)
async def test_a_proxy_passes_on_what_is_not_secure(url: str, proxy: str | None, *, forwarded: bool) -> None:
    """It is told who asks with each request then; what is secure goes through a tunnel."""
    way = await Ways().way(DialRequest("wss://x", proxy=proxy), urlsplit(url))
    assert way.route.forwarded is forwarded
    assert (way.headers.get("proxy-authorization") == "Basic bWU6czNjcjN0") is forwarded


async def test_names_go_on_the_wire_in_ascii() -> None:
    """And one that cannot is refused."""
    way = await Ways().way(DialRequest("ws://x"), urlsplit("http://bücher.example/lp"))
    assert (way.route.host, way.route.port) == ("xn--bcher-kva.example", 80)
    with pytest.raises(InvalidURL, match="host name"):
        await Ways().way(DialRequest("ws://x"), urlsplit(f"http://{'ü' * 80}.example/lp"))


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
