"""The server's side of the fleet passes on, and remembers nothing."""

from __future__ import annotations

import pytest

from cableway import Cable, SubscriptionRejected
from cableway.cli.fleet.channels import FleetChannel, TrackerChannel
from cableway.gateway import Gateway


async def test_positions_go_to_the_dispatcher_and_acknowledgements_back() -> None:
    """Each vehicle hears of its own positions only."""
    async with (
        Gateway([TrackerChannel, FleetChannel]) as gateway,
        Cable(gateway.url) as cable,
        cable.subscribe("FleetChannel") as fleet,
        cable.subscribe("TrackerChannel", vehicle="a") as first,
        cable.subscribe("TrackerChannel", vehicle="b") as second,
    ):
        await first.perform("report", id="a/1", lat=1, lon=2)
        heard = (await fleet.receive(timeout=5)).data
        await fleet.perform("acknowledge", vehicle="a", ids=["a/1"])
        await fleet.perform("acknowledge", vehicle="b", ids=["b/1"])

        assert heard == {"vehicle": "a", "id": "a/1", "lat": 1, "lon": 2}
        assert (await first.receive(timeout=5)).data == {"arrived": ["a/1"]}
        assert (await second.receive(timeout=5)).data == {"arrived": ["b/1"]}
        assert first.stats().unread == 0


async def test_a_vehicle_without_a_name_is_rejected() -> None:
    """Nobody could acknowledge its positions."""
    async with Gateway([TrackerChannel]) as gateway, Cable(gateway.url) as cable:
        with pytest.raises(SubscriptionRejected):
            await cable.subscribe("TrackerChannel")
