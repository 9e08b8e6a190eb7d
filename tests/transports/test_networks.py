"""The same network, and the same fault of it, is the same to each transport that goes through one."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import ssl
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from aiohttp import web
from attrs import Factory, define
from websockets.utils import accept_key

from cableway import (
    CaptivePortal,
    ConnectTimeout,
    DialRequest,
    EventStreamTransport,
    HandshakeCut,
    HandshakeRefused,
    HostUnreachable,
    InvalidURL,
    LongPollingTransport,
    MissingExtra,
    NotAWebSocket,
    NotOffered,
    PinMismatch,
    ProxyFailure,
    ServerSilent,
    TLSFailure,
    WebSocketTransport,
    pinned_context,
)
from tests.transports.polling.house import House, Visit
from tests.transports.polling.house import serving as house_serving
from tests.transports.websocket.peers import (
    ConnectProxy,
    Peer,
    Recorder,
    SocksProxy,
    answering,
    client_tls,
    dial,
    pump,
    server_tls,
    serving,
    unused_port,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from cableway import Transport
    from tests.transports.websocket.peers import Script

    Made = Callable[..., Transport]

SECRET = "s3cr3t"
STRANGER = ssl.create_default_context()
"""One that trusts none of the certificates made here; reading the system's takes a while."""
KINDS: dict[str, Made] = {
    "websocket": WebSocketTransport,
    "long_polling": LongPollingTransport,
    "event_stream": EventStreamTransport,
}


@pytest.fixture(params=list(KINDS))
def made(request: pytest.FixtureRequest) -> Made:
    """What makes one of the transports."""
    return KINDS[request.param]


