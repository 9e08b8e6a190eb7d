"""The way to a server: the proxy, the name, each address, the tunnel, TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from cableway.cli.doctor import route as room
from cableway.cli.doctor.findings import Part, Record, Result, Step, Subject
from cableway.cli.doctor.route import source_of, survey
from cableway.cli.doctor.symptoms import Symptom
from cableway.transports.base import DialRequest
from cableway.transports.websocket.proxy import parse_proxy
from tests.cli.doctor.house import found, results, served
from tests.transports.websocket.peers import ConnectProxy, Peer, client_tls, server_tls, serving, unused_port

if TYPE_CHECKING:
    import trustme

    from cableway.cli.doctor.findings import Finding

PASSWORD = "s3cret"


async def surveyed(url: str, **options: Any) -> Record:
    """Try the way to *url*, without a proxy unless one is given."""
    record = Record(Subject(secure=url.startswith("wss")))
    await survey(DialRequest(url, **{"proxy": None, "timeout": 5.0, **options}), record)
    return record


def step(record: Record, which: Step) -> Finding:
    """Return what was found at a step of the way."""
    return found(record, Part.NETWORK, which)


def resolver(monkeypatch: pytest.MonkeyPatch, *addresses: tuple[str, int]) -> None:
    """Have each name found at *addresses*, or nowhere."""

    def look_up(*_: object, **__: object) -> list[Any]:
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [
            (socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))
            for host, port in addresses
        ]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


async def test_a_plain_way_is_told_step_by_step() -> None:
    """An address needs no resolver; what is dialled answers."""
    async with serving(Peer.silence) as port:
        record = await surveyed(f"ws://127.0.0.1:{port}/cable")

    assert results(record, Part.NETWORK) == ["ok", "ok", "ok"]
    assert step(record, Step.PROXY).detail == "none is wanted: the way is direct"
    assert step(record, Step.NAME).detail == "127.0.0.1 is an address"
    assert step(record, Step.TCP).facts["tries"][0]["ok"] is True


async def test_a_name_that_does_not_resolve_is_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is dialled."""
    resolver(monkeypatch)

    record = await surveyed("wss://nowhere.example/cable")

    name = step(record, Step.NAME)
    assert results(record, Part.NETWORK) == ["ok", "failed", "not tried", "not tried"]
    assert (name.symptom, name.detail) == (Symptom.NAME_UNKNOWN, "the host name of nowhere.example:443 was not found")


async def test_a_port_that_is_refused_is_told() -> None:
    """In the words of the transports."""
    port = unused_port()

    tcp = step(await surveyed(f"ws://127.0.0.1:{port}/cable"), Step.TCP)

    assert (tcp.symptom, tcp.detail) == (Symptom.REFUSED, f"127.0.0.1:{port} refused the connection")


async def test_both_families_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that refuses costs nothing, and is no more than told."""
    async with serving(Peer.silence) as port:
        resolver(monkeypatch, ("::1", unused_port()), ("127.0.0.1", port))
        record = await surveyed("ws://both.example/cable")

    tcp = step(record, Step.TCP)
    assert step(record, Step.NAME).detail == "::1, 127.0.0.1 (IPv4 and IPv6)"
    assert tcp.result is Result.OK
    assert tcp.detail.startswith("127.0.0.1 answers; ::1 does not (")
    assert [(one["family"], one["ok"]) for one in tcp.facts["tries"]] == [("IPv6", False), ("IPv4", True)]


@pytest.mark.looptime
async def test_an_address_that_swallows_is_worth_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are waited for a little while once one has answered."""
    dial = room.first_to_connect

    async def first_to_connect(addresses: Any) -> socket.socket:
        if addresses[0][1][0] == "127.0.0.9":
            await asyncio.Event().wait()
        return await dial(addresses)

    monkeypatch.setattr(room, "first_to_connect", first_to_connect)
    began = asyncio.get_running_loop().time()
    async with serving(Peer.silence) as port:
        addresses = [(socket.AF_INET, (host, port)) for host in ("127.0.0.9", "127.0.0.1")]

        async def addresses_of(*_: object) -> Any:
            return addresses

        monkeypatch.setattr(room, "addresses_of", addresses_of)
        tcp = step(await surveyed("ws://half.example/cable"), Step.TCP)

    assert (tcp.result, tcp.symptom) == (Result.NOTE, Symptom.DEAD_ADDRESS)
    assert tcp.detail == "127.0.0.1 answers; 127.0.0.9 does not (connection timed out)"
    assert asyncio.get_running_loop().time() - began == pytest.approx(room.STRAGGLERS, abs=0.2)


