"""The tree of errors, and what each one says."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest

from cableway import errors
from cableway.errors import (
    CableError,
    ConnectError,
    ConnectTimeout,
    HandshakeRefused,
    HostUnreachable,
    InvalidHeader,
    InvalidIdentifier,
    InvalidPayload,
    InvalidURL,
    LineClosed,
    LineLost,
    LineStale,
    MailboxOverflow,
    MalformedFrame,
    MessageTooLarge,
    MissingExtra,
    NamingFault,
    NotAWebSocket,
    NotConnected,
    ProxyFailure,
    PublishFailed,
    ServerDisconnect,
    SourceFailed,
    SubscriptionClosed,
    SubscriptionError,
    SubscriptionRejected,
    SubscriptionTimeout,
    TLSFailure,
    Unauthorized,
    UnsupportedProtocol,
    UsageError,
    WrongLoop,
)

URL = "wss://user:sesame@example.com/cable?token=sesame&room=7"
SHOWN = "wss://***@example.com/cable?token=***&room=7"
CHANNEL = '{"channel":"ChatChannel","room":42}'

# Each error, its whole text, and whether trying again can help.
CASES: list[tuple[CableError, str, bool]] = [
    (CableError("anything"), "anything", False),
    (UsageError("the call is wrong"), "the call is wrong", False),
    (
        InvalidURL("ftp://user:sesame@h/", "it must begin with ws://"),
        "cannot dial 'ftp://***@h/': it must begin with ws://; for example wss://example.com/cable",
        False,
    ),
    (
        InvalidURL(7, "an address is a string"),
        "cannot dial 'int': an address is a string; for example wss://example.com/cable",
        False,
    ),
    (InvalidIdentifier("no channel"), "no channel", False),
    (InvalidPayload("no object"), "no object", False),
    (
        MessageTooLarge(70_000, 65_536),
        (
            "the command is 70000 bytes and the limit is 65536: AnyCable closes a line on which more arrives. "
            "Send less at once, or raise max_command_size= if your server allows it"
        ),
        False,
    ),
    (InvalidHeader("a line break"), "a line break", False),
    (
        MissingExtra("the gateway", "gateway"),
        "the gateway needs an optional dependency: pip install 'cableway[gateway]'",
        False,
    ),
    (WrongLoop("another loop"), "another loop", False),
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
    (NotAWebSocket(URL, "a page of HTML", status=200), f"{SHOWN}: a page of HTML", True),
    (ConnectTimeout(URL, 10.0, "no welcome"), f"{SHOWN}: no welcome within 10 s", True),
    (
        ConnectTimeout(URL, 2.5, "no line came up", OSError(f"cannot reach {URL}")),
        f"{SHOWN}: no line came up within 2.5 s; the last try ended with: cannot reach {SHOWN}",
        True,
    ),
    (
        UnsupportedProtocol(URL, "chat\n", ["actioncable-v1-json", "actioncable-unsupported"]),
        (
            f"{SHOWN}: the server chose the subprotocol 'chat\\n'; offered were actioncable-v1-json, "
            "actioncable-unsupported. Is this an Action Cable or AnyCable server, and the right path?"
        ),
        False,
    ),
    (
        SourceFailed(URL, "headers", KeyError("sesame")),
        f"{SHOWN}: the headers function failed with KeyError. Only this dial is affected",
        True,
    ),
    (LineLost("gone"), "gone", True),
    (LineClosed(1006), "the line was closed with code 1006", True),
    (LineClosed(1001, "going\naway"), "the line was closed with code 1001 (going away)", True),
    (LineClosed(None), "the line was closed without a word", True),
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
    (SubscriptionError(CHANNEL, "odd"), f"{CHANNEL}: odd", False),
    (
        SubscriptionRejected(CHANNEL),
        (
            f"{CHANNEL}: the server rejected the subscription; Action Cable gives no reason. "
            "Check the parameters and the rights"
        ),
        False,
    ),
    (
        SubscriptionRejected(CHANNEL, revoked=True),
        (
            f"{CHANNEL}: the server took the subscription back; Action Cable gives no reason. "
            "Check the parameters and the rights"
        ),
        False,
    ),
    (
        SubscriptionTimeout(CHANNEL, 10.0),
        (
            f"{CHANNEL}: no answer within 10 s, though asked twice. Rails gives no answer to an unknown channel class: "
            "is the name spelt as in the server's code? Trying again in the background"
        ),
        True,
    ),
    (
        SubscriptionClosed(CHANNEL),
        f"{CHANNEL}: this handle was unsubscribed; call cable.subscribe(...) for a new one",
        False,
    ),
    (
        NamingFault(LookupError("no")),
        "a signed stream: its function failed with LookupError; it is asked again in the background",
        True,
    ),
    (
        MailboxOverflow(CHANNEL, "10000 messages"),
        f"{CHANNEL}: the mailbox is full (10000 messages); read faster, or choose another overflow policy",
        False,
    ),
    (NotConnected("disconnected", "nothing was sent"), "the cable is disconnected: nothing was sent", True),
    (NotConnected("idle"), "the cable is idle", True),
    (
        PublishFailed("http://user:sesame@h/_broadcast", "HTTP 401", status=401, retryable=False),
        "http://***@h/_broadcast: HTTP 401",
        False,
    ),
]
IDS = [f"{type(error).__name__}-{number}" for number, (error, _, _) in enumerate(CASES)]


def tree() -> dict[str, list[str]]:
    """Read the outline in the module's docstring: each name with those under it."""
    assert errors.__doc__ is not None
    children: dict[str, list[str]] = {}
    path: list[str] = []
    for line in errors.__doc__.splitlines():
        found = re.match(r"    ((?:[│ ] {3})*(?:[├└]── )?)([A-Z]\w+)", line)
        if found is None:
            continue
        depth = len(found[1]) // 4
        path[depth:] = [found[2]]
        children[found[2]] = []
        if depth:
            children[path[depth - 1]].append(found[2])
    return children


