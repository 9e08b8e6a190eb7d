"""Why and how a server ends sessions."""

from __future__ import annotations

from cableway.wire.expulsions import (
    NO_PONG,
    SERVER_RESTART,
    TOKEN_EXPIRED,
    TOO_SLOW,
    UNAUTHORIZED,
    closed_remotely,
    server_restart,
)


def test_reasons_and_codes_are_those_of_servers() -> None:
    """What clients decide by."""
    told = {one.reason: (one.reconnect, one.code) for one in (UNAUTHORIZED, TOKEN_EXPIRED, TOO_SLOW, NO_PONG)}
    assert told == {
        "unauthorized": (False, 1000),
        "token_expired": (False, 1000),
        "too_slow": (True, 1000),
        "no_pong": (True, 1000),
    }
    assert (SERVER_RESTART.reason, SERVER_RESTART.code) == ("server_restart", 1001)


def test_some_are_made_to_measure() -> None:
    """Whether to come back, and when."""
    assert closed_remotely(reconnect=False).reconnect is False
    assert server_restart(2.5).retry_after == 2.5
    assert server_restart() == SERVER_RESTART
