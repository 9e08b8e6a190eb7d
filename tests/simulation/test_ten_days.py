"""Ten days of a host whose network drops, stalls, moves and goes away, and which sleeps at night.

``CABLEWAY_SOAK_SCALE=1`` lives through all of them; by default it is one day. ``CABLEWAY_SOAK_SEED`` gives other days.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
from collections import Counter
from random import Random
from typing import Any

import pytest

from cableway import CableError, ConnectTimeout
from cableway.states import State
from tests.simulation.clock import VirtualLoop, run
from tests.simulation.world import FAULTS, LINGER, World

SCALE = float(os.environ.get("CABLEWAY_SOAK_SCALE", "0.1"))
SEED = int(os.environ.get("CABLEWAY_SOAK_SEED", "1"))
DAY = 86400.0

GROWTH = 1500
GROWTH_A_DAY = 150
"""Blocks of memory: what the interpreter's own caches, and the books of this test, may take."""

OURS = ("ServerLine", "_set_result_unless_cancelled")
"""Timers of the simulation itself. A sleep of the client's would show as its task."""


class Days:
    """One run."""

    def __init__(self, loop: VirtualLoop, seed: int, days: float) -> None:
        self.world = World(loop, seed)
        self.loop = loop
        self.days = days
        self.blocks: list[tuple[float, int]] = []
        self.performed: Counter[str] = Counter()
        self.heard = 0
        self._numbers = iter(range(10**9))
        self._busy = False
        self.checks = 0
        """How often all was found well."""

    async def main(self) -> None:
        world = self.world
        await world.always.open()
        await world.sometimes.open()
        world.until(5.0)
        self.always = world.always.subscribe("Always")
        self.sometimes = world.sometimes.subscribe("Sometimes")
        work = [self._break(), self._interfere(), self._read(), self._talk(), self._need()]
        tasks = [asyncio.get_running_loop().create_task(one) for one in work]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            assert tasks[0] in done
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        await asyncio.sleep(0.0)
        await world.always.close()
        await world.sometimes.close()
        await asyncio.sleep(0.5)
        self._count_all()

    # The users

    async def _read(self) -> None:
        last: dict[int, int] = {}
        while True:
            async for message in self.always:
                line, number = message.data
                assert number == last.get(line, 0) + 1, f"{number} after {last.get(line, 0)}"
                last = {line: number}
                self.heard += 1
            # The cable was closed, and is about to be opened again.
            assert self.world.closed
            while self.world.closed:  # noqa: ASYNC110 - nobody announces it
                await asyncio.sleep(0.01)

    async def _talk(self) -> None:
        """Use the cable that is always up."""
        random = Random(self.world.random.random())
        while True:
            await asyncio.sleep(random.uniform(20, 300))
            for line in self.world.wires["always"].lines:
                line.message()
            await self._perform("always", self.always)

    async def _need(self) -> None:
        """Need the other one now and then."""
        world, random = self.world, Random(self.world.random.random())
        while True:
            await asyncio.sleep(random.uniform(20, 1500))
            self._busy = True
            kind = random.choice(["perform", "awake", "wake", "awake and rest"])
            world.tell(f"needed: {kind}")
            if kind == "perform":
                await self._perform("sometimes", self.sometimes)
            elif kind == "wake":
                world.sometimes.wake()
                await asyncio.sleep(1)
            else:
                await self._hold(random, rest=kind.endswith("rest"))
            self._busy = False

    async def _hold(self, random: Random, *, rest: bool) -> None:
        world = self.world
        began, calm = self.loop.time(), world.calm
        try:
            async with world.sometimes.awake("the simulation"):
                took = self.loop.time() - began
                assert took < 31, took
                await asyncio.sleep(random.uniform(0, 20))
                await self._perform("sometimes", self.sometimes)
                if rest:
                    world.sometimes.rest()
        except ConnectTimeout:
            assert not (calm and world.calm), "no line in time, though nothing was wrong"
            assert self.loop.time() - began < 31

    async def _perform(self, name: str, subscription: Any) -> None:
        world = self.world
        number = next(self._numbers)
        began, calm = self.loop.time(), world.calm
        try:
            async with asyncio.timeout(60):
                await subscription.perform("note", number=number)
        except CableError:
            pass
        except TimeoutError:
            pytest.fail("a command hung for a minute")
        else:
            self.performed[name] += 1
            await asyncio.sleep(0.5)
            if calm and world.calm:
                assert number in world.wires[name].performed, "a command was lost while nothing was wrong"
                return
        assert not (calm and world.calm) or number in world.wires[name].performed, "a command failed for no reason"
        assert self.loop.time() - began < 45

    # The world

    async def _break(self) -> None:
        world = self.world
        end = self.days * DAY
        while self.loop.time() < end:
            await asyncio.sleep(world.random.expovariate(1 / world.random.choice([5, 60, 900])))
            if world.random.random() < 0.6:
                await self._calm()
            await world.break_something()
        await self._calm()

    async def _interfere(self) -> None:
        world, random = self.world, Random(self.world.random.random())
        while True:
            await asyncio.sleep(random.expovariate(1 / 1200))
            await world.interfere()

    async def _calm(self) -> None:
        world = self.world
        while not world.calm:  # noqa: ASYNC110 - it is time that passes
            await asyncio.sleep(max(world.due - self.loop.time(), 1.0))
        await asyncio.sleep(2)
        if world.calm:
            world.check(self.always)
            self.checks += 1
            if self.checks % 5 == 0:
                await self._rest()

    async def _rest(self) -> None:
        """Count what is held while nothing is going on."""
        world = self.world
        for _ in range(200):
            if not self._busy and world.sometimes.state is State.DORMANT:
                break
            await asyncio.sleep(LINGER)
        else:
            msg = f"a line that nobody needs stays: {world.sometimes.state}"
            raise AssertionError(msg)
        await asyncio.sleep(2)
        if self._busy or not world.calm or world.sometimes.state is not State.DORMANT:
            return
        assert world.wires["sometimes"].sockets == 0
        self._count_resting()
        gc.collect()
        self.blocks.append((self.loop.time() / DAY, sys.getallocatedblocks()))

    def _count_resting(self) -> None:
        tasks = [task for task in asyncio.all_tasks() if task.get_name().startswith("cableway")]
        assert not tasks, tasks
        timers = [name for name in self.loop.timers if not name.startswith(OURS)]
        assert timers.count("HostWatch._look") == 1, timers
        assert timers.count("Engine._tick") <= 2, timers
        assert len(timers) <= 3, timers
        assert self.loop.heap < 400

    def _count_all(self) -> None:
        assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
        left = [name for name in self.loop.timers if not name.startswith("ServerLine")]
        assert left == [], left
        assert all(wire.sockets == 0 for wire in self.world.wires.values())
        assert not self.loop.faults, self.loop.faults