@pytest.fixture(scope="session")
def ca() -> trustme.CA:
    """An authority of our own."""
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@define
class Server:
    """Opens a line of each kind, and notes what it was told."""

    requests: list[str] = Factory(list)
    headers: list[dict[str, str]] = Factory(list)

    async def __call__(self, peer: Peer) -> None:
        try:
            headers = await peer.read_request()
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            return
        self.requests.append(peer.request)
        self.headers.append(headers)
        path = peer.request.split()[1].partition("?")[0]
        if "sec-websocket-key" in headers:
            accept = accept_key(headers["sec-websocket-key"])
            lines = ["101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
            lines.append(f"Sec-WebSocket-Accept: {accept}")
        elif path.endswith("/lp"):
            lines = ["200 OK", "X-Anycable-Poll-ID: pl_1", "Content-Length: 0"]
        else:
            lines = ["200 OK", "Content-Type: text/event-stream"]
        await peer.send("\r\n".join([f"HTTP/1.1 {lines[0]}", *lines[1:], "", ""]).encode())
        await peer.silence()


async def reach(transport: Transport, request: DialRequest) -> None:
    """Open a line, and leave it."""
    connection = await transport.open(request, Recorder())
    connection.abort()
    await connection.close()


async def failure(transport: Transport, request: DialRequest) -> Any:
    """Return what keeps *transport* from opening a line; no secret is in its text."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - the caller looks at it
        await reach(transport, request)
    assert SECRET not in f"{caught.value} {caught.value!r}"
    return caught.value


# Ways that lead there -------------------------------------------------------------------------------------------------


@define
class ForwardProxy:
    """An HTTP proxy that passes plain requests on, and makes no tunnels."""

    port: int
    credentials: str | None = None
    requests: list[str] = Factory(list)

    async def __call__(self, client: Peer) -> None:
        try:
            headers = await client.read_request()
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            return
        self.requests.append(client.request)
        method, target, version = client.request.split()
        if self.credentials is not None and headers.pop("proxy-authorization", None) != self.credentials:
            await client.send(b"HTTP/1.1 407 Who are you?\r\nContent-Length: 0\r\n\r\n")
        elif method == "CONNECT":
            await client.send(b"HTTP/1.1 405 Not here\r\nContent-Length: 0\r\n\r\n")
        else:
            path = "/" + target.split("/", 3)[3]
            lines = [f"{method} {path} {version}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
            server = Peer(*await asyncio.open_connection("127.0.0.1", self.port))
            try:
                await server.send("\r\n".join(lines).encode())
                await asyncio.gather(pump(client, server, bytearray()), pump(server, client, bytearray()))
            finally:
                server.writer.transport.abort()


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("kind", ["http", "https", "socks5", "socks5h"])
async def test_a_proxy_leads_there(made: Made, kind: str, ca: trustme.CA, *, secure: bool) -> None:
    """By HTTP, by TLS and by SOCKS; of a secure line it sees nothing, and the server learns nothing of its password."""
    server = Server()
    async with serving(server, tls=server_tls(ca) if secure else None) as port:
        passes_on = not secure and kind.startswith("http") and made is not WebSocketTransport
        proxy: Any = SocksProxy(user=b"me", password=SECRET.encode())
        if kind.startswith("http"):
            credentials = "Basic bWU6czNjcjN0"
            proxy = ForwardProxy(port, credentials) if passes_on else ConnectProxy(credentials)
        async with serving(proxy, tls=server_tls(ca) if kind == "https" else None) as proxy_port:
            request = dial(
                port,
                "wss" if secure else "ws",
                ssl=client_tls(ca) if secure else None,
                proxy=f"{kind}://me:{SECRET}@127.0.0.1:{proxy_port}",
                headers={"X-Jid": "hunter2"},
            )
            await reach(made(proxy_ssl=client_tls(ca)), request)
    assert server.headers[0]["x-jid"] == "hunter2"
    assert "proxy-authorization" not in server.headers[0]
    if passes_on:
        method, target, _ = proxy.requests[0].split()
        assert method == "POST"
        assert target.startswith(f"http://127.0.0.1:{port}/")
    else:
        assert (b"hunter2" in proxy.seen) is not secure


async def test_a_proxy_of_plain_requests_carries_what_is_made_of_them(ca: trustme.CA) -> None:
    """Where no tunnel is made there is still a way, but for the WebSocket; the query goes along."""
    server = Server()
    async with serving(server) as port, serving(ForwardProxy(port)) as proxy_port:
        request = DialRequest(f"ws://127.0.0.1:{port}/cable?jid={SECRET}", proxy=f"http://127.0.0.1:{proxy_port}")
        await reach(LongPollingTransport(), request)
        await reach(EventStreamTransport(), request)
        assert (await failure(WebSocketTransport(), request)).status == 405
    assert [line.split()[1] for line in server.requests][::2] == [f"/lp?jid={SECRET}"]
    assert server.requests[-1].split()[1] == f"/events?jid={SECRET}"


async def test_socks5h_leaves_the_name_to_the_proxy(made: Made) -> None:
    """A name that only the proxy knows can be dialled."""
    async with serving(Server()) as port:
        proxy = SocksProxy(target=("127.0.0.1", port))
        async with serving(proxy) as proxy_port:
            await reach(
                made(), DialRequest("ws://inside.example:3000/cable", proxy=f"socks5h://127.0.0.1:{proxy_port}")
            )
    assert set(proxy.asked) == {("inside.example", 3000)}


@pytest.mark.parametrize("variable", ["all_proxy", "ALL_PROXY", "ws_proxy", "WS_PROXY", "http_proxy", "socks_proxy"])
async def test_the_environment_names_the_proxy(made: Made, variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is used when asked for, and not for hosts that ``NO_PROXY`` names."""
    async with serving(Server()) as port:
        proxy: Any = ForwardProxy(port) if made is not WebSocketTransport else ConnectProxy(target=("127.0.0.1", port))
        if variable == "socks_proxy":
            proxy = SocksProxy(target=("127.0.0.1", port))
        async with serving(proxy) as proxy_port:
            scheme = "socks5h" if variable == "socks_proxy" else "http"
            monkeypatch.setenv(variable, f"{scheme}://127.0.0.1:{proxy_port}")
            await reach(made(), DialRequest(f"ws://cable.example:{port}/cable", proxy=True))
            asked = proxy.asked if variable == "socks_proxy" else proxy.requests
            assert "cable.example" in str(asked[0])
            asked.clear()
            monkeypatch.setattr(socket, "getaddrinfo", _here)
            for no_proxy in (f"cable.example:{port}", ".example", "*"):
                monkeypatch.setenv("NO_PROXY", no_proxy)
                await reach(made(), DialRequest(f"ws://cable.example:{port}/cable", proxy=True))
            monkeypatch.delenv("NO_PROXY")
            await reach(made(), DialRequest(f"ws://cable.example:{port}/cable", proxy=False))
            await reach(made(), DialRequest(f"ws://127.0.0.1:{port}/cable", proxy=True))
    assert not asked


def _here(host: str, port: int, *_: object, **__: object) -> list[Any]:
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]


