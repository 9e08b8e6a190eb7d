"""Thousands of random steps against a server that behaves as Rails does: in the end the last intent holds there."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from attrs import define, field

from cableway import (
    Cable,
    CableError,
    MemoryTransport,
    NotConnected,
    State,
    Subscription,
    SubscriptionClosed,
    SubscriptionState,
)
from tests.scripted import STEADY, URL, Model, background, confirmation, jitter, refusal

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.looptime

CHANNELS = 8


@define
class Madness:
    """A user who changes their mind all the time, on a network that does not hold."""

    random: Random
    cable: Cable
    rails: Model
    patience: float = 0.7
    """How often they let a command arrive before they leave."""
    handles: list[Subscription[Any]] = field(factory=list)
    seen: dict[Subscription[Any], list[int]] = field(factory=lambda: defaultdict(list))
    loose: set[asyncio.Task[Any]] = field(factory=set)
    unexpected: list[BaseException] = field(factory=list)
    number: int = 0

    def subscribe(self) -> None:
        """Want one more, often of what is wanted already."""
        self.handles.append(self.cable.subscribe("Chat", n=self.random.randrange(CHANNELS)))

    def unsubscribe(self) -> None:
        """Want one less."""
        if self.handles:
            handle = self.handles.pop(self.random.randrange(len(self.handles)))
            self.drain(handle)
            self.start(handle.unsubscribe(flush=self.random.random() < self.patience))

    def flip(self) -> None:
        """Leave and come back, or the other way round, in one turn."""
        for step in self.random.choice([(self.subscribe, self.unsubscribe), (self.unsubscribe, self.subscribe)]):
            step()

    def perform(self) -> None:
        """Send something."""
        if self.handles:
            self.number += 1
            self.start(self.random.choice(self.handles).perform("speak", n=self.number))

    def wait(self) -> None:
        """Wait for a confirmation, and perhaps give up."""
        if self.handles:
            task = self.start(confirmation(self.random.choice(self.handles)))
            if self.random.random() < 0.5:
                asyncio.get_running_loop().call_later(self.random.random(), task.cancel)

    def publish(self) -> None:
        """Have the server say something to a subscription that it has."""
        if self.rails.subscribed:
            self.number += 1
            self.rails.line.message(self.random.choice(sorted(self.rails.subscribed)), self.number)

    def drop(self) -> None:
        """Lose the line, in one of many ways."""
        if self.rails.lines and not self.rails.line.over.is_set():
            line = self.rails.line
            ways: list[Callable[[], None]] = [
                line.cut,
                lambda: line.close(1011, "restarting"),
                lambda: line.send({"type": "disconnect", "reason": "server_restart", "reconnect": True}),
                lambda: line.send(*[b"{"] * 25),
            ]
            self.random.choice(ways)()

    def drain(self, handle: Subscription[Any]) -> None:
        """Read what a handle has."""
        self.seen[handle] += [message.data for message in handle.take(10_000)]

    def start(self, work: Any) -> asyncio.Task[Any]:
        """Run a call beside the rest, and look at how it ends."""
        task = background(work)
        self.loose.add(task)
        task.add_done_callback(self.ended)
        return task

    def ended(self, task: asyncio.Task[Any]) -> None:
        """Only what may happen to such calls has happened."""
        self.loose.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, NotConnected | SubscriptionClosed):
            self.unexpected.append(error)

    async def step(self) -> None:
        """Do something at random, then let some time pass, or none."""
        steps = [self.subscribe, self.unsubscribe, self.flip, self.perform, self.wait, self.publish, self.drop]
        weights = [10, 9, 8, 8, 5, 10, 0.4]
        self.random.choices(steps, weights)[0]()
        await asyncio.sleep(self.random.choice([0, 0, 0.001, 0.02, 0.1, 0.5]))

    async def come_to_rest(self) -> None:
        """Give everything the time it may take."""
        await asyncio.sleep(120)
        self.rails.line.cut()
        await asyncio.sleep(60)
        async with asyncio.timeout(60):
            await asyncio.gather(*map(confirmation, self.handles))


def wanted(madness: Madness) -> set[str]:
    """What the user wants in the end."""
    return {handle.identifier for handle in madness.handles}


async def run(seed: int, steps: int, *, patience: float = 0.7, **server: Any) -> Madness:
    """Do *steps* random steps and check what must hold in the end."""
    random = Random(seed)
    transport = MemoryTransport()
    rails = Model(transport, delay=jitter(random, 0.2), **server)
    async with rails.serving():
        cable = Cable(URL, transports=[transport], backoff=STEADY)
        madness = Madness(random, cable, rails, patience)
        await cable.open()
        for _ in range(steps):
            await madness.step()
        await madness.come_to_rest()

        assert rails.subscribed == wanted(madness)
        assert all(handle.state is SubscriptionState.SUBSCRIBED for handle in madness.handles)
        assert cable.stats().subscriptions == len(wanted(madness))
        assert madness.loose == set()
        before = len(rails.commands)
        for handle in madness.handles:
            madness.drain(handle)
            for seen in [madness.seen[handle]]:
                assert seen == sorted(set(seen)), "a message came twice, or out of order"
        for identifier in wanted(madness):
            rails.line.message(identifier, "last")
        for handle in madness.handles:
            assert (await handle.receive(timeout=1)).data == "last"
        await asyncio.sleep(300)
        assert len(rails.commands) == before, "what is at rest stays at rest"

        for handle in list(madness.handles):
            await handle.unsubscribe()
        await asyncio.sleep(10)
        assert rails.subscribed == set()
        assert cable.stats().subscriptions == 0
        await cable.close()
    assert cable.state is State.CLOSED
    return madness


def in_order(madness: Madness) -> bool:
    """Whether the commands of each subscription arrived in the order of the calls."""
    by_identifier = defaultdict(list)
    for identifier, data in madness.rails.performed:
        by_identifier[identifier].append(data["n"])
    return all(numbers == sorted(numbers) for numbers in by_identifier.values())


@pytest.mark.parametrize("seed", range(6))
async def test_the_last_intent_holds(seed: int) -> None:
    """Against a server that runs one command after another: not one wrong command, and all in order."""
    madness = await run(seed, 1500)
    assert madness.rails.faults == []
    assert madness.unexpected == []
    assert in_order(madness)
    assert len(madness.rails.lines) > 5


@pytest.mark.parametrize("seed", range(6))
async def test_the_last_intent_holds_though_commands_overtake_each_other(seed: int) -> None:
    """Rails runs commands side by side: what must not overtake is kept apart by time."""
    madness = await run(seed, 1500, workers=True, patience=1)
    assert madness.rails.faults == []
    assert madness.unexpected == []


@pytest.mark.parametrize("seed", range(4))
async def test_the_last_intent_holds_though_answers_get_lost(seed: int) -> None:
    """One confirmation in ten never comes; once that has passed, a fresh line brings them all."""
    random = Random(seed)
    until = asyncio.get_running_loop().time() + 50
    madness = await run(seed, 1000, lossy=lambda: asyncio.get_running_loop().time() < until and random.random() < 0.1)
    assert madness.rails.faults == []
    assert all(isinstance(error, CableError) for error in madness.unexpected)


async def test_a_storm_of_opening_and_closing() -> None:
    """Whatever the order of the calls, the last one decides, and one line at most is up at a time."""
    random = Random(7)
    transport = MemoryTransport()
    rails = Model(transport, delay=jitter(random, 0.05))
    async with rails.serving():
        cable = Cable(URL, transports=[transport], backoff=STEADY)
        handle = cable.subscribe("Chat")
        calls: list[asyncio.Task[Any]] = []
        for _ in range(500):
            calls.append(background(random.choice([cable.open, cable.close])()))
            if random.random() < 0.2:
                random.choice(calls).cancel()
            await asyncio.sleep(random.choice([0, 0, 0.01, 0.1]))
            assert sum(not line.over.is_set() for line in rails.lines) <= 2
        await asyncio.gather(*calls, return_exceptions=True)
        outcomes = {type(call.exception()) for call in calls if not call.cancelled()}
        assert outcomes <= {type(None), NotConnected}
        await cable.open()
        await handle
        assert rails.subscribed == {handle.identifier}
        assert sum(not line.over.is_set() for line in rails.lines) == 1
        await cable.close()
        assert all(line.over.is_set() for line in rails.lines)


async def test_a_server_that_refuses_most_dials() -> None:
    """The line comes back each time, and the subscriptions with it."""
    random = Random(3)
    transport = MemoryTransport()
    cable = Cable(URL, transports=[transport], backoff=STEADY)
    handles = [cable.subscribe("Chat", n=n) for n in range(20)]
    opening = background(cable.open())
    for _ in range(50):
        while random.random() < 0.7:
            await transport.refuse(refusal())
        server = await transport.accept()
        server.welcome()
        await asyncio.sleep(0.01)
        while server.received:
            for handle in handles:
                server.confirm(handle.identifier)
            await asyncio.sleep(0.01)
        assert all(handle.state is SubscriptionState.SUBSCRIBED for handle in handles)
        server.cut()
    await opening
    await cable.close()
