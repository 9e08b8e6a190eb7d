"""Users, networks and servers that do anything at any moment: the cable ends where it should, and leaves nothing."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from cableway import (
    Cable,
    CableError,
    ConstantBackoff,
    ExponentialBackoff,
    HandshakeRefused,
    ManualMonitor,
    MemoryServer,
    MemoryTransport,
    Monitor,
    OnDemandMonitor,
    PersistentMonitor,
    State,
    SubscriptionState,
)
from cableway.engine.gate import DialGate
from cableway.host.watch import HostChange
from cableway.policies.remote import Policy
from tests.scripted import URL, background, refusal

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.looptime

SLOW_POLICY = Policy(ExponentialBackoff(minimum=2, maximum=4), {"grace": 1}, (1, 1))


class Server:
    """Takes dials in every mood; notes how many lines are open at a time."""

    def __init__(self, dice: random.Random) -> None:
        self.transport = MemoryTransport()
        self.lines: list[MemoryServer] = []
        self.most = 0
        self.good = False
        self._dice = dice
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        """Take each dial, in a while."""
        while True:
            mood = "good" if self.good else self._dice.choice(["good"] * 5 + ["refuse", "busy", "mute", "slow"])
            if mood == "refuse":
                await self.transport.refuse(refusal())
            elif mood == "busy":
                await self.transport.refuse(HandshakeRefused(URL, 503, {"Retry-After": "3"}))
            else:
                self._take(await self.transport.accept(), mood)

    def _take(self, server: MemoryServer, mood: str) -> None:
        self.lines = [one for one in self.lines if not one.over.is_set()] + [server]
        self.most = max(self.most, len(self.lines))
        task = background(self._talk(server, mood))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _talk(self, server: MemoryServer, mood: str) -> None:
        if mood == "mute":
            return
        await asyncio.sleep(self._dice.uniform(0, 8) if mood == "slow" else self._dice.uniform(0, 0.1))
        server.welcome()
        listening = background(self._confirm(server))
        while not server.over.is_set():
            await asyncio.sleep(3)
            server.send({"type": "ping"})
        listening.cancel()

    async def _confirm(self, server: MemoryServer) -> None:
        while True:
            command = await server.receive()
            await asyncio.sleep(self._dice.uniform(0, 0.05))
            if command.get("command") == "subscribe":
                server.confirm(command["identifier"])


class Caprice:
    """One cable, and everybody who has a hand in it."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.server = Server(self.dice)
        self.listeners: list[Callable[[HostChange], None]] = []
        self.apply: Callable[[Policy], None] | None = None
        self.gate_open = True
        self.cable = Cable(
            URL,
            transports=[self.server.transport],
            monitor=self.monitor(),
            gate=self.gate if self.dice.random() < 0.5 else None,
            dial_gate=DialGate(self.dice.uniform(0.5, 5), self.dice.randint(1, 5)),
            policy=self,  # type: ignore[arg-type]
            open_timeout=self.dice.choice([5, 30]),
        )
        engine = self.cable._engine
        engine.settings = attrs.evolve(engine.settings, watch=lambda _: self)  # type: ignore[arg-type, return-value]
        self.chat = self.cable.subscribe("Chat")
        self.calls: set[asyncio.Task[Any]] = set()

    # The host, and the policies

    def listen(self, listener: Callable[[HostChange], None]) -> None:
        """Take a listener."""
        self.listeners.append(listener)

    def ignore(self, listener: Callable[[HostChange], None]) -> None:
        """Let it go."""
        self.listeners.remove(listener)

    def attach(self, apply: Callable[[Policy], None], _: Any) -> Callable[[], None]:
        """Take a cable."""
        self.apply = apply
        return lambda: setattr(self, "apply", None)

    def nudge(self) -> None:
        """Be wanted."""

    async def released(self) -> None:
        """Have nothing left."""

    async def gate(self) -> bool:
        """Say what the mood is, or fail."""
        await asyncio.sleep(self.dice.choice([0, 0.01, 3]))
        if not self.gate_open and self.dice.random() < 0.3:
            raise self.dice.choice([ValueError("mine"), asyncio.CancelledError()])
        return self.gate_open

    def monitor(self) -> Monitor:
        """Make one of any kind."""
        return self.dice.choice(
            [
                PersistentMonitor,
                ManualMonitor,
                OnDemandMonitor,
                lambda: OnDemandMonitor(linger=0),
                lambda: OnDemandMonitor(linger=0.5, every=7, minimum_on=2, budget=600),
            ]
        )()

    # What may happen

    async def awake(self) -> None:
        """Hold the line for a while."""
        async with self.cable.awake():
            await asyncio.sleep(self.dice.uniform(0, 5))

    def step(self) -> None:
        """Let something happen."""
        dice, cable = self.dice, self.cable
        tell = list(self.listeners)
        actions: list[Callable[[], Any]] = [
            lambda: self.call(cable.open()),
            lambda: self.call(cable.open()),
            lambda: self.call(self.awake()),
            lambda: self.call(self.awake()),
            lambda: self.call(self.chat.perform("speak")),
            lambda: self.call(self.chat.perform("speak")),
            lambda: self.call(cable.close(flush=dice.random() < 0.5)) if dice.random() < 0.3 else None,
            cable.wake,
            cable.rest,
            cable.pause,
            cable.resume,
            cable.resume,
            lambda: cable.configure(monitor=self.monitor()),
            lambda: cable.configure(backoff=dice.choice([ConstantBackoff(1), ExponentialBackoff()])),
            lambda: setattr(self, "gate_open", dice.random() < 0.7),
            lambda: [listener(HostChange(network=True)) for listener in tell],
            lambda: [listener(HostChange(slept=dice.uniform(0.1, 100))) for listener in tell],
            lambda: [listener(HostChange()) for listener in tell],
            lambda: [one.cut() for one in self.server.lines],
            lambda: [one.connection.writable.clear() for one in self.server.lines],
            lambda: [one.connection.writable.set() for one in self.server.lines],
            lambda: dice.choice(list(self.calls)).cancel() if self.calls else None,
            lambda: self.apply and self.apply(dice.choice([Policy(), SLOW_POLICY])),
        ]
        with suppress(CableError):
            dice.choice(actions)()

    def call(self, coroutine: Any) -> None:
        """Make a call that others may cancel."""
        task = background(self._run(coroutine))
        self.calls.add(task)
        task.add_done_callback(self.calls.discard)

    async def _run(self, coroutine: Any) -> None:
        with suppress(CableError):
            await coroutine

    # What must hold

    def check(self) -> None:
        """Nothing contradicts anything else."""
        engine = self.cable._engine
        state = self.cable.state
        assert (engine.carrier is not None) == (state in (State.CONNECTING, State.CONNECTED))
        assert (engine.line.retry_at is not None) == (state is State.DISCONNECTED)
        assert len(self.listeners) == (state not in (State.IDLE, State.CLOSED))
        assert (self.apply is None) == (state in (State.IDLE, State.CLOSED))
        assert engine.overseer.oversight.holds >= 0
        if state is State.DISCONNECTED and not engine.overseer.oversight.asking:
            assert engine._timer is not None
        if self.chat.state is SubscriptionState.SUBSCRIBED:
            assert state is State.CONNECTED


