"""Addresses that can be dialled, and those that cannot."""

from __future__ import annotations

import pytest

from cableway.errors import InvalidHeader, InvalidURL
from cableway.transports.websocket.address import host_and_port, parse_address


@pytest.mark.parametrize(
    ("url", "secure", "port", "resource"),
    [
        ("ws://example.com/cable", False, 80, "/cable"),
        ("wss://example.com/cable", True, 443, "/cable"),
        ("http://example.com:3000", False, 3000, "/"),
        ("https://example.com/cable?jid=a%20b#part", True, 443, "/cable?jid=a%20b"),
        ("HTTPS://EXAMPLE.com/Cable", True, 443, "/Cable"),
        ("ws://example.com/cäble?ü=1", False, 80, "/c%C3%A4ble?%C3%BC=1"),
    ],
)
def test_addresses_are_mapped_and_encoded(url: str, port: int, resource: str, *, secure: bool) -> None:
    """A WebSocket is dialled by any of four schemes, and what is beyond ASCII is encoded."""
    uri = parse_address(url)

    assert (uri.host, uri.secure, uri.port, uri.resource_name) == ("example.com", secure, port, resource)


def test_names_beyond_ascii_are_encoded() -> None:
    """A host name is sent in its ASCII form."""
    assert parse_address("wss://bücher.example/cable").host == "xn--bcher-kva.example"


@pytest.mark.parametrize("user", ["user", "user:", "us%65r:"])
def test_a_user_without_a_password_gets_an_empty_one(user: str) -> None:
    """An API key is often given as the user alone."""
    assert parse_address(f"wss://{user}@example.com").user_info == ("user", "")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com/cable",
        "ftp://example.com",
        "ws://",
        "ws:///cable",
        "ws://example.com:70000",
        "ws://example.com:x",
        "ws://example.com:0/cable",
        "ws://.example.com",
        "ws://exam ple.com",
        "ws://example.com/a b",
        "ws://[::1",
        f"ws://{'a' * 64}.com",
    ],
)
def test_what_cannot_be_dialled_is_refused(url: str) -> None:
    """A wrong address is told before anything is tried, with an example of a right one."""
    with pytest.raises(InvalidURL, match="for example wss://"):
        parse_address(url)


@pytest.mark.parametrize("char", ["\r\n", "\n", "\x00", "\t", "\x7f"])
@pytest.mark.parametrize("place", ["/ca{}ble", "/cable?jid=a{}Host:b"])
def test_control_characters_never_reach_the_request_line(char: str, place: str) -> None:
    """A line break in path or query could smuggle in a header: it is refused, not dropped."""
    with pytest.raises(InvalidHeader, match="control character"):
        parse_address("ws://example.com" + place.format(char))


@pytest.mark.parametrize("url", ["ws://user:hunter2@example.com:x", "ws://user:hunter2@exa mple.com?jid=hunter2"])
def test_errors_keep_the_secrets_of_the_address(url: str) -> None:
    """Neither the text nor the cause shows password or token."""
    with pytest.raises(InvalidURL) as caught:
        parse_address(url)

    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_people_see_brackets_around_an_ipv6_address() -> None:
    """So that the port can be told from the address."""
    assert host_and_port("::1", 80) == "[::1]:80"
    assert host_and_port("example.com", 80) == "example.com:80"
