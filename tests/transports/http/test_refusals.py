"""What an answer means that opens no line, or that ends one."""

from __future__ import annotations

import ssl

import httpcore2
import pytest

from cableway import (
    HandshakeCut,
    HandshakeRefused,
    NotAWebSocket,
    ProxyFailure,
    ServerDisconnect,
    ServerSilent,
    TLSFailure,
    Unauthorized,
)
from cableway.transports.http.posting import Broken, Unsent
from cableway.transports.http.refusals import farewell, no_session, no_stream, refused, unreached
from cableway.transports.websocket.proxy import parse_proxy

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
    """And so is one that is no event stream."""
    for error in (no_session(URL, 200), no_stream(URL, 200)):
        assert isinstance(error, NotAWebSocket)
        assert "HTTP 200" in str(error)
        assert "A proxy on the way" in error.hint


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


def broken(cause: Exception | None, received: bytes = b"") -> Broken:
    """Make what ends a request that was sent."""
    failure = Broken()
    failure.__cause__, failure.received = cause, received
    return failure


@pytest.mark.parametrize(
    ("failure", "kind", "text"),
    [
        (broken(httpcore2.ReadTimeout("")), ServerSilent, "the request was not answered within 7 s"),
        (broken(httpcore2.RemoteProtocolError("x")), HandshakeCut, "cut before the request was answered"),
        (broken(httpcore2.RemoteProtocolError("x"), b"HTTP/1.1 20"), HandshakeCut, "cut before the request"),
        (broken(httpcore2.RemoteProtocolError("x"), b"SSH-2.0-x"), NotAWebSocket, "it starts with 'SSH-2.0-x'"),
        (broken(None), HandshakeCut, "cut before the request was answered"),
        (broken(chained(httpcore2.ReadError(""), ssl.SSLError(1, "x"))), TLSFailure, "TLS handshake failed"),
    ],
)
def test_each_failure_has_its_error(failure: Broken, kind: type[Exception], text: str) -> None:
    """That of the WebSocket for the same thing; no secret of the address is in it."""
    found = unreached(URL, failure, timeout=7.0)
    assert type(found) is kind
    assert text in str(found)
    assert "s3cr3t" not in str(found)
    assert found.__cause__ is failure.__cause__


def test_what_was_told_on_the_way_is_kept() -> None:
    """It is an error of ours already, with a cause of its own."""
    failure, told = Unsent(), ProxyFailure(URL, "no way")
    failure.__cause__, told.__cause__ = told, OSError()
    assert unreached(URL, failure, timeout=7.0) is told
    assert isinstance(told.__cause__, OSError)


def test_a_proxy_that_passes_requests_on_answers_for_itself() -> None:
    """Where it asks who we are; without one, the server does, and all else may be the server's."""
    proxy = parse_proxy("http://proxy:3128")
    error = refused(URL, 407, {}, step="a poll", proxy=proxy)
    assert isinstance(error, ProxyFailure)
    assert not error.retryable
    assert isinstance(refused(URL, 407, {}, step="a poll"), HandshakeRefused)
    forbidden = refused(URL, 403, {}, step="a poll", proxy=proxy)
    assert isinstance(forbidden, HandshakeRefused)
    assert "The proxy proxy:3128 may have answered itself" in forbidden.hint


@pytest.mark.parametrize(
    "headers", [{"x-squid-error": "ERR_ACCESS_DENIED 0"}, {"proxy-status": "cache; error = destination_unavailable"}]
)
def test_a_proxy_that_says_so_has_not_passed_the_request_on(headers: dict[str, str]) -> None:
    """Whatever the status: the server has not refused us. What another says of proxies of its own is the server's."""
    proxy = parse_proxy("http://proxy:3128")
    for status in (403, 503):
        error = refused(URL, status, headers, step="a poll", proxy=proxy)
        assert isinstance(error, ProxyFailure)
        assert (error.status, error.headers) == (status, headers)
        assert error.retryable
        assert isinstance(refused(URL, status, headers, step="a poll"), HandshakeRefused)
    passed = refused(URL, 403, {"proxy-status": "cache; received-status=403"}, step="a poll", proxy=proxy)
    assert isinstance(passed, HandshakeRefused)
