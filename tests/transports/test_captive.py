"""A network that wants a sign-in is told from a server that refuses."""

from __future__ import annotations

import pytest

from cableway.transports.captive import find_portal, is_page

URL = "ws://user:s3cr3t@cable.example/cable?jid=s3cr3t"
SECURE = "wss://cable.example/cable"
HTML = {"content-type": "Text/HTML; charset=utf-8"}


@pytest.mark.parametrize(
    ("url", "location", "portal"),
    [
        (URL, "http://wifi.example/login?back=s3cr3t", "wifi.example"),
        (URL, "https://user:s3cr3t@wifi.example:8443/", "wifi.example:8443"),
        (URL, "//wifi.example", "wifi.example"),
        (URL, "http://cable.example:8080/login", "cable.example:8080"),
        (SECURE, "http://cable.example/login", "cable.example"),
        (SECURE, "https://sso.example/login", "sso.example"),
        (URL, "https://cable.example/cable", None),
        (URL, "HTTP://CABLE.example:80/other", None),
        (SECURE, "https://cable.example:443/other", None),
        (URL, "/login", None),
        (URL, "", None),
        (URL, "http://[broken", None),
        (URL, "http://wifi.example:port/", None),
    ],
)
def test_a_redirect_to_somewhere_else_is_a_portal_s(url: str, location: str, portal: str | None) -> None:
    """One to another path, or to the same host by TLS, is the server's own; only the place is shown."""
    found = find_portal(url, 302, {"location": location})
    assert (found.portal if found else None) == portal
    assert "s3cr3t" not in str(found)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 407, 429, 500, 502, 503, 504, 101])
def test_a_page_that_refuses_is_the_server_s_own(status: int) -> None:
    """Or that of a load balancer before it."""
    assert find_portal(URL, status, HTML, b"<html>Not found</html>") is None


@pytest.mark.parametrize(
    ("headers", "body", "page"),
    [
        (HTML, b"", True),
        ({"content-type": "application/xhtml+xml"}, b"", True),
        ({}, b"  <!doctype HTML><html>", True),
        ({}, b"<HTML lang=en>", True),
        ({}, b'{"type":"welcome"}', False),
        ({}, b"", False),
        ({"content-type": "text/plain"}, b"<html>", False),
    ],
)
def test_a_page_is_told_by_its_type(headers: dict[str, str], body: bytes, *, page: bool) -> None:
    """Or by its start, where it has none."""
    assert is_page(headers, body) is page
    assert (find_portal(URL, 200, headers, body) is not None) is page


@pytest.mark.parametrize(
    ("body", "portal"),
    [
        (b'<META http-equiv="Refresh" content="0; URL=http://wifi.example/?id=s3cr3t">', "wifi.example"),
        (b"<meta content='0;url=http://a.example' http-equiv=refresh>", None),
        (b"<meta http-equiv='refresh' content='5; url=https://wifi.example:81'>", "wifi.example:81"),
        (b'<meta http-equiv="refresh" content="0; url=/login">', None),
        (b'<meta http-equiv="refresh" content="0; url=http://x:y">', None),
        (b"", None),
    ],
)
def test_a_page_may_name_the_portal(body: bytes, portal: str | None) -> None:
    """By sending the browser there; what is for the portal alone is not shown."""
    for status in (200, 511):
        found = find_portal(URL, status, HTML, body)
        assert found is not None
        assert found.portal == portal
        assert "s3cr3t" not in str(found)


def test_on_a_secure_line_it_is_no_stranger() -> None:
    """The certificate was right: the hint says who it can be."""
    found, plain = find_portal(SECURE, 200, HTML), find_portal(URL, 200, HTML)
    assert found is not None
    assert plain is not None
    assert "The certificate was right" in found.hint
    assert "open a browser" in plain.hint
