"""A server that sends as fast as the other side reads: the load of the receive benchmark. Prints its port."""

from __future__ import annotations

import argparse
import asyncio
import json
from typing import TYPE_CHECKING

from websockets.asyncio.server import ServerConnection, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK = 256
"""Frames written at once."""


def body_of(size: int, identifier: str) -> bytes:
    """Return the payload of a message of about *size* bytes."""

    def payload(filler: int) -> bytes:
        message = {"vehicle": "truck-17", "lat": 45.27911, "lon": 13.60418, "speed": 14.2, "pad": "x" * filler}
        return json.dumps({"identifier": identifier, "message": message}, separators=(",", ":")).encode()

    return payload(max(0, size - len(payload(0))))


def frame_of(body: bytes) -> bytes:
    """Put *body* into a WebSocket text frame."""
    head = bytes([0x81, len(body)]) if len(body) < 126 else bytes([0x81, 126]) + len(body).to_bytes(2, "big")
    return head + body


def chunks(messages: int, size: int, identifier: str, *, placed: bool) -> Iterator[bytes]:
    """Give the frames to write, :data:`CHUNK` at a time; *placed* ones end with their place in the stream."""
    body = body_of(size, identifier)
    if not placed:
        chunk = frame_of(body) * CHUNK
        yield from (chunk for _ in range(messages // CHUNK))
        return
    open_end = body[:-1] + b',"stream_id":"fleet/north","epoch":"q8Zd","offset":%d}'
    for first in range(1, messages, CHUNK):
        yield b"".join(frame_of(open_end % offset) for offset in range(first, first + CHUNK))


async def blast(connection: ServerConnection, messages: int, size: int) -> None:
    """Welcome, wait for one subscribe, confirm it, and send *messages* messages."""
    await connection.send('{"type":"welcome"}')
    command = json.loads(await connection.recv())
    identifier = command["identifier"]
    await connection.send(json.dumps({"identifier": identifier, "type": "confirm_subscription"}))
    placed = connection.request is not None and connection.request.path.endswith("placed")
    for chunk in chunks(messages, size, identifier, placed=placed):
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
        subprotocols=["actioncable-v1-json", "actioncable-v1-ext-json"],
        compression=None,
        ping_interval=None,  # type: ignore[list-item]
    ) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()


if __name__ == "__main__":
    asyncio.run(main())
