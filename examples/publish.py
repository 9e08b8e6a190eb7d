"""A back end without a line of its own: publish over HTTP, and sign the names of private streams."""

from __future__ import annotations

import asyncio

from cableway import Cable
from cableway.gateway import Gateway
from cableway.server import Publisher, sign_stream

SECRET = "the one that server and back end share"  # noqa: S105 - an example


async def main() -> None:
    """Publish to a stream that only who holds its signed name may hear."""
    async with (
        Gateway(secret=SECRET) as gateway,
        Cable(gateway.url) as cable,
        cable.signed_stream(sign_stream("orders/7", SECRET)) as orders,
    ):
        async with Publisher(gateway.url, secret=SECRET) as publisher:
            await publisher.publish("orders/7", {"state": "shipped"})
        message = await orders.receive(timeout=5)
        print("order 7 is", message.data["state"])


if __name__ == "__main__":
    asyncio.run(main())
