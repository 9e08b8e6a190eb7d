"""One session as the client sees it, from the open line to its end.

Rule 1: the server speaks first, with ``welcome`` or ``disconnect``; what comes earlier is held and acted on after it.
Rule 2: nothing that a server sends can stop the reader: what makes no sense is counted; too much ends the session.
Rule 3: after the end, nothing counts any more.

The table holds the rules; the class holds what one session has to remember.
"""

from __future__ import annotations

from collections import Counter, deque
from enum import Enum
from typing import TYPE_CHECKING

from cableway.errors import MalformedFrame
from cableway.transitions import Transition, look_up, to
from cableway.wire.frames import (
    Confirm,
    ConfirmHistory,
    Data,
    Disconnect,
    Frame,
    Ping,
    Pong,
    PresenceChange,
    PresenceInfo,
    Reject,
    RejectHistory,
    ServerError,
    Unknown,
    Welcome,
)

if TYPE_CHECKING:
    from cableway.wire.codecs.base import Codec
    from cableway.wire.dialects.base import BaseDialect


class Phase(Enum):
    """How far the session is."""

    GREETING = "greeting"
    LIVE = "live"
    ENDED = "ended"


class Heard(Enum):
    """What can come from the line."""

    WELCOME = "welcome"
    PING = "ping"
    PONG = "pong"
    CONFIRM = "confirm"
    REJECT = "reject"
    DATA = "data"
    HISTORY = "history answered"
    PRESENCE = "presence"
    DISCONNECT = "disconnect"
    ERROR = "error"
    UNKNOWN = "unknown type"
    MALFORMED = "malformed"
    FLOOD = "too many malformed"
    LOST = "line lost"


class Act(Enum):
    """What the session does about it."""

    HAND_ON = "hand on"
    HOLD = "hold"
    RELEASE = "release held"
    COUNT = "count"


_KIND: dict[type[Frame], Heard] = {
    Welcome: Heard.WELCOME,
    Ping: Heard.PING,
    Pong: Heard.PONG,
    Confirm: Heard.CONFIRM,
    Reject: Heard.REJECT,
    Data: Heard.DATA,
    ConfirmHistory: Heard.HISTORY,
    RejectHistory: Heard.HISTORY,
    PresenceChange: Heard.PRESENCE,
    PresenceInfo: Heard.PRESENCE,
    Disconnect: Heard.DISCONNECT,
    ServerError: Heard.ERROR,
    Unknown: Heard.UNKNOWN,
}

TABLE: dict[tuple[Phase, Heard], Transition[Phase, Act]] = {
    (Phase.GREETING, Heard.WELCOME): to(Phase.LIVE, Act.HAND_ON, Act.RELEASE),
    (Phase.GREETING, Heard.PING): to(Phase.GREETING, Act.COUNT),
    (Phase.GREETING, Heard.PONG): to(Phase.GREETING, Act.COUNT),
    (Phase.GREETING, Heard.CONFIRM): to(Phase.GREETING, Act.HOLD),
    (Phase.GREETING, Heard.REJECT): to(Phase.GREETING, Act.HOLD),
    (Phase.GREETING, Heard.DATA): to(Phase.GREETING, Act.HOLD),
    (Phase.GREETING, Heard.HISTORY): to(Phase.GREETING, Act.HOLD),
    (Phase.GREETING, Heard.PRESENCE): to(Phase.GREETING, Act.HOLD),
    (Phase.GREETING, Heard.DISCONNECT): to(Phase.ENDED, Act.HAND_ON),
    (Phase.GREETING, Heard.ERROR): to(Phase.GREETING, Act.HAND_ON),
    (Phase.GREETING, Heard.UNKNOWN): to(Phase.GREETING, Act.COUNT),
    (Phase.GREETING, Heard.MALFORMED): to(Phase.GREETING, Act.COUNT),
    (Phase.GREETING, Heard.FLOOD): to(Phase.ENDED, Act.COUNT),
    (Phase.GREETING, Heard.LOST): to(Phase.ENDED),
    # A second welcome refreshes the session; subscribing again on it would double everything.
    (Phase.LIVE, Heard.WELCOME): to(Phase.LIVE, Act.COUNT),
    (Phase.LIVE, Heard.PING): to(Phase.LIVE, Act.HAND_ON),
    (Phase.LIVE, Heard.PONG): to(Phase.LIVE, Act.HAND_ON),
    (Phase.LIVE, Heard.CONFIRM): to(Phase.LIVE, Act.HAND_ON),
    (Phase.LIVE, Heard.REJECT): to(Phase.LIVE, Act.HAND_ON),
    (Phase.LIVE, Heard.DATA): to(Phase.LIVE, Act.HAND_ON),
    (Phase.LIVE, Heard.HISTORY): to(Phase.LIVE, Act.HAND_ON),
    (Phase.LIVE, Heard.PRESENCE): to(Phase.LIVE, Act.HAND_ON),
    (Phase.LIVE, Heard.DISCONNECT): to(Phase.ENDED, Act.HAND_ON),
    (Phase.LIVE, Heard.ERROR): to(Phase.LIVE, Act.HAND_ON),
    (Phase.LIVE, Heard.UNKNOWN): to(Phase.LIVE, Act.COUNT),
    (Phase.LIVE, Heard.MALFORMED): to(Phase.LIVE, Act.COUNT),
    (Phase.LIVE, Heard.FLOOD): to(Phase.ENDED, Act.COUNT),
    (Phase.LIVE, Heard.LOST): to(Phase.ENDED),
    **{(Phase.ENDED, heard): to(Phase.ENDED) for heard in Heard},
}

