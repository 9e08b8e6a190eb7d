"""Why and how a server ends sessions."""

from __future__ import annotations

from attrs import evolve, frozen


@frozen
class Expulsion:
    """Why and how we end a session."""

    reason: str
    reconnect: bool
    code: int = 1000
    close_reason: str = ""
    retry_after: float | None = None
    """Seconds over which the clients should spread their return."""


UNAUTHORIZED = Expulsion("unauthorized", reconnect=False, close_reason="Auth Failed")
TOKEN_EXPIRED = Expulsion("token_expired", reconnect=False, close_reason="Auth Failed")
SERVER_RESTART = Expulsion("server_restart", reconnect=True, code=1001, close_reason="Server restart")


def server_restart(retry_after: float | None = None) -> Expulsion:
    """End a session because the server goes away; *retry_after* is how many seconds the crowd should take to return."""
    return evolve(SERVER_RESTART, retry_after=retry_after)


TOO_SLOW = Expulsion("too_slow", reconnect=True)
NO_PONG = Expulsion("no_pong", reconnect=True, close_reason="No Pong")


def closed_remotely(*, reconnect: bool) -> Expulsion:
    """End a session because somebody asked for it."""
    return Expulsion("remote", reconnect, close_reason="Closed remotely")
