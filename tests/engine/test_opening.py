"""Opening a cable, and waiting for its line."""

from __future__ import annotations

import asyncio
from typing import Any

import attrs
import pytest

from cableway import (
    CableError,
    CallbackFailed,
    ConnectTimeout,
    Demanded,
    Dormant,
    ManualMonitor,
    NotConnected,
    OnDemandMonitor,
    PersistentMonitor,
    Stale,
    State,
    SubscriptionOptions,
    SubscriptionState,
    UsageError,
    WrongLoop,
)
from tests.scripted import background, line, refusal, settle

pytestmark = pytest.mark.looptime


def now() -> float:
    """Return the loop's time."""
    return asyncio.get_running_loop().time()


@pytest.mark.parametrize("monitor", [OnDemandMonitor, ManualMonitor])
async def test_a_monitor_that_waits_for_demand_opens_at_once(monitor: Any) -> None:
    """Without a dial, and without a thing to wait for."""
    made = line(monitor=monitor())
    assert await made.cable.open() is made.cable
    await asyncio.sleep(10_000)
    assert (made.cable.state, made.cable.error, made.transport.dials) == (State.DORMANT, None, 0)
    assert [type(event) for event in made.events] == [Dormant]
    await made.cable.open()
    assert made.cable.state is State.DORMANT
    await made.cable.close()
    assert made.cable.state is State.CLOSED
    assert made.cable._engine.at_rest


async def test_a_demand_comes_before_the_open_of_another() -> None:
    """A second open() of a line that is on its way by demand does not wait for it either, nor take it down."""
    made = line(monitor=OnDemandMonitor())
    await made.cable.open()
    made.cable.wake("news")
    await asyncio.wait_for(made.cable.open(), 0.01)
    assert made.cable.state is State.CONNECTING
    await made.welcome()
    assert made.told(Demanded) == [Demanded("news")]
    await made.cable.close()


async def test_an_open_that_is_cancelled_takes_down_only_what_is_its_own() -> None:
    """Not the line of an earlier open(), nor one that others wait for; after the last of them nothing is left."""
    made = line()
    first, second = background(made.cable.open()), background(made.cable.open())
    await settle()
    first.cancel()
    await asyncio.wait([first])
    assert made.cable.state is State.CONNECTING
    second.cancel()
    await asyncio.wait([second])
    assert made.cable.state is State.CLOSED
    assert made.cable._engine.at_rest
    await made.connect()
    made.server.cut()
    await settle()
    third = background(made.cable.open())
    await settle()
    third.cancel()
    await asyncio.wait([third])
    assert made.cable.state is State.CONNECTING
    await made.cable.close()


async def test_giving_up_does_not_spoil_those_who_only_wait_for_the_line() -> None:
    """Who waits by awake() hears why there will be none."""
    made = line(open_timeout=5)
    opening = background(made.cable.open())
    await settle()

    async def use() -> None:
        async with made.cable.awake():
            pytest.fail("there is no line")

    using = background(use())
    with pytest.raises(ConnectTimeout):
        await opening
    with pytest.raises(CableError, match="no line came up within 5 s"):
        await using
    assert made.cable._engine.waiting.empty
    assert made.cable._engine.overseer.oversight.holds == 0


async def test_a_monitor_that_cannot_say_whether_to_wait_is_waited_for() -> None:
    """Its failure is told, and does not come out of open()."""

    class Odd(PersistentMonitor):
        @property
        def dials_at_once(self) -> bool:
            raise LookupError("mine")  # noqa: EM101 - of the test

    made = line(monitor=Odd())
    await made.connect()
    assert made.cable.state is State.CONNECTED
    assert [event for event in made.told(CallbackFailed) if event.callback == "monitor"]  # type: ignore[attr-defined]
    await made.cable.close()


async def test_an_open_that_cannot_begin_leaves_nothing() -> None:
    """Where the policies cannot be had, nobody listens to the host any more, and the cable is as before."""

    class Feed:
        def attach(self, *_: Any) -> Any:
            msg = "another loop's"
            raise WrongLoop(msg)

        def nudge(self) -> None:
            pytest.fail("it is not attached")

        async def released(self) -> None:
            """Leave nothing."""

    class Watch:
        def __init__(self) -> None:
            self.listeners: list[Any] = []

        def listen(self, listener: Any) -> None:
            self.listeners.append(listener)

        def ignore(self, listener: Any) -> None:
            self.listeners.remove(listener)

    watch = Watch()
    made = line(policy=Feed())
    made.cable._engine.settings = attrs.evolve(made.cable._engine.settings, watch=lambda _: watch)
    chat = made.cable.subscribe("Chat")
    with pytest.raises(WrongLoop):
        await made.cable.open()
    assert (made.cable.state, watch.listeners, chat.state) == (State.IDLE, [], SubscriptionState.PENDING)
    assert made.cable._engine.at_rest
    await made.cable.close()


# The gate and pause() ------------------------------------------------------------------------------------------------


async def test_open_on_a_paused_cable_tells_what_is_in_the_way() -> None:
    """After its time-out; nothing was dialled."""
    made = line(open_timeout=3)
    made.cable.pause()
    with pytest.raises(ConnectTimeout, match=r"no line came up \(the cable is paused: call resume\(\)\) within 3 s"):
        await made.cable.open()
    assert (made.transport.dials, made.cable.state) == (0, State.CLOSED)