HELD_LIMIT = 64
"""Frames kept before the welcome. AnyCable may put broadcasts there; more than a few is no Action Cable server."""

MALFORMED_LIMIT = 20
"""Malformed frames within :data:`MALFORMED_WINDOW` after which the line is not worth keeping."""

MALFORMED_WINDOW = 60.0


class ClientSession:
    """The client's side of one session: bytes in, frames worth acting on out."""

    def __init__(self, codec: Codec, dialect: BaseDialect) -> None:
        self.phase: Phase = Phase.GREETING
        self.counts: Counter[str] = Counter()
        """How many frames of no use came: ``empty``, ``held too many``, or by the value of :class:`Heard`.

        A ``welcome`` counted is one too many, a ``ping`` one before the welcome.
        """
        self.fault: MalformedFrame | None = None
        """The last malformed frame; once :attr:`flooded`, what the line is to be dropped for."""
        self._codec = codec
        self._dialect = dialect
        self._held: list[Frame] = []
        self._malformed_at: deque[float] = deque(maxlen=MALFORMED_LIMIT)

    @property
    def flooded(self) -> bool:
        """Whether so much nonsense came within a minute that the line should be dropped."""
        return self.phase is Phase.ENDED and len(self._malformed_at) == MALFORMED_LIMIT

    @property
    def episode_begins(self) -> bool:
        """Whether the malformed frame just counted is the first one of its minute: the one to tell of."""
        return len(self._malformed_at) == 1

    def receive(self, raw: bytes, now: float) -> list[Frame]:
        """Take one frame from the line and return the frames to act on, in order. Never raises."""
        if self.phase is Phase.ENDED:
            return []
        try:
            mapping = self._codec.decode(raw)
            if mapping is None:
                self.counts["empty"] += 1
                return []
            frame = self._dialect.parse(mapping)
        except MalformedFrame as fault:
            self.malformed(fault, now)
            return []
        return self._hear(_KIND[type(frame)], frame)

    def malformed(self, fault: MalformedFrame, now: float) -> None:
        """Count a frame that makes no sense, found here or later by whoever read its message."""
        if self.phase is Phase.ENDED:
            return
        self.fault = fault
        while self._malformed_at and now - self._malformed_at[0] > MALFORMED_WINDOW:
            self._malformed_at.popleft()
        self._malformed_at.append(now)
        full = len(self._malformed_at) == MALFORMED_LIMIT
        self._hear(Heard.FLOOD if full else Heard.MALFORMED, None)

    def lost(self) -> None:
        """Learn that the line is gone."""
        self._hear(Heard.LOST, None)

    def _hear(self, heard: Heard, frame: Frame | None) -> list[Frame]:
        transition = look_up(TABLE, self.phase, heard)
        self.phase = transition.target
        out: list[Frame] = []
        for act in transition.actions:
            if act is Act.COUNT:
                self.counts[heard.value] += 1
            elif act is Act.RELEASE:
                out += self._held
                self._held = []
            elif frame is not None and act is Act.HAND_ON:
                out.append(frame)
            elif frame is not None and len(self._held) < HELD_LIMIT:
                self._held.append(frame)
            else:
                self.counts["held too many"] += 1
        return out
