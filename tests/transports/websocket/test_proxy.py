"""Through a proxy, by HTTP and by SOCKS, as given or as the environment says."""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys
from typing import TYPE_CHECKING, Any

import pytest

from cableway.errors import ConnectTimeout, InvalidURL, MissingExtra, ProxyFailure, TLSFailure
from cableway.transports.base import DialRequest
from cableway.transports.websocket import WebSocketTransport
from cableway.transports.websocket.proxy import parse_proxy
from tests.transports.websocket.peers import (
    ConnectProxy,
    Peer,
    Recorder,
    SocksProxy,
    client_tls,
    dial,
    frame,
    server_tls,
    serving,
    unused_port,
)

if TYPE_CHECKING:
    import trustme


async def echo(peer: Peer) -> None:
    """A server that gives one message back."""
    await peer.upgrade()
    _, payload = await peer.read_frame()
    await peer.send(frame(payload))
    await peer.silence()


async def talk(request: DialRequest, sink: Recorder, **options: Any) -> None:
    """Send a message and see it come back."""
    connection = await WebSocketTransport(**options).open(request, sink)
    connection.resume()
    connection.send(b"over the hills and far away")
    await sink.until(lambda: bool(sink.messages))
    connection.abort()
    assert sink.messages == [b"over the hills and far away"]


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("kind", ["http", "https", "socks5", "socks5h"])
async def test_messages_pass_through_a_proxy(kind: str, ca: trustme.CA, sink: Recorder, *, secure: bool) -> None:
    """And of a secure line the proxy sees nothing but TLS for the server behind it."""
    proxy = SocksProxy() if kind.startswith("socks") else ConnectProxy()
    proxy_tls = server_tls(ca) if kind == "https" else None
    async with (
        serving(echo, tls=server_tls(ca) if secure else None) as port,
        serving(proxy, tls=proxy_tls) as proxy_port,
    ):
        request = dial(
            port,
            "wss" if secure else "ws",
            ssl=client_tls(ca) if secure else None,
            headers={"X-Jid": "hunter2"},
            proxy=f"{kind}://127.0.0.1:{proxy_port}",
        )
        await talk(request, sink, proxy_ssl=client_tls(ca))

    assert proxy.seen.startswith(b"\x16\x03" if secure else b"GET /cable")
    assert (b"hunter2" in proxy.seen) is not secure
    if isinstance(proxy, ConnectProxy):
        assert proxy.requests == [f"CONNECT 127.0.0.1:{port} HTTP/1.1"]
        assert "x-jid" not in proxy.headers[0]
    else:
        assert proxy.asked == [("127.0.0.1", port)]


@pytest.mark.parametrize("kind", ["http", "socks5"])
async def test_the_certificate_of_the_server_is_checked_behind_a_proxy(kind: str, ca: trustme.CA) -> None:
    """A proxy that leads elsewhere gets nowhere."""

    async def script(peer: Peer) -> None:
        await peer.silence()

    proxy = SocksProxy() if kind == "socks5" else ConnectProxy()
    async with serving(script, tls=server_tls(ca, "other.example")) as port, serving(proxy) as proxy_port:
        with pytest.raises(TLSFailure, match="not for this IP address"):
            await WebSocketTransport().open(
                dial(port, "wss", ssl=client_tls(ca), proxy=f"{kind}://127.0.0.1:{proxy_port}"), Recorder()
            )


async def test_socks5h_leaves_the_name_to_the_proxy(sink: Recorder) -> None:
    """A name that only the proxy knows can be dialled."""
    async with serving(echo) as port:
        proxy = SocksProxy(target=("127.0.0.1", port))
        async with serving(proxy) as proxy_port:
            request = DialRequest("ws://inside.example:3000/cable", proxy=f"socks5h://127.0.0.1:{proxy_port}")
            await talk(request, sink)

    assert proxy.asked == [("inside.example", 3000)]


async def test_credentials_of_the_proxy_go_to_the_proxy_alone(sink: Recorder) -> None:
    """By Basic for HTTP, in the handshake for SOCKS."""
    seen: list[dict[str, str]] = []

    async def script(peer: Peer) -> None:
        seen.append(await peer.upgrade())
        await peer.silence()

    for kind, proxy in (
        ("http", ConnectProxy(credentials="Basic bWU6cEBzcw==")),
        ("socks5", SocksProxy(user=b"me", password=b"p@ss")),
    ):
        async with serving(script) as port, serving(proxy) as proxy_port:  # type: ignore[arg-type]
            request = dial(port, proxy=f"{kind}://me:p%40ss@127.0.0.1:{proxy_port}")
            connection = await WebSocketTransport().open(request, sink)
            connection.abort()

    assert len(seen) == 2
    assert not any("proxy-authorization" in headers for headers in seen)


@pytest.mark.parametrize(("user", "told"), [("", "asks for credentials"), ("me:hunter2@", "does not accept")])
async def test_a_proxy_that_asks_for_credentials_is_final(user: str, told: str) -> None:
    """Trying again changes nothing; the text does not show what was given."""
    async with serving(ConnectProxy(credentials="Basic other")) as proxy_port:
        with pytest.raises(ProxyFailure, match=told) as caught:
            await WebSocketTransport().open(dial(1, proxy=f"http://{user}127.0.0.1:{proxy_port}"), Recorder())

    assert caught.value.status == 407
    assert not caught.value.retryable
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("status", ["403 Forbidden", "502 Bad Gateway", "503 Busy"])
async def test_a_proxy_that_makes_no_tunnel_is_told(status: str) -> None:
    """With its status."""
    async with serving(ConnectProxy(status=status)) as proxy_port:
        with pytest.raises(ProxyFailure, match="made no tunnel") as caught:
            await WebSocketTransport().open(dial(1, proxy=f"http://127.0.0.1:{proxy_port}"), Recorder())

    assert caught.value.status == int(status[:3])
    assert caught.value.retryable


