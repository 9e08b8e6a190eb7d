"""What each kind of answer that is no upgrade becomes, in words."""

from __future__ import annotations

import asyncio
import errno
import socket

import pytest

from cableway.errors import (
    HandshakeCut,
    HandshakeRefused,
    HostUnreachable,
    NotAWebSocket,
    TLSFailure,
    UnsupportedProtocol,
)
from cableway.transports.websocket.failures import explain_network
from tests.transports.websocket.peers import Peer, answering, refused


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        ("400 Bad Request", "Upgrade header"),
        ("401 Unauthorized", "credentials"),
        ("403 Forbidden", "allowed_origins"),
        ("404 Not Found", "/cable"),
        ("426 Upgrade Required", "Upgrade header"),
        ("429 Too Many Requests", "Retry-After"),
        ("502 Bad Gateway", "running"),
        ("503 Service Unavailable", "Retry-After"),
        ("504 Gateway Timeout", "running"),
    ],
)
async def test_a_refusal_keeps_status_headers_and_body(status: str, hint: str) -> None:
    """And says what to try."""
    error = await refused(answering(status, b"sorry", "Retry-After: 7"), HandshakeRefused)

    assert error.status == int(status[:3])
    assert error.headers["retry-after"] == "7"
    assert error.body == b"sorry"
    assert hint in error.hint
    assert error.url.startswith("ws://127.0.0.1")


@pytest.mark.parametrize(("origin", "told"), [(None, "without an Origin"), ("http://evil.com", "'http://evil.com'")])
async def test_the_404_of_rails_for_an_origin_is_explained(origin: str | None, told: str) -> None:
    """Rails answers "Page not found" to an Origin it does not accept, and to none."""
    script = answering("404 Not Found", b"Page not found", "Content-Type: text/plain; charset=utf-8")
    error = await refused(script, HandshakeRefused, origin=origin)

    assert told in error.hint
    assert "allowed_request_origins" in error.hint


async def test_another_404_is_taken_for_a_wrong_path() -> None:
    """A page of Rails or of nginx says that nothing is mounted there."""
    error = await refused(answering("404 Not Found", b"<h1>Not Found</h1>"), HandshakeRefused, origin="http://a.com")

    assert "path" in error.hint
    assert "Origin" not in error.hint


@pytest.mark.parametrize("location", ["/login?token=hunter2", "http://[broken/hunter2"])
async def test_redirects_are_not_followed(location: str) -> None:
    """Nothing of the target is shown."""
    error = await refused(answering("302 Found", b"", f"Location: {location}"), HandshakeRefused)

    assert error.status == 302
    assert "another path" in error.hint
    assert "hunter2" not in str(error)


async def test_an_ordinary_answer_instead_of_an_upgrade_is_no_websocket() -> None:
    """Whoever gave it."""
    error = await refused(answering("200 OK", b"{}", "Content-Type: application/json"), NotAWebSocket)

    assert error.status == 200
    assert "an ordinary answer" in str(error)


async def test_an_old_proxy_may_answer_in_http_1_0() -> None:
    """The status counts, and a body without a length ends with the line."""

    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(b"HTTP/1.0 502 Bad Gateway\r\n\r\nno backend")

    error = await refused(script, HandshakeRefused)

    assert (error.status, error.body) == (502, b"no backend")


