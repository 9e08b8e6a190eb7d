"""What each kind of fault does, as plain values."""

from __future__ import annotations

from enum import Enum
from typing import Literal, TypeAlias

from attrs import field, frozen


class Asked(Enum):
    """What a request asks for."""

    UPGRADE = "a WebSocket"
    OPENING = "a session by long polling"
    POLL = "what is new in such a session"
    STREAM = "an event stream"


Moment: TypeAlias = Literal["arrived", "taken", "answered"]
"""How far a poll comes before its line is cut."""


@frozen
class Refuse:
    """Answer in the gateway's place."""

    status: int
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)


@frozen
class Swallow:
    """Take the request, and never answer."""


@frozen
class Delay:
    """Look at the request only some seconds later."""

    seconds: float


@frozen
class LosePoll:
    """Cut a poll's line."""

    moment: Moment


@frozen
class AnswerLate:
    """Answer a poll only once its client has gone."""


@frozen
class Silence:
    """Send nothing any more, some seconds after a line came up."""

    after: float


@frozen
class Cut:
    """Cut a line after seconds, or after bytes, whichever comes first."""

    after: float | None
    after_bytes: int | None


RequestEffect: TypeAlias = Refuse | Swallow | Delay | LosePoll | AnswerLate
"""What happens to a request."""
LineEffect: TypeAlias = Silence | Cut
"""What happens to a line that is up, or comes up."""
