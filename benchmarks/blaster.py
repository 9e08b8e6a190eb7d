"""A server that sends as fast as the other side reads: the load of the receive benchmark. Prints its port."""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING, Any

from websockets.asyncio.server import ServerConnection, serve

from cableway.wire.codecs.choice import codec_for
from cableway.wire.codecs.json import JSONCodec
from cableway.wire.subprotocols import ALL, BASE_JSON, subprotocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cableway.wire.codecs.base import Codec

CHUNK = 256
"""Frames written at once."""


def mapping_of(size: int, identifier: str) -> dict[str, Any]:
    """Return a message that takes about *size* bytes in JSON."""

    def filled(filler: int) -> dict[str, Any]:
        message = {"vehicle": "truck-17", "lat": 45.27911, "lon": 13.60418, "speed": 14.2, "pad": "x" * filler}
        return {"identifier": identifier, "message": message}

    return filled(max(0, size - len(JSONCodec().encode(filled(0)))))


def frame_of(body: bytes, first: int = 0x81) -> bytes:
    """Put *body* into a WebSocket frame: of text, or what else *first* says."""
    head = bytes([first, len(body)]) if len(body) < 126 else bytes([first, 126]) + len(body).to_bytes(2, "big")
    return head + body


def chunks(messages: int, size: int, identifier: str, *, placed: bool) -> Iterator[bytes]:
    """Give the frames to write, :data:`CHUNK` at a time; *placed* ones end with their place in the stream."""
    body = JSONCodec().encode(mapping_of(size, identifier))
    if not placed:
        chunk = frame_of(body) * CHUNK
        yield from (chunk for _ in range(messages // CHUNK))
        return
    open_end = body[:-1] + b',"stream_id":"fleet/north","epoch":"q8Zd","offset":%d}'
    for first in range(1, messages, CHUNK):
        yield b"".join(frame_of(open_end % offset) for offset in range(first, first + CHUNK))


def binary_chunks(messages: int, mapping: dict[str, Any], codec: Codec, *, placed: bool) -> Iterator[bytes]:
    """Give the same in a binary encoding."""
    for first in range(1, messages, CHUNK):
        places = [{"stream_id": "fleet/north", "epoch": "q8Zd", "offset": first + n} for n in range(CHUNK)]
        bodies = (codec.encode({**mapping, **(place if placed else {})}) for place in places)
        yield b"".join(frame_of(body, 0x82) for body in bodies)


async def blast(connection: ServerConnection, messages: int, size: int) -> None:
    """Welcome, wait for one subscribe, confirm it, and send *messages* messages."""
    spoken = subprotocol(connection.subprotocol) or BASE_JSON
    codec = codec_for(spoken, server=True)

    async def say(mapping: dict[str, Any]) -> None:
        await connection.send(codec.encode(mapping), text=not spoken.binary)

    await say({"type": "welcome"})
    command = await connection.recv(decode=False)
    identifier = (codec.decode(command) or {})["identifier"]
    await say({"identifier": identifier, "type": "confirm_subscription"})
    placed = connection.request is not None and connection.request.path.endswith("placed")
    if spoken.binary:
        sent = binary_chunks(messages, mapping_of(size, identifier), codec, placed=placed)
    else:
        sent = chunks(messages, size, identifier, placed=placed)
    for chunk in sent:
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
        subprotocols=[one.name for one in ALL],  # type: ignore[misc]
        compression=None,
        ping_interval=None,
    ) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()


if __name__ == "__main__":
    asyncio.run(main())
