"""What each error means, step by step."""

from __future__ import annotations

import errno
import socket
import ssl
from typing import Any

import pytest

from cableway.cli.doctor.findings import Part, Step
from cableway.cli.doctor.symptoms import Symptom, of_network, symptom_of
from cableway.errors import (
    ConnectError,
    ConnectTimeout,
    HandshakeCut,
    HandshakeRefused,
    HostUnreachable,
    LineClosed,
    MissingExtra,
    NotAWebSocket,
    NotOffered,
    ProxyFailure,
    ServerDisconnect,
    ServerSilent,
    TLSFailure,
    Unauthorized,
    UnsupportedProtocol,
    UsageError,
)
from cableway.errors.tokens import TokenUnavailable

URL = "wss://example.com/cable"


def caused(error: BaseException, cause: BaseException) -> BaseException:
    """Give *error* a cause."""
    error.__cause__ = cause
    return error


def unverified(code: int) -> TLSFailure:
    """A certificate that OpenSSL did not accept."""
    cause = ssl.SSLCertVerificationError(1, "no")
    cause.verify_code = code
    return caused(TLSFailure(URL, "no"), cause)  # type: ignore[return-value]


def unsafe(reason: str) -> BaseException:
    """A handshake that OpenSSL gave up."""
    cause = ssl.SSLError(1, "no")
    cause.reason = reason
    return caused(TLSFailure(URL, "no"), cause)


def answered(status: int, body: bytes = b"") -> HandshakeRefused:
    """An HTTP status of refusal."""
    return HandshakeRefused(URL, status, {}, body)


def unreached(number: int) -> BaseException:
    """A host that the system could not reach, wrapped as httpx2 wraps it."""
    error = HostUnreachable(URL, "no")
    error.__context__ = caused(RuntimeError(), OSError(number, "no"))
    return error


