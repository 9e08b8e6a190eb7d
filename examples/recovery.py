"""The line breaks, and what was missed comes. The server is started anew, nobody can tell: the program catches up."""

from __future__ import annotations

import asyncio
from typing import Any

from cableway import Cable, Recovered, Subscription, SubscriptionOptions
from cableway.gateway import Gateway


async def catch_up(_orders: Subscription[Any]) -> None:
    """Load the present state, as by a request to the back end. Messages wait meanwhile."""
    print("loading all orders")
    await asyncio.sleep(0.1)


async def main() -> None:
    """Break the line under a subscription, then the server."""
    options = SubscriptionOptions(on_resync=catch_up)
    async with (
        Gateway(public=True) as gateway,
        Cable(gateway.url) as cable,
        cable.stream("orders", options=options) as orders,
    ):
        orders.on(Recovered, lambda event: print("recovered:", event.recovery.value))
        await gateway.broadcast("orders", "one")
        print((await orders.receive(timeout=5)).data)

        cable.pause()
        await gateway.broadcast("orders", "two")
        cable.resume()
        print((await orders.receive(timeout=5)).data)

        gateway.kill()
        await gateway.stop()
        await gateway.start()
        await orders
        await gateway.broadcast("orders", "three")
        print((await orders.receive(timeout=5)).data)


if __name__ == "__main__":
    asyncio.run(main())
