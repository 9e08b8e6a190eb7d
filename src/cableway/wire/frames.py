"""What a server says, one value a frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cableway.types import JSONValue
    from cableway.wire.positions import Member


@frozen
class Welcome:
    """The server accepted the session."""

    sid: str | None = None
    """By which the session can be asked back after a loss (AnyCable). Whoever has it is let in: a secret."""
    restored: bool = False
    """Whether it is the session that was asked back, with its subscriptions."""
    restored_ids: tuple[str, ...] = ()
    """Identifiers of these subscriptions, in no order."""


@frozen
class Ping:
    """The server's beat; *message* is its Unix time in whatever unit it counts, or nothing."""

    message: JSONValue = None


@frozen
class Pong:
    """The answer to our own ``ping``. AnyCable gives it, Rails does not."""


@frozen
class Confirm:
    """The subscription *identifier* is live."""

    identifier: str


@frozen
class Reject:
    """The subscription *identifier* was refused, or taken back. AnyCable may leave the identifier out."""

    identifier: str | None


@frozen
class Disconnect:
    """The server ends the session."""

    reason: str | None = None
    reconnect: bool = True
    retry_after: float | None = None
    """Seconds over which the clients are asked to spread their return; an addition of our gateway's."""


@frozen
class Data:
    """A message of a subscription; any JSON value, falsy ones too."""

    identifier: str
    message: JSONValue
    stream: str | None = None
    epoch: str | None = None
    offset: int | None = None


@frozen
class ConfirmHistory:
    """The past that was asked for has been sent, all of it."""

    identifier: str


@frozen
class RejectHistory:
    """The past that was asked for cannot be had, or not in full: nothing of it was sent."""

    identifier: str


@frozen
class PresenceChange:
    """Somebody came (``join``) or went (``leave``)."""

    identifier: str
    kind: str
    member: Member
    """Without ``info`` where they went."""


@frozen
class PresenceInfo:
    """Who is there: the answer to a question for it."""

    identifier: str
    total: int
    """How many, by id."""
    members: tuple[Member, ...] = ()
    """Who, in no order; may be left out where only the total was asked for."""
    failed: bool = False
    """Whether the server could not tell: the rest says nothing then."""


@frozen
class ServerError:
    """A frame of type ``error``. No server sends it today; one day it may tell what a log line tells now."""

    fields: Mapping[str, Any]


@frozen
class Unknown:
    """A frame of a type that this version does not know. It is counted and otherwise left alone."""

    type: str


HistoryAnswer: TypeAlias = ConfirmHistory | RejectHistory
PresenceNews: TypeAlias = PresenceChange | PresenceInfo

Frame: TypeAlias = (
    Welcome | Ping | Pong | Confirm | Reject | Disconnect | Data | HistoryAnswer | PresenceNews | ServerError | Unknown
)