async def test_a_chunked_body_is_put_together_and_a_long_one_cut() -> None:
    """Some kilobytes of it are kept."""

    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(b"HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(100):
            await peer.send(b"64\r\n" + b"x" * 100 + b"\r\n")
        await peer.silence()

    error = await refused(script, HandshakeRefused)

    assert 3000 < len(error.body) <= 4096
    assert set(error.body) == {ord("x")}


@pytest.mark.looptime
async def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    """The status is enough."""

    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(b"HTTP/1.1 503 Busy\r\nContent-Length: 100\r\n\r\nstart")
        await peer.silence()

    started = asyncio.get_running_loop().time()
    error = await refused(script, HandshakeRefused)

    assert error.body == b"start"
    assert asyncio.get_running_loop().time() - started < 1.5


@pytest.mark.parametrize(
    ("junk", "told"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH-2.0-OpenSSH"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "wss://"),
        (b"HTTP/1.1 what\r\n\r\n", "not HTTP"),
        (b"\x00\x1b[31mred\r\n\r\n", "[31mred"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000, "not HTTP"),
    ],
    ids=["ssh", "tls-alert", "no-status", "control-characters", "endless-head"],
)
async def test_what_is_not_http_is_no_websocket(junk: bytes, told: str) -> None:
    """The text shows how it starts, on one line and without control characters."""

    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(junk)
        await peer.silence()

    error = await refused(script, NotAWebSocket)

    assert told in str(error)
    assert str(error).isprintable()


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (("Accept: ", "Accept: x"), "Sec-WebSocket-Accept"),
        (("Upgrade: websocket", "Upgrade: h2c"), "Upgrade"),
        (("Connection: Upgrade", "Connection: close"), "Connection"),
        (("\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"), "extension"),
    ],
)
async def test_a_101_that_is_no_upgrade_is_no_websocket(spoil: tuple[str, str], told: str) -> None:
    """The answer must fit the question (RFC 6455 section 4.1)."""

    async def script(peer: Peer) -> None:
        await peer.upgrade(spoil=spoil)
        await peer.silence()

    error = await refused(script, NotAWebSocket)

    assert told in str(error)
    assert error.status == 101


@pytest.mark.parametrize(("selected", "offered"), [("other", ["a", "b"]), ("a, b", ["a", "b"]), ("other", [])])
async def test_a_subprotocol_that_was_not_offered_is_refused(selected: str, offered: list[str]) -> None:
    """The error names both sides."""

    async def script(peer: Peer) -> None:
        await peer.upgrade(f"Sec-WebSocket-Protocol: {selected}")
        await peer.silence()

    error = await refused(script, UnsupportedProtocol, subprotocols=offered)

    assert error.selected == selected
    assert error.offered == tuple(offered)
    assert not error.retryable


async def test_a_server_that_hangs_up_without_an_answer_was_not_reached() -> None:
    """By FIN or by RST, before or in the middle of the head."""

    async def hang_up(peer: Peer) -> None:
        await peer.read_request()

    async def half(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(b"HTTP/1.1 10")

    async def reset(peer: Peer) -> None:
        await peer.read_request()
        peer.reset()

    assert "cut before the upgrade" in str(await refused(hang_up, HandshakeCut))
    assert "cut before the upgrade" in str(await refused(reset, HandshakeCut))
    assert "cut before the upgrade" in str(await refused(half, HandshakeCut))


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "no"), "refused the connection"),
        (OSError(errno.ENETUNREACH, "no"), "no network leads there"),
        (OSError(errno.EHOSTUNREACH, "no"), "no route leads there"),
        (TimeoutError(errno.ETIMEDOUT, "no"), "did not answer"),
        (ConnectionResetError(errno.ECONNRESET, "no"), "cut the connection"),
        (OSError(errno.EMFILE, "no"), "too many files open"),
        (OSError(9999, "something new"), "something new"),
        (socket.gaierror(socket.EAI_NONAME, "no"), "was not found"),
        (socket.gaierror(socket.EAI_AGAIN, "no"), "was not found"),
    ],
)
def test_errors_of_the_network_are_told_in_words(error: OSError, told: str) -> None:
    """With the host, and without the secrets of the address."""
    explained = explain_network("ws://a.example/?jid=hunter2", error, at="a.example:80", secure=False)

    assert type(explained) is HostUnreachable
    assert told in str(explained)
    assert "a.example:80" in str(explained)
    assert "hunter2" not in str(explained)


@pytest.mark.parametrize("error", [ConnectionResetError(), ConnectionAbortedError()])
def test_a_secure_line_that_is_cut_is_a_matter_of_tls(error: OSError) -> None:
    """It is cut while the secure line is being made."""
    assert type(explain_network("wss://a.example", error, at="a.example:443", secure=True)) is TLSFailure
