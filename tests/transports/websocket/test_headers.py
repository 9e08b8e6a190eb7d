"""The upgrade request."""

from __future__ import annotations

from typing import Any

import pytest
from websockets.client import ClientProtocol

from cableway.errors import InvalidHeader
from cableway.transports.base import DialRequest
from cableway.transports.websocket.address import parse_address
from cableway.transports.websocket.headers import build_upgrade, check_request


def upgrade(url: str = "ws://example.com/cable", **options: Any) -> bytes:
    """The request as it goes on the wire."""
    request = DialRequest(url, **options)
    check_request(request)
    return build_upgrade(ClientProtocol(parse_address(url)), request).serialize()


def test_headers_of_the_caller_take_the_place_of_ours() -> None:
    """Each name is sent once, whatever its case."""
    raw = upgrade("ws://u:p@example.com/cable", headers={"HOST": "other", "authorization": "Bearer x", "X-A": " ä "})

    assert raw.lower().count(b"host:") == 1
    assert b"HOST: other\r\n" in raw
    assert b"authorization: Bearer x\r\n" in raw
    assert b"Basic" not in raw
    assert "X-A: ä\r\n".encode("latin-1") in raw


def test_user_and_password_of_the_address_become_basic_authorization() -> None:
    """They are taken out of the address."""
    raw = upgrade("ws://user:pass@example.com/cable")

    assert b"Authorization: Basic dXNlcjpwYXNz\r\n" in raw
    assert b"user" not in raw.replace(b"User-Agent", b"")


@pytest.mark.parametrize(
    "name", ["", "X A", "X\r\nEvil", "X:", "Ü", "X\x00", "Upgrade", "connection", "Sec-WebSocket-Protocol", "X(1)"]
)
def test_header_names_that_must_not_be_sent_are_refused(name: str) -> None:
    """A name is a token, and not one that the handshake needs for itself."""
    with pytest.raises(InvalidHeader):
        upgrade(headers={name: "value"})


@pytest.mark.parametrize("value", ["a\r\nEvil: b", "a\nb", "a\rb", "a\x00b", "snow ☃", "\x7f"])
def test_header_values_that_must_not_be_sent_are_refused(value: str) -> None:
    """The text names the header and keeps the value, which may be a secret."""
    with pytest.raises(InvalidHeader, match="'X-Token'") as caught:
        upgrade(headers={"X-Token": value})
    assert value not in str(caught.value)

    with pytest.raises(InvalidHeader, match="'Origin'"):
        upgrade(origin=value)


@pytest.mark.parametrize("name", ["", "a b", "a,b", "a\r\nb", "ü"])
def test_subprotocols_that_are_no_tokens_are_refused(name: str) -> None:
    """A comma would make two names of one."""
    with pytest.raises(InvalidHeader, match="subprotocol"):
        upgrade(subprotocols=["good", name])
