"""The session of the line before: asked back, the server has our subscriptions still.

Its id lets in whoever has it, past any token. So it travels in a header, is shown nowhere, and is forgotten when the
server sends us away, when the user closes the cable, and when a fresh token is to be looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from cableway.errors import ServerDisconnect

if TYPE_CHECKING:
    from cableway.errors import CableError
    from cableway.transports.base import DialRequest
    from cableway.wire.frames import Welcome

HEADER = "X-ANYCABLE-RESTORE-SID"

_KEPT = frozenset({"server_restart", "no_pong", "too_slow", "session_expired"})
"""Reasons that say nothing against the session; servers that share their sessions still have it."""


class Sessions:
    """Keeps the id of the last session."""

    def __init__(self) -> None:
        self._sid: str | None = None

    def carry(self, request: DialRequest, *, extended: bool) -> DialRequest:
        """Return *request*, with the session to ask back where there is one and the protocol has such a thing."""
        if self._sid is None or not extended:
            return request
        return evolve(request, headers={**request.headers, HEADER: self._sid})

    def welcomed(self, welcome: Welcome, *, extended: bool) -> None:
        """The server gave us a session."""
        self._sid = welcome.sid if extended else None

    def failed(self, error: CableError) -> None:
        """The line ended by *error*, or could not be opened."""
        if isinstance(error, ServerDisconnect) and error.reason not in _KEPT:
            self.forget()

    def forget(self) -> None:
        """Begin anew with the next dial."""
        self._sid = None