async def test_a_proxy_that_hangs_up_or_speaks_no_http_is_told() -> None:
    """Before its answer."""

    async def hang_up(peer: Peer) -> None:
        await peer.read_request()

    async def junk(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(b"\x05\x00")

    for script in (hang_up, junk):
        async with serving(script) as proxy_port:
            with pytest.raises(ProxyFailure, match="no answer in HTTP"):
                await WebSocketTransport().open(dial(1, proxy=f"http://127.0.0.1:{proxy_port}"), Recorder())


async def test_a_socks_proxy_that_makes_no_way_is_told() -> None:
    """It refuses the target, or the credentials, or the port is closed."""
    for proxy, user in ((SocksProxy(reply=5), ""), (SocksProxy(user=b"me", password=b"right"), "me:hunter2@")):
        async with serving(proxy) as proxy_port:
            with pytest.raises(ProxyFailure, match="made no way") as caught:
                await WebSocketTransport().open(dial(1, proxy=f"socks5://{user}127.0.0.1:{proxy_port}"), Recorder())
            assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("kind", ["http", "https", "socks5"])
async def test_a_proxy_that_is_not_there_is_told(kind: str) -> None:
    """As a failure of the proxy, not of the server."""
    port = unused_port()
    with pytest.raises(ProxyFailure, match=rf"proxy was not reached: 127\.0\.0\.1:{port} refused the connection"):
        await WebSocketTransport(proxy_ssl=ssl.create_default_context()).open(
            dial(unused_port(), proxy=f"{kind}://127.0.0.1:{port}"), Recorder()
        )


async def test_a_proxy_that_speaks_no_tls_is_told() -> None:
    """As a matter of the proxy's address, not of the server's."""

    async def plain(peer: Peer) -> None:
        await peer.reader.read(1)
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with serving(plain) as port:
        with pytest.raises(ProxyFailure, match=f"no secure line to the proxy 127.0.0.1:{port}") as caught:
            await WebSocketTransport(proxy_ssl=ssl.create_default_context()).open(
                dial(unused_port(), proxy=f"https://127.0.0.1:{port}"), Recorder()
            )

    assert "ws://" not in caught.value.hint


@pytest.mark.looptime
@pytest.mark.parametrize("kind", ["http", "socks5"])
async def test_a_proxy_that_is_silent_times_out(kind: str) -> None:
    """Within the time for reaching the host."""
    loop = asyncio.get_running_loop()
    async with serving(Peer.silence) as proxy_port:
        started = loop.time()
        with pytest.raises(ConnectTimeout, match="the host was not reached"):
            await WebSocketTransport().open(dial(1, proxy=f"{kind}://127.0.0.1:{proxy_port}", timeout=3), Recorder())

    assert 3 <= loop.time() - started < 3.5


@pytest.mark.parametrize("kind", ["http", "socks5h"])
async def test_a_proxy_is_reached_at_that_of_its_addresses_which_answers(
    kind: str, sink: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a server is; and a name that is not found is told as the proxy's."""
    async with serving(echo) as port:
        target = ("127.0.0.1", port)
        proxy = ConnectProxy(target=target) if kind == "http" else SocksProxy(target=target)
        async with serving(proxy) as proxy_port:
            places = [("127.0.0.1", unused_port()), ("127.0.0.1", proxy_port)]
            found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", place) for place in places]
            monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
            request = DialRequest("ws://inside.example/cable", proxy=f"{kind}://proxy.example:{proxy_port}")
            await talk(request, sink)

    def nothing(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nothing)
    with pytest.raises(ProxyFailure, match=r"not found.*proxy\.example|proxy\.example.*not found"):
        await WebSocketTransport().open(request, Recorder())


async def test_socks_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install."""
    monkeypatch.setitem(sys.modules, "python_socks", None)
    with pytest.raises(MissingExtra, match=r"cableway\[socks\]"):
        await WebSocketTransport().open(dial(1, proxy="socks5://127.0.0.1:1"), Recorder())


@pytest.mark.parametrize(
    ("address", "scheme", "port"),
    [
        ("http://proxy", "http", 80),
        ("https://proxy/", "https", 443),
        ("proxy:3128", "http", 3128),
        ("SOCKS5://proxy", "socks5", 1080),
        ("socks4a://proxy:9", "socks4a", 9),
    ],
)
def test_addresses_of_proxies(address: str, scheme: str, port: int) -> None:
    """Without a scheme it is an HTTP proxy."""
    proxy = parse_proxy(address)

    assert (proxy.scheme, proxy.host, proxy.port, proxy.user) == (scheme, "proxy", port, None)


@pytest.mark.parametrize(
    "address",
    ["", "ftp://proxy", "http://", "http://proxy:x", "http://proxy/path", "http://pro xy", "http://proxy?a=b"],
)
def test_what_is_no_address_of_a_proxy_is_refused(address: str) -> None:
    """Before anything is dialled."""
    with pytest.raises(InvalidURL, match=r"proxy.*; for example http://proxy.example.com:3128$"):
        parse_proxy(address)


def test_a_proxy_keeps_its_credentials() -> None:
    """They are in no repr."""
    proxy = parse_proxy("http://me:hunter2@proxy:3128")

    assert proxy.password == "hunter2"
    assert "hunter2" not in repr(proxy)
