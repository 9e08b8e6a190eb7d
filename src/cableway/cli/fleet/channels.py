"""The server's side of the fleet: it passes on what it hears, and remembers nothing."""

from __future__ import annotations

from typing import Any

from cableway.gateway import Channel, action

FLEET = "fleet"


def vehicle_stream(vehicle: object) -> str:
    """Name the stream by which a vehicle hears what has arrived."""
    return f"vehicle/{vehicle}"


class TrackerChannel(Channel):
    """One vehicle: it reports positions, and hears which of them arrived."""

    async def subscribed(self) -> None:
        """Listen to acknowledgements for this vehicle."""
        if not isinstance(self.params.get("vehicle"), str):
            self.reject()
            return
        self.stream_from(vehicle_stream(self.params["vehicle"]))

    @action
    async def report(self, data: dict[str, Any]) -> None:
        """Pass a position on to the dispatcher."""
        await self.broadcast(FLEET, {"vehicle": self.params["vehicle"], **data})


class FleetChannel(Channel):
    """The dispatcher: hears every position, and acknowledges each."""

    async def subscribed(self) -> None:
        """Listen to the positions of all vehicles."""
        self.stream_from(FLEET)

    @action
    async def acknowledge(self, data: dict[str, Any]) -> None:
        """Tell a vehicle what arrived."""
        await self.broadcast(vehicle_stream(data["vehicle"]), {"arrived": data["ids"]})