async def test_open_before_a_shut_gate_tells_what_is_in_the_way() -> None:
    """After its time-out; the gate was asked every five seconds."""
    asked: list[float] = []

    def gate() -> bool:
        asked.append(now())
        return False

    made = line(open_timeout=12, gate=gate)
    with pytest.raises(ConnectTimeout, match=r"no line came up \(the gate= function says no\) within 12 s"):
        await made.cable.open()
    assert asked == pytest.approx([0, 5, 10])
    assert (made.transport.dials, made.cable.state) == (0, State.CLOSED)


async def test_open_skips_the_wait_but_not_the_gate() -> None:
    """The gate is asked before each dial: called while the next one is waited for, open() asks it now."""
    answers = [True, False, True]
    asked: list[float] = []

    def gate() -> bool:
        asked.append(now())
        return answers.pop(0)

    made = line(gate=gate)
    await made.connect()
    made.server.cut()
    await settle()
    assert made.cable.state is State.DISCONNECTED
    opening = background(made.cable.open())
    await settle()
    assert (len(asked), made.cable.state, made.transport.dials) == (2, State.DORMANT, 1)
    await made.welcome()
    await opening
    assert asked[2] - asked[1] == pytest.approx(5, abs=0.01)
    assert answers == []
    await made.cable.close()


async def test_open_skips_the_wait_before_an_open_gate() -> None:
    """As without one."""
    made = line(gate=lambda: True, backoff=None)
    await made.connect()
    for _ in range(3):
        made.server.cut()
        await settle()
        started = now()
        opening = background(made.cable.open())
        await made.welcome()
        await opening
        assert now() - started < 0.05
    await made.cable.close()


# awake() -------------------------------------------------------------------------------------------------------------


async def test_awake_on_a_cable_that_is_not_open_says_so() -> None:
    """Before it is opened and after it was closed."""
    made = line(monitor=OnDemandMonitor())
    for _ in range(2):
        with pytest.raises(NotConnected, match="open it"):
            async with made.cable.awake():
                pytest.fail("there is no line")
        for call in (made.cable.wake, made.cable.rest):
            with pytest.raises(NotConnected, match="open it"):
                call()
        await made.cable.open()
        await made.cable.close()


async def test_awake_is_bounded_and_holds_nothing_after_it() -> None:
    """The cause is the last failure, and the cable stays open."""
    made = line(monitor=OnDemandMonitor(linger=0), open_timeout=10)
    await made.cable.open()
    started = now()

    async def refuse() -> None:
        while True:
            await made.transport.refuse(refusal())

    refusing = background(refuse())
    with pytest.raises(ConnectTimeout, match="nobody is there") as caught:
        async with made.cable.awake():
            pytest.fail("there is no line")
    assert now() - started == pytest.approx(10, abs=0.01)
    assert isinstance(caught.value.__cause__, CableError)
    refusing.cancel()
    await settle()
    assert made.cable.state is State.DORMANT
    assert made.cable._engine.overseer.oversight.holds == 0
    await made.cable.close()


async def test_awake_waits_for_a_line_that_broke_and_comes_back() -> None:
    """A block that began while the line was down is entered when it is up."""
    made = line()
    await made.connect()
    made.server.cut()
    await settle()
    entered = asyncio.Event()

    async def use() -> None:
        async with made.cable.awake() as cable:
            assert cable is made.cable
            entered.set()

    using = background(use())
    await settle()
    assert not entered.is_set()
    await made.welcome()
    await using
    await made.cable.close()


async def test_a_time_out_of_the_body_is_the_body_s() -> None:
    """It is not taken for one of the wait for the line, and what held the line is gone."""
    made = line(monitor=OnDemandMonitor(linger=0))
    await made.cable.open()
    made.cable.wake()
    await made.welcome()
    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(5), made.cable.awake():
            await asyncio.sleep(60)
    assert not isinstance(caught.value, CableError)
    await settle()
    assert made.cable.state is State.DORMANT
    await made.cable.close()


# What cannot be an argument ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["backoff", "gate", "dial_gate", "policy", "monitor"])
@pytest.mark.parametrize("value", [5, "shared?", object()])
async def test_what_cannot_be_an_argument_is_refused_when_built(name: str, value: Any) -> None:
    """The text names the argument; it would only fail at a dial, or not at all."""
    with pytest.raises(UsageError, match=f"{name}="):
        line(**{name: value})
    if name in ("backoff", "monitor"):
        made = line()
        with pytest.raises(UsageError, match=f"{name}="):
            made.cable.configure(**{name: value})


async def test_data_grow_old_from_the_opening_on() -> None:
    """What was subscribed before had no line to come by, whatever the clock says."""
    await asyncio.sleep(1000)
    made = line()
    told: list[tuple[float, float]] = []
    chat = made.cable.subscribe("Chat", options=SubscriptionOptions(max_age=5))
    chat.on(Stale, lambda event: told.append((now(), event.age)))
    await asyncio.sleep(10)
    opened = now()
    await made.connect()
    await asyncio.sleep(4)
    assert told == []
    await asyncio.sleep(2)
    await made.cable.close(flush=False)

    assert told == [(opened + 5, 5)]
