"""Where the polls go."""

from __future__ import annotations

import pytest

from cableway import InvalidURL
from cableway.transports.http.address import http_address


@pytest.mark.parametrize(
    ("url", "polled"),
    [
        ("https://example.com/lp", "https://example.com/lp"),
        ("wss://example.com/cable", "https://example.com/lp"),
        ("ws://example.com:8080/app/cable?room=7", "http://example.com:8080/app/lp?room=7"),
        ("http://example.com/cable/more", "http://example.com/cable/more"),
        ("HTTPS://example.com", "https://example.com"),
        ("wss://user:pass@example.com/cable#part", "https://user:pass@example.com/lp"),
    ],
)
def test_the_address_of_the_cable_is_enough(url: str, polled: str) -> None:
    """By HTTP, and at the place that AnyCable has for polls; what else stands in it is kept."""
    assert http_address(url, None, "/lp").geturl() == polled


def test_a_path_can_be_given() -> None:
    """It takes the place of the address's own."""
    assert http_address("wss://example.com/cable?a=b", "/polls", "/lp").geturl() == "https://example.com/polls?a=b"


def test_what_cannot_be_dialled_is_refused() -> None:
    """As by any transport."""
    with pytest.raises(InvalidURL):
        http_address("ftp://example.com/lp", None, "/lp")
