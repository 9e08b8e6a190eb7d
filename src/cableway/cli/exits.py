"""How the command ends: the exit codes, and which error gets which."""

from __future__ import annotations

from enum import IntEnum

from cableway.errors import (
    HandshakeRefused,
    MissingExtra,
    PublishFailed,
    SubscriptionRejected,
    Unauthorized,
    UsageError,
)


class ExitCode(IntEnum):
    """What the shell is told."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    REJECTED = 3
    UNAUTHORIZED = 4
    TIMED_OUT = 5
    FALLBACK = 6
    """``doctor``: what is preferred does not work here, and another transport does."""


class Failure(Exception):
    """The command cannot go on; its text is the line that the user gets."""


_REFUSALS = frozenset({401, 403})
_CODES = (
    # Nothing is wrong with the command line where only an installation is missing.
    (MissingExtra, ExitCode.FAILED),
    (UsageError, ExitCode.USAGE),
    (SubscriptionRejected, ExitCode.REJECTED),
    (Unauthorized, ExitCode.UNAUTHORIZED),
    (TimeoutError, ExitCode.TIMED_OUT),
)


def exit_code(error: BaseException) -> ExitCode:
    """Tell the exit code that *error* ends the command with."""
    if isinstance(error, HandshakeRefused | PublishFailed) and error.status in _REFUSALS:
        return ExitCode.UNAUTHORIZED
    return next((code for kind, code in _CODES if isinstance(error, kind)), ExitCode.FAILED)