@pytest.mark.parametrize("seed", range(25))
async def test_whatever_happens_it_ends_well(seed: int) -> None:
    """After the storm: one line, then none, all calls ended in a bounded time, nothing left."""
    caprice = Caprice(seed)
    serving = background(caprice.server.serve())
    for _ in range(400):
        caprice.step()
        caprice.check()
        await asyncio.sleep(caprice.dice.choice([0, 0, 0.001, 0.01, 0.3, 2, 12]))
        caprice.check()
    # The weather turns fair.
    caprice.server.good = caprice.gate_open = True
    serving.cancel()
    serving = background(caprice.server.serve())
    for one in caprice.server.lines:
        one.connection.writable.set()
    caprice.cable.resume()
    await asyncio.sleep(400)
    assert caprice.calls == set()
    assert caprice.cable._engine.overseer.oversight.holds == 0
    caprice.cable.configure(monitor=PersistentMonitor())
    await caprice.cable.open()
    async with asyncio.timeout(30):
        await caprice.chat
    await caprice.chat.perform("speak")
    caprice.cable.configure(monitor=OnDemandMonitor(linger=0))
    await asyncio.sleep(1)
    assert caprice.cable.state is State.DORMANT
    await caprice.cable.close()
    caprice.check()
    engine = caprice.cable._engine
    assert engine.at_rest
    # Two only where a line that is being closed is jammed: the next one does not wait for it for ever.
    assert caprice.server.most <= 2
    assert engine.waiting.empty
    assert all(one.over.is_set() for one in caprice.server.lines)
    serving.cancel()
