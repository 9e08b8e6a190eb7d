"""A server that sends as fast as the other side reads: the load of the receive benchmark. Prints its port."""

from __future__ import annotations

import argparse
import asyncio
import json

from websockets.asyncio.server import ServerConnection, serve

CHUNK = 256
"""Frames written at once."""


def frame_of(size: int, identifier: str) -> bytes:
    """Return one WebSocket text frame whose payload is a message of about *size* bytes."""

    def payload(filler: int) -> bytes:
        message = {"vehicle": "truck-17", "lat": 45.27911, "lon": 13.60418, "speed": 14.2, "pad": "x" * filler}
        return json.dumps({"identifier": identifier, "message": message}, separators=(",", ":")).encode()

    body = payload(max(0, size - len(payload(0))))
    head = bytes([0x81, len(body)]) if len(body) < 126 else bytes([0x81, 126]) + len(body).to_bytes(2, "big")
    return head + body


async def blast(connection: ServerConnection, messages: int, size: int) -> None:
    """Welcome, wait for one subscribe, confirm it, and send *messages* messages."""
    await connection.send('{"type":"welcome"}')
    command = json.loads(await connection.recv())
    identifier = command["identifier"]
    await connection.send(json.dumps({"identifier": identifier, "type": "confirm_subscription"}))
    chunk = frame_of(size, identifier) * CHUNK
    for _ in range(messages // CHUNK):
        connection.transport.write(chunk)
        await connection.drain()
    await connection.wait_closed()


async def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, required=True)
    parser.add_argument("--size", type=int, required=True)
    options = parser.parse_args()

    async def serve_one(connection: ServerConnection) -> None:
        await blast(connection, options.messages, options.size)

    async with serve(
        serve_one,
        "127.0.0.1",
        0,
        subprotocols=["actioncable-v1-json"],
        compression=None,
        ping_interval=None,  # type: ignore[list-item]
    ) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()


if __name__ == "__main__":
    asyncio.run(main())