TABLE: list[tuple[Step, BaseException, Symptom]] = [
    (Step.TOKEN, TokenUnavailable("the file", "not there"), Symptom.NO_TOKEN),
    (Step.TOKEN, Unauthorized("signed out"), Symptom.NO_TOKEN),
    (Step.PROXY, UsageError("no proxy"), Symptom.PROXY_UNUSABLE),
    (Step.TUNNEL, MissingExtra("SOCKS", "socks"), Symptom.PROXY_UNUSABLE),
    (Step.TUNNEL, ProxyFailure(URL, "no", status=407), Symptom.PROXY_ASKS_LOGIN),
    (Step.TUNNEL, ProxyFailure(URL, "no", status=401), Symptom.PROXY_ASKS_LOGIN),
    (Step.TUNNEL, ProxyFailure(URL, "no", status=403), Symptom.PROXY_FORBIDS),
    (Step.TUNNEL, ProxyFailure(URL, "no", status=405), Symptom.PROXY_FORBIDS),
    (Step.TUNNEL, ProxyFailure(URL, "no", status=502), Symptom.PROXY_LOST),
    (Step.TUNNEL, ProxyFailure(URL, "no"), Symptom.PROXY_UNREACHED),
    (Step.TUNNEL, ConnectTimeout(URL, 1, "late"), Symptom.PROXY_UNREACHED),
    (Step.NAME, ConnectTimeout(URL, 1, "late"), Symptom.NAME_UNANSWERED),
    (Step.NAME, caused(HostUnreachable(URL, "no"), socket.gaierror(socket.EAI_NONAME, "no")), Symptom.NAME_UNKNOWN),
    (Step.NAME, caused(HostUnreachable(URL, "no"), socket.gaierror(socket.EAI_AGAIN, "no")), Symptom.NAME_UNANSWERED),
    (Step.TCP, caused(HostUnreachable(URL, "no"), ConnectionRefusedError(errno.ECONNREFUSED, "no")), Symptom.REFUSED),
    (Step.TCP, unreached(errno.ENETUNREACH), Symptom.NO_ROUTE),
    (Step.TCP, unreached(errno.EHOSTUNREACH), Symptom.NO_ROUTE),
    (Step.TCP, unreached(errno.ETIMEDOUT), Symptom.NO_ANSWER),
    (Step.TCP, unreached(errno.EMFILE), Symptom.OTHER),
    (Step.TCP, ConnectTimeout(URL, 1, "late"), Symptom.NO_ANSWER),
    (Step.OPEN, unreached(errno.ECONNREFUSED), Symptom.REFUSED),
    (Step.OPEN, HostUnreachable(URL, "cut"), Symptom.CUT),
    (Step.TLS, unverified(9), Symptom.NOT_YET_VALID),
    (Step.TLS, unverified(10), Symptom.EXPIRED),
    (Step.TLS, unverified(18), Symptom.UNKNOWN_AUTHORITY),
    (Step.TLS, unverified(19), Symptom.UNKNOWN_AUTHORITY),
    (Step.TLS, unverified(20), Symptom.UNKNOWN_AUTHORITY),
    (Step.TLS, unverified(62), Symptom.OTHER_HOST),
    (Step.TLS, unverified(64), Symptom.OTHER_HOST),
    (Step.TLS, unverified(26), Symptom.BAD_CERTIFICATE),
    (Step.TLS, unsafe("WRONG_VERSION_NUMBER"), Symptom.NOT_TLS),
    (Step.TLS, unsafe("TLSV13_ALERT_CERTIFICATE_REQUIRED"), Symptom.WANTS_CERTIFICATE),
    (Step.TLS, unsafe("UNSUPPORTED_PROTOCOL"), Symptom.OLD_TLS),
    (Step.TLS, unsafe("anything"), Symptom.TLS_CUT),
    (Step.TLS, TLSFailure(URL, "cut"), Symptom.TLS_CUT),
    (Step.TLS, ConnectTimeout(URL, 1, "late"), Symptom.TLS_SILENT),
    (Step.UPGRADE, answered(302), Symptom.REDIRECT),
    (Step.UPGRADE, answered(400), Symptom.UPGRADE_DROPPED),
    (Step.UPGRADE, answered(400, b"sent to HTTPS port"), Symptom.NOT_HTTP),
    (Step.UPGRADE, answered(401), Symptom.NOT_AUTHENTICATED),
    (Step.UPGRADE, answered(403), Symptom.FORBIDDEN),
    (Step.UPGRADE, answered(404), Symptom.NOT_FOUND),
    (Step.UPGRADE, answered(404, b"Page not found\n"), Symptom.ORIGIN_OR_UPGRADE),
    (Step.UPGRADE, answered(405), Symptom.UPGRADE_DROPPED),
    (Step.UPGRADE, answered(418), Symptom.OTHER_STATUS),
    (Step.UPGRADE, answered(426), Symptom.UPGRADE_DROPPED),
    (Step.UPGRADE, answered(429), Symptom.TOO_MANY),
    (Step.UPGRADE, answered(500), Symptom.SERVER_FAILED),
    (Step.UPGRADE, answered(502), Symptom.NO_BACKEND),
    (Step.UPGRADE, answered(503), Symptom.UNAVAILABLE),
    (Step.UPGRADE, answered(504), Symptom.NO_BACKEND),
    (Step.UPGRADE, answered(511), Symptom.LOGIN),
    (Step.UPGRADE, NotAWebSocket(URL, "a page", status=200), Symptom.SOMETHING_ELSE),
    (Step.UPGRADE, NotAWebSocket(URL, "elsewhere", status=302), Symptom.REDIRECT),
    (Step.UPGRADE, NotAWebSocket(URL, "log in", status=511), Symptom.LOGIN),
    (Step.UPGRADE, NotAWebSocket(URL, "spoilt", status=101), Symptom.UPGRADE_SPOILED),
    (Step.UPGRADE, NotAWebSocket(URL, "no HTTP"), Symptom.NOT_HTTP),
    (Step.UPGRADE, HandshakeCut(URL, "cut"), Symptom.UPGRADE_CUT),
    (Step.UPGRADE, ServerSilent(URL, 1, "silent"), Symptom.UPGRADE_SWALLOWED),
    (Step.UPGRADE, UnsupportedProtocol(URL, "chat", ()), Symptom.NO_COMMON_PROTOCOL),
    (Step.UPGRADE, ConnectError(URL, "anything"), Symptom.OTHER),
    (Step.OPEN, NotOffered(URL, 404, {}), Symptom.NOT_OFFERED),
    (Step.OPEN, answered(418), Symptom.OTHER_STATUS),
    (Step.OPEN, HandshakeCut(URL, "cut"), Symptom.CUT),
    (Step.OPEN, answered(403), Symptom.FORBIDDEN),
    (Step.OPEN, NotAWebSocket(URL, "a page", status=200), Symptom.SOMETHING_ELSE),
    (Step.OPEN, ServerSilent(URL, 1, "silent"), Symptom.REQUEST_SILENT),
    (Step.OPEN, Unauthorized("unauthorized"), Symptom.REJECTED),
    (Step.WELCOME, Unauthorized("unauthorized"), Symptom.REJECTED),
    (Step.WELCOME, ServerDisconnect("server_restart"), Symptom.SENT_AWAY),
    (Step.WELCOME, LineClosed(1011), Symptom.TOKEN_WITHOUT_NAME),
    (Step.WELCOME, LineClosed(None), Symptom.LINE_LOST),
    (Step.WELCOME, ServerSilent(URL, 1, "silent"), Symptom.NO_WELCOME),
    (Step.PING, LineClosed(1006), Symptom.LINE_LOST),
    (Step.POLL, LineClosed(None, error=answered(401)), Symptom.SESSION_GONE),
    (Step.POLL, ServerDisconnect("session_expired"), Symptom.SESSION_GONE),
    (Step.POLL, LineClosed(None, error=answered(502)), Symptom.NO_BACKEND),
    (Step.POLL, LineClosed(None), Symptom.POLL_LOST),
    (Step.HOLD, LineClosed(None), Symptom.POLL_LOST),
    (Step.HOLD, LineClosed(None, error=answered(504)), Symptom.POLL_LOST),
    (Step.HOLD, LineClosed(None, error=answered(503)), Symptom.UNAVAILABLE),
    (Step.POLL, ServerSilent(URL, 1, "silent"), Symptom.POLL_LOST),
]


def _name(value: Any) -> str:
    return value.value if isinstance(value, Step | Symptom) else type(value).__name__


@pytest.mark.parametrize(("step", "error", "symptom"), TABLE, ids=_name)
def test_an_error_is_told_by_its_symptom(step: Step, error: BaseException, symptom: Symptom) -> None:
    """The same error may mean another thing at another step."""
    assert symptom_of(error, step) is symptom


def test_an_event_stream_without_a_welcome_is_held_back() -> None:
    """Its answer has begun, so a server is there: something gathers what it says."""
    silent = ServerSilent(URL, 1, "silent")

    assert symptom_of(silent, Step.WELCOME, Part.EVENTS) is Symptom.STREAM_HELD_BACK
    assert symptom_of(silent, Step.WELCOME, Part.WEBSOCKET) is Symptom.NO_WELCOME


def test_a_connection_that_takes_too_long_has_no_answer() -> None:
    """Whoever set the limit."""
    assert of_network(TimeoutError()) is Symptom.NO_ANSWER
