"""Gathers the figures of a cable from where they are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cableway.redact import redact_url
from cableway.stats import CableStats

if TYPE_CHECKING:
    from cableway.engine.core import Engine


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
        endpoints={} if endpoints is None else {redact_url(url): n for url, n in endpoints.health.items()},
        round_trip=engine.overseer.vitals.round_trip,
        jitter=engine.overseer.vitals.jitter,
        energy=engine.overseer.energy,
    )
