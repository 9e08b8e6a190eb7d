"""What each failure means for the line."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cableway.errors import (
    CableError,
    CaptivePortal,
    ConnectTimeout,
    HandshakeRefused,
    HostUnreachable,
    InvalidHeader,
    InvalidURL,
    LineClosed,
    LineStale,
    MalformedFrame,
    NotAWebSocket,
    PinMismatch,
    ProxyFailure,
    ServerDisconnect,
    ServerSilent,
    SourceFailed,
    TLSFailure,
    Unauthorized,
    UnsupportedProtocol,
)
from cableway.policies.classify import LONGEST_HINT, Cause, Diagnosis, Verdict, as_refusal, classify, retry_after

URL = "wss://example.com/cable?token=secret"
NOW, LATER, RENEW, ELSEWHERE, STOP = Verdict.NOW, Verdict.LATER, Verdict.RENEW, Verdict.ELSEWHERE, Verdict.STOP
NETWORK, RESTART, OVERLOAD, POLICY, AUTH = Cause.NETWORK, Cause.RESTART, Cause.OVERLOAD, Cause.POLICY, Cause.AUTH
PROTOCOL, USAGE, CAPTIVE = Cause.PROTOCOL, Cause.USAGE, Cause.CAPTIVE


def refused(status: int, **headers: str) -> HandshakeRefused:
    """Refuse the upgrade."""
    return HandshakeRefused(URL, status, {"Set-Cookie": "sid=secret", **headers})


def away(reason: str | None) -> ServerDisconnect:
    """Disconnect, and ask not to come back."""
    return ServerDisconnect(reason, reconnect=False)


CASES: list[tuple[BaseException, Cause, Verdict]] = [
    # No line could be had.
    (HostUnreachable(URL, "no such host"), NETWORK, LATER),
    (TLSFailure(URL, "certificate has expired"), Cause.TLS, LATER),
    (ConnectTimeout(URL, 10, "no answer"), NETWORK, LATER),
    (ServerSilent(URL, 10, "no welcome"), OVERLOAD, LATER),
    (SourceFailed(URL, "headers", RuntimeError("x")), USAGE, LATER),
    (ProxyFailure(URL, "bad gateway", status=502), NETWORK, LATER),
    (ProxyFailure(URL, "too much to do", status=503), OVERLOAD, LATER),
    (ProxyFailure(URL, "forbidden", status=403), NETWORK, LATER),
    (ProxyFailure(URL, "no answer"), NETWORK, LATER),
    (UnsupportedProtocol(URL, "actioncable-unsupported", ["actioncable-v1-json"]), USAGE, STOP),
    (NotAWebSocket(URL, "a page of HTML", status=200), CAPTIVE, LATER),
    (NotAWebSocket(URL, "junk"), CAPTIVE, LATER),
    (CaptivePortal(URL, "a page", status=200), CAPTIVE, LATER),
    (LineClosed(None, "", CaptivePortal(URL, "a page", status=200)), CAPTIVE, LATER),
    (PinMismatch(URL, "another key"), Cause.TLS, LATER),
    (InvalidURL("ftp://x", "wrong scheme"), USAGE, STOP),
    (InvalidHeader("a line break"), USAGE, STOP),
    (OSError("no route"), NETWORK, LATER),
    # The server answered the upgrade.
    *[(refused(status), CAPTIVE, LATER) for status in (300, 301, 302, 307, 308, 399)],
    *[(refused(status), NETWORK, LATER) for status in (200, 402, 408, 409, 418, 425, 500, 502, 599)],
    *[(refused(status), OVERLOAD, LATER) for status in (429, 503, 504)],
    *[(refused(status), USAGE, ELSEWHERE) for status in (400, 404, 405, 410, 426)],
    # The line broke.
    *[(LineClosed(code), NETWORK, NOW) for code in (None, 1006)],
    *[(LineClosed(code), RESTART, NOW) for code in (1001, 1012)],
    *[(LineClosed(code), PROTOCOL, LATER) for code in (1002, 1003, 1007)],
    *[(LineClosed(code), NETWORK, LATER) for code in (1000, 1005, 1011, 1014, 3000, 4002, 4999)],
    (LineClosed(1008), POLICY, LATER),
    (LineClosed(1009), Cause.SIZE, LATER),
    (LineClosed(1013), OVERLOAD, LATER),
    (LineStale(9), NETWORK, NOW),
    # A request was refused on a line that is made of many.
    *[(LineClosed(None, "", refused(status)), OVERLOAD, LATER) for status in (429, 503, 504)],
    *[(LineClosed(None, "", refused(status)), NETWORK, LATER) for status in (302, 400, 403, 404, 413, 500, 502)],
    (LineClosed(None, "", refused(401)), NETWORK, NOW),
    (LineClosed(None, "", OSError("gone")), NETWORK, NOW),
    (MalformedFrame("not JSON"), PROTOCOL, LATER),
    # The server said so.
    (ServerDisconnect("server_restart"), RESTART, NOW),
    (ServerDisconnect("no_pong"), NETWORK, NOW),
    (ServerDisconnect("session_expired"), NETWORK, NOW),
    (ServerDisconnect("too_slow"), OVERLOAD, LATER),
    (ServerDisconnect("idle_timeout"), OVERLOAD, LATER),
    (ServerDisconnect("remote"), POLICY, LATER),
    (ServerDisconnect("anything else"), POLICY, LATER),
    (ServerDisconnect(None), POLICY, LATER),
    (away("idle_timeout"), OVERLOAD, LATER),
    (away("session_expired"), NETWORK, NOW),
    (away("remote"), POLICY, STOP),
    (away("server_restart"), RESTART, STOP),
    (away(None), POLICY, STOP),
    (Unauthorized("unauthorized", reconnect=True), POLICY, LATER),
]


def ids(cases: list[Any]) -> list[str]:
    """Name each case by its error and its number."""
    return [f"{type(case[0]).__name__}-{number}" for number, case in enumerate(cases)]


@pytest.mark.parametrize(("error", "cause", "verdict"), CASES, ids=ids(CASES))
@pytest.mark.parametrize("renewable", [False, True])
def test_verdicts(error: BaseException, cause: Cause, verdict: Verdict, *, renewable: bool) -> None:
    """Where it comes from and what to do about it; other credentials do not matter to these."""
    assert classify(error, renewable=renewable) == Diagnosis(cause, verdict)


CREDENTIALS: list[tuple[CableError, Verdict, Verdict]] = [
    (refused(401), RENEW, STOP),
    (refused(403), RENEW, STOP),
    (as_refusal(refused(401)), RENEW, STOP),
    (Unauthorized("unauthorized"), RENEW, STOP),
    (Unauthorized("token_expired"), RENEW, STOP),
    # The server invites us: perhaps what it looks at, a cookie say, is another one by then.
    (Unauthorized("token_expired", reconnect=True), RENEW, LATER),
    (refused(407), STOP, STOP),
]


@pytest.mark.parametrize(("error", "renewable", "fixed"), CREDENTIALS, ids=ids(CREDENTIALS))
def test_a_refusal_of_our_credentials_is_final_unless_there_are_others(
    error: CableError, renewable: Verdict, fixed: Verdict
) -> None:
    """A token that can be renewed is; otherwise dialling again would only be refused again."""
    assert classify(error, renewable=True) == Diagnosis(AUTH, renewable)
    assert classify(error) == Diagnosis(AUTH, fixed)


def test_a_proxy_that_wants_credentials_is_not_asked_again() -> None:
    """Renewing the token of the server behind it would not help."""
    assert classify(ProxyFailure(URL, "credentials wanted", status=407), renewable=True).verdict is STOP


# When to come back -------------------------------------------------------------------------------------------------

DATE = "Wed, 21 Oct 2015 07:28:00 GMT"
UNIX = 1445412480.0
"""The same, in Unix time."""


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 7\t", 7.0),
        ("007", 7.0),
        ("00000000000007", 7.0),
        ("600", 600.0),
        ("601", LONGEST_HINT),
        ("1000000000", LONGEST_HINT),
        ("9" * 5000, LONGEST_HINT),
    ],
)
def test_retry_after_as_seconds(value: str, seconds: float) -> None:
    """Whole seconds; more than ten minutes are not believed."""
    assert retry_after({"Retry-After": value}) == seconds


@pytest.mark.parametrize("name", ["Retry-After", "retry-after", "RETRY-AFTER"])
def test_the_header_is_found_however_it_is_spelt(name: str) -> None:
    """HTTP does not care for case."""
    assert retry_after({"Age": "3", name: "7"}) == 7


@pytest.mark.parametrize(
    ("value", "sent", "seconds"),
    [
        (DATE, "Wed, 21 Oct 2015 07:27:50 GMT", 10.0),
        (DATE, "Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        (DATE, "Wed, 21 Oct 2015 09:00:00 GMT", 0.0),
        (DATE, "Tue, 20 Oct 2015 07:28:00 GMT", LONGEST_HINT),
        ("Wednesday, 21-Oct-15 07:28:00 GMT", "Wed Oct 21 07:27:50 2015", 10.0),
        (DATE, "Wed, 21 Oct 2015 09:27:50 +0200", 10.0),
    ],
)
def test_retry_after_as_a_date_by_the_server_s_own_clock(value: str, sent: str, seconds: float) -> None:
    """Ours may be years off; a date that is past is now."""
    assert retry_after({"Retry-After": value, "Date": sent}, wall=0.0) == seconds


@pytest.mark.parametrize(("wall", "seconds"), [(UNIX - 10, 10.0), (UNIX + 10, 0.0), (0.0, LONGEST_HINT), (None, None)])
def test_retry_after_as_a_date_by_our_clock(wall: float | None, seconds: float | None) -> None:
    """Where the server does not tell its time, or tells junk, ours counts; with neither there is no hint."""
    assert retry_after({"Retry-After": DATE}, wall) == seconds
    assert retry_after({"Retry-After": DATE, "Date": "yesterday"}, wall) == seconds


JUNK = [
    "",
    "soon",
    "-5",
    "1.5",
    "1e3",
    "nan",
    "inf",
    "7 s",
    "٣",
    "\x00",
    "Mon, 32 Jan 2024 00:00:00 GMT",
    "Mon, 01 Jan 99999999999999 00:00:00 GMT",
    "Mon, 01 Jan 2024 00:00:99999999999999999999 GMT",
    "Mon, 01 Jan 2024 00:00:00 +99999999999",
]


@pytest.mark.parametrize("value", JUNK)
def test_junk_is_no_hint(value: str) -> None:
    """Nor an error: a dial that was refused is not made worse by an odd header."""
    assert retry_after({"Retry-After": value}, wall=UNIX) is None
    assert retry_after({"Retry-After": DATE, "Date": value}, wall=UNIX) == 0.0


@given(st.text(max_size=60) | st.from_regex(r"[A-Z][a-z]{2}, \d+ (Jan|Feb|Oct) \d+ \d+:\d+:\d+ ([+-]\d+|GMT)"))
def test_whatever_stands_there_is_a_wait_or_nothing(value: str) -> None:
    """Never an error, never negative, never longer than is believed."""
    for headers in ({"Retry-After": value}, {"Retry-After": DATE, "Date": value}):
        seconds = retry_after(headers, wall=UNIX)
        assert seconds is None or 0 <= seconds <= LONGEST_HINT


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_refusal_carries_its_hint(status: int) -> None:
    """Whatever the status; a proxy's counts as well, and a date needs the time."""
    assert classify(refused(status, **{"Retry-After": "7"})).hint == 7
    assert classify(LineClosed(None, "", refused(status, **{"Retry-After": "7"}))).hint == 7
    assert classify(refused(status, **{"Retry-After": DATE}), wall=UNIX - 3).hint == 3
    assert classify(ProxyFailure(URL, "busy", status=status, headers={"retry-after": "8"})).hint == 8
    assert classify(refused(status)).hint is None


@pytest.mark.parametrize(
    ("seconds", "hint"),
    [(None, None), (0.0, 0.0), (2.5, 2.5), (1e9, LONGEST_HINT), (-1.0, None), (float("nan"), None)],
)
def test_a_disconnect_carries_its_hint(seconds: float | None, hint: float | None) -> None:
    """Clamped as the header is; what is no time is no hint."""
    assert classify(ServerDisconnect("server_restart", retry_after=seconds)) == Diagnosis(RESTART, NOW, hint)


# Refusals ------------------------------------------------------------------------------------------------------------


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
