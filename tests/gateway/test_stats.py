"""Counters."""

from __future__ import annotations

from attrs import fields

from cableway.gateway.stats import ODDITIES, Counters, GatewayStats
from cableway.wire.server_session import Oddity


def test_each_oddity_has_its_counter() -> None:
    """Nothing odd goes uncounted."""
    assert set(ODDITIES) == set(Oddity)
    assert set(ODDITIES.values()) <= {attribute.name for attribute in fields(GatewayStats)}


def test_a_look_at_the_counters_does_not_change() -> None:
    """What is counted later is in the next look."""
    counters = Counters()
    counters["sessions"] += 1
    look = counters.snapshot(connections=1, subscriptions=2, streams=3, waiting=4)
    counters["sessions"] += 1
    assert look == GatewayStats(connections=1, subscriptions=2, streams=3, waiting=4, sessions=1)
    assert counters.snapshot(connections=0, subscriptions=0, streams=0, waiting=0).sessions == 2
