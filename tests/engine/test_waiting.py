"""Those who wait, and the clocks that are stopped for them."""

from __future__ import annotations

import asyncio

import pytest

from cableway import ConnectTimeout, State
from cableway.engine.gate import DialGate
from cableway.engine.waiting import Allowance, Waiting
from cableway.runtime import Home
from tests.scripted import URL, background, connected, line, refusal, settle

pytestmark = pytest.mark.looptime

HOST = "cable.example"


def now() -> float:
    """Return the loop's time."""
    return asyncio.get_running_loop().time()


def made() -> Waiting:
    """Make one that lives here."""
    home = Home("the test")
    home.enter(at_rest=True)
    return Waiting(home)


async def bounded(waiting: Waiting, seconds: float | None) -> float:
    """Wait for ever within an allowance of *seconds*; return when that was over."""
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            with waiting.allow(limit):
                await asyncio.Event().wait()
    except TimeoutError:
        assert limit.expired()
    return now()


def busy_gate(seconds: float) -> DialGate:
    """Make a gate that lets the next dial pass only after so many seconds; one was let pass already."""
    return DialGate(rate=1 / seconds, burst=1)


async def hold_up(gate: DialGate) -> None:
    """Take the one place there is."""
    await gate.wait(HOST)


# The clocks ----------------------------------------------------------------------------------------------------------


async def test_an_allowance_that_is_not_stopped_is_a_limit() -> None:
    """Like any other."""
    assert await bounded(made(), 30) == 30.0


async def test_time_that_is_stopped_does_not_count() -> None:
    """Neither one long stop nor many short ones; what was left before is left after."""
    waiting = made()
    task = background(bounded(waiting, 30))
    await asyncio.sleep(10)
    with waiting.stopped():
        await asyncio.sleep(100)
    await asyncio.sleep(10)
    for _ in range(5):
        with waiting.stopped():
            await asyncio.sleep(20)
        await asyncio.sleep(1)
    assert await task == pytest.approx(30 + 100 + 5 * 20)
    assert waiting.empty


async def test_who_comes_while_the_clocks_stand_has_all_the_time() -> None:
    """From the moment in which they go on."""
    waiting = made()
    with waiting.stopped():
        await asyncio.sleep(50)
        task = background(bounded(waiting, 30))
        await asyncio.sleep(50)
    assert await task == pytest.approx(130.0)


async def test_each_clock_goes_on_where_it_stood() -> None:
    """Those who wait together have begun at different times."""
    waiting = made()
    first = background(bounded(waiting, 30))
    await asyncio.sleep(20)
    second = background(bounded(waiting, 30))
    await asyncio.sleep(5)
    with waiting.stopped():
        await asyncio.sleep(100)
    assert await first == pytest.approx(130.0)
    assert await second == pytest.approx(150.0)


async def test_who_waits_for_ever_waits_for_ever() -> None:
    """A stop gives no limit to whom has none."""
    waiting = made()
    task = background(bounded(waiting, None))
    await settle()
    with waiting.stopped():
        await asyncio.sleep(100)
    await asyncio.sleep(10_000)
    assert not task.done()
    task.cancel()
    await asyncio.wait([task])


async def test_the_clocks_go_on_though_what_stopped_them_failed() -> None:
    """Or was cancelled."""
    waiting = made()
    task = background(bounded(waiting, 30))
    await settle()
    with pytest.raises(ValueError, match="mine"), waiting.stopped():
        raise ValueError("mine")  # noqa: EM101 - of the test
    assert await task == pytest.approx(30.0, abs=0.01)


async def test_a_clock_that_has_run_out_is_not_wound_up_again() -> None:
    """The caller is on its way out already."""
    limit = asyncio.timeout(1)
    allowance = Allowance(limit)

    async def linger() -> None:
        try:
            await asyncio.sleep(10)
        finally:
            allowance.stop(now())
            allowance.go(now())

    with pytest.raises(TimeoutError):
        async with limit:
            await linger()
    assert limit.when() == 1.0


