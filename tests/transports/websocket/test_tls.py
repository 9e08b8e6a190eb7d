"""Secure lines: what is wrong with one is said in words, and none is opened unverified."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from cableway.errors import ConnectError, HandshakeRefused, HostUnreachable, TLSFailure
from cableway.transports.base import DialRequest
from cableway.transports.websocket import WebSocketTransport
from cableway.transports.websocket.tls import default_context, explain_tls
from tests.transports.websocket.peers import Peer, Recorder, client_tls, dial, server_tls, serving

if TYPE_CHECKING:
    from collections.abc import Iterator


async def polite(peer: Peer) -> None:
    """Upgrade, if it comes to that."""
    try:
        await peer.upgrade()
        await peer.silence()
    except (ConnectionError, ssl.SSLError, EOFError):
        pass


async def failure(
    server: ssl.SSLContext | None, client: ssl.SSLContext | None, *, host: str = "127.0.0.1"
) -> TLSFailure:
    """Dial and return what was wrong with the line."""
    async with serving(polite, tls=server) as port:
        request = DialRequest(f"wss://{host}:{port}/cable?jid=hunter2", ssl=client, proxy=None, timeout=5)
        with pytest.raises(TLSFailure) as caught:
            await WebSocketTransport().open(request, Recorder())
    assert "hunter2" not in str(caught.value)
    return caught.value


async def test_an_expired_certificate_is_told(ca: trustme.CA) -> None:
    """It must be renewed."""
    past = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    error = await failure(server_tls(ca, not_after=past), client_tls(ca))

    assert "has expired" in str(error)


async def test_a_certificate_for_another_name_is_told(ca: trustme.CA) -> None:
    """By name and by address."""
    server = server_tls(ca, "other.example")

    assert "for another host name" in str(await failure(server, client_tls(ca), host="localhost"))
    assert "not for this IP address" in str(await failure(server, client_tls(ca)))


async def test_an_unknown_authority_is_told(ca: trustme.CA) -> None:
    """With the way to make it known; and so it is without a context, by the system's certificates."""
    for client in (client_tls(trustme.CA()), None):
        error = await failure(server_tls(ca), client)

        assert "authority" in error.what
        assert "cafile=" in error.hint


async def test_a_self_signed_certificate_is_told(tmp_path: Any) -> None:
    """An authority's own certificate, used by a server."""
    alone = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    alone.cert_pem.write_to_path(tmp_path / "self.pem")
    alone.private_key_pem.write_to_path(tmp_path / "self.pem", append=True)
    context.load_cert_chain(tmp_path / "self.pem")

    assert "self-signed" in str(await failure(context, ssl.create_default_context()))


@contextmanager
def blocking_server(context: ssl.SSLContext) -> Iterator[int]:
    """A server that tells what it does not like by an alert, as asyncio's does not."""

    def serve() -> None:
        line, _ = listener.accept()
        secure = context.wrap_socket(line, server_side=True, do_handshake_on_connect=False)
        secure.settimeout(10)
        with suppress(ssl.SSLError):
            secure.do_handshake()
        # Closed with bytes unread, the line would be reset, and the alert with it be lost.
        with socket.socket(fileno=secure.detach()) as plain:
            plain.settimeout(10)
            plain.shutdown(socket.SHUT_WR)
            while plain.recv(1000):
                pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_client_certificate_that_is_asked_for_is_told(ca: trustme.CA, version: ssl.TLSVersion) -> None:
    """With the way to give one. With TLS 1.3 it is told only after the handshake, in the place of an answer."""
    server = server_tls(ca)
    server.maximum_version = version
    server.verify_mode = ssl.CERT_REQUIRED
    ca.configure_trust(server)
    with blocking_server(server) as port, pytest.raises(TLSFailure) as caught:
        await WebSocketTransport().open(dial(port, "wss", ssl=client_tls(ca)), Recorder())

    assert "load_cert_chain" in caught.value.hint


async def test_a_client_certificate_is_sent(ca: trustme.CA, sink: Recorder) -> None:
    """When the context has one."""
    seen = []

    async def script(peer: Peer) -> None:
        seen.append(peer.writer.get_extra_info("peercert"))
        await polite(peer)

    server, client = server_tls(ca), client_tls(ca)
    server.verify_mode = ssl.CERT_REQUIRED
    ca.configure_trust(server)
    ca.issue_cert("tracker-7").configure_cert(client)
    async with serving(script, tls=server) as port:
        connection = await WebSocketTransport().open(dial(port, "wss", ssl=client), sink)
        connection.abort()

    assert ("DNS", "tracker-7") in seen[0]["subjectAltName"]


async def test_a_port_without_tls_is_told() -> None:
    """Whether it answers in HTTP or hangs up."""

    async def http(peer: Peer) -> None:
        await peer.reader.read(1)
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async def hang_up(peer: Peer) -> None:
        await peer.reader.read(1)

    for script in (http, hang_up):
        async with serving(script) as port:
            with pytest.raises(TLSFailure) as caught:
                await WebSocketTransport().open(dial(port, "wss", ssl=ssl.create_default_context()), Recorder())
        assert "ws://" in caught.value.hint


async def test_a_tls_port_dialled_without_tls_is_told(ca: trustme.CA) -> None:
    """When it just hangs up, too."""
    async with serving(polite, tls=server_tls(ca)) as port:
        with pytest.raises(ConnectError, match="wss://"):
            await WebSocketTransport().open(dial(port), Recorder())


async def test_a_secure_line_that_is_cut_hints_at_a_client_certificate(ca: trustme.CA) -> None:
    """A server that wants one may reset the line before its alert is read."""

    async def cut(peer: Peer) -> None:
        await peer.read_request()
        peer.writer.transport.abort()

    async with serving(cut, tls=server_tls(ca)) as port:
        with pytest.raises(HostUnreachable, match="client certificate"):
            await WebSocketTransport().open(dial(port, "wss", ssl=client_tls(ca)), Recorder())


@pytest.mark.parametrize(
    "body",
    [
        b"<h1>The plain HTTP request was sent to HTTPS port</h1>",
        b"Client sent an HTTP request to an HTTPS server.",
    ],
    ids=["nginx", "go"],
)
async def test_some_servers_say_so_in_words(body: bytes) -> None:
    """Their 400 names HTTPS."""

    async def script(peer: Peer) -> None:
        await peer.answer("400 Bad Request", body)

    async with serving(script) as port:
        with pytest.raises(HandshakeRefused, match="wss://"):
            await WebSocketTransport().open(dial(port), Recorder())


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_old_versions_of_tls_are_refused(ca: trustme.CA) -> None:
    """A server that speaks nothing newer is not talked to."""
    server = server_tls(ca)
    server.minimum_version = ssl.TLSVersion.TLSv1
    server.maximum_version = ssl.TLSVersion.TLSv1_1
    server.set_ciphers("ALL:@SECLEVEL=0")

    assert "TLS" in (await failure(server, client_tls(ca))).what


async def test_the_default_verifies_chain_and_name() -> None:
    """There is no option that turns it off."""
    context = await default_context()

    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_a_failure_nobody_thought_of_is_told_as_it_is() -> None:
    """With the reason of the TLS library."""
    assert "OUT_OF_LUCK" in str(explain_tls("wss://a.example", error("OUT_OF_LUCK")))
    assert "SSLError" in str(explain_tls("wss://a.example", ssl.SSLError("?")))


def error(reason: str) -> ssl.SSLError:
    """An error as the ssl module makes it."""
    made = ssl.SSLError(1, reason)
    made.reason = reason
    return made
