"""The server dies and comes back: iteration goes on by itself, and events tell what happened meanwhile."""

from __future__ import annotations

import asyncio

from cableway import Cable, Connected, Disconnected, ExponentialBackoff, RetryScheduled
from cableway.gateway import Gateway


async def main() -> None:
    """Kill the server under a subscription."""
    async with Gateway(public=True) as gateway, Cable(gateway.url, backoff=ExponentialBackoff(maximum=1)) as cable:
        cable.on(Disconnected, lambda event: print("down:", event.error))
        cable.on(RetryScheduled, lambda event: print(f"dial {event.attempt} in {event.delay:.2f} s"))
        cable.on(Connected, lambda event: print("up again" if event.reconnected else "up"))
        async with cable.stream("news") as news:
            await gateway.broadcast("news", "before")
            print("news:", (await anext(news)).data)

            gateway.kill()
            await gateway.stop()
            await gateway.start()

            # Awaiting a subscription waits until it is confirmed, on the new line, too.
            await news
            await gateway.broadcast("news", "after")
            print("news:", (await anext(news)).data)


if __name__ == "__main__":
    asyncio.run(main())