async def test_everybody_is_woken_by_a_change() -> None:
    """Also where some of them were cancelled in the same turn; who waits anew waits for the next one."""
    waiting = made()
    tasks = [background(waiting.change()) for _ in range(5)]
    await settle()
    tasks[2].cancel()
    waiting.notify()
    waiting.notify()
    await asyncio.wait(tasks)
    assert [task.cancelled() for task in tasks] == [False, False, True, False, False]
    assert waiting.empty


# In a cable ----------------------------------------------------------------------------------------------------------


async def test_open_may_wait_at_the_gate_for_longer_than_its_time_out() -> None:
    """A hundred seconds there with thirty to open: waiting at the dial gate is neither dial time nor a failure."""
    gate = busy_gate(100)
    await hold_up(gate)
    cable = line(dial_gate=gate, open_timeout=30)
    opening = background(cable.cable.open())
    server = await cable.welcome()
    await opening
    assert now() == pytest.approx(100.0, abs=0.01)
    assert (cable.cable.stats().failures, server.request.url) == (0, URL)
    await cable.cable.close()


async def test_time_spent_on_the_way_to_the_gate_and_after_it_counts() -> None:
    """Twenty-nine seconds before, a hundred at the gate, and one after it: then it is over."""
    gate = busy_gate(100)
    cable = line(dial_gate=gate, open_timeout=30, dial_timeout=60)
    started = now()
    opening = background(cable.cable.open())
    await cable.transport.refuse(refusal())
    # Its next dial, a second after the first, waits for its place.
    with pytest.raises(ConnectTimeout, match="no line came up within 30 s") as caught:
        await opening
    assert now() - started == pytest.approx(99 + 30, abs=0.01)
    assert "nobody is there" in str(caught.value)
    assert cable.cable.state is State.CLOSED


async def test_a_command_that_wakes_the_line_may_wait_at_the_gate() -> None:
    """Its clock stands, too."""
    from cableway import OnDemandMonitor

    gate = busy_gate(100)
    await hold_up(gate)
    cable = line(dial_gate=gate, open_timeout=30, monitor=OnDemandMonitor())
    await cable.cable.open()
    chat = cable.cable.subscribe("Chat")
    performing = background(chat.perform("speak"))
    server = await cable.welcome()
    server.confirm(chat.identifier)
    await performing
    assert now() == pytest.approx(100.0, abs=0.01)
    await cable.cable.close()


async def test_closing_at_the_gate_sets_nobody_s_clock_going() -> None:
    """The dial that waited there is gone, its place is the next one's."""
    gate = busy_gate(100)
    await hold_up(gate)
    first, second = line(dial_gate=gate), line(dial_gate=gate)
    opening = background(first.cable.open())
    await settle()
    other = background(second.cable.open())
    await settle()
    await first.cable.close()
    await asyncio.wait([opening])
    assert opening.exception() is not None
    await second.welcome()
    await other
    assert now() == pytest.approx(100.0, abs=0.01)
    assert first.cable._engine.waiting.empty
    await second.cable.close()


async def test_pause_and_resume_at_the_gate_keep_the_clock_right() -> None:
    """Each time the dial leaves the gate the time runs on, each time it comes back it stands."""
    gate = busy_gate(100)
    await hold_up(gate)
    cable = line(dial_gate=gate, open_timeout=30)
    opening = background(cable.cable.open())
    for _ in range(4):
        await asyncio.sleep(10)
        cable.cable.pause()
        await asyncio.sleep(5)
        cable.cable.resume()
    await asyncio.sleep(20)
    cable.cable.pause()
    with pytest.raises(ConnectTimeout, match="paused"):
        await opening
    assert now() == pytest.approx(4 * 15 + 20 + 10, abs=0.05)
    assert cable.transport.dials == 0


async def test_waiting_at_the_gate_does_not_stop_the_clocks_of_a_line_that_is_up() -> None:
    """Only those of one's own cable, and only as long as its dial stands there."""
    gate = busy_gate(1000)
    await hold_up(gate)
    waiting = line(dial_gate=gate)
    opening = background(waiting.cable.open())
    await settle()
    async with connected(dial_gate=None) as up:
        chat = up.cable.subscribe("Chat")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(chat.receive(timeout=5), 6)
    await waiting.cable.close()
    await asyncio.wait([opening])
    assert opening.exception() is not None
