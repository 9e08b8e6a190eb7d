"""Errors of one subscription, of a call that needs the line, and of what is given up."""

from __future__ import annotations

import pytest

from cableway.errors import (
    CableError,
    HistoryRejected,
    HistoryTimeout,
    LineClosed,
    MailboxOverflow,
    NamingFault,
    NotConnected,
    NotSupported,
    PresenceFailed,
    PresenceTimeout,
    PublishFailed,
    RetriesExhausted,
    SubscriptionClosed,
    SubscriptionError,
    SubscriptionRejected,
    SubscriptionTimeout,
)
from tests.errors.texts import CHANNEL, HOSTILE, SHOWN, URL, check_text, defined_in, names

# Each error, its whole text, and whether trying again can help.
CASES: list[tuple[CableError, str, bool]] = [
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
    (PresenceFailed(CHANNEL), f"{CHANNEL}: the server could not tell who is present: is its broker on?", True),
    (
        PresenceTimeout(CHANNEL, 10.0),
        (
            f"{CHANNEL}: no answer within 10 s to who is present; AnyCable is silent where the channel does not allow "
            "presence. Check the channel, or try again"
        ),
        True,
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
    (
        HistoryRejected(CHANNEL),
        (
            f"{CHANNEL}: the server has no such history: it keeps none (AnyCable does with a broker), it does not "
            "reach that far back, or it was started anew since"
        ),
        False,
    ),
    (HistoryTimeout(CHANNEL, 10.0), f"{CHANNEL}: no answer to the question for its history within 10 s", True),
    (
        NotSupported("history", "actioncable-v1-json"),
        (
            "history is not part of actioncable-v1-json; AnyCable's extended protocol has it: leave protocol='auto', "
            "with such a server"
        ),
        False,
    ),
    (NotSupported("presence", "x", "do without"), "presence is not part of x; do without", False),
    (NotConnected("disconnected", "nothing was sent"), "the cable is disconnected: nothing was sent", True),
    (NotConnected("idle"), "the cable is idle", True),
    (
        RetriesExhausted(3, 61.25, LineClosed(1006)),
        (
            "given up after 3 failures in 61.2 s, as the backoff was told to; "
            "the last one: the line was closed with code 1006. open() starts anew"
        ),
        False,
    ),
    (
        RetriesExhausted(1, 0.0, OSError(f"cannot reach {URL}")),
        (
            f"given up after 1 failure in 0 s, as the backoff was told to; the last one: cannot reach {SHOWN}. "
            "open() starts anew"
        ),
        False,
    ),
    (
        RetriesExhausted(2, 3.0),
        "given up after 2 failures in 3 s, as the backoff was told to. open() starts anew",
        False,
    ),
    (
        PublishFailed("http://user:sesame@h/_broadcast", "HTTP 401", status=401, retryable=False),
        "http://***@h/_broadcast: HTTP 401",
        False,
    ),
]


def test_each_error_is_pinned_here() -> None:
    """A new error needs a text in this file."""
    assert {type(error) for error, _, _ in CASES} == set(defined_in("subscriptions"))


@pytest.mark.parametrize(("error", "text", "retryable"), CASES, ids=names(CASES))
def test_texts(error: CableError, text: str, retryable: bool) -> None:  # noqa: FBT001
    """What happened, where, and what to try; on one line, with no secret in it."""
    check_text(error, text, retryable=retryable)


def test_relatives_among_the_builtin_errors() -> None:
    """Who catches the builtin one catches ours."""
    assert isinstance(SubscriptionTimeout(CHANNEL, 1), TimeoutError)
    assert isinstance(PresenceTimeout(CHANNEL, 1), TimeoutError)


def test_facts_are_fields() -> None:
    """Programs read fields, not texts."""
    rejected = SubscriptionRejected(CHANNEL, revoked=True)
    assert (rejected.identifier, rejected.revoked) == (CHANNEL, True)
    cause = OSError("x")
    exhausted = RetriesExhausted(3, 60.0, cause)
    assert (exhausted.attempts, exhausted.elapsed, exhausted.last, exhausted.__cause__) == (3, 60.0, cause, cause)
    assert NamingFault(cause).__cause__ is cause
    assert NotConnected("idle").state == "idle"
    assert MailboxOverflow(CHANNEL, "5 messages").limit == "5 messages"
    assert (PublishFailed(URL, "x", status=401).url, PublishFailed(URL, "x", status=401).status) == (SHOWN, 401)


def test_identifiers_keep_their_secrets_in_texts_but_not_in_fields() -> None:
    """A signed stream's name opens a door: logs do not show it, programs find it."""
    identifier = '{"channel":"$pubsub","signed_stream_name":"sesame"}'
    error = SubscriptionRejected(identifier)
    assert "sesame" not in str(error) + repr(error)
    assert error.identifier == identifier


def test_a_name_cannot_upset_a_terminal() -> None:
    """It is shown on one line, cut to a length, without control characters."""
    error = SubscriptionRejected(HOSTILE)
    assert len(str(error)) < 500
    assert str(error).isprintable()
