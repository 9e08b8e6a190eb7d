"""A line that is up only while somebody needs it, opened and let go time after time before real servers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from cableway import Cable, Connected, Disconnected, OnDemandMonitor, State
from tests.interop.peers.relay import Relay
from tests.interop.peers.waiting import LIMIT, in_thread, until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from cableway import Subscription
    from tests.interop.peers.anycable import AnyCable
    from tests.interop.peers.rails import Rails

CYCLES = 50
LINGER = 0.05


class Cycles:
    """Wakes a line and lets it go, again and again, with a command each time.

    *during* is called while the line is held, in every other cycle.
    """

    def __init__(self, url: str, during: Callable[[int], Awaitable[None]] | None = None) -> None:
        self._during = during
        self.cable = Cable(url, monitor=OnDemandMonitor(linger=LINGER))
        self.connected = 0
        self.errors: list[object] = []
        self.cable.on(Connected, self._count)
        self.cable.on(Disconnected, lambda event: self.errors.extend([event.error] if event.error else []))

    def _count(self, event: Connected) -> None:
        self.connected += 1

    async def run(self, subscription: Subscription[Any]) -> None:
        """Wake it by a command, and by ``awake()``, in turn."""
        for number in range(CYCLES):
            assert self.cable.state is State.DORMANT
            if number % 2:
                async with self.cable.awake("a cycle"):
                    await subscription.perform("count", number=number)
                    if self._during is not None:
                        await self._during(number)
            else:
                await subscription.perform("count", number=number)
            await until(lambda: self.cable.state is State.DORMANT, "the line is let go")
        assert (self.connected, self.errors) == (CYCLES, [])


@pytest.fixture
def relays(tmp_path: Path) -> Iterator[list[Relay]]:
    """End the relays that a test puts here."""
    running: list[Relay] = []
    yield running
    for relay in running:
        relay.kill()


def before(port: int, relays: list[Relay], folder: Path) -> Relay:
    """Put a relay before a server."""
    relays.append(relay := Relay(port, folder))
    relay.start()
    return relay


async def one_at_a_time(relay: Relay) -> None:
    """There was one line for each cycle, and never a second one beside it."""
    await until(lambda: relay.open_lines() == 0, "the last line is closed")
    assert len(relay.accepts()) == CYCLES
    assert relay.most_at_once() == 1


async def test_rails_is_woken_for(rails: Rails, relays: list[Relay], tmp_path: Path) -> None:
    """Fifty times a line is opened for a command, which Rails runs, and closed well."""
    relay = before(rails.port, relays, tmp_path)
    since = len(rails.server.log.read_bytes())
    cycles = Cycles(relay.url)
    async with cycles.cable as cable:
        counter = cable.subscribe("CounterChannel", run="on demand")
        await cycles.run(counter)
        await until(lambda: len(rails.performed("on demand")) >= CYCLES, "all are run")
        assert rails.performed("on demand") == list(range(CYCLES))
        await one_at_a_time(relay)
        # The goodbye has reached it; it may take a moment to have done with what was subscribed.
        await until(lambda: rails.identifiers() == [], "Rails has nobody left")
        assert relay.open_lines() == 0
    log = rails.server.logged(since)
    assert log.count('Finished "/cable" [WebSocket]') == CYCLES
    assert not re.search(r"ERROR|FATAL|Exception|exception|Could not", log)


async def test_anycable_is_woken_for(telling_anycable: AnyCable, relays: list[Relay], tmp_path: Path) -> None:
    """Fifty times a line is opened for a command, which arrives, and closed with a close frame.

    Nobody runs the command: this AnyCable has no application behind it, and says so in its log. While the line is held,
    it hears what is published.
    """
    anycable = telling_anycable
    relay = before(anycable.port, relays, tmp_path)

    async def hear(number: int) -> None:
        await in_thread(anycable.publish, "on demand", number)
        assert (await stream.receive(timeout=LIMIT)).data == number

    cycles = Cycles(relay.url, hear)
    async with cycles.cable as cable:
        stream = cable.stream("on demand")
        await cycles.run(stream)
        await one_at_a_time(relay)
    log = anycable.server.logged()
    incoming = [line for line in log.splitlines() if "incoming message" in line]
    assert [int(number) for line in incoming for number in re.findall(r'"number\W+(\d+)', line)] == list(range(CYCLES))
    assert log.count("WebSocket closed") == CYCLES
    assert "WebSocket close error" not in log
    assert "WebSocket read failed" not in log
