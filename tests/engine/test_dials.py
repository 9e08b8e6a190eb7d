"""One dial at a time: past the gate, to an address, until the line is open."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cableway import (
    Cable,
    Connecting,
    HandshakeRefused,
    LineClosed,
    MemoryTransport,
    OnDemandMonitor,
    ServerDisconnect,
    State,
)
from cableway.engine.gate import DialGate
from tests.scripted import URL, Line, background, line, refusal, settle

pytestmark = pytest.mark.looptime

A, B = "ws://a.example/cable", "ws://b.example/cable"


def now() -> float:
    """Return the loop's time."""
    return asyncio.get_running_loop().time()


async def test_a_dial_passes_the_gate_of_its_host() -> None:
    """Of the host that the function gives, not of one that was dialled before."""
    gate = DialGate(rate=0.1, burst=1)
    await gate.wait("a.example")
    addresses = iter([B, A])
    made = line(url=lambda: next(addresses), dial_gate=gate)
    await made.connect()
    assert (now(), made.server.request.url) == (pytest.approx(0, abs=0.01), B)
    made.server.cut()
    await made.welcome()
    assert now() >= 10 - 0.01
    assert made.server.request.url == A
    await made.cable.close()


async def test_without_a_gate_nobody_waits() -> None:
    """Fifty cables dial at once."""
    cables = [line(dial_gate=None) for _ in range(50)]
    openings = [background(made.cable.open()) for made in cables]
    await settle()
    assert sum(made.transport.dials for made in cables) == 50
    for made in cables:
        await made.cable.close()
    await asyncio.wait(openings)
    assert all(opening.exception() for opening in openings)


async def test_a_crowd_of_cables_comes_back_at_the_gate_s_pace() -> None:
    """Two hundred lines lost at once: never more than burst + rate * t dials, and all are back."""
    gate = DialGate(rate=10, burst=20)
    cables = [line(dial_gate=gate) for _ in range(200)]
    times: list[float] = []
    serving = [background(serve(made, times)) for made in cables]
    await asyncio.gather(*(made.cable.open() for made in cables))
    opened = now()
    assert opened == pytest.approx(18, abs=0.1)
    times.clear()
    for made in cables:
        made.server.cut()
    await asyncio.sleep(40)
    assert {made.cable.state for made in cables} == {State.CONNECTED}
    for first in range(200):
        for last in range(first, 200):
            assert last - first + 1 <= 20 + 10 * (times[last] - times[first]) + 1e-6
    for made in cables:
        await made.cable.close()
    for task in serving:
        task.cancel()


async def serve(made: Line, times: list[float]) -> None:
    """Welcome every dial; note when it came."""
    while True:
        made.server = await made.transport.accept()
        times.append(now())
        made.server.welcome()


async def test_a_dial_that_is_given_up_at_the_gate_takes_no_place() -> None:
    """Paused and resumed a hundred times, the cable waits for one place only."""
    gate = DialGate(rate=1, burst=1)
    await gate.wait("cable.example")
    made = line(dial_gate=gate, monitor=OnDemandMonitor())
    await made.cable.open()
    made.cable.wake()
    for _ in range(100):
        made.cable.pause()
        made.cable.resume()
        await asyncio.sleep(0.005)
    await made.welcome()
    assert now() == pytest.approx(1.0, abs=0.05)
    await made.cable.close()


@pytest.mark.parametrize("source", ["url", "headers", "params"])
@pytest.mark.parametrize("then", ["paused", "paused and resumed", "closed"])
async def test_a_function_that_stops_the_cable_stops_its_own_dial(source: str, then: str) -> None:
    """It runs in the dial's own task, which cannot be cancelled from there: it ends by itself."""
    calls: list[bool] = []
    gate = DialGate(rate=0.001, burst=2)
    made: Line

    async def give() -> Any:
        calls.append(True)
        if len(calls) == 1:
            if then == "closed":
                await made.cable.close()
            else:
                made.cable.pause()
            if then == "paused and resumed":
                made.cable.resume()
        return URL if source == "url" else {}

    options: dict[str, Any] = {} if source == "url" else {source: give}
    made = line(url=give if source == "url" else URL, dial_gate=gate, monitor=OnDemandMonitor(), **options)
    await made.cable.open()
    made.cable.wake()
    await asyncio.sleep(1)
    if then == "paused and resumed":
        await made.welcome()
        assert (made.cable.state, made.transport.dials, len(calls)) == (State.CONNECTED, 1, 2)
        await made.cable.close()
    else:
        assert (made.transport.dials, len(calls)) == (0, 1)
        assert made.cable.state is (State.CLOSED if then == "closed" else State.DORMANT)
        if source == "url":
            # A dial that is none any more takes no place: both are there.
            for _ in range(2):
                await asyncio.wait_for(gate.wait("cable.example"), 0.01)
        await made.cable.close()
    assert made.cable._engine.at_rest


