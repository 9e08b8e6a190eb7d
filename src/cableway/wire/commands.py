"""What a client says, one value a command."""

from __future__ import annotations

from typing import TypeAlias

from attrs import frozen


@frozen
class Subscribe:
    """Ask for the subscription *identifier*."""

    identifier: str


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


Command: TypeAlias = Subscribe | Unsubscribe | Perform | Probe
