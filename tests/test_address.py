"""Addresses: what may be dialled, what is added, what origin goes with it."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cableway.address import HttpAddress, check_url, origin_of, with_params
from cableway.errors import InvalidURL


@pytest.mark.parametrize(
    "url",
    [
        "ws://localhost:3000/cable",
        "wss://example.com/cable?token=a%20b",
        "http://example.com",
        "HTTPS://Example.com:8443/cable",
        "ws://[::1]:8080/cable",
        "wss://user:pass@example.com/cable",
    ],
)
def test_what_can_be_dialled(url: str) -> None:
    """It is returned as it is."""
    assert check_url(url) == url


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("", "cannot dial '': it must begin with ws://, wss://, http:// or https://"),
        ("ftp://example.com", "it must begin with ws://"),
        ("example.com/cable", "it must begin with ws://"),
        ("ws:///cable", "it names no host"),
        ("ws://:80/cable", "it names no host"),
        ("ws://host:0/", "port 0 cannot be dialled"),
        ("ws://host:99999/", "it cannot be read as an address .is the port a number up to 65535?"),
        ("ws://host:port/", "it cannot be read as an address"),
        ("ws://[::1/", "it cannot be read as an address"),
        ("ws://host/a b", "an address holds no spaces and no control characters"),
        ("ws://host/\r\nHost: x", "an address holds no spaces"),
        ("ws://host/\x00", "an address holds no spaces"),
        (None, "an address is a string"),
        (b"ws://host", "an address is a string"),
    ],
    ids=repr,
)
def test_what_cannot_be_dialled(url: Any, text: str) -> None:
    """The text shows the address, the rule, and an example."""
    with pytest.raises(InvalidURL, match=text) as raised:
        check_url(url)
    assert str(raised.value).endswith("for example wss://example.com/cable")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://user:sesame@host/?token=sesame",
        "wss://user:sesame@host:99999/",
        "wss://user:ses/ame@host/",
        "user:sesame@host/cable",
        "wss://host/a b?token=sesame#sesame",
        "wss://host/?sesame x",
    ],
)
def test_refused_addresses_show_no_secrets(url: str) -> None:
    """Neither in the text nor in what a debugger prints."""
    with pytest.raises(InvalidURL) as raised:
        check_url(url)
    for shown in (str(raised.value), repr(raised.value), raised.value.url):
        assert "sesame" not in shown
        assert "ame@" not in shown
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


def test_params_are_added_and_replaced() -> None:
    """What was there stays as it was written, except for what is given anew."""
    assert with_params("wss://h/cable", {}) == "wss://h/cable"
    assert with_params("wss://h/cable", {"token": "a b&c"}) == "wss://h/cable?token=a%20b%26c"
    url = "wss://h/cable?x=1&token=old&y=%2F&flag&token=older#f"
    assert with_params(url, {"token": "new"}) == "wss://h/cable?x=1&y=%2F&flag&token=new#f"
    assert with_params("wss://h/?t%6Fken=old", {"token": "new"}) == "wss://h/?token=new"


names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)


@given(st.dictionaries(names, names, max_size=4), st.dictionaries(names, names, max_size=4))
def test_params_arrive_as_they_were_given(first: dict[str, str], second: dict[str, str]) -> None:
    """Whatever characters they hold, once, the newer over the older."""
    url = with_params(with_params("wss://h/cable", first), second)
    assert dict(parse_qsl(urlsplit(url).query, keep_blank_values=True)) == {**first, **second}
    assert len(urlsplit(url).query.split("&")) == max(1, len({**first, **second}))


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("ws://localhost:3000/cable", "http://localhost:3000"),
        ("wss://example.com/cable?x=1", "https://example.com"),
        ("wss://example.com:443/cable", "https://example.com"),
        ("ws://example.com:443/cable", "http://example.com:443"),
        ("HTTP://EXAMPLE.com:80", "http://example.com"),
        ("https://user:pass@example.com:8443/", "https://example.com:8443"),
        ("ws://[::1]:8080/cable", "http://[::1]:8080"),
    ],
)
def test_origins(url: str, origin: str) -> None:
    """As a browser on that site would send it: no credentials, no default port, no path."""
    assert origin_of(url) == origin


@pytest.mark.parametrize(
    ("url", "bare", "target", "near"),
    [
        ("HTTPS://Example.com", "https://Example.com/", b"/", False),
        ("https://a:b@example.com/x y?k=v w", "https://example.com/x y", b"/x%20y?k=v%20w", False),
        ("http://127.0.0.1:8080/t?q=%41", "http://127.0.0.1:8080/t", b"/t?q=%41", True),
        ("http://[::1]/", "http://[::1]/", b"/", True),
        ("http://LOCALHOST/", "http://LOCALHOST/", b"/", True),
    ],
)
def test_an_http_address_keeps_its_secrets_apart(url: str, bare: str, target: bytes, *, near: bool) -> None:
    """What may be logged, and what goes on the wire only."""
    address = HttpAddress.of(urlsplit(url))
    assert (address.bare, address.target, address.near) == (bare, target, near)


def test_user_and_password_become_a_header() -> None:
    """Unquoted first; and neither they nor the query are shown."""
    address = HttpAddress.of(urlsplit("https://us%40er:p%3Aw@example.com/?key=s3cret"))
    assert address.authorization == "Basic " + base64.b64encode(b"us@er:p:w").decode()
    assert "s3cret" not in repr(address)
    assert "Basic" not in repr(address)
    assert HttpAddress.of(urlsplit("https://example.com/")).authorization is None