async def test_a_line_that_opens_when_nobody_wants_it_any_more_is_dropped() -> None:
    """A transport that cannot be cancelled is no reason to keep a second line."""

    class Stubborn(MemoryTransport):
        async def open(self, request: Any, sink: Any) -> Any:
            opening = asyncio.ensure_future(super().open(request, sink))
            while not opening.done():
                try:
                    await asyncio.shield(opening)
                except asyncio.CancelledError:
                    continue
            return opening.result()

    transport = Stubborn()
    cable = Cable(URL, transports=[transport], monitor=OnDemandMonitor())
    await cable.open()
    cable.wake()
    await settle()
    cable.rest()
    await settle()
    assert cable.state is State.DORMANT
    server = await transport.accept()
    await settle()
    assert server.over.is_set()
    assert cable.state is State.DORMANT
    await cable.close()


# Several addresses ---------------------------------------------------------------------------------------------------


async def test_an_address_that_refuses_gives_way_to_the_other() -> None:
    """The next dial goes elsewhere."""
    made = line(url=[A, B], shuffle=False)
    opening = background(made.cable.open())
    assert (await made.transport.refuse(refusal())).url == A
    await made.welcome()
    await opening
    assert made.server.request.url == B
    assert made.cable.stats().endpoints == {A: 1, B: 0}
    await made.cable.close()


@pytest.mark.parametrize(
    ("end", "next_one"),
    [
        (lambda server: server.cut(), A),
        (lambda server: server.close(1006), A),
        (lambda server: server.send({"type": "disconnect", "reason": "server_restart", "reconnect": True}), B),
        (lambda server: server.close(1013), B),
    ],
)
async def test_where_to_after_a_loss(end: Any, next_one: str) -> None:
    """A network loss is nobody's fault; a server that sends us away may be gone for a while."""
    made = line(url=[A, B], shuffle=False)
    await made.connect()
    for _ in range(12):
        made.server.send({"type": "ping"})
        await asyncio.sleep(3)
    end(made.server)
    await made.welcome()
    assert made.server.request.url == next_one
    assert made.cable.stats().endpoints == {A: 0, B: 0}
    await made.cable.close()


async def test_an_address_that_drops_each_line_at_once_gives_way() -> None:
    """Once may be chance, twice is its fault."""
    made = line(url=[A, B], shuffle=False)
    await made.connect()
    dialled = []
    for _ in range(3):
        dialled.append(made.server.request.url)
        made.server.cut()
        await made.welcome()
    dialled.append(made.server.request.url)
    assert dialled == [A, A, B, B]
    await made.cable.close()


async def test_secrets_of_addresses_are_not_shown() -> None:
    """Neither in events nor in figures."""
    made = line(url=["ws://user:sesame@a.example/?token=sesame", "ws://b.example/?token=sesame"], shuffle=False)
    opening = background(made.cable.open())
    await made.transport.refuse(refusal())
    await made.welcome()
    await opening
    assert "sesame" not in repr(made.events) + repr(made.cable.stats())
    assert len(made.told(Connecting)) == 2
    await made.cable.close()


def test_judging_is_of_no_matter_where_a_function_gives_the_address() -> None:
    """There is nothing to choose from."""
    made = line(url=lambda: URL)
    for error in (LineClosed(1006), HandshakeRefused(URL, 503, {}), ServerDisconnect("server_restart")):
        made.cable._engine.dials.judge(error, 0.0, was_up=True, was_good=False)
    assert made.cable.stats().endpoints == {}
