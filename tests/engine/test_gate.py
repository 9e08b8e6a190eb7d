"""The limit on new connections that all cables of a process share."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import sys
import threading
import time
import weakref
from typing import TYPE_CHECKING

import pytest

from cableway import Cable
from cableway.engine.gate import BURST, RATE, DialGate, default_gate
from tests.scripted import URL, background, settle

if TYPE_CHECKING:
    from collections.abc import Callable

HOST = "cable.example"


def now() -> float:
    """Return the loop's time."""
    return asyncio.get_running_loop().time()


async def passing(gate: DialGate, host: str = HOST) -> float:
    """Pass the gate; return when."""
    await gate.wait(host)
    return now()


# The order and the pace ----------------------------------------------------------------------------------------------


@pytest.mark.looptime
async def test_a_burst_passes_at_once_and_then_so_many_a_second() -> None:
    """Twenty at once, then ten a second, by the defaults."""
    gate = DialGate()
    times = await asyncio.gather(*(passing(gate) for _ in range(50)))
    assert times[:20] == [0.0] * 20
    assert times[20:] == pytest.approx([0.1 * (n + 1) for n in range(30)])
    assert (gate.rate, gate.burst) == (RATE, BURST)
    assert repr(gate) == "DialGate(rate=10, burst=20)"


@pytest.mark.looptime
async def test_who_came_first_passes_first() -> None:
    """Also where some come while others wait."""
    gate = DialGate(rate=2, burst=1)
    order: list[int] = []

    async def one(number: int) -> None:
        await asyncio.sleep(number * 0.2)
        await gate.wait(HOST)
        order.append(number)

    await asyncio.gather(*(one(number) for number in range(30)))
    assert order == list(range(30))


@pytest.mark.looptime
async def test_nobody_slips_past_those_who_wait() -> None:
    """A place that has just become free is the first waiter's, not that of whoever asks at that moment."""
    gate = DialGate(rate=1, burst=1)
    await gate.wait(HOST)
    waiter = background(passing(gate))
    await settle()
    assert gate.would_wait(HOST)
    await asyncio.sleep(5)
    first = background(passing(gate))
    assert await waiter == pytest.approx(1.0)
    assert await first == pytest.approx(5.0, abs=0.01)


@pytest.mark.looptime
async def test_each_host_has_its_own_limit() -> None:
    """A crowd before one does not hold up the other."""
    gate = DialGate(rate=1, burst=1)
    crowd = [background(passing(gate)) for _ in range(10)]
    await settle()
    assert gate.would_wait(HOST)
    assert not gate.would_wait("other.example")
    assert await passing(gate, "other.example") == pytest.approx(0.0, abs=0.01)
    assert max(await asyncio.gather(*crowd)) == pytest.approx(9.0)


@pytest.mark.looptime
@pytest.mark.parametrize("seed", range(20))
async def test_no_window_ever_sees_more_than_the_burst_and_the_rate(seed: int) -> None:
    """Comers and quitters at random: in any window of t seconds at most burst + rate * t pass, and none is lost."""
    dice = random.Random(seed)
    rate, burst = dice.uniform(0.2, 20), dice.randint(1, 10)
    gate = DialGate(rate, burst)
    times: list[float] = []

    async def one() -> None:
        await asyncio.sleep(dice.uniform(0, 20))
        try:
            async with asyncio.timeout(dice.choice([None, None, dice.uniform(0, 3)])):
                times.append(await passing(gate))
        except TimeoutError:
            pass

    await asyncio.gather(*(one() for _ in range(150)))
    times.sort()
    for first in range(len(times)):
        for last in range(first, len(times)):
            assert last - first + 1 <= burst + rate * (times[last] - times[first]) + 1e-6
    # All who waited have passed or gone: a place is free after its time, and nothing is left to wait for.
    await asyncio.sleep(1 / rate + 0.001)
    assert await asyncio.wait_for(gate.wait(HOST), 0.001) is None


@pytest.mark.looptime
async def test_the_line_is_never_idle_while_somebody_waits() -> None:
    """Quitters cost the others no time: of those who stay one passes at each turn."""
    dice = random.Random(3)
    gate = DialGate(rate=1, burst=1)
    await gate.wait(HOST)
    tasks = [background(passing(gate)) for _ in range(40)]
    quitters = dice.sample(tasks, 25)
    for task in quitters:
        asyncio.get_running_loop().call_at(dice.uniform(0, 1), task.cancel)
    times = [time for time in await asyncio.gather(*tasks, return_exceptions=True) if isinstance(time, float)]
    assert times == pytest.approx([float(n + 1) for n in range(len(times))])
    assert len(times) == 15


# Cancelled waiters ---------------------------------------------------------------------------------------------------


@pytest.mark.looptime
async def test_the_place_of_a_cancelled_waiter_goes_to_the_next() -> None:
    """At its own time, not a turn later."""
    gate = DialGate(rate=1, burst=1)
    await gate.wait(HOST)
    first, second = background(passing(gate)), background(passing(gate))
    await asyncio.sleep(0.5)
    first.cancel()
    assert await second == pytest.approx(1.0)


