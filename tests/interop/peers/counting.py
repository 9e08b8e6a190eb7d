"""A counter that publishes at a steady rate, and listeners that note what came of it."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
import time
from contextlib import asynccontextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any, Protocol

from cableway import Cable, Connected, Disconnected, Gap, Recovered, Recovery
from tests.interop.peers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from cableway import Subscription, SubscriptionOptions

FALSY: list[Any] = [0, "", False, None, [], {}]
EVERY = 7
"""One message in so many is a falsy one."""


class Publishing(Protocol):
    """What the counter needs of a server."""

    broadcast_port: int
    secret: str

    def broadcast_headers(self) -> dict[str, str]:
        """Tell what lets a publication in."""
        ...


def as_delivered(value: Any) -> str:
    """Return *value* as it is to come, in JSON: AnyCable itself turns null into the text ``null``."""
    return json.dumps("null" if value is None else value)


class Counter:
    """Publishes to each of *streams*, *rate* times a second, in a thread of its own.

    The values are numbers; with *falsy* every seventh is something that counts as false.
    """

    def __init__(self, server: Publishing, streams: Sequence[str], *, rate: float = 100, falsy: bool = False) -> None:
        self.published: dict[str, list[str]] = {stream: [] for stream in streams}
        """What was accepted, in order, as it is to come."""
        self.unsure: set[str] = set()
        """Sent, but not answered: it may have been published or not."""
        self._server = server
        self._rate = rate
        self._falsy = falsy
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    async def stop(self) -> None:
        """End, with the message that is being published."""
        self._ended.set()
        await asyncio.to_thread(self._thread.join)

    def _value(self, number: int) -> Any:
        return FALSY[number // EVERY % len(FALSY)] if self._falsy and number % EVERY == 0 else number

    def _run(self) -> None:
        line, number, began = self._dial(), 0, time.monotonic()
        while not self._ended.wait(max(0.0, began + number / self._rate - time.monotonic())):
            number += 1
            for stream, published in self.published.items():
                value = self._value(number)
                body = json.dumps({"stream": stream, "data": json.dumps(value)})
                try:
                    line.request("POST", "/_broadcast", body, self._server.broadcast_headers())
                    answer = line.getresponse()
                    answer.read()
                except (OSError, http.client.HTTPException):
                    self.unsure.add(as_delivered(value))
                    line.close()
                    line = self._dial()
                    time.sleep(0.02)
                else:
                    if answer.status < 300:
                        published.append(as_delivered(value))
        line.close()

    def _dial(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._server.broadcast_port, timeout=30)


class Listener:
    """A cable with a subscription to each of some streams; it notes all that comes."""

    def __init__(self, cable: Cable, streams: Sequence[str], options: SubscriptionOptions | None = None) -> None:
        self.cable = cable
        self.heard: dict[str, list[str]] = {stream: [] for stream in streams}
        """The messages, as JSON."""
        self.replayed = 0
        self.recoveries: list[Recovered] = []
        self.gaps: list[Gap] = []
        self.disconnected: list[float] = []
        self.back: list[float] = []
        """When the cable was lost, and came back, on the loop's clock."""
        self.subscriptions: dict[str, Subscription[Any]] = {}
        self._options = options

    @asynccontextmanager
    async def listening(self, *, opened: bool = False) -> AsyncIterator[None]:
        """Listen during the block; *opened*: the cable is, and stays so."""
        clock = asyncio.get_running_loop().time
        self.cable.on(Disconnected, lambda _: self.disconnected.append(clock()))
        self.cable.on(Connected, lambda event: self.back.extend([clock()] if event.reconnected else []))
        async with nullcontext() if opened else self.cable:
            for stream in self.heard:
                subscription = (
                    self.cable.stream(stream, options=self._options) if self._options else (self.cable.stream(stream))
                )
                subscription.on(Recovered, self.recoveries.append)
                subscription.on(Gap, self.gaps.append)
                self.subscriptions[stream] = await subscription
            reading = [asyncio.create_task(self._read(stream)) for stream in self.heard]
            try:
                yield
            finally:
                for task in reading:
                    task.cancel()
                    with suppress(asyncio.CancelledError):
                        await task

    async def _read(self, stream: str) -> None:
        async for message in self.subscriptions[stream]:
            self.heard[stream].append(json.dumps(message.data))
            self.replayed += message.replayed

    async def caught_up(self, counter: Counter, limit: float = 45.0) -> None:
        """Wait until the last message of each stream has come."""

        def has_last() -> bool:
            return all(heard and len(heard) >= len(counter.published[stream]) for stream, heard in self.heard.items())

        with suppress(AssertionError):
            await until(has_last, "all have come", limit)

    @property
    def duplicates(self) -> int:
        """How many came again, and were not delivered again."""
        return sum(subscription.stats().duplicates for subscription in self.subscriptions.values())

    @property
    def times_back(self) -> list[float]:
        """How long each absence was, in seconds."""
        return [
            next(at for at in self.back if at >= lost) - lost
            for lost in self.disconnected
            if lost <= max(self.back, default=0.0)
        ]

    @property
    def unknown(self) -> list[Recovered]:
        """Recoveries of which nobody can tell whether they were complete."""
        return [event for event in self.recoveries if event.recovery is not Recovery.COMPLETE]

    def figures(self) -> str:
        """Sum it up."""
        times = sorted(self.times_back) or [0.0]
        return (
            f"heard {sum(map(len, self.heard.values()))}, lost the line {len(self.disconnected)} times, "
            f"recoveries {len(self.recoveries)} ({len(self.unknown)} unknown), gaps {len(self.gaps)}, "
            f"replayed {self.replayed}, duplicates dropped {self.duplicates}, "
            f"back after {times[len(times) // 2]:.2f} s (median), {times[-1]:.2f} s (worst)"
        )
