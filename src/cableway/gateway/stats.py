"""What a gateway counts."""

from __future__ import annotations

from collections import Counter

from attrs import frozen

from cableway.wire.server_session import Oddity


@frozen
class GatewayStats:
    """One look at a gateway's counters. All but the first four only grow."""

    connections: int = 0
    """Clients at this moment, those not yet let in included."""
    subscriptions: int = 0
    """Confirmed subscriptions at this moment."""
    streams: int = 0
    """Streams with at least one listener at this moment."""
    waiting: int = 0
    """Upgrades that wait for their turn at this moment; see the option ``accept_rate``."""
    sessions: int = 0
    """Upgrades accepted."""
    frames_received: int = 0
    frames_sent: int = 0
    """Frames queued for clients."""
    broadcasts: int = 0
    failed_broadcasts: int = 0
    """Publications that could not be read; they were answered with 201 all the same."""
    unauthorized: int = 0
    """Clients turned away by the connection class, or for their token, those included that got a bare 1011."""
    expired_tokens: int = 0
    """Clients turned away because their token had ended. Part of ``unauthorized``."""
    refused_upgrades: int = 0
    """By origin, for load, or because they were no upgrades."""
    refused_for_load: int = 0
    """With 503 and ``Retry-After``: beyond ``max_conn`` or the accept queue, or while the gateway stopped. Part of
    ``refused_upgrades``."""
    skipped_dead: int = 0
    """Upgrades whose client was gone before their turn; nothing was done for them."""
    malformed_frames: int = 0
    unknown_commands: int = 0
    unreadable_commands: int = 0
    duplicate_subscribes: int = 0
    unknown_subscriptions: int = 0
    """Commands for an identifier that is not subscribed."""
    failed_commands: int = 0
    """Commands whose channel raised, or knew no such action."""
    too_slow: int = 0
    stalled: int = 0
    """Lines cut because one write took too long."""
    restored: int = 0
    """Sessions that clients have asked back."""
    histories: int = 0
    """Questions for what was published before."""
    rejected_histories: int = 0
    """Those of them that could not be answered in full, and so were refused."""
    whispers: int = 0
    """Whispers passed on."""
    event_streams: int = 0
    """Sessions over server-sent events. Part of ``sessions``, as is the next one."""
    poll_sessions: int = 0
    """Sessions over long polling."""
    stale_polls: int = 0
    """Polls for a session that is not there, or not any more."""


ODDITIES: dict[Oddity, str] = {
    Oddity.MALFORMED_FRAME: "malformed_frames",
    Oddity.UNKNOWN_COMMAND: "unknown_commands",
    Oddity.UNREADABLE_COMMAND: "unreadable_commands",
    Oddity.DUPLICATE_SUBSCRIBE: "duplicate_subscribes",
    Oddity.UNKNOWN_SUBSCRIPTION: "unknown_subscriptions",
}
"""The counter of each thing a client may do wrong."""


class Counters(Counter[str]):
    """Counters by the names of :class:`GatewayStats`."""

    def snapshot(self, *, connections: int, subscriptions: int, streams: int, waiting: int) -> GatewayStats:
        """Take one look."""
        return GatewayStats(
            connections=connections, subscriptions=subscriptions, streams=streams, waiting=waiting, **self
        )
