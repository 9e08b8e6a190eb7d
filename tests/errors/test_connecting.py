"""Errors of a line that could not be opened, and what each one says."""

from __future__ import annotations

import pytest

from cableway.errors import (
    CableError,
    CaptivePortal,
    ConnectError,
    ConnectTimeout,
    HandshakeCut,
    HandshakeRefused,
    HostUnreachable,
    NotAWebSocket,
    NotOffered,
    PinMismatch,
    ProxyFailure,
    ServerSilent,
    SourceFailed,
    TLSFailure,
    UnsupportedProtocol,
)
from tests.errors.texts import HOSTILE, SHOWN, URL, check_text, defined_in, names

# Each error, its whole text, and whether trying again can help.
CASES: list[tuple[CableError, str, bool]] = [
    (ConnectError(URL, "something happened"), f"{SHOWN}: something happened", True),
    (HostUnreachable(URL, "no such host", "Is it spelt right?"), f"{SHOWN}: no such host. Is it spelt right?", True),
    (TLSFailure(URL, "certificate has expired"), f"{SHOWN}: certificate has expired", True),
    (ProxyFailure(URL, "bad gateway", status=502), f"{SHOWN}: bad gateway", True),
    (ProxyFailure(URL, "credentials wanted", status=407), f"{SHOWN}: credentials wanted", False),
    (
        HandshakeRefused(URL, 404, {"Set-Cookie": "sid=sesame"}, b"sesame", "Is the path right?"),
        f"{SHOWN}: the server refused the upgrade with HTTP 404. Is the path right?",
        True,
    ),
    (
        HandshakeRefused(URL, 413, {}, hint="Send less", step="a poll"),
        f"{SHOWN}: the server refused a poll with HTTP 413. Send less",
        True,
    ),
    (HandshakeCut(URL, "the connection was cut"), f"{SHOWN}: the connection was cut", True),
    (
        NotOffered(URL, 404, {}, hint="Is it switched on?", step="a request for long polling"),
        f"{SHOWN}: the server refused a request for long polling with HTTP 404. Is it switched on?",
        True,
    ),
    (NotAWebSocket(URL, "a page of HTML", status=200), f"{SHOWN}: a page of HTML", True),
    (CaptivePortal(URL, "a page", "Open a browser", 511, "wifi.example"), f"{SHOWN}: a page. Open a browser", True),
    (PinMismatch(URL, "another key", "Nothing was sent", "sha256/x"), f"{SHOWN}: another key. Nothing was sent", True),
    (ConnectTimeout(URL, 10.0, "no welcome"), f"{SHOWN}: no welcome within 10 s", True),
    (
        ConnectTimeout(URL, 2.5, "no line came up", OSError(f"cannot reach {URL}")),
        f"{SHOWN}: no line came up within 2.5 s; the last try ended with: cannot reach {SHOWN}",
        True,
    ),
    (ServerSilent(URL, 5.0, "no welcome"), f"{SHOWN}: no welcome within 5 s", True),
    (
        UnsupportedProtocol(URL, "chat\n", ["actioncable-v1-json", "actioncable-unsupported"]),
        (
            f"{SHOWN}: the server chose the subprotocol 'chat\\n'; offered were actioncable-v1-json, "
            "actioncable-unsupported. Is this an Action Cable or AnyCable server, and the right path?"
        ),
        False,
    ),
    (
        UnsupportedProtocol(URL, None, ["actioncable-v1-msgpack"], "Try another"),
        f"{SHOWN}: the server chose no subprotocol; offered were actioncable-v1-msgpack. Try another",
        False,
    ),
    (
        SourceFailed(URL, "headers", KeyError("sesame")),
        f"{SHOWN}: the headers function failed with KeyError. Only this dial is affected",
        True,
    ),
]


def test_each_error_is_pinned_here() -> None:
    """A new error needs a text in this file."""
    assert {type(error) for error, _, _ in CASES} == set(defined_in("connecting"))


@pytest.mark.parametrize(("error", "text", "retryable"), CASES, ids=names(CASES))
def test_texts(error: CableError, text: str, retryable: bool) -> None:  # noqa: FBT001
    """What happened, where, and what to try; on one line, with no secret in it."""
    check_text(error, text, retryable=retryable)


@pytest.mark.parametrize("error", [ConnectTimeout(URL, 1, "x"), ServerSilent(URL, 1, "x")])
def test_relatives_among_the_builtin_errors(error: CableError) -> None:
    """Who catches the builtin one catches ours."""
    assert isinstance(error, TimeoutError)


def test_facts_are_fields() -> None:
    """Programs read fields, not texts; what came with a refusal is kept whole."""
    refused = HandshakeRefused(URL, 503, {"Retry-After": "7"}, b"<html>", "hint")
    assert (refused.url, refused.status, refused.headers, refused.body) == (SHOWN, 503, {"Retry-After": "7"}, b"<html>")
    cause = OSError("x")
    late = ConnectTimeout(URL, 1, "x", cause)
    assert (late.seconds, late.phase, late.last, late.__cause__) == (1, "x", cause, cause)
    assert ProxyFailure(URL, "busy", status=503, headers={"Retry-After": "7"}).headers == {"Retry-After": "7"}
    failed = SourceFailed(URL, "params", cause)
    assert (failed.source, failed.__cause__) == ("params", cause)
    assert UnsupportedProtocol(URL, "chat", ["a"]).offered == ("a",)


def test_what_a_server_says_cannot_upset_a_terminal() -> None:
    """Its choice is shown on one line, cut to a length, without control characters."""
    error = UnsupportedProtocol(URL, HOSTILE, ["a"])
    assert len(str(error)) < 500
    assert str(error).isprintable()
