"""The fleet's gateway as a program of its own, so that it can be killed for real.

``python -m cableway.cli.fleet.server PORT`` tells its address as a JSON line on stdout, and ends when its stdin ends:
it does not outlive the demo.
"""

from __future__ import annotations

import asyncio
import json
import sys

from cableway.cli.fleet.channels import FleetChannel, TrackerChannel
from cableway.gateway import Gateway


async def serve(port: int) -> None:
    """Serve on *port*, 0 being any free one, until stdin ends."""
    async with Gateway([TrackerChannel, FleetChannel], port=port, ping_interval=1.0) as gateway:
        print(json.dumps({"url": gateway.url, "port": gateway.port}), flush=True)  # noqa: T201 - read by the parent
        await asyncio.to_thread(sys.stdin.buffer.read)


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
