"""Lines to an AnyCable server that is killed, or that says goodbye and ends."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from cableway import Cable, CableError, Disconnected, RetryScheduled, ServerDisconnect, Subscription, SubscriptionState
from tests.interop.peers.waiting import in_thread, until

if TYPE_CHECKING:
    from tests.interop.peers.anycable import AnyCable

LINES = 20
# No dial after the first failure waits longer than this, as long as the server boots.
LATER = 10.0


class Crowd:
    """Lines with a stream each; notes what was lost, and when each line is to come back."""

    def __init__(self, anycable: AnyCable, stack: AsyncExitStack) -> None:
        self.losses: dict[int, CableError | None] = {}
        self.waits: dict[int, float] = {}
        """The first wait of each line after its loss."""
        self.streams: list[Subscription[Any]] = []
        self._cables = [Cable(anycable.url) for _ in range(LINES)]
        self._stack = stack

    async def enter(self) -> None:
        """Open all lines, and subscribe."""
        await asyncio.gather(*(self._stack.enter_async_context(cable) for cable in self._cables))
        for number, cable in enumerate(self._cables):
            self.streams.append(await self._stack.enter_async_context(cable.stream("crowd")))
            cable.on(Disconnected, lambda event, number=number: self.losses.setdefault(number, event.error))
            cable.on(RetryScheduled, lambda event, number=number: self.waits.setdefault(number, event.delay))

    async def lost(self) -> None:
        """Wait until each line is lost, and has a time for its return."""
        await until(lambda: len(self.waits) == LINES, "all are lost")

    async def back(self) -> float:
        """Wait until all streams are back; return the seconds that took."""
        subscribed = SubscriptionState.SUBSCRIBED
        took = await until(lambda: all(stream.state is subscribed for stream in self.streams), "all are back")
        waits = sorted(self.waits.values())
        print(f"back {took:.1f} s after the server; first waits {waits[0]:.2f} to {waits[-1]:.2f} s")  # noqa: T201
        return took

    async def hear(self, anycable: AnyCable, what: str) -> None:
        """Each stream gets what is published, once."""
        await in_thread(anycable.publish, "crowd", what)
        for stream in self.streams:
            assert (await stream.receive(timeout=LATER)).data == what
            assert stream.stats().unread == 0


async def test_killed_it_has_its_clients_back_within_a_second(anycable: AnyCable) -> None:
    """Killed without a word, it is dialled within a second by each client, spread, and then backs off."""
    async with AsyncExitStack() as stack:
        crowd = Crowd(anycable, stack)
        await crowd.enter()
        await in_thread(anycable.server.kill)
        await crowd.lost()
        assert not any(isinstance(error, ServerDisconnect) for error in crowd.losses.values())
        assert 0 <= min(crowd.waits.values()) < max(crowd.waits.values()) <= 1
        await in_thread(anycable.start)
        assert await crowd.back() <= LATER
        await crowd.hear(anycable, "risen")


async def test_stopped_it_has_its_clients_back_spread_over_five_seconds(anycable: AnyCable) -> None:
    """Stopped, it sends a restart notice; each client dials within five seconds, spread."""
    async with AsyncExitStack() as stack:
        crowd = Crowd(anycable, stack)
        await crowd.enter()
        with anycable.going_down():
            await crowd.lost()
        for error in crowd.losses.values():
            assert isinstance(error, ServerDisconnect)
            assert (error.reason, error.reconnect) == ("server_restart", True)
        assert 0 <= min(crowd.waits.values()) <= 2
        assert 3 <= max(crowd.waits.values()) <= 5
        await in_thread(anycable.start)
        assert await crowd.back() <= 5 + LATER
        await crowd.hear(anycable, "risen")
