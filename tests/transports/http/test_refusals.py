"""What an answer means that opens no line, or that ends one."""

from __future__ import annotations

import ssl
from typing import Any

import httpx2
import pytest

from cableway import (
    ConnectTimeout,
    HandshakeCut,
    HandshakeRefused,
    HostUnreachable,
    NotAWebSocket,
    ProxyFailure,
    ServerDisconnect,
    ServerSilent,
    TLSFailure,
    Unauthorized,
)
from cableway.transports.http.refusals import farewell, no_session, refused, unreached

URL = "https://user:s3cr3t@example.com/lp?jid=s3cr3t"


def test_a_refusal_tells_what_was_refused() -> None:
    """And what to try, where that is known; not a secret of the address."""
    error = refused(URL, 404, {}, step="the request")
    assert isinstance(error, HandshakeRefused)
    assert "the server refused the request with HTTP 404. AnyCable Pro takes polls" in str(error)
    assert "s3cr3t" not in str(error)
    assert "a poll with HTTP 418" in str(refused(URL, 418, {}, step="a poll"))
    assert "Redirects are not followed" in refused(URL, 302, {}, step="a poll").hint


def test_an_answer_without_a_session_is_somebody_else_s() -> None:
    """A login page, say."""
    error = no_session(URL, 200)
    assert isinstance(error, NotAWebSocket)
    assert "HTTP 200" in str(error)
    assert "login page" in error.hint


def test_a_server_that_says_why_is_believed() -> None:
    """A token that has expired is one thing, and being sent away another."""
    expired = farewell([b"junk", b'{"type":"disconnect","reason":"token_expired","reconnect":false}'], 401)
    assert isinstance(expired, Unauthorized)
    assert (expired.reason, expired.reconnect, expired.status) == ("token_expired", False, 401)
    restart = farewell([b"null", b'{"type":"disconnect","reason":"server_restart","reconnect":true}'], 401)
    assert type(restart) is ServerDisconnect
    assert (restart.reason, restart.reconnect) == ("server_restart", True)


@pytest.mark.parametrize("lines", [[], [b'{"error":"unauthorized"}'], [b"<html>"], [b'{"type":"ping","message":1}']])
def test_a_server_that_does_not_say_leaves_the_status(lines: list[bytes]) -> None:
    """Whatever else stands in the body."""
    assert farewell(lines, 401) is None


def chained(error: Exception, cause: BaseException) -> Exception:
    """Hang *cause* under *error*, below one more, as libraries do."""
    between = RuntimeError("between")
    between.__cause__ = cause
    error.__cause__ = between
    return error


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (httpx2.ConnectTimeout(""), ConnectTimeout, "the host was not reached within 7 s"),
        (httpx2.ReadTimeout(""), ServerSilent, "the request was not answered within 7 s"),
        (httpx2.ProxyError("407 Proxy Authentication Required"), ProxyFailure, "asks for credentials"),
        (httpx2.RemoteProtocolError("x"), HandshakeCut, "cut before the request was answered"),
        (None, HandshakeCut, "cut before the request was answered"),
        (chained(httpx2.ConnectError(""), ConnectionRefusedError(111, "")), HostUnreachable, "refused the connection"),
        (chained(httpx2.ConnectError(""), ssl.SSLError(1, "x")), TLSFailure, "TLS handshake failed"),
        (httpx2.ConnectError("no way"), HostUnreachable, "cannot be reached: no way"),
    ],
)
def test_each_failure_has_its_error(error: Any, kind: type[Exception], text: str) -> None:
    """That of the WebSocket for the same thing; no secret of the address is in it."""
    found = unreached(URL, error, timeout=7.0)
    assert type(found) is kind
    assert text in str(found)
    assert "s3cr3t" not in str(found)


def test_a_proxy_that_wants_credentials_is_not_asked_again() -> None:
    """As with a WebSocket."""
    error = unreached(URL, httpx2.ProxyError("407 Proxy Authentication Required"), timeout=7.0)
    assert not error.retryable
    assert unreached(URL, httpx2.ProxyError("no idea"), timeout=7.0).retryable
