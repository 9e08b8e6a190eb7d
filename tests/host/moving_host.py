"""A program for a network namespace of its own: it changes the network, and prints which changes the watch told."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

from cableway.host import watch as watching
from cableway.host.network import WayOut, way_out
from cableway.host.watch import HostChange, HostWatch

STEPS = [
    "link set lo up",
    "address add 198.51.100.7/32 dev lo",
    "route add 192.0.2.0/24 dev lo src 198.51.100.7",
    "address add 198.51.100.8/32 dev lo",
    "route replace 192.0.2.0/24 dev lo src 198.51.100.8",
    "address del 198.51.100.7/32 dev lo",
    "route del 192.0.2.0/24 dev lo",
]


async def main() -> None:
    """Take the steps, each time until the watch has compared the way out with the one before."""
    watching.SETTLE_AFTER = 0.05
    # Only netlink is to tell.
    watching.LOOK_EVERY = 3600
    told: list[HostChange] = []
    compared: asyncio.Queue[WayOut] = asyncio.Queue()

    def way() -> WayOut:
        answer = way_out()
        compared.put_nowait(answer)
        return answer

    watch = HostWatch(asyncio.get_running_loop(), way=way)
    watch.listen(told.append)
    compared.get_nowait()
    story: dict[str, tuple[str | None, bool]] = {}
    for step in STEPS:
        # Blocking, so that no comparison of before the step is taken for one of after it.
        subprocess.run(["ip", *step.split()], check=True)  # noqa: ASYNC221
        while not compared.empty():
            compared.get_nowait()
        async with asyncio.timeout(5):
            answer = await compared.get()
        story[step] = (answer.ipv4, told == [HostChange(network=True)])
        told.clear()
    watch.ignore(told.append)
    json.dump(story, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main())
