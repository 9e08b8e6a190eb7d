"""What each failure means for the line."""

from __future__ import annotations

import pytest

from cableway.errors import (
    CableError,
    ConnectTimeout,
    HandshakeRefused,
    HostUnreachable,
    InvalidHeader,
    InvalidURL,
    LineClosed,
    LineStale,
    MalformedFrame,
    NotAWebSocket,
    ProxyFailure,
    ServerDisconnect,
    SourceFailed,
    TLSFailure,
    Unauthorized,
    UnsupportedProtocol,
)
from cableway.policies.classify import Verdict, as_refusal, classify

URL = "wss://example.com/cable?token=secret"
RETRY, DOUBT, STOP = Verdict.RETRY, Verdict.DOUBT, Verdict.STOP


def refused(status: int) -> HandshakeRefused:
    """Refuse the upgrade."""
    return HandshakeRefused(URL, status, {"Set-Cookie": "sid=secret"})


CASES: list[tuple[CableError, Verdict]] = [
    (HostUnreachable(URL, "no such host"), RETRY),
    (TLSFailure(URL, "certificate has expired"), RETRY),
    (ConnectTimeout(URL, 10, "no answer"), RETRY),
    (SourceFailed(URL, "headers", RuntimeError("x")), RETRY),
    (ProxyFailure(URL, "bad gateway", status=502), RETRY),
    (ProxyFailure(URL, "credentials wanted", status=407), STOP),
    (UnsupportedProtocol(URL, "actioncable-unsupported", ["actioncable-v1-json"]), STOP),
    *[(refused(status), RETRY) for status in (301, 408, 409, 425, 429, 500, 502, 503, 504)],
    *[(refused(status), DOUBT) for status in (400, 404, 405, 410, 426)],
    *[(refused(status), STOP) for status in (401, 403)],
    (NotAWebSocket(URL, "a page of HTML", status=200), RETRY),
    (NotAWebSocket(URL, "junk"), RETRY),
    (LineClosed(1006), RETRY),
    (LineClosed(1000, "bye"), RETRY),
    (LineStale(9), RETRY),
    (MalformedFrame("not JSON"), RETRY),
    (ServerDisconnect("server_restart"), RETRY),
    (ServerDisconnect(None), RETRY),
    (ServerDisconnect("remote", reconnect=False), STOP),
    (ServerDisconnect("idle_timeout", reconnect=False), RETRY),
    (Unauthorized("unauthorized"), STOP),
    (Unauthorized("token_expired", reconnect=True), RETRY),
    (InvalidURL("ftp://x", "wrong scheme"), STOP),
    (InvalidHeader("a line break"), STOP),
]


@pytest.mark.parametrize(
    ("error", "verdict"), CASES, ids=[f"{type(error).__name__}-{n}" for n, (error, _) in enumerate(CASES)]
)
def test_verdicts(error: CableError, verdict: Verdict) -> None:
    """Come back, come back a few times, or stop."""
    assert classify(error) is verdict


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_of_our_credentials_is_called_so(status: int) -> None:
    """It says where, keeps its cause, and shows no secret."""
    cause = refused(status)
    error = as_refusal(cause)
    assert isinstance(error, Unauthorized)
    assert error.status == status
    assert error.__cause__ is cause
    assert not error.retryable
    assert str(error) == (
        f"the server does not accept our credentials: HTTP {status} on the upgrade at "
        "wss://example.com/cable?token=*** and asks not to come back. "
        "Check the token, the cookies and the allowed origins"
    )


def test_a_hint_of_the_transport_is_kept() -> None:
    """Who saw the answer knows best what to try."""
    error = as_refusal(HandshakeRefused(URL, 403, {}, hint="The Origin is not allowed"))
    assert str(error).endswith(". The Origin is not allowed")


@pytest.mark.parametrize("error", [refused(404), LineClosed(1006), Unauthorized("unauthorized")])
def test_other_errors_stay_what_they_are(error: CableError) -> None:
    """Nothing else is a refusal."""
    assert as_refusal(error) is error
