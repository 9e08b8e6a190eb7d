"""From when on a subscription has to ask for streams that nothing has come by: they have no position to go on from."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cableway.hub.recall.historian import Historian

MARGIN = 2
"""Seconds before the last ping from which on something may have been under way still."""


class Horizon:
    """A time of the server's, in whole seconds, up to which all has been heard."""

    def __init__(self, historian: Historian) -> None:
        self.since: int | None = None
        """The time; ``None`` while the server's clock is not known."""
        self.blind: bool = False
        """Whether something is missing from before our own time, and has not been told yet."""
        self._historian = historian
        self._sent_at: float | None = None
        # Our time since which the server has had the subscription, first of all.
        self._from: float | None = None

    def asked(self, now: float) -> None:
        """A subscribe command is being sent."""
        self._sent_at = now

    def confirmed(self, now: float) -> None:
        """The server has the subscription: from when it was asked for, at the latest, all is heard."""
        if self._from is None:
            self._from = now if self._sent_at is None else self._sent_at

    def note(self, *, live: bool) -> None:
        """Move it on to what is known now; *live*: the subscription is, and so hears what the last ping was behind."""
        historian = self._historian
        if self.blind:
            return
        at = None if self._from is None else historian.clock.at(self._from)
        if live and historian.pinged is not None:
            # By the ping's own time, not by when it came: it may have been held up on the way.
            at = max(at or 0, int(historian.pinged) - MARGIN)
        # Whole seconds since 1970: a server that tells a time before it has begun tells none.
        if at is not None and at > 0:
            self.since = max(self.since or 0, at)

    def begun(self, wall: int, now: float, *, alone: bool) -> int | None:
        """Return since when the server has had the subscription.

        If its time is not known it is by our own clock: *wall*. That may be wrong, and must then not keep from others
        what is new: for who is not *alone* it is ``None``.
        """
        self.note(live=False)
        if self.since is not None or not alone:
            return self.since
        return max(1, wall - MARGIN - int(now - (now if self._from is None else self._from)))

    def is_out_of_reach(self, now: float, life: float) -> bool:
        """Tell whether a server that keeps messages for *life* seconds may have forgotten, or set its clock back.

        It may if its time is not known.
        """
        server = self._historian.clock.at(now)
        return self.since is not None and (server is None or not -MARGIN <= server - self.since < life)
