"""No asyncio in sight: the same client for scripts and threads."""

from __future__ import annotations

import asyncio
import threading

from cableway.gateway import Gateway
from cableway.sync import Cable


def listen(url: str) -> None:
    """Wait for one message, as a script would."""
    with Cable(url) as cable, cable.stream("news") as news:
        for message in news:
            print("news:", message.data)
            break


async def serve_one(ready: threading.Event, addresses: list[str], heard: threading.Event) -> None:
    """Be the server that the script talks to: publish until somebody heard it."""
    async with Gateway(public=True) as gateway:
        addresses.append(gateway.url)
        ready.set()
        while not heard.is_set():
            await gateway.broadcast("news", "it works from a thread, too")
            await asyncio.sleep(0.05)


def main() -> None:
    """Run the server on one thread and the script on this one."""
    ready, heard = threading.Event(), threading.Event()
    addresses: list[str] = []
    server = threading.Thread(target=lambda: asyncio.run(serve_one(ready, addresses, heard)))
    server.start()
    try:
        ready.wait()
        listen(addresses[0])
    finally:
        heard.set()
        server.join()


if __name__ == "__main__":
    main()