def simulate(seed: int, days: float, monkeypatch: pytest.MonkeyPatch) -> Days:
    """Live through *days*; a failure shows the seed and the last events."""
    source = Random(seed)
    monkeypatch.setattr("cableway.engine.core.new_random", lambda: Random(source.random()))
    # Days of log lines would look like a leak.
    monkeypatch.setattr(logging.getLogger("cableway"), "disabled", True)
    loop = VirtualLoop()
    lived = Days(loop, seed, days)
    try:
        run(lived.main(), loop)
    except BaseException as error:
        error.add_note(f"seed {seed}\n" + "\n".join(lived.world.story))
        raise
    return lived


def check_memory(lived: Days) -> None:
    """What is held while nothing goes on is the same in the end as in the beginning."""
    early = [blocks for at, blocks in lived.blocks if at <= 0.4 * lived.days]
    late = [blocks for at, blocks in lived.blocks if at > 0.6 * lived.days]
    assert early
    assert late
    assert min(late) - max(early) <= GROWTH + GROWTH_A_DAY * lived.days, lived.blocks


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_ten_days(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever breaks, the line is back within the policy's bound, and nothing is left over."""
    lived = simulate(SEED, 10 * SCALE, monkeypatch)
    check_memory(lived)
    world = lived.world
    assert SCALE < 1 or set(world.counts) == set(FAULTS)
    assert lived.checks >= 50 * SCALE
    assert lived.heard >= 1000 * SCALE
    assert min(lived.performed["always"], lived.performed["sometimes"]) >= 200 * SCALE
    # For whoever runs it by hand, with -s.
    sys.stderr.write(f"seed {SEED}: {sum(world.counts.values())} faults, {lived.checks} checks\n")