@pytest.mark.looptime
async def test_a_host_that_swallows_everything_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the time of one step."""

    async def first_to_connect(_: Any) -> socket.socket:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(room, "first_to_connect", first_to_connect)
    began = asyncio.get_running_loop().time()

    tcp = step(await surveyed("ws://127.0.0.1:9/cable"), Step.TCP)

    assert (tcp.result, tcp.symptom) == (Result.FAILED, Symptom.NO_ANSWER)
    assert asyncio.get_running_loop().time() - began == pytest.approx(5, abs=0.2)


# TLS


async def secured(context: ssl.SSLContext, ca: trustme.CA, *, trusted: bool = True) -> Finding:
    """Try the way to a server with *context*, and return what TLS has shown."""
    async with serving(Peer.silence, tls=context) as port:
        client = client_tls(ca) if trusted else ssl.create_default_context()
        record = await surveyed(f"wss://127.0.0.1:{port}/cable", ssl=client)
    return step(record, Step.TLS)


async def test_version_and_certificate_are_told(ca: trustme.CA) -> None:
    """For people in one line, for programs by name."""
    tls = await secured(server_tls(ca, not_after=datetime.now(UTC) + timedelta(days=100)), ca)

    assert tls.result is Result.OK
    assert tls.detail.startswith("TLSv1.3; certificate for 127.0.0.1, localhost, by trustme")
    assert "good for 99 d 23 h" in tls.detail
    assert tls.facts["names"] == ["127.0.0.1", "localhost"]


async def test_a_certificate_that_ends_soon_is_worth_a_word(ca: trustme.CA) -> None:
    """While there is time to renew it."""
    tls = await secured(server_tls(ca, not_after=datetime.now(UTC) + timedelta(days=5)), ca)

    assert (tls.result, tls.symptom) == (Result.NOTE, Symptom.ENDS_SOON)


async def test_what_is_wrong_with_a_certificate_is_told_with_what_is_in_it(ca: trustme.CA) -> None:
    """So that one sees who made it, for whom, and when it ended."""
    ended = datetime.now(UTC) - timedelta(days=3)
    unknown = await secured(server_tls(ca), ca, trusted=False)
    other = await secured(server_tls(ca, "other.example"), ca)
    expired = await secured(server_tls(ca, "127.0.0.1", not_after=ended), ca)

    assert [one.symptom for one in (unknown, other, expired)] == [
        Symptom.UNKNOWN_AUTHORITY,
        Symptom.OTHER_HOST,
        Symptom.EXPIRED,
    ]
    assert "by trustme" in unknown.detail
    assert "certificate for other.example" in other.detail
    assert "ended 3 d" in expired.detail
    assert expired.facts["ends_at"].startswith(ended.date().isoformat())


async def test_a_port_without_tls_is_told(ca: trustme.CA) -> None:
    """There is no certificate to tell of."""

    async def script(peer: Peer) -> None:
        await peer.send(b"SSH-2.0-OpenSSH_9.6\r\n")
        await peer.silence()

    async with serving(script) as port:
        tls = step(await surveyed(f"wss://127.0.0.1:{port}/cable", ssl=client_tls(ca)), Step.TLS)

    assert tls.symptom is Symptom.NOT_TLS


@pytest.mark.looptime
async def test_a_port_that_says_nothing_is_given_up(ca: trustme.CA) -> None:
    """After the time of a step."""
    async with serving(Peer.silence) as port:
        tls = step(await surveyed(f"wss://127.0.0.1:{port}/cable", ssl=client_tls(ca)), Step.TLS)

    assert tls.symptom is Symptom.TLS_SILENT


# Proxies


async def through(proxy: Any, ca: trustme.CA) -> Record:
    """Try the way to a secure server through *proxy*."""
    async with serving(Peer.silence, tls=server_tls(ca)) as port, serving(served(proxy)) as proxy_port:
        address = f"http://user:{PASSWORD}@127.0.0.1:{proxy_port}"
        record = await surveyed(f"wss://127.0.0.1:{port}/cable", proxy=address, ssl=client_tls(ca))
    assert not [finding for finding in record if PASSWORD in repr(finding)]
    return record


async def test_a_proxy_is_told_without_its_password(ca: trustme.CA) -> None:
    """And the tunnel that it makes is a step of its own."""
    record = await through(ConnectProxy(), ca)

    assert record.proxied
    assert results(record, Part.NETWORK) == ["ok"] * 5
    assert step(record, Step.PROXY).detail.endswith(", from --proxy")


@pytest.mark.parametrize(
    ("status", "symptom"),
    [
        ("403 Forbidden", Symptom.PROXY_FORBIDS),
        ("407 Log in", Symptom.PROXY_ASKS_LOGIN),
        ("502 Bad Gateway", Symptom.PROXY_LOST),
    ],
)
async def test_a_proxy_that_makes_no_tunnel_is_told(status: str, symptom: Symptom, ca: trustme.CA) -> None:
    """What comes after it is not tried."""
    record = await through(ConnectProxy(status=status), ca)

    assert results(record, Part.NETWORK) == ["ok", "ok", "ok", "failed", "not tried"]
    assert step(record, Step.TUNNEL).symptom is symptom


async def test_a_proxy_that_is_not_there_is_told() -> None:
    """Its port is the one that is tried."""
    tcp = step(await surveyed("ws://127.0.0.1:9/cable", proxy=f"http://127.0.0.1:{unused_port()}"), Step.TCP)

    assert tcp.symptom is Symptom.PROXY_UNREACHED


async def test_an_address_that_is_no_proxy_s_is_told() -> None:
    """By the first step."""
    record = await surveyed("ws://127.0.0.1:9/cable", proxy="ftp://127.0.0.1")

    assert step(record, Step.PROXY).symptom is Symptom.PROXY_UNUSABLE


def test_a_proxy_of_the_environment_is_told_by_the_name_of_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Never by its value."""
    monkeypatch.setenv("BAD_PROXY", "gopher://proxy.example")
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:{PASSWORD}@proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "proxy.example:3128")

    assert source_of(parse_proxy("http://proxy.example:3128")) == "HTTPS_PROXY"
    assert source_of(parse_proxy("http://elsewhere.example:3128")) == "the settings of this system"