def classes() -> list[type[CableError]]:
    """Return all errors that the module defines."""
    found = [item for _, item in inspect.getmembers(errors, inspect.isclass) if item.__module__ == errors.__name__]
    assert all(issubclass(item, CableError) for item in found)
    return found


def test_the_outline_is_the_tree() -> None:
    """What the docstring draws is what the code does, each error under its first ancestor."""
    real: dict[str, list[str]] = {item.__name__: [] for item in classes()}
    for item in classes():
        parent = item.__mro__[1].__name__
        if parent in real:
            real[parent].append(item.__name__)
    outline = tree()
    assert set(outline) == set(real)
    assert {name: set(below) for name, below in outline.items()} == {name: set(below) for name, below in real.items()}


def test_all_errors_are_exported() -> None:
    """And all have a docstring."""
    assert set(errors.__all__) == {item.__name__ for item in classes()}
    assert all(item.__doc__ for item in classes())


def test_each_error_is_pinned_here() -> None:
    """A new error needs a text in this file."""
    assert {type(error) for error, _, _ in CASES} == set(classes())


@pytest.mark.parametrize(("error", "text", "retryable"), CASES, ids=IDS)
def test_texts(error: CableError, text: str, retryable: bool) -> None:  # noqa: FBT001
    """What happened, where, and what to try; on one line, with no secret in it."""
    assert str(error) == text
    assert error.retryable is retryable
    for shown in (str(error), repr(error)):
        assert "sesame" not in shown
        assert "\n" not in shown


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (InvalidURL("x", "y"), ValueError),
        (MissingExtra("x", "y"), ImportError),
        (WrongLoop("x"), RuntimeError),
        (ConnectTimeout(URL, 1, "x"), TimeoutError),
        (SubscriptionTimeout(CHANNEL, 1), TimeoutError),
    ],
)
def test_relatives_among_the_builtin_errors(error: CableError, builtin: type[Exception]) -> None:
    """Who catches the builtin one catches ours."""
    assert isinstance(error, builtin)


def test_facts_are_fields() -> None:
    """Programs read fields, not texts; what came with a refusal is kept whole."""
    refused = HandshakeRefused(URL, 503, {"Retry-After": "7"}, b"<html>", "hint")
    assert (refused.url, refused.status, refused.headers, refused.body) == (SHOWN, 503, {"Retry-After": "7"}, b"<html>")
    closed = LineClosed(1001, "bye")
    assert (closed.code, closed.reason) == (1001, "bye")
    rejected = SubscriptionRejected(CHANNEL, revoked=True)
    assert (rejected.identifier, rejected.revoked) == (CHANNEL, True)
    cause = OSError("x")
    assert ConnectTimeout(URL, 1, "x", cause).__cause__ is cause
    assert SourceFailed(URL, "params", cause).__cause__ is cause
    assert LineClosed(None, "", cause).__cause__ is cause


def test_identifiers_keep_their_secrets_in_texts_but_not_in_fields() -> None:
    """A signed stream's name opens a door: logs do not show it, programs find it."""
    identifier = '{"channel":"$pubsub","signed_stream_name":"sesame"}'
    error = SubscriptionRejected(identifier)
    assert "sesame" not in str(error) + repr(error)
    assert error.identifier == identifier


def test_what_a_server_says_cannot_upset_a_terminal() -> None:
    """Reasons and names are shown on one line, cut to a length, without control characters."""
    hostile: Any = "\x1b[31mred\r\n" + "x" * 10_000
    for error in (
        ServerDisconnect(hostile),
        Unauthorized(hostile),
        LineClosed(1000, hostile),
        SubscriptionRejected(hostile),
        UnsupportedProtocol(URL, hostile, ["a"]),
    ):
        assert len(str(error)) < 500
        assert str(error).isprintable()
