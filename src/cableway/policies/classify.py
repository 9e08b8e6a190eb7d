"""What a failure means for the line: come back, or stop."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from cableway.errors import HandshakeRefused, NotAWebSocket, ServerDisconnect, Unauthorized, UsageError

if TYPE_CHECKING:
    from cableway.errors import CableError


class Verdict(Enum):
    """What to do about a failure."""

    RETRY = "retry"
    """Dial again after the backoff."""
    DOUBT = "doubt"
    """Dial again, but only a few times: half a deployment may be behind, or the address is simply wrong."""
    STOP = "stop"
    """Dialling again cannot help."""


DOUBTS = 5
"""Doubtful failures in a row after which the line is given up."""

# An HTTP status by which the server means us and our request, not its own state.
_DOUBTFUL = frozenset({400, 404, 405, 410, 426})
_REFUSED = frozenset({401, 403})


def classify(error: CableError) -> Verdict:
    """Tell what *error* means for the line."""
    if isinstance(error, ServerDisconnect):
        # AnyCable says "do not come back" when its own authentication was too slow: that is its load, not our doing.
        retry = error.reconnect or error.reason == "idle_timeout"
        return Verdict.RETRY if retry else Verdict.STOP
    if isinstance(error, HandshakeRefused | NotAWebSocket):
        if error.status in _REFUSED:
            return Verdict.STOP
        return Verdict.DOUBT if error.status in _DOUBTFUL else Verdict.RETRY
    if isinstance(error, UsageError):
        return Verdict.STOP
    return Verdict.RETRY if error.retryable else Verdict.STOP


def as_refusal(error: CableError) -> CableError:
    """Turn an HTTP refusal of our credentials into :class:`Unauthorized`; return any other error as it is."""
    if isinstance(error, HandshakeRefused) and error.status in _REFUSED:
        hint = error.hint or "Check the token, the cookies and the allowed origins"
        refusal = Unauthorized(f"HTTP {error.status} on the upgrade at {error.url}", hint=hint, status=error.status)
        refusal.__cause__ = error
        return refusal
    return error