async def test_a_broken_address_holds_nobody_up(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that swallows all is left behind after a quarter of a second (RFC 8305)."""
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen(0)
        filler = socket.create_connection(hole.getsockname())
        async with serving(Server()) as port:
            addresses = [
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", hole.getsockname()),
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
            ]
            monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses)
            started = asyncio.get_running_loop().time()
            await reach(made(), DialRequest("ws://both.example/cable", proxy=None))
        filler.close()
    assert 0.2 < asyncio.get_running_loop().time() - started < 1.5


async def test_a_client_certificate_is_shown(made: Made, ca: trustme.CA) -> None:
    """The one that the context of the dial has loaded."""
    tls = server_tls(ca)
    tls.verify_mode = ssl.CERT_REQUIRED
    ca.configure_trust(tls)
    async with serving(Server(), tls=tls) as port:
        client = client_tls(ca)
        ca.issue_cert("client.example").configure_cert(client)
        await reach(made(), dial(port, "wss", ssl=client))
        assert "asks for a client certificate" in str(await failure(made(), dial(port, "wss", ssl=client_tls(ca))))


# Pins -----------------------------------------------------------------------------------------------------------------


async def test_only_a_pinned_certificate_is_accepted(made: Made, ca: trustme.CA, tmp_path: Any) -> None:
    """The error names the pin that would fit; nobody else is sent a byte of a request."""
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    server = Server()
    async with serving(server, tls=server_tls(ca)) as port:
        wrong = pinned_context("sha256/" + "A" * 43 + "=", cafile=tmp_path / "ca.pem")
        error = await failure(made(), dial(port, "wss", ssl=wrong, headers={"X-Jid": SECRET}))
        assert type(error) is PinMismatch
        assert error.key in str(error)
        assert server.requests == []
        await reach(made(), dial(port, "wss", ssl=pinned_context(error.key, cafile=tmp_path / "ca.pem")))


async def test_a_check_of_ones_own_may_refuse(made: Made, ca: trustme.CA, tmp_path: Any) -> None:
    """It is given the certificate, and its words are in the error."""

    def check(certificate: bytes) -> None:
        seen.append(certificate)
        if len(seen) == 1:
            msg = "not this one"
            raise ValueError(msg)

    seen: list[bytes] = []
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = pinned_context(check=check, cafile=tmp_path / "ca.pem")
    async with serving(Server(), tls=server_tls(ca)) as port:
        assert "not this one" in str(await failure(made(), dial(port, "wss", ssl=context)))
        await reach(made(), dial(port, "wss", ssl=context))
    assert seen[0].startswith(b"\x30\x82")


async def test_pins_hold_behind_a_proxy(made: Made, ca: trustme.CA, tmp_path: Any) -> None:
    """They are those of the server, whatever leads there."""
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = pinned_context("00" * 32, cafile=tmp_path / "ca.pem")
    for proxy, scheme in ((ConnectProxy(), "http"), (SocksProxy(), "socks5")):
        async with serving(Server(), tls=server_tls(ca)) as port, serving(proxy) as proxy_port:
            address = f"{scheme}://127.0.0.1:{proxy_port}"
            assert type(await failure(made(), dial(port, "wss", ssl=context, proxy=address))) is PinMismatch


# One fault, one error -------------------------------------------------------------------------------------------------

PAGE = b"<!DOCTYPE html><html><head><title>Welcome</title></head></html>"
NAMED = b'<html><head><meta http-equiv="refresh" content="0; url=http://wifi.example/login?u=s3cr3t"></head>'
HTML = "Content-Type: text/html; charset=utf-8"


async def _hang_up(peer: Peer) -> None:
    await peer.read_request()


async def _reset(peer: Peer) -> None:
    await peer.read_request()
    peer.reset()


async def _half_a_head(peer: Peer) -> None:
    await peer.read_request()
    await peer.send(b"HTTP/1.1 20")


def _says(data: bytes) -> Script:
    async def script(peer: Peer) -> None:
        await peer.reader.read(10)
        await peer.send(data)
        await peer.silence()

    return script


@pytest.mark.parametrize(
    ("script", "kind", "text"),
    [
        (_hang_up, HandshakeCut, "was cut before"),
        (_reset, HandshakeCut, "was cut before"),
        (_half_a_head, HandshakeCut, "was cut before"),
        (_says(b"SSH-2.0-OpenSSH_9.2\r\n"), NotAWebSocket, "it starts with 'SSH-2.0"),
        (_says(b"\x15\x03\x01\x00\x02\x02\x46"), NotAWebSocket, "the port speaks TLS"),
        (_says(b"HTTP/1.1 what\r\n\r\n"), NotAWebSocket, "not HTTP"),
        (answering("200 OK", PAGE, HTML), CaptivePortal, r"a web page came \(HTTP 200\).*wants? a sign-in"),
        (answering("200 OK", PAGE), CaptivePortal, "a web page came"),
        (answering("203 Other", NAMED, HTML), CaptivePortal, "its page is at wifi.example"),
        (answering("302 Go", b"", "Location: http://w.example:81/?u=s3cr3t"), CaptivePortal, "to w.example:81 came"),
        (answering("307 Go", b"", "Location: //w.example/?u=s3cr3t"), CaptivePortal, "redirect to w.example came"),
        (answering("511 Log in", NAMED, HTML), CaptivePortal, "asks for a sign-in.*its page is at wifi.example"),
        (answering("511 Log in"), CaptivePortal, "asks for a sign-in"),
        (answering("302 Found", b"", "Location: /login"), HandshakeRefused, "Redirects are not followed"),
        (answering("301 Moved", b"", "Location: https://127.0.0.1/cable"), HandshakeRefused, "the same by TLS"),
        (answering("302 Found"), HandshakeRefused, "Redirects are not followed"),
        (answering("200 OK", b"{}", "Content-Type: application/json"), NotAWebSocket, "came"),
        *[(answering(status, PAGE, HTML), HandshakeRefused, status[:3]) for status in ("403 No", "404 No", "502 Bad")],
        (answering("503 Busy", PAGE, HTML, "Retry-After: 7"), HandshakeRefused, "503"),
        (answering("407 Who"), HandshakeRefused, "407"),
    ],
)  # fmt: skip
async def test_what_answers_is_told(made: Made, script: Script, kind: type[Exception], text: str) -> None:
    """A network that wants a sign-in is told from a server that refuses, and from what is no server at all."""
    is_lesser = made is not WebSocketTransport
    async with serving(script) as port:
        error = await failure(made(), dial(port, headers={"X-Jid": SECRET}))
    assert type(error) is (NotOffered if is_lesser and "404" in text else kind)
    assert re.search(text, str(error)), str(error)


PORTALS: list[dict[str, Any]] = [
    {"text": PAGE.decode(), "content_type": "text/html"},
    {"status": 302, "headers": {"Location": "http://wifi.example/?u=s3cr3t"}},
    {"status": 511},
]


@pytest.mark.looptime
@pytest.mark.parametrize("answer", PORTALS)
async def test_a_portal_may_strike_a_line_that_is_up(answer: dict[str, Any]) -> None:
    """What it answers are no messages, and it has taken no command: that goes again, and the line ends by it."""

    async def portal(_: House, __: Visit) -> web.Response:
        return web.Response(**answer)

    sink = Recorder()
    async with house_serving(House(hold=1.0)) as house:
        house.faults.extend([None, portal])
        connection = await LongPollingTransport(hold=1.0).open(DialRequest(house.url), sink)
        connection.resume()
        data = {"command": "message", "identifier": "{}", "data": '{"action":"note"}'}
        connection.send(json.dumps(data).encode())
        _, _, error = await sink.end()
        assert house.performed == [{"action": "note"}]
    assert type(error) is CaptivePortal
    assert SECRET not in str(error)
    assert all(message.startswith(b'{"type"') for message in sink.messages)


@pytest.mark.looptime
@pytest.mark.parametrize("answer", PORTALS)
async def test_a_portal_may_strike_a_line_of_event_streams(answer: dict[str, Any]) -> None:
    """Where a request for more of them is answered by it, the line ends."""

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        if await request.read():
            return web.Response(**answer)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b'event: welcome\ndata: {"type":"welcome"}\n\n')
        await asyncio.sleep(3600)
        return response

    sink = Recorder()
    runner = web.ServerRunner(web.Server(serve, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        connection = await EventStreamTransport().open(dial(runner.addresses[0][1]), sink)
        connection.resume()
        connection.send(b'{"command":"subscribe","identifier":"{}"}')
        assert type((await sink.end())[2]) is CaptivePortal
    finally:
        await runner.cleanup()
    assert sink.messages == [b'{"type":"welcome"}']


async def test_no_redirect_is_followed(made: Made) -> None:
    """Not a byte goes to where it points."""
    other = Server()
    async with serving(other) as elsewhere:
        location = f"Location: http://127.0.0.1:{elsewhere}/login"
        async with serving(answering("302 Found", b"", location)) as port:
            error = await failure(made(), dial(port, headers={"X-Jid": SECRET}))
    assert error.portal == f"127.0.0.1:{elsewhere}"
    assert other.requests == []


@asynccontextmanager
async def _proxied(proxy: Script, scheme: str = "http", **options: Any) -> AsyncIterator[DialRequest]:
    async with serving(proxy) as port:
        yield dial(1, "wss", ssl=STRANGER, proxy=f"{scheme}://me:{SECRET}@127.0.0.1:{port}", **options)


@pytest.mark.parametrize(
    ("proxy", "scheme", "status", "text"),
    [
        (ConnectProxy(credentials="Basic other"), "http", 407, "does not accept the credentials"),
        (ConnectProxy(status="401 Unauthorized"), "http", 401, "does not accept the credentials"),
        (ConnectProxy(status="403 Forbidden"), "http", 403, "made no tunnel"),
        (ConnectProxy(status="405 Not here"), "http", 405, "made no tunnel"),
        (ConnectProxy(status="501 No idea"), "http", 501, "made no tunnel"),
        (_hang_up, "http", None, "no answer in HTTP"),
        (_says(b"\x05\x00"), "http", None, "no answer in HTTP"),
        (SocksProxy(user=b"me", password=b"other"), "socks5", None, "made no way"),
        (SocksProxy(user=b"me", password=SECRET.encode(), reply=5), "socks5h", None, "made no way"),
    ],
)
async def test_a_proxy_in_the_way_is_told(
    made: Made, proxy: Script, scheme: str, status: int | None, text: str
) -> None:
    """With its status, where it has one."""
    async with _proxied(proxy, scheme) as request:
        error = await failure(made(), request)
    assert type(error) is ProxyFailure
    assert (error.status, error.retryable) == (status, status not in {401, 407})
    assert text in str(error)


@pytest.mark.parametrize("scheme", ["http", "https", "socks5"])
@pytest.mark.parametrize("secure", [False, True])
async def test_a_proxy_that_is_not_there_is_told(made: Made, scheme: str, *, secure: bool) -> None:
    """As a failure of the proxy, not of the server."""
    port = unused_port()
    request = dial(1, "wss" if secure else "ws", ssl=STRANGER, proxy=f"{scheme}://127.0.0.1:{port}")
    error = await failure(made(proxy_ssl=STRANGER), request)
    assert type(error) is ProxyFailure
    assert f"127.0.0.1:{port}" in str(error)


async def test_a_proxy_that_passes_requests_on_may_ask_who_we_are() -> None:
    """Its 407 is a failure of the proxy, as where it makes tunnels."""
    async with serving(ForwardProxy(1, credentials="Basic other")) as port:
        for transport in (LongPollingTransport(), EventStreamTransport()):
            error = await failure(transport, dial(1, proxy=f"http://me:{SECRET}@127.0.0.1:{port}"))
            assert type(error) is ProxyFailure
            assert (error.status, error.retryable) == (407, False)
            assert "does not accept the credentials" in str(error)


async def test_what_is_no_proxy_is_refused(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is dialled, without its password; and SOCKS needs its extra."""
    assert type(await failure(made(), dial(1, proxy=f"gopher://me:{SECRET}@proxy.example"))) is InvalidURL
    monkeypatch.setitem(sys.modules, "python_socks", None)
    assert type(await failure(made(), dial(1, proxy=f"socks5://me:{SECRET}@proxy.example"))) is MissingExtra


async def test_a_host_that_is_not_there_is_told(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its port, or by its name; the system's own error is the cause."""
    error = await failure(made(), dial(unused_port()))
    assert type(error) is HostUnreachable
    assert isinstance(error.__cause__, OSError)

    def nothing(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nothing)
    error = await failure(made(), DialRequest(f"ws://nowhere.example/cable?jid={SECRET}", proxy=None))
    assert type(error) is HostUnreachable
    assert "host name of nowhere.example:80 was not found" in str(error)


async def test_a_line_that_is_not_secure_is_told(made: Made, ca: trustme.CA) -> None:
    """By its certificate, or because the port does not speak TLS, or only one that is too old."""
    old = server_tls(ca)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    new = client_tls(ca)
    new.minimum_version = ssl.TLSVersion.TLSv1_3
    cases: list[tuple[Script, ssl.SSLContext | None, ssl.SSLContext]] = [
        (Server(), server_tls(ca), STRANGER),
        (Server(), server_tls(ca, "other.example"), client_tls(ca)),
        (_says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), None, client_tls(ca)),
        (Server(), old, new),
    ]
    for script, server, client in cases:
        async with serving(script, tls=server) as port:
            error = await failure(made(), dial(port, "wss", ssl=client))
            assert type(error) is TLSFailure


@pytest.mark.looptime
async def test_silence_is_told_by_where_it_is(made: Made) -> None:
    """A server that says nothing is overloaded; before there is a line to it, nothing was reached."""
    async with serving(Peer.silence) as port:
        assert type(await failure(made(), dial(port, timeout=3.0))) is ServerSilent
        assert type(await failure(made(), dial(port, "wss", ssl=STRANGER, timeout=3.0))) is ConnectTimeout
        for scheme in ("http", "socks5"):
            request = dial(1, "wss", ssl=STRANGER, timeout=3.0, proxy=f"{scheme}://127.0.0.1:{port}")
            error = await failure(made(), request)
            assert type(error) is ConnectTimeout
            assert "the host was not reached within 3 s" in str(error)
