"""When a server beats, and how long it waits for its clients' answers."""

from __future__ import annotations

from enum import Enum

from attrs import define, field, frozen


@frozen
class PingPlan:
    """When a session is pinged, and in which unit a ping counts the time."""

    interval: float = 3.0
    """Seconds between pings; 0 or less means none."""
    first: float = 1.0
    """How many intervals the first ping takes. Servers draw it from 0.5 to 1.5, so that a crowd is spread."""
    precision: str = "s"
    """``s``, ``ms`` or ``ns``; anything else means seconds."""
    pong_timeout: float = 0.0
    """Seconds for the client to say anything after a ping; 0: it need not."""

    def stamp(self, unix_ns: int) -> int:
        """Write the time as a ping's message."""
        return unix_ns // {"ms": 1_000_000, "ns": 1}.get(self.precision, 1_000_000_000)


class Due(Enum):
    """What is due."""

    PING = "ping"
    SILENT = "the client has been silent for too long"
    NOTHING = "nothing"


@define
class Pulse:
    """The beat of one session."""

    plan: PingPlan
    ping_at: float | None = field(default=None, init=False)
    """When the next ping is due; ``None``: there is none."""
    pong_by: float | None = field(default=None, init=False)
    """Until when the client has to say something; ``None``: it need not."""

    @property
    def next(self) -> float | None:
        """When :meth:`due` has something to say."""
        return min((at for at in (self.ping_at, self.pong_by) if at is not None), default=None)

    def start(self, now: float) -> None:
        """The client was welcomed."""
        delay = max(0.0, self.plan.interval) * self.plan.first
        if self.plan.interval > 0:
            self.ping_at = now + delay
        if self.plan.pong_timeout > 0:
            self.pong_by = now + delay + self.plan.pong_timeout

    def heard(self) -> None:
        """The client said something that can be read."""
        self.pong_by = None

    def due(self, now: float) -> Due:
        """Tell what is due, and plan what follows."""
        if self.pong_by is not None and now >= self.pong_by:
            return Due.SILENT
        if self.ping_at is None or now < self.ping_at:
            return Due.NOTHING
        # From the time it was due, so that pings do not drift; from now after a pause, so that they come in no burst.
        following = self.ping_at + self.plan.interval
        self.ping_at = following if following > now else now + self.plan.interval
        if self.plan.pong_timeout > 0 and self.pong_by is None:
            self.pong_by = now + self.plan.pong_timeout
        return Due.PING
