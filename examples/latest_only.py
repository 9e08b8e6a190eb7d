"""A slow reader that wants only the newest position of each vehicle: choose what a full mailbox does."""

from __future__ import annotations

import asyncio

from cableway import Cable, SubscriptionOptions, latest_by
from cableway.gateway import Gateway

NEWEST = SubscriptionOptions(overflow=latest_by(lambda message: message.data["vehicle"]))


async def main() -> None:
    """Publish many positions, and read three."""
    async with (
        Gateway(public=True) as gateway,
        Cable(gateway.url) as cable,
        cable.stream("positions", options=NEWEST) as positions,
        cable.stream("done") as done,
    ):
        for step in range(100):
            for vehicle in ("bus", "tram", "ferry"):
                await gateway.broadcast("positions", {"vehicle": vehicle, "step": step})
        await gateway.broadcast("done", "now")
        # Messages of one line come in order: when this one is here, all positions are.
        await done.receive(timeout=5)
        while positions.stats().unread:
            print((await anext(positions)).data)


if __name__ == "__main__":
    asyncio.run(main())
