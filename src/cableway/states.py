"""The states that users see."""

from __future__ import annotations

from enum import Enum


class State(Enum):
    """Where a cable stands."""

    IDLE = "idle"
    """Built, never opened."""
    CONNECTING = "connecting"
    """A dial is under way, or the server's welcome is awaited."""
    CONNECTED = "connected"
    """The server has welcomed us."""
    DISCONNECTED = "disconnected"
    """The line is down and the next dial is scheduled."""
    DORMANT = "dormant"
    """Open, and deliberately without a line: the monitor, ``pause()`` or ``gate=`` wants none at the moment."""
    CLOSED = "closed"
    """Closed by the user, or ended by a final failure, which ``cable.error`` then holds. ``open()`` starts anew."""


class Recovery(Enum):
    """What became of the messages that were sent while there was no line, or while one took the place of another."""

    COMPLETE = "complete"
    """None that the server keeps is missing, and none came twice."""
    UNKNOWN = "unknown"
    """Nobody can tell: the server has no history, or not that far back. Some may be missing."""


class SubscriptionState(Enum):
    """Where a subscription handle stands."""

    PENDING = "pending"
    """Wished for, not confirmed at the moment."""
    SUBSCRIBED = "subscribed"
    """Confirmed by the server on the line that is up."""
    REJECTED = "rejected"
    """Refused by the server, or taken back."""
    CLOSED = "closed"
    """Unsubscribed, or its cable is closed."""
