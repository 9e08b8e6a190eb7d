"""Where policies may come from, what is sent there, and which answers are taken."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cableway.errors import BadPolicy, InvalidHeader, InvalidURL, PolicyFailed, UsageError
from cableway.policies.remote import LARGEST, Policy, sign_policy
from cableway.policies.remote_source import PolicySource, usable_etag

SECRET = "k3y-demo"
BODY = json.dumps({"version": 1, "serial": 3}).encode()


def source(url: str = "https://example.com/policy.json", secret: str | None = None, **headers: str) -> PolicySource:
    """Make a source."""
    return PolicySource.of(url, secret, headers)


@pytest.mark.parametrize(
    ("url", "near"),
    [
        ("https://example.com/p", False),
        ("http://127.0.0.1/p", True),
        ("http://127.8.7.6:99/p", True),
        ("http://[::1]:8000/p", True),
        ("http://localhost/p", True),
        ("HTTP://LOCALHOST/p", True),
        ("https://localhost/p", True),
    ],
)
def test_what_cannot_be_forged_on_its_way_is_trusted(url: str, *, near: bool) -> None:
    """With a certificate, or without leaving the machine."""
    assert source(url).near is near


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/p",
        "http://10.0.0.1/p",
        "http://0.0.0.0/p",
        "http://localhost.example.com/p",
        "http://127.0.0.1.example.com/p",
        "http://127.0.0.1@example.com/p",
    ],
)
def test_what_could_be_forged_needs_a_signature(url: str) -> None:
    """Names that only look like this machine are others."""
    with pytest.raises(UsageError, match="could be forged on its way"):
        source(url)
    assert source(url, SECRET).near is False


@pytest.mark.parametrize("url", ["ws://127.0.0.1/p", "wss://example.com/p"])
def test_a_line_is_no_place_for_a_policy(url: str) -> None:
    """It is fetched, by HTTP."""
    with pytest.raises(InvalidURL, match="https://"):
        source(url)


@pytest.mark.parametrize(
    ("url", "bare", "target", "authorization"),
    [
        ("https://example.com", "https://example.com/", b"/", None),
        ("https://example.com?a=1#x", "https://example.com/", b"/?a=1", None),
        ("HTTPS://u:p@example.com:8443/a/b", "https://example.com:8443/a/b", b"/a/b", "Basic dTpw"),
        ("https://u%3A:p%40@example.com/", "https://example.com/", b"/", "Basic dTo6cEA="),
        ("https://token@example.com/", "https://example.com/", b"/", "Basic dG9rZW46"),
        ("https://example.com/\xe4?b=%20&c=\xfc", "https://example.com/\xe4", b"/%C3%A4?b=%20&c=%C3%BC", None),
    ],
)
def test_secrets_of_the_address_go_to_the_server_alone(
    url: str, bare: str, target: bytes, authorization: str | None
) -> None:
    """What a library may log has none of them."""
    made = source(url)
    assert (made.url, made.target, made.headers.get("authorization")) == (bare, target, authorization)


def test_a_header_of_ones_own_goes_before_what_the_address_says() -> None:
    """But what is asked for stays ours."""
    given = {"Authorization": "Bearer x", "Accept-Encoding": "br", "Connection": "keep-alive", "User-Agent": "me"}
    headers = PolicySource.of("https://u:p@example.com/", None, given).headers
    assert headers == {
        "accept": "application/json",
        "accept-encoding": "identity",
        "authorization": "Bearer x",
        "connection": "close",
        "user-agent": "me",
    }


@pytest.mark.parametrize("name", ["", "a b", "a:b", "\xe4", "a\n", "If-None-Match", "HOST", "content-length"])
def test_names_of_headers_that_cannot_be_sent_are_refused(name: str) -> None:
    """Before anything is."""
    with pytest.raises(InvalidHeader):
        PolicySource.of("https://example.com/", None, {name: "x"})


@pytest.mark.parametrize("value", ["", " x", "a\r\nb: c", "\xe4", "\0", 7])
def test_values_of_headers_that_cannot_be_sent_are_refused(value: Any) -> None:
    """The text names the header, not the value."""
    with pytest.raises(InvalidHeader, match="the value of the header X-Key holds what a header cannot carry"):
        PolicySource.of("https://example.com/", None, {"X-Key": value})


def test_its_text_holds_no_secret() -> None:
    """Whatever prints it."""
    made = source("https://u:hush@example.com/?token=hush", "hush", Authorization="hush")
    assert "hush" not in repr(made)


def test_the_tag_is_sent_where_there_is_one() -> None:
    """And is forgotten after that."""
    made = source()
    assert made.request_headers('"1"')["if-none-match"] == '"1"'
    assert "if-none-match" not in made.request_headers(None)


@pytest.mark.parametrize("etag", ['"1"', 'W/"1"', '""'])
def test_tags_are_sent_back_as_they_came(etag: str) -> None:
    """Strong and weak."""
    assert usable_etag(etag) == etag


@pytest.mark.parametrize("etag", [None, "", "1", '"a\nb"', '"\xe4"', '"' + "x" * 256 + '"'])
def test_what_is_no_tag_is_not_kept(etag: str | None) -> None:
    """Nothing of a server's gets into a request unless it fits."""
    assert usable_etag(etag) is None