@pytest.mark.looptime
async def test_a_waiter_cancelled_in_the_moment_of_its_turn_leaves_its_place_to_the_next() -> None:
    """The place was taken already, and nobody would use it."""
    gate = DialGate(rate=1, burst=1)
    await gate.wait(HOST)
    first, second, third = (background(passing(gate)) for _ in range(3))
    await settle()
    asyncio.get_running_loop().call_at(1.0 + 1e-12, first.cancel)
    assert await second == pytest.approx(1.0)
    assert first.cancelled()
    assert await third == pytest.approx(2.0)


@pytest.mark.looptime
async def test_when_the_last_waiter_goes_no_timer_is_left() -> None:
    """Whoever waits at the gate as the loop ends must not keep the loop."""
    gate = DialGate(rate=1, burst=1)
    await gate.wait(HOST)
    tasks = [background(passing(gate)) for _ in range(3)]
    await settle()
    queue = gate._queues[asyncio.get_running_loop()][HOST]
    assert queue.timer is not None
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert (queue.timer, list(queue.waiting)) == (None, [])
    await asyncio.sleep(0.9)
    assert await passing(gate) == pytest.approx(1.0, abs=0.01)


def test_a_loop_that_has_ended_is_not_kept() -> None:
    """Neither one at whose end somebody waited, nor one that is done."""
    gate = DialGate(rate=0.001, burst=1)
    loops: list[weakref.ref[asyncio.AbstractEventLoop]] = []

    async def main() -> None:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        waiters = [background(passing(gate)) for _ in range(3)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not all(waiter.done() for waiter in waiters)

    for _ in range(3):
        asyncio.run(main())
    gc.collect()
    assert [loop() for loop in loops] == [None] * 3


# Changing the limits -------------------------------------------------------------------------------------------------


@pytest.mark.looptime
async def test_those_who_wait_wait_by_the_new_limits() -> None:
    """A gate that is opened wider lets them pass sooner, at once if there are places."""
    gate = DialGate(rate=0.01, burst=1)
    await gate.wait(HOST)
    tasks = [background(passing(gate)) for _ in range(5)]
    await asyncio.sleep(1)
    gate.adjust(rate=1)
    assert (gate.rate, gate.burst) == (1.0, 1)
    times = await asyncio.gather(*tasks)
    assert times == pytest.approx([2.0, 3.0, 4.0, 5.0, 6.0], abs=0.05)
    gate.adjust(burst=100)
    assert await asyncio.gather(*(passing(gate) for _ in range(90))) == pytest.approx([6.0] * 90, abs=0.05)


@pytest.mark.looptime
async def test_a_gate_that_is_made_stricter_holds_up_those_who_wait() -> None:
    """None passes by the old limits any more."""
    gate = DialGate(rate=10, burst=5)
    tasks = [background(passing(gate)) for _ in range(8)]
    await asyncio.sleep(0.05)
    gate.adjust(rate=0.5, burst=1)
    times = await asyncio.gather(*tasks)
    assert times[:5] == [0.0] * 5
    assert times[5:] == pytest.approx([2.05, 4.05, 6.05], abs=0.06)


@pytest.mark.looptime
async def test_a_wider_gate_never_makes_anybody_wait_longer() -> None:
    """What passed by a slow rate is no debt of minutes by a fast one."""
    gate = DialGate(rate=0.1, burst=20)
    for _ in range(20):
        await gate.wait(HOST)
    gate.adjust(rate=10)
    assert await asyncio.wait_for(passing(gate), 0.2) <= 0.11


@pytest.mark.looptime
async def test_limits_from_elsewhere_stand_in_for_its_own() -> None:
    """However often they come, without them its own count again; what the user sets then is its own."""
    gate = DialGate(rate=5, burst=6)
    gate.override((1, 2))
    gate.override((3, 4))
    assert (gate.rate, gate.burst) == (3.0, 4)
    gate.override(None)
    gate.override(None)
    assert (gate.rate, gate.burst) == (5.0, 6)
    gate.override((1, 2))
    gate.adjust(rate=7, burst=8)
    gate.override((1, 2))
    gate.override(None)
    assert (gate.rate, gate.burst) == (7.0, 8)


@pytest.mark.parametrize("limits", [(0, 1), (-1, 1), (float("nan"), 1), (1, 0), (1, 1.5), ("1", 1)])
def test_limits_that_are_none_are_refused(limits: tuple[float, int]) -> None:
    """When it is built and when it is changed, which then changes nothing."""
    with pytest.raises(ValueError, match=r"rate=|burst="):
        DialGate(*limits)
    gate = DialGate()
    for change in (lambda: gate.adjust(*limits), lambda: gate.override(limits)):
        with pytest.raises(ValueError, match=r"rate=|burst="):
            change()
    assert (gate.rate, gate.burst) == (RATE, BURST)


# Several loops -------------------------------------------------------------------------------------------------------


def in_threads(*functions: Callable[[], object]) -> None:
    """Run each function in a thread of its own, to the end."""
    threads = [threading.Thread(target=function) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)


def test_two_loops_in_two_threads_share_the_limit() -> None:
    """Together they pass no more than one of them might."""
    gate = DialGate(rate=200, burst=10)
    times: list[float] = []

    async def crowd() -> None:
        times.extend(await asyncio.gather(*(passing(gate) for _ in range(30))))

    in_threads(*[lambda: asyncio.run(crowd())] * 2)
    times.sort()
    assert len(times) == 60
    # Waiters note the time a little after their turn: it may lag, which moves some closer together.
    for first in range(60):
        for last in range(first, 60):
            assert last - first + 1 <= 10 + 200 * (times[last] - times[first] + 0.05)
    assert times[-1] - times[0] >= 50 / 200 - 0.05


def test_limits_may_be_changed_from_another_thread() -> None:
    """Those who wait in any loop hear of it at once."""
    gate = DialGate(rate=0.001, burst=1)
    waiting = threading.Barrier(3)
    passed: list[float] = []

    async def crowd() -> None:
        tasks = [background(passing(gate)) for _ in range(5)]
        await asyncio.sleep(0.01)
        await asyncio.to_thread(waiting.wait, 10)
        passed.extend(await asyncio.wait_for(asyncio.gather(*tasks), 10))

    def widen() -> None:
        waiting.wait(10)
        gate.adjust(rate=1000)

    in_threads(widen, *[lambda: asyncio.run(crowd())] * 2)
    assert len(passed) == 10


def test_loops_that_come_and_go_do_not_upset_a_change() -> None:
    """Limits may be changed in the very moment in which another thread's loop comes to the gate for the first time."""
    gate = DialGate(rate=1e6, burst=1000)
    failures: list[BaseException] = []
    over = threading.Event()
    switch = sys.getswitchinterval()

    def come() -> None:
        async def visit() -> None:
            for number in range(200):
                await gate.wait(f"h{number}")

        try:
            for _ in range(10):
                asyncio.run(visit())
        except BaseException as error:  # noqa: BLE001 - whatever it is
            failures.append(error)
        finally:
            over.set()

    def change() -> None:
        try:
            while not over.is_set():
                gate.adjust(rate=1e6 + random.random())
        except BaseException as error:  # noqa: BLE001 - whatever it is
            failures.append(error)

    sys.setswitchinterval(1e-6)
    try:
        in_threads(come, change)
    finally:
        sys.setswitchinterval(switch)
    assert failures == []


@pytest.mark.looptime
async def test_a_loop_on_a_virtual_clock_has_places_of_its_own() -> None:
    """Its hours pass in no time: they must not fill, or empty, the buckets of the others."""
    gate = DialGate(rate=1, burst=2)
    assert abs(now() - time.monotonic()) > 10
    for _ in range(20):
        await gate.wait(HOST)
    assert now() == pytest.approx(18.0)

    async def real() -> bool:
        await gate.wait(HOST)
        await gate.wait(HOST)
        return gate.would_wait(HOST)

    result: list[bool] = []
    in_threads(lambda: result.append(asyncio.run(real())))
    assert result == [True]
    await asyncio.sleep(100)
    assert not gate.would_wait(HOST)


# One for the process -------------------------------------------------------------------------------------------------


def test_cables_share_one_gate_unless_told_otherwise() -> None:
    """Theirs is the process's."""
    own = DialGate()
    given = [Cable(URL), Cable(URL), Cable(URL, dial_gate=own), Cable(URL, dial_gate=None)]
    gates = [cable._engine.settings.dial_gate for cable in given]
    assert gates == [default_gate(), default_gate(), own, None]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_process_can_use_every_gate() -> None:
    """Though another thread held its lock at that moment, and somebody was waiting."""
    own = DialGate(rate=0.001, burst=2)

    async def main() -> int:
        waiters = [background(passing(own)) for _ in range(5)]
        await asyncio.sleep(0.001)
        child = fork_while_locked(own, default_gate())
        for waiter in waiters:
            waiter.cancel()
        await asyncio.wait(waiters)
        _, status = await asyncio.to_thread(os.waitpid, child, 0)
        return os.waitstatus_to_exitcode(status)

    assert asyncio.run(main()) == 0


def fork_while_locked(*gates: DialGate) -> int:
    """Fork while another thread holds the locks; the child ends well if it can pass, and ask."""
    held, forked = threading.Event(), threading.Event()

    def hold() -> None:
        with gates[0]._lock, gates[1]._lock:
            held.set()
            forked.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(10)
    child = os.fork()
    if child == 0:
        os._exit(child_program(gates))
    forked.set()
    thread.join()
    return child


def child_program(gates: tuple[DialGate, ...]) -> int:
    """Use the gates in a forked child; 0 if all is well."""
    outcome = [1]

    def use() -> None:
        async def main() -> None:
            await asyncio.wait_for(gates[1].wait(HOST), 5)
            # Two places were taken before the fork: who forks gains none.
            outcome[0] = 0 if gates[0].would_wait(HOST) else 2
            gates[0].adjust(rate=1000)
            await asyncio.wait_for(gates[0].wait(HOST), 5)

        asyncio.run(main())

    thread = threading.Thread(target=use, daemon=True)
    thread.start()
    thread.join(10)
    return 3 if thread.is_alive() else outcome[0]
