"""What a client says, one value a command."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from attrs import frozen

if TYPE_CHECKING:
    from cableway.types import JSONValue
    from cableway.wire.positions import HistoryQuery, Member


@frozen
class Subscribe:
    """Ask for the subscription *identifier*; with its past, and with somebody to be present, where these are given.

    The order of the answers is: confirmation, past, then the news that somebody joined.
    """

    identifier: str
    history: HistoryQuery | None = None
    member: Member | None = None


@frozen
class Unsubscribe:
    """Give the subscription *identifier* up. Servers never answer this."""

    identifier: str


@frozen
class Perform:
    """Send *data*, JSON text in a string, to the channel of *identifier*."""

    identifier: str
    data: str


@frozen
class Probe:
    """Ask for a sign of life. AnyCable answers, Rails writes it into its log."""


@frozen
class Beat:
    """Answer a ping of the server's: who does not is dropped by AnyCable with ``--pong_timeout``."""


@frozen
class History:
    """Ask for the past of the subscription *identifier*."""

    identifier: str
    query: HistoryQuery


@frozen
class Whisper:
    """Send *data* to the other clients of the subscription *identifier*, past the application."""

    identifier: str
    data: JSONValue


@frozen
class Join:
    """Be present in *identifier*; said again, it brings the info up to date."""

    identifier: str
    member: Member


@frozen
class Leave:
    """Be present in *identifier* no more."""

    identifier: str


@frozen
class AskPresence:
    """Ask who is present in *identifier*."""

    identifier: str


ExtendedCommand: TypeAlias = Beat | History | Whisper | Join | Leave | AskPresence
"""What only the extended protocol has."""

Command: TypeAlias = Subscribe | Unsubscribe | Perform | Probe | ExtendedCommand
