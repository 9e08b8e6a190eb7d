"""What a failure means for the line: its cause, and what to do about it.

One pure function over everything that can go wrong with a line: errors of the network, HTTP statuses of the handshake,
close codes, and the reasons of a ``disconnect``.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import TYPE_CHECKING

from attrs import frozen

from cableway.errors import (
    CaptivePortal,
    HandshakeRefused,
    LineClosed,
    LineStale,
    MalformedFrame,
    NotAWebSocket,
    ProxyFailure,
    ServerDisconnect,
    ServerSilent,
    SourceFailed,
    TLSFailure,
    Unauthorized,
    UsageError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cableway.errors import CableError


class Cause(Enum):
    """Where a failure comes from."""

    NETWORK = "network"
    RESTART = "restart"
    """The server goes down and comes back: nobody's fault."""
    OVERLOAD = "overload"
    """The server has too much to do: come back slowly."""
    POLICY = "policy"
    """Somebody on the server's side wanted us gone, for now."""
    AUTH = "auth"
    PROTOCOL = "protocol"
    SIZE = "size"
    TLS = "tls"
    CAPTIVE = "captive"
    """Something in between answered in the server's place."""
    USAGE = "usage"
    """Our own side: the call, the address, the configuration."""


class Verdict(Enum):
    """What to do about a failure."""

    NOW = "retry now"
    """Dial again soon, spread; then by the backoff."""
    LATER = "retry later"
    """Dial again by the backoff."""
    RENEW = "renew the token"
    """Dial again with other credentials."""
    ELSEWHERE = "next endpoint"
    """The address may be wrong, or half a deployment behind: dial another one, a few times at most."""
    STOP = "stop"
    """Dialling again cannot help."""


@frozen
class Diagnosis:
    """What :func:`classify` found."""

    cause: Cause
    verdict: Verdict
    hint: float | None = None
    """Seconds after which the server asked us to come back."""


DOUBTS = 5
"""Failures in a row that speak against the address, after which the line is given up."""

LONGEST_HINT = 600.0
"""Seconds beyond which a hint is not believed."""

_REASONS = {
    "server_restart": (Cause.RESTART, Verdict.NOW),
    "too_slow": (Cause.OVERLOAD, Verdict.LATER),
    # AnyCable says so, and "do not come back", when its own authentication took too long: its load, not our doing.
    "idle_timeout": (Cause.OVERLOAD, Verdict.LATER),
    "no_pong": (Cause.NETWORK, Verdict.NOW),
    "remote": (Cause.POLICY, Verdict.LATER),
    "session_expired": (Cause.NETWORK, Verdict.NOW),
}

_NO_WISH = frozenset({"idle_timeout", "session_expired"})
"""Reasons that never mean that somebody wants us gone, whatever is said of coming back."""

_CODES = {
    None: (Cause.NETWORK, Verdict.NOW),
    1001: (Cause.RESTART, Verdict.NOW),
    1002: (Cause.PROTOCOL, Verdict.LATER),
    1003: (Cause.PROTOCOL, Verdict.LATER),
    1006: (Cause.NETWORK, Verdict.NOW),
    1007: (Cause.PROTOCOL, Verdict.LATER),
    1008: (Cause.POLICY, Verdict.LATER),
    1009: (Cause.SIZE, Verdict.LATER),
    1012: (Cause.RESTART, Verdict.NOW),
    1013: (Cause.OVERLOAD, Verdict.LATER),
}

_STATUSES = {
    401: (Cause.AUTH, Verdict.RENEW),
    403: (Cause.AUTH, Verdict.RENEW),
    407: (Cause.AUTH, Verdict.STOP),
    429: (Cause.OVERLOAD, Verdict.LATER),
    503: (Cause.OVERLOAD, Verdict.LATER),
    504: (Cause.OVERLOAD, Verdict.LATER),
    **dict.fromkeys((400, 404, 405, 410, 426), (Cause.USAGE, Verdict.ELSEWHERE)),
}


_KINDS: tuple[tuple[type[BaseException], tuple[Cause, Verdict]], ...] = (
    (NotAWebSocket, (Cause.CAPTIVE, Verdict.LATER)),
    (TLSFailure, (Cause.TLS, Verdict.LATER)),
    (ServerSilent, (Cause.OVERLOAD, Verdict.LATER)),
    (LineStale, (Cause.NETWORK, Verdict.NOW)),
    (MalformedFrame, (Cause.PROTOCOL, Verdict.LATER)),
    (SourceFailed, (Cause.USAGE, Verdict.LATER)),
    (UsageError, (Cause.USAGE, Verdict.STOP)),
)


