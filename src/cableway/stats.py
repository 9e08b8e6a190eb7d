"""Figures that users see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cableway.policies.energy import EnergyFigures


@frozen
class CableStats:
    """Figures of one cable."""

    failures: int
    """Failures in a row, 0 while all is well."""
    subscriptions: int
    """Subscriptions that are wished for, or still have to be taken back."""
    undelivered: int
    """Messages that belonged to no subscription of ours."""
    malformed: int
    """Malformed frames on the present line."""
    unknown: int
    """Frames of an unknown type on the present line."""
    dials: int = 0
    """Dials since the cable was built."""
    transport: str = ""
    """The transport that carries the line, or is to carry the next one, such as ``websocket``."""
    endpoints: Mapping[str, int] = field(factory=dict)
    """Failures in a row of each address, secrets cut out; empty where a function gives the address."""
    round_trip: float | None = None
    """Seconds from a question of ours to the server's answer, smoothed; ``None`` where it was never asked, or cannot
    answer, as Rails."""
    energy: EnergyFigures | None = None
    """What the radio has spent, by the model of the profile given as ``radio=``; ``None`` without one."""
    jitter: float | None = None
    """Seconds by which the gaps between the server's beats differ, smoothed; ``None`` before three beats."""


@frozen
class SubscriptionStats:
    """Figures of one handle."""

    unread: int
    """Messages in the mailbox."""
    unread_bytes: int
    received: int
    """Messages that came for it, whatever became of them."""
    dropped: int
    """Messages lost to the overflow policy."""
    replaced: int
    """Messages that a newer one of the same key replaced."""
    high_water: int
    """Most messages that were ever unread."""
    duplicates: int = 0
    """Messages that came more than once, and were delivered once."""
    gaps: int = 0
    """Gaps between the messages of a stream, healed ones included."""
    age: float | None = None
    """Seconds since a message last came; ``None`` before the first one."""
    lag: float | None = None
    """Seconds between publication and receipt of the message read last, by the clocks of both sides; ``None`` where
    ``SubscriptionOptions(published_at=...)`` does not tell."""
    stale: bool = False
    """Whether nothing has come for longer than ``max_age``."""
    whispers_replaced: int = 0
    """Whispers that a newer one took the place of, by ``whisper_every``."""
