"""How fast messages come in, beside a bare loop over the websockets library in the same run.

    python benchmarks/receive.py [--messages 100000] [--rounds 7] [--placed] [--encoding msgpack]

With ``--encoding`` ours speaks the extended protocol in MessagePack or Protobuf; the bare loop reads JSON all the same.

With ``--placed`` each message ends with its place in a stream, as AnyCable with a broker sends them, and ours checks
that none is missing and none comes twice.

Each round of ours stands between two rounds of the bare loop ``async for raw in ws: json.loads(raw)``, so that a
machine whose clock drifts skews the ratio little. The sender runs on another core. *Tick* is the longest time that a
task which sleeps for a millisecond was held up during the round: the median of the rounds' maxima is given.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from blaster import CHUNK
from websockets.asyncio.client import connect

from cableway import Cable, SubscriptionOptions
from cableway.hub import decoding
from cableway.wire.codecs import json as json_codec
from cableway.wire.subprotocols import ENCODINGS, JSON, Subprotocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

IDENTIFIER = '{"channel":"PositionChannel","fleet":"north"}'


class Round:
    """What one round showed."""

    def __init__(self, messages: int, seconds: float, cpu: float, tick: float) -> None:
        self.rate = messages / seconds
        self.cpu = cpu / messages * 1e6
        self.tick = tick * 1e3


async def ticker(worst: list[float]) -> None:
    """Sleep for a millisecond, again and again, and keep the longest delay in *worst*."""
    while True:
        before = time.perf_counter()
        await asyncio.sleep(0.001)
        worst[0] = max(worst[0], time.perf_counter() - before - 0.001)


async def measured(messages: int, body: Callable[[], Awaitable[None]]) -> Round:
    """Time *body*, which receives *messages*, with the ticker beside it."""
    worst = [0.0]
    task = asyncio.create_task(ticker(worst))
    await asyncio.sleep(0.01)
    worst[0] = 0.0
    start, cpu = time.perf_counter(), time.process_time()
    await body()
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return Round(messages, seconds, cpu, worst[0])


async def bare(url: str, messages: int) -> Round:
    """Receive with the websockets library and the standard JSON reader, and nothing else."""
    async with connect(url, subprotocols=["actioncable-v1-json"], compression=None, ping_interval=None) as ws:  # type: ignore[list-item]
        await ws.recv()
        await ws.send(json.dumps({"command": "subscribe", "identifier": IDENTIFIER}))
        await ws.recv()

        async def body() -> None:
            left = messages
            async for raw in ws:
                json.loads(raw)
                left -= 1
                if not left:
                    return

        return await measured(messages, body)


async def ours(url: str, messages: int, protocol: str) -> Round:
    """Receive with a cable."""
    async with Cable(url, protocol=protocol) as cable:
        options = SubscriptionOptions(overflow="pause")
        async with cable.subscribe("PositionChannel", fleet="north", options=options) as positions:

            async def body() -> None:
                left = messages
                async for _ in positions:
                    left -= 1
                    if not left:
                        return

            return await measured(messages, body)


def use_orjson(wanted: bool) -> bool:  # noqa: FBT001 - a switch
    """Switch orjson on or off; return whether that could be done."""
    try:
        import orjson
    except ImportError:
        return not wanted
    loads = orjson.loads if wanted else None
    decoding.fast_loads = json_codec.fast_loads = loads
    return True


def report(name: str, rounds: list[Round], base: list[Round]) -> None:
    """Print one line of the table."""
    rate = statistics.median(one.rate for one in rounds)
    ratio = rate / statistics.median(one.rate for one in base)
    cpu = statistics.median(one.cpu for one in rounds)
    tick = statistics.median(one.tick for one in rounds)
    spread = f"{min(one.rate for one in rounds) / 1e3:.0f}-{max(one.rate for one in rounds) / 1e3:.0f}"
    print(f"{name:<22} {rate / 1e3:7.0f} k/s ({spread} k) {ratio:6.2f} x {cpu:7.2f} us CPU/msg {tick:7.2f} ms tick")


async def main() -> None:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--size", type=int, default=196)
    parser.add_argument("--placed", action="store_true")
    parser.add_argument("--encoding", choices=ENCODINGS, default=JSON)
    options = parser.parse_args()
    messages = options.messages // CHUNK * CHUNK
    json_spoken = options.encoding == JSON
    protocol = "auto" if json_spoken else Subprotocol(extended=True, encoding=options.encoding).name
    script = Path(__file__).with_name("blaster.py")
    arguments = ["--messages", str(messages), "--size", str(options.size)]
    sender = await asyncio.create_subprocess_exec(
        sys.executable, str(script), *arguments, stdout=asyncio.subprocess.PIPE
    )
    port = await sender.stdout.readline() if sender.stdout is not None else b""
    url = f"ws://127.0.0.1:{port.decode().strip()}/{'placed' if options.placed else 'cable'}"
    try:
        bares: list[Round] = [await bare(url, messages)]
        names = ["cableway", "cableway + orjson"] if json_spoken else [f"cableway, {options.encoding}"]
        kinds: dict[str, list[Round]] = {name: [] for name in names}
        for _ in range(options.rounds):
            for kind, results in kinds.items():
                if use_orjson("orjson" in kind):
                    results.append(await ours(url, messages, protocol))
                    bares.append(await bare(url, messages))
        print(f"Python {sys.version.split()[0]}, {messages} messages of {options.size} bytes, {options.rounds} rounds")
        report("websockets + json", bares, bares)
        for kind, results in kinds.items():
            if results:
                report(kind, results, bares)
    finally:
        sender.kill()
        await sender.wait()


if __name__ == "__main__":
    asyncio.run(main())
