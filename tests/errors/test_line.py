"""Errors of a line that broke, and what each one says."""

from __future__ import annotations

import pytest

from cableway.errors import (
    CableError,
    HandshakeRefused,
    LineClosed,
    LineLost,
    LineStale,
    MalformedFrame,
    ServerDisconnect,
    Unauthorized,
)
from tests.errors.texts import HOSTILE, check_text, defined_in, names

# Each error, its whole text, and whether trying again can help.
CASES: list[tuple[CableError, str, bool]] = [
    (LineLost("gone"), "gone", True),
    (LineClosed(1006), "the line was closed with code 1006", True),
    (LineClosed(1001, "going\naway"), "the line was closed with code 1001 (going away)", True),
    (LineClosed(None), "the line was closed without a word", True),
    (
        LineClosed(None, "", HandshakeRefused("http://a", 401, {}, hint="Log in")),
        "the line ended: the server refused the upgrade with HTTP 401. Log in",
        True,
    ),
    (
        LineClosed(None, "", ConnectionResetError("x")),
        "the line was closed without a word: ConnectionResetError",
        True,
    ),
    (LineStale(9.0), "nothing came from the server for 9 s: the line is taken for dead", True),
    (
        LineStale(10, "the network took no more data"),
        "the network took no more data for 10 s: the line is taken for dead",
        True,
    ),
    (MalformedFrame("not UTF-8", 12), "malformed frame of 12 bytes: not UTF-8", True),
    (MalformedFrame("type is not a string"), "malformed frame: type is not a string", True),
    (ServerDisconnect("server_restart"), "the server disconnected us: server_restart", True),
    (ServerDisconnect(None), "the server disconnected us: no reason given", True),
    (
        ServerDisconnect("remote", reconnect=False, hint="Somebody signed you out"),
        "the server disconnected us: remote and asks not to come back. Somebody signed you out",
        False,
    ),
    (
        Unauthorized("unauthorized", hint="Check the token"),
        "the server does not accept our credentials: unauthorized and asks not to come back. Check the token",
        False,
    ),
    (
        Unauthorized("token_expired", reconnect=True),
        "the server does not accept our credentials: token_expired",
        True,
    ),
]


def test_each_error_is_pinned_here() -> None:
    """A new error needs a text in this file."""
    assert {type(error) for error, _, _ in CASES} == set(defined_in("line"))


@pytest.mark.parametrize(("error", "text", "retryable"), CASES, ids=names(CASES))
def test_texts(error: CableError, text: str, retryable: bool) -> None:  # noqa: FBT001
    """What happened, where, and what to try; on one line, with no secret in it."""
    check_text(error, text, retryable=retryable)


def test_facts_are_fields() -> None:
    """Programs read fields, not texts."""
    closed = LineClosed(1001, "bye")
    assert (closed.code, closed.reason) == (1001, "bye")
    cause = OSError("x")
    assert LineClosed(None, "", cause).__cause__ is cause
    assert LineStale(9.0).seconds == 9.0
    assert (MalformedFrame("a rule", 7).rule, MalformedFrame("a rule", 7).size) == ("a rule", 7)
    assert ServerDisconnect("server_restart", retry_after=2.5).retry_after == 2.5
    refused = Unauthorized("unauthorized", status=401)
    assert (refused.status, refused.reconnect, refused.reason) == (401, False, "unauthorized")


@pytest.mark.parametrize("error", [ServerDisconnect(HOSTILE), Unauthorized(HOSTILE), LineClosed(1000, HOSTILE)])
def test_what_a_server_says_cannot_upset_a_terminal(error: CableError) -> None:
    """Reasons are shown on one line, cut to a length, without control characters."""
    assert len(str(error)) < 500
    assert str(error).isprintable()