def classify(error: BaseException, *, renewable: bool = False, wall: float | None = None) -> Diagnosis:
    """Tell what *error* means for the line.

    Args:
        error: What went wrong.
        renewable: Whether other credentials can be had. If not, a refusal of ours is final, unless the server
            asks us to come back all the same.
        wall: This machine's Unix time, for a ``Retry-After`` that is a date; the server's own ``Date`` counts first.
    """
    cause, verdict = _judge(error)
    if verdict is Verdict.RENEW and not renewable:
        invited = isinstance(error, ServerDisconnect) and error.reconnect
        verdict = Verdict.LATER if invited else Verdict.STOP
    return Diagnosis(cause, verdict, _hint(error, wall))


def _hint(error: BaseException, wall: float | None) -> float | None:
    if isinstance(error, LineClosed) and error.__cause__ is not None:
        return _hint(error.__cause__, wall)
    if isinstance(error, HandshakeRefused | ProxyFailure):
        return retry_after(error.headers, wall)
    if isinstance(error, ServerDisconnect) and error.retry_after is not None and error.retry_after >= 0:
        return min(error.retry_after, LONGEST_HINT)
    return None


def _judge(error: BaseException) -> tuple[Cause, Verdict]:
    if isinstance(error, ServerDisconnect):
        return _judge_disconnect(error)
    if isinstance(error, HandshakeRefused) or (isinstance(error, ProxyFailure) and (error.status or 0) >= 500):
        return _judge_status(error.status or 0)
    if isinstance(error, LineClosed):
        return _judge_loss(error)
    for kind, judgement in _KINDS:
        if isinstance(error, kind):
            return judgement
    retryable = getattr(error, "retryable", True)
    return (Cause.NETWORK, Verdict.LATER) if retryable else (Cause.USAGE, Verdict.STOP)


def _judge_loss(error: LineClosed) -> tuple[Cause, Verdict]:
    refusal = error.__cause__
    if isinstance(refusal, CaptivePortal):
        return Cause.CAPTIVE, Verdict.LATER
    if isinstance(refusal, HandshakeRefused) and refusal.status != 401:
        return _judge_midway(refusal.status)
    return _CODES.get(error.code, (Cause.NETWORK, Verdict.LATER))


def _judge_disconnect(error: ServerDisconnect) -> tuple[Cause, Verdict]:
    if isinstance(error, Unauthorized) and (not error.reconnect or error.reason == "token_expired"):
        return Cause.AUTH, Verdict.RENEW
    cause, verdict = _REASONS.get(error.reason or "", (Cause.POLICY, Verdict.LATER))
    if error.reconnect or error.reason in _NO_WISH:
        return cause, verdict
    return cause, Verdict.STOP


def _judge_status(status: int) -> tuple[Cause, Verdict]:
    if 300 <= status < 400:
        return Cause.CAPTIVE, Verdict.LATER
    return _STATUSES.get(status, (Cause.NETWORK, Verdict.LATER))


def _judge_midway(status: int) -> tuple[Cause, Verdict]:
    # A line that is made of many requests was accepted before: whether it would be again, the next dial tells. (A 401
    # says only that its session is gone.)
    cause, verdict = _judge_status(status)
    return (cause, verdict) if cause is Cause.OVERLOAD else (Cause.NETWORK, Verdict.LATER)


def retry_after(headers: Mapping[str, str], wall: float | None = None) -> float | None:
    """Read ``Retry-After`` (RFC 9110, 10.2.3): seconds or a date. Junk is no hint; what is absurd is clamped."""
    value = next((value for name, value in headers.items() if name.lower() == "retry-after"), "").strip()
    if value.isascii() and value.isdigit():
        # Ten digits are three hundred years: enough to be clamped, too few to overflow anything.
        return min(float(value.lstrip("0")[:10] or 0), LONGEST_HINT)
    due = _date(value)
    if due is None:
        return None
    sent = _date(next((value for name, value in headers.items() if name.lower() == "date"), ""))
    now = sent if sent is not None else datetime.fromtimestamp(wall, UTC) if wall is not None else None
    if now is None:
        return None
    return min(max(0.0, (due - now).total_seconds()), LONGEST_HINT)


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)


def as_refusal(error: CableError) -> CableError:
    """Turn an HTTP refusal of our credentials into :class:`Unauthorized`; return any other error as it is."""
    if isinstance(error, HandshakeRefused) and error.status in (401, 403):
        hint = error.hint or "Check the token, the cookies and the allowed origins"
        refusal = Unauthorized(f"HTTP {error.status} on {error.step} at {error.url}", hint=hint, status=error.status)
        refusal.__cause__ = error
        return refusal
    return error
