"""What the hub asks the engine to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from attrs import frozen

if TYPE_CHECKING:
    from cableway.errors import CableError
    from cableway.hub.wish import Handle, Wish
    from cableway.wire.commands import Command


@frozen
class Send:
    """Write a command."""

    command: Command


@frozen
class Name:
    """Ask the wish's source for its identifier, and tell the hub what came of it."""

    wish: Wish
    question: int
    """To be given back with the answer."""


@frozen
class Recycle:
    """Drop the line and dial anew."""

    error: CableError


@frozen
class PauseReading:
    """Stop reading the socket until :class:`ResumeReading`."""


@frozen
class ResumeReading:
    """Read on."""


@frozen
class Doubt:
    """The server left a question unanswered: ask it for a sign of life, and drop the line if none comes."""

    what: str


@frozen
class Resync:
    """Have the holder of a handle bring itself up to date, and tell the hub when that is done."""

    handle: Handle


HubEffect: TypeAlias = Send | Name | Recycle | PauseReading | ResumeReading | Doubt | Resync
