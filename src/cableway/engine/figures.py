"""Gathers the figures of a cable from where they are kept."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from cableway.redact import redact_url
from cableway.stats import CableStats, SubscriptionStats

if TYPE_CHECKING:
    from collections.abc import Callable

    from cableway.engine.core import Engine
    from cableway.hub.wish import Handle
    from cableway.wire.message import Message


def figures(engine: Engine) -> CableStats:
    """Return the figures of *engine* as users see them."""
    counts = engine.carrier.session.counts if engine.carrier is not None else {}
    endpoints = engine.dials.dialer.endpoints
    return CableStats(
        failures=engine.line.failures,
        subscriptions=len(engine.hub.wishes),
        undelivered=sum(engine.hub.router.counts.values()),
        malformed=counts.get("malformed", 0),
        unknown=counts.get("unknown type", 0),
        dials=engine.dials.count,
        transport=engine.dials.transport.name,
        endpoints={} if endpoints is None else {redact_url(url): n for url, n in endpoints.health.items()},
        round_trip=engine.overseer.vitals.round_trip,
        jitter=engine.overseer.vitals.jitter,
        energy=engine.overseer.energy,
    )


def subscription_figures(engine: Engine, handle: Handle, lag: float | None, whispers: int) -> SubscriptionStats:
    """Return the figures of one handle."""
    mailbox, wish = handle.mailbox, handle.wish
    return SubscriptionStats(
        unread=len(mailbox),
        unread_bytes=mailbox.size,
        received=mailbox.received,
        dropped=mailbox.dropped,
        replaced=mailbox.replaced,
        high_water=mailbox.high_water,
        duplicates=wish.recall.intake.duplicates,
        gaps=wish.recall.account.gaps,
        age=None if wish.heard is None else max(0.0, engine.home.now() - wish.heard),
        lag=lag,
        stale=handle.stale_at is not None,
        whispers_replaced=whispers,
    )


def lag_of(message: Message[Any], published_at: Callable[[Message[Any]], datetime | float | None]) -> float | None:
    """Return the seconds from the publication of *message* to its receipt, as far as *published_at* can tell."""
    try:
        told = published_at(message)
        at = told.timestamp() if isinstance(told, datetime) else told
        return None if at is None else message.received_at.timestamp() - float(at)
    except Exception:  # noqa: BLE001 - the user's function; a message without a time has no lag
        return None
