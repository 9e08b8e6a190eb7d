"""What a certificate says of itself, trusted or not."""

from __future__ import annotations

import ssl
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from cableway.cli.doctor.certificate import Certificate, certificate_of, presented, remaining
from cableway.cli.doctor.way import route_for
from cableway.transports.base import DialRequest
from tests.transports.websocket.peers import Peer, server_tls, serving, unused_port

if TYPE_CHECKING:
    from collections.abc import Callable

    import trustme

    from cableway.transports.websocket.reach import Route

SAID = {
    "subjectAltName": (("DNS", "example.com"), ("DNS", "*.example.com"), ("IP Address", "10.0.0.7"), ("URI", "no")),
    "notAfter": "Jan  2 00:00:00 2030 GMT",
    "issuer": ((("countryName", "XX"),), (("organizationName", "Trust Us"),), (("commonName", "R3"),)),
}


def test_what_the_ssl_module_says_is_read() -> None:
    """Names, end and issuer; nothing where nothing is said."""
    read = certificate_of(SAID)

    assert read.names == ("example.com", "*.example.com", "10.0.0.7")
    assert read.issuer == "Trust Us, R3"
    assert read.facts["ends_at"] == "2030-01-02T00:00:00Z"
    assert certificate_of(None).told == "certificate for no name"
    assert remaining(certificate_of({})) is None


@pytest.mark.parametrize(("left", "told"), [(90_000.0, "good for 1 d 1 h"), (-60.0, "ended 1 min ago")])
def test_its_end_is_told_in_words(left: float, told: str) -> None:
    """Before and after."""
    certificate = Certificate(("example.com",), 1000.0 + left, "Trust Us", now=1000.0)

    assert certificate.told == f"certificate for example.com, by Trust Us, {told}"
    assert remaining(certificate) == left


def test_of_many_names_some_are_told() -> None:
    """One certificate may be for a hundred; a program gets them all."""
    certificate = Certificate(tuple(f"h{n}.example" for n in range(9)))

    assert certificate.told.endswith("h3.example, …")
    assert len(certificate.facts["names"]) == 9


def expired(ca: trustme.CA) -> ssl.SSLContext:
    """A certificate whose time is over."""
    return server_tls(ca, "127.0.0.1", not_after=datetime.now(UTC) - timedelta(days=3))


MAKERS: list[Callable[[trustme.CA], ssl.SSLContext]] = [server_tls, expired, lambda ca: server_tls(ca, "other.example")]


@pytest.mark.parametrize("make", MAKERS)
async def test_one_that_is_not_trusted_is_read_all_the_same(
    make: Callable[[trustme.CA], ssl.SSLContext], ca: trustme.CA
) -> None:
    """From an unknown authority, ended, or for another host; nothing but the handshake is sent."""
    heard: list[bytes] = []

    async def script(peer: Peer) -> None:
        try:
            heard.append(await peer.reader.read())
        except (ConnectionError, ssl.SSLError):
            heard.append(b"")

    async with serving(script, tls=make(ca)) as port:
        read = await presented(route(port), 10)

    assert read is not None
    assert read.names
    assert read.ends_at is not None
    assert (read.ends_at < time.time()) is (make is expired)
    assert "trustme" in read.issuer
    assert not any(heard)


async def test_where_there_is_none_nothing_is_told() -> None:
    """A port that is closed, one that speaks no TLS, and one that says nothing."""
    assert await presented(route(unused_port()), 10) is None
    async with serving(Peer.silence) as port:
        assert await presented(route(port), 0.1) is None


def route(port: int) -> Route:
    """The direct way to a server of this machine."""
    return route_for(DialRequest(f"wss://127.0.0.1:{port}/cable"), None)
