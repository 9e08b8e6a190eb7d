"""What a line costs on which nothing is said, by each transport, over hours of virtual time.

    python benchmarks/idle.py [--hours 1] [--hold 15] [--json]

The real client, with one subscription, and the bundled gateway talk through a meter, by sockets of this machine. Bytes
are those of HTTP and WebSocket: TLS, and the heads of TCP and IP, come on top, about 100 bytes each time something
moves. How long a radio is on is reckoned by the model that ``docs/battery.md`` tells.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from contextlib import asynccontextmanager, suppress
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, Final

import looptime
from attrs import field, frozen

from cableway import Cable, EventStreamTransport, LongPollingTransport, PersistentMonitor, WebSocketTransport
from cableway.gateway import Gateway
from cableway.policies.energy import PROFILES, EnergyAccountant

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from cableway import Transport

HOUR: Final = 3600.0

HOLD: Final = 15.0
"""Seconds for which AnyCable and the gateway hold a poll, unless told otherwise."""

KEEPALIVE: Final = 5.0

SEED: Final = 7
"""Of the moment of the first ping: two event streams keep a radio awake together, or in turn."""

_HOST: Final = "127.0.0.1"

_REQUEST: Final = b" HTTP/1.1\r\n"

_CHUNK: Final = 65_536

TABLES: Final = {HOLD: ("WebSocket", "long polling", "event stream"), 40.0: ("long polling",)}
"""Which ways ``docs/transports.md`` shows, by how long a poll is held."""


@frozen
class Way:
    """One way to keep a line."""

    name: str
    transport: Callable[[], Transport]
    options: dict[str, Any] = field(factory=dict)
    """Of the cable."""


@frozen
class Figures:
    """What a way has cost."""

    way: str
    requests: int
    up: int
    """Bytes to the server."""
    down: int
    """Bytes from it."""
    radio_on: dict[str, float]
    """Seconds, by the name of the radio."""


class Meter:
    """Passes everything on to a server, and counts what moves."""

    def __init__(self, target: int) -> None:
        self.port = 0
        self.requests = 0
        self.up = 0
        self.down = 0
        self.radios = {name: EnergyAccountant(profile) for name, profile in PROFILES.items()}
        self._target = target
        self._lines: set[asyncio.Task[None]] = set()

    def reset(self) -> None:
        """Begin anew: the radio sleeps."""
        self.requests = self.up = self.down = 0
        self.radios = {name: EnergyAccountant(profile) for name, profile in PROFILES.items()}

    def figures(self, way: str) -> Figures:
        """Return what it counted until now."""
        now = asyncio.get_running_loop().time()
        radio_on = {name: radio.figures(now).radio_on for name, radio in self.radios.items()}
        return Figures(way, self.requests, self.up, self.down, radio_on)

    @asynccontextmanager
    async def measuring(self) -> AsyncIterator[None]:
        """Listen during the block."""
        server = await asyncio.start_server(self._accept, _HOST, 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()
            for line in list(self._lines):
                line.cancel()
            await asyncio.gather(*self._lines, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = asyncio.create_task(self._pass(reader, writer))
        self._lines.add(line)
        line.add_done_callback(self._lines.discard)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(_HOST, self._target)
        answers = asyncio.create_task(self._copy(there, writer, up=False))
        try:
            with suppress(OSError):
                await self._copy(reader, back, up=True)
        finally:
            answers.cancel()
            back.close()
            writer.close()

    async def _copy(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, up: bool) -> None:
        while data := await source.read(_CHUNK):
            self._count(data, up=up)
            sink.write(data)
            await sink.drain()
        sink.close()

    def _count(self, data: bytes, *, up: bool) -> None:
        now = asyncio.get_running_loop().time()
        for radio in self.radios.values():
            radio.transfer(now)
        if up:
            self.up += len(data)
            self.requests += data.count(_REQUEST)
        else:
            self.down += len(data)


def ways(hold: float = HOLD) -> list[Way]:
    """Return them all; a poll is held for *hold* seconds."""

    def polling(pace: Any) -> Callable[[], Transport]:
        return lambda: LongPollingTransport(pace=pace, hold=hold, keepalive=KEEPALIVE)

    return [
        Way("WebSocket, a ping every 3 s", WebSocketTransport),
        Way("WebSocket, `beat=60`", WebSocketTransport, {"monitor": PersistentMonitor(beat=60)}),
        *(Way(f"long polling, `{pace}`", polling(pace)) for pace in ("prompt", "balanced", "sparing")),
        Way("event stream, a ping every 3 s", EventStreamTransport),
    ]


def spend(way: Way, hours: float = 1.0, hold: float = HOLD) -> Figures:
    """Keep a line in that way on virtual time, from its first subscription on, and return what it cost."""
    # Fewer turns of the loop without a byte than its own default, before time moves on: all ends are in this process.
    with asyncio.Runner(loop_factory=partial(looptime.new_event_loop, noop_cycles=10)) as runner:
        return runner.run(_spend(way, hours * HOUR, hold))


async def _spend(way: Way, seconds: float, hold: float) -> Figures:
    options: Any = {"public": True, "poll": True, "sse": True}
    options |= {"poll_interval": hold, "poll_keepalive_timeout": KEEPALIVE}
    async with Gateway(**options, random=Random(SEED)) as gateway:
        meter = Meter(gateway.port)
        async with meter.measuring(), Cable(_url(meter), transports=[way.transport()], **way.options) as cable:
            news = await cable.stream("news")
            meter.reset()
            await asyncio.sleep(seconds)
            figures = meter.figures(way.name)
            # A line that was lost meanwhile would not have been idle.
            await gateway.broadcast("news", "still there")
            assert (await news.receive(timeout=60)).data == "still there"  # noqa: S101 - the figures are void else
            assert cable.stats().dials == 1  # noqa: S101
    return figures


def _url(meter: Meter) -> str:
    return f"ws://{_HOST}:{meter.port}/cable"


def as_table(figures: Sequence[Figures]) -> str:
    """Write a table for people, in Markdown."""
    radios = list(PROFILES)
    lines = [
        f"| an idle line | requests | bytes up | bytes down | {' | '.join(f'{radio} on' for radio in radios)} |",
        f"|---|--:|--:|--:|{'--:|' * len(radios)}",
    ]
    for one in figures:
        on = (f"{one.radio_on[radio]:.0f} s" for radio in radios)
        lines.append(f"| {one.way} | {one.requests} | {one.up} | {one.down} | {' | '.join(on)} |")
    return "\n".join(lines)


def as_json(figures: Sequence[Figures], hours: float, hold: float) -> dict[str, Any]:
    """Give the figures for programs."""
    return {
        "hours": hours,
        "hold": hold,
        "ways": [
            {
                "way": one.way,
                "requests": one.requests,
                "up": one.up,
                "down": one.down,
                "radio_on": {radio: round(on, 3) for radio, on in one.radio_on.items()},
            }
            for one in figures
        ],
    }


def main() -> None:
    """Keep a line in each way, and print what it cost."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--hold", type=float, default=HOLD, help="seconds for which the server holds a poll")
    parser.add_argument("--json", action="store_true", help="print figures for programs")
    options = parser.parse_args()
    started = time.perf_counter()
    figures = [spend(way, options.hours, options.hold) for way in ways(options.hold)]
    if options.json:
        print(json.dumps(as_json(figures, options.hours, options.hold), indent=2))
    else:
        print(as_table(figures))
        print(f"\n{len(figures)} lines of {options.hours:g} h in {time.perf_counter() - started:.1f} s")


if __name__ == "__main__":
    main()
