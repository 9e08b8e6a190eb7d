"""Each kind of failure has its exit code."""

from __future__ import annotations

import pytest

from cableway import errors
from cableway.cli.exits import ExitCode, Failure, exit_code

URL = "ws://127.0.0.1/cable"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.InvalidURL(URL, "a rule"), ExitCode.USAGE),
        (errors.InvalidPayload("no object"), ExitCode.USAGE),
        (errors.MissingExtra("the gateway", "gateway"), ExitCode.FAILED),
        (errors.SubscriptionRejected("{}"), ExitCode.REJECTED),
        (errors.Unauthorized("unauthorized"), ExitCode.UNAUTHORIZED),
        (errors.HandshakeRefused(URL, 403, {}), ExitCode.UNAUTHORIZED),
        (errors.PublishFailed(URL, "HTTP 401", status=401), ExitCode.UNAUTHORIZED),
        (errors.HandshakeRefused(URL, 404, {}), ExitCode.FAILED),
        (errors.PublishFailed(URL, "no answer"), ExitCode.FAILED),
        (errors.SubscriptionTimeout("{}", 5), ExitCode.TIMED_OUT),
        (errors.ConnectTimeout(URL, 30, "no line came up"), ExitCode.TIMED_OUT),
        (TimeoutError("late"), ExitCode.TIMED_OUT),
        (errors.LineClosed(1006), ExitCode.FAILED),
        (errors.HistoryTimeout("{}", 10), ExitCode.TIMED_OUT),
        (errors.PresenceTimeout("{}", 15), ExitCode.TIMED_OUT),
        (errors.HistoryRejected("{}"), ExitCode.FAILED),
        (errors.PresenceFailed("{}"), ExitCode.FAILED),
        (errors.NotSupported("history", "actioncable-v1-json"), ExitCode.FAILED),
        (errors.PositionsFailed("p.db", "load", "the disk is full"), ExitCode.FAILED),
        (Failure("no"), ExitCode.FAILED),
        (ZeroDivisionError(), ExitCode.FAILED),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_an_error_has_its_code(error: Exception, code: ExitCode) -> None:
    """What went wrong decides the exit code."""
    assert exit_code(error) is code


def test_the_numbers_are_those_of_the_documentation() -> None:
    """Scripts rely on the numbers."""
    assert [code.value for code in ExitCode] == [0, 1, 2, 3, 4, 5, 6]
