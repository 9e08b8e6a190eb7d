"""A crowd of lines from one process to a Rails server that is killed and started again, time after time.

In CI at a tenth of its scale: 50 lines, and two restarts. ``make soak`` runs it whole: 500 lines, ten restarts.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest

from cableway import Cable, Connected, State, Subscription, SubscriptionState
from tests.interop.peers.recording import Recording
from tests.interop.peers.relay import Relay, excess
from tests.interop.peers.waiting import in_thread, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.peers.rails import Rails

SCALE = float(os.environ.get("CABLEWAY_SOAK_SCALE", "0.1"))
LINES = round(500 * SCALE)
RESTARTS = max(2, round(10 * SCALE))

# What all cables of a process may do together, unless they are told otherwise.
RATE, BURST = 10, 20
# From the gate to the server's accept, the network and a busy machine may take this long for one and less for another.
UNEVEN = 0.1
# Nobody takes longer than the gate lets them, and the longest wait that a second outage brings.
PATIENCE = LINES / RATE + 45


@pytest.mark.soak
@pytest.mark.timeout(round((RESTARTS + 2) * (PATIENCE + 15)))
async def test_a_crowd_comes_back_without_a_storm(
    rails: Rails, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """After each restart every subscription is back, and accepts never exceed 20 + 10 t in any t seconds."""
    relay, record = Relay(rails.port, tmp_path), Recording()
    relay.start()
    try:
        async with AsyncExitStack() as stack:
            rooms, back = await enter_all(stack, relay.url, record)
            for restart in range(1, RESTARTS + 1):
                took = await restarted(rails, relay, rooms)
                with capsys.disabled():
                    print(f"\nrestart {restart}: {figures(took, relay, record)}", end="")  # noqa: T201
                assert set(back.values()) == {restart}, "each came back once"
                assert len(back) == LINES
                await hear(rails, rooms, restart)
    finally:
        relay.kill()
    assert len(relay.accepts()) >= LINES * (RESTARTS + 1)
    assert excess(record.dials, rate=RATE, burst=BURST) <= RATE * UNEVEN
    assert excess(relay.accepts(), rate=RATE, burst=BURST) <= RATE * UNEVEN


async def enter_all(stack: AsyncExitStack, url: str, record: Recording) -> tuple[list[Subscription[Any]], Counter[int]]:
    """Open all lines, each with a subscription; count how often each comes back."""
    cables = [Cable(url, transports=[record]) for _ in range(LINES)]
    await asyncio.gather(*(stack.enter_async_context(cable) for cable in cables))
    assert all(cable.state is State.CONNECTED for cable in cables)
    back: Counter[int] = Counter()
    rooms = []
    for number, cable in enumerate(cables):
        room = await stack.enter_async_context(cable.subscribe("RoomChannel", room="crowd"))
        room.on(Connected, lambda event, number=number: back.update([number] if event.reconnected else []))
        rooms.append(room)
    return rooms, back


async def restarted(rails: Rails, relay: Relay, rooms: list[Subscription[Any]]) -> float:
    """Kill the server and start it; return the seconds from then until all are back."""
    await in_thread(rails.kill)
    await in_thread(relay.kill)
    await until(lambda: not any(room.state is SubscriptionState.SUBSCRIBED for room in rooms), "all are lost")
    await in_thread(rails.start)
    await in_thread(relay.start)
    return await until(lambda: all(room.state is SubscriptionState.SUBSCRIBED for room in rooms), "all back", PATIENCE)


async def hear(rails: Rails, rooms: list[Subscription[Any]], number: int) -> None:
    """One broadcast reaches all of them, once."""
    assert len(await in_thread(rails.identifiers)) == LINES
    await in_thread(rails.broadcast, "room:crowd", {"restart": number})
    for room in rooms:
        assert (await room.receive(timeout=PATIENCE)).data == {"restart": number}
    assert sum(room.stats().unread for room in rooms) == 0


def figures(took: float, relay: Relay, record: Recording) -> str:
    """Tell how it went, for whoever watches."""
    over = [excess(times, rate=RATE, burst=BURST) for times in (record.dials, relay.accepts())]
    return (
        f"{LINES} lines back {took:.1f} s after the server; {len(record.dials)} dials, {len(relay.accepts())} accepts "
        f"so far; beside {BURST} + {RATE} t at worst {over[0]:+.2f} dials and {over[1]:+.2f} accepts"
    )
