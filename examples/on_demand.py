"""A tracker's line: up only while it has something to tell, dormant in between."""

from __future__ import annotations

import asyncio
from typing import Any

from cableway import Cable, Connected, Demanded, Dormant, OnDemandMonitor
from cableway.gateway import Channel, Gateway, action


class TrackerChannel(Channel):
    """The server's side."""

    @action
    async def report(self, data: dict[str, Any]) -> None:
        """Take positions."""
        print("the server takes", len(data["positions"]), "positions")


async def main() -> None:
    """Drive, and report three positions at a time."""
    monitor = OnDemandMonitor(linger=0)
    async with Gateway([TrackerChannel]) as gateway, Cable(gateway.url, monitor=monitor) as cable:
        cable.on(Demanded, lambda event: print("needed for:", event.reason))
        cable.on(Connected, lambda _: print("up"))
        cable.on(Dormant, lambda _: print("dormant"))
        tracker = cable.subscribe("TrackerChannel", vehicle=7)

        positions: list[list[float]] = []
        for step in range(6):
            await asyncio.sleep(0.2)
            positions.append([45.65, 13.77 + step / 1000])
            if len(positions) == 3:
                async with cable.awake("positions"):
                    await tracker.perform("report", positions=positions)
                positions = []

        await asyncio.sleep(0.5)
        # One command that cannot wait needs no block: it wakes the line by itself.
        await tracker.perform("report", positions=[[45.66, 13.80]])


if __name__ == "__main__":
    asyncio.run(main())