@pytest.mark.parametrize(
    ("status", "headers", "text", "retryable", "retry_after"),
    [
        (200, {"content-encoding": "gzip"}, "came compressed", False, None),
        (200, {"content-encoding": "identity, br"}, "came compressed", False, None),
        (200, {"content-length": str(LARGEST + 1)}, "larger than the limit", False, None),
        (200, {"content-length": "9" * 5000}, "larger than the limit", False, None),
        (201, {}, "HTTP 201: that is no policy", False, None),
        (301, {}, "HTTP 301: redirects are not followed", False, None),
        (403, {"retry-after": "9"}, "HTTP 403: the server forbids it", False, None),
        (429, {"retry-after": "9"}, "HTTP 429: the server is asked too often", True, 9),
        (500, {"retry-after": "9"}, "HTTP 500: the server is in trouble", True, None),
        (503, {}, "HTTP 503: the server is in trouble", True, None),
        (503, {"retry-after": "Thu, 01 Jan 1970 00:01:00 GMT"}, "HTTP 503", True, 20),
    ],
)
def test_answers_without_a_document_are_told(
    status: int, headers: dict[str, str], text: str, *, retryable: bool, retry_after: float | None
) -> None:
    """Before any of the body is read."""
    with pytest.raises(PolicyFailed, match=text) as failed:
        source().check_answer(status, headers, wall=40)
    assert (failed.value.retryable, failed.value.retry_after) == (retryable, retry_after)


@pytest.mark.parametrize(
    "headers", [{}, {"content-encoding": "identity"}, {"content-length": str(LARGEST)}, {"content-length": "junk"}]
)
def test_answers_with_a_document_are_let_through(headers: dict[str, str]) -> None:
    """What the length says is only a hint: what comes is counted."""
    source().check_answer(200, headers, wall=0)


def test_a_document_is_signed_where_there_is_a_secret() -> None:
    """Without one, a signature is of no matter."""
    signature = sign_policy(BODY, SECRET)
    assert source(secret=SECRET).read(BODY, signature, None).serial == 3
    assert source().read(BODY, "junk", None).serial == 3
    for wrong in (None, "", "junk", sign_policy(BODY, "other")):
        with pytest.raises(PolicyFailed) as failed:
            source(secret=SECRET).read(BODY, wrong, None)
        assert failed.value.__cause__ is None


def test_an_unsigned_document_is_not_even_read() -> None:
    """Who cannot sign gets nothing parsed: the signature is what is told, not the junk."""
    with pytest.raises(PolicyFailed, match="not signed with the secret we have"):
        source(secret=SECRET).read(b"junk", "wrong", None)


def test_a_document_is_not_older_than_the_last() -> None:
    """Signed or not."""
    with pytest.raises(PolicyFailed, match="has serial 3, after one with serial 4") as failed:
        source().read(BODY, None, Policy(serial=4))
    assert isinstance(failed.value.__cause__, BadPolicy)
