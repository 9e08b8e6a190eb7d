"""What the monitor, the gate, pause() and the host say together, carried out on a cable."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from cableway import (
    CableError,
    CallbackFailed,
    Connected,
    ConnectTimeout,
    Demanded,
    Disconnected,
    Dormant,
    ExponentialBackoff,
    HandshakeRefused,
    LineStale,
    ManualMonitor,
    Monitor,
    NotConnected,
    OnDemandMonitor,
    PersistentMonitor,
    RetriesExhausted,
    RetryScheduled,
    State,
    SubscriptionState,
)
from cableway.engine.gate import DialGate
from cableway.engine.overseer import GATE_TIMEOUT
from cableway.host.watch import HostChange
from cableway.policies.monitors.base import Check, Look
from cableway.policies.oversight import AFTER_FAULT, GATE_EVERY
from cableway.policies.remote import Policy
from tests.scripted import STEADY, URL, Line, Model, background, connected, line, refusal, settle

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.looptime

SLOW = ExponentialBackoff(minimum=30, maximum=30, factor=1, jitter=0)
ANYCABLE_WELCOME = {"type": "welcome", "sid": "s1"}


def now() -> float:
    """Return the loop's time."""
    return asyncio.get_running_loop().time()


class Watch:
    """A watch in the hands of the test."""

    def __init__(self) -> None:
        self.listeners: list[Callable[[HostChange], None]] = []

    def listen(self, listener: Callable[[HostChange], None]) -> None:
        """Take a listener."""
        self.listeners.append(listener)

    def ignore(self, listener: Callable[[HostChange], None]) -> None:
        """Let it go."""
        self.listeners.remove(listener)

    def tell(self, change: HostChange) -> None:
        """Tell all who listen."""
        for listener in list(self.listeners):
            listener(change)


NETWORK, DOUBT = HostChange(network=True), HostChange()


def watched(**options: Any) -> tuple[Line, Watch]:
    """A cable, and the watch over its host."""
    made, watch = line(**options), Watch()
    made.cable._engine.settings = attrs.evolve(made.cable._engine.settings, watch=lambda _: watch)
    return made, watch


class Feed:
    """Policies in the hands of the test."""

    def __init__(self, *policies: Policy) -> None:
        self.policies = list(policies)
        self.apply: Callable[[Policy], None] | None = None
        self.wanted: Callable[[], bool]
        self.nudges = 0
        self.waited = 0

    def attach(self, apply: Callable[[Policy], None], wanted: Callable[[], bool]) -> Callable[[], None]:
        """Take a cable, and tell it what is known already."""
        self.apply, self.wanted = apply, wanted
        for policy in self.policies:
            apply(policy)
        return self._end

    def tell(self, policy: Policy) -> None:
        """Tell the cable, if it is attached."""
        assert self.apply is not None
        self.apply(policy)

    def _end(self) -> None:
        self.apply = None

    def nudge(self) -> None:
        """Count."""
        self.nudges += 1

    async def released(self) -> None:
        """Count."""
        self.waited += 1


class Obedient(Monitor):
    """Wants what the test wants."""

    def __init__(self, look: Any) -> None:
        self.answer = look
        self.looks = 0

    def look(self, now: float) -> Look:
        """Say it."""
        self.looks += 1
        answer = self.answer(now) if callable(self.answer) else self.answer
        if isinstance(answer, Exception):
            raise answer
        given: Look = answer
        return given


# Monitors of users ---------------------------------------------------------------------------------------------------


async def test_a_monitor_of_one_s_own_has_its_way() -> None:
    """The example of the documentation: up for the first ten seconds of every minute."""

    class Glimpse(Monitor):
        def look(self, now: float) -> Look:
            second = now % 60
            return Look(up=second < 10, again=now + (10 - second if second < 10 else 60 - second))

    made = line(monitor=Glimpse())
    async with Model(made.transport).serving() as rails:
        await made.cable.open()
        chat = await made.cable.subscribe("Chat")
        for minute in range(3):
            assert made.cable.state is State.CONNECTED
            await asyncio.sleep(11)
            assert (made.cable.state, chat.state) == (State.DORMANT, SubscriptionState.PENDING)
            await asyncio.sleep(50)
            assert len(rails.lines) == minute + 2
        await chat
        await made.cable.close()
    assert rails.faults == []


BAD = [ValueError("mine"), None, Look(up=False, again=float("nan")), Look(up=False, again="x")]  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", BAD, ids=[str(bad) for bad in BAD])
async def test_a_monitor_that_fails_keeps_the_line_as_it_was(bad: Any) -> None:
    """It is told each time it is asked, which is every few seconds, not for ever."""
    monitor = Obedient(Look(up=True))
    async with connected(monitor=monitor) as made:
        monitor.answer = bad
        before = monitor.looks
        made.server.send({"type": "ping"})
        await asyncio.sleep(AFTER_FAULT * 10 + 1)
        assert made.cable.state is State.CONNECTED
        assert monitor.looks - before == len(made.told(CallbackFailed)) == 11
        made.server.cut()
        await made.welcome()
        assert made.cable.state is State.CONNECTED


async def test_a_monitor_that_always_says_now_does_not_keep_the_processor_busy() -> None:
    """It is asked twenty times a second, no more."""
    for again in (0.0, -1e9, float("-inf")):
        monitor = Obedient(Look(up=True, again=again))
        async with connected(monitor=monitor):
            before = monitor.looks
            await asyncio.sleep(10)
            assert 150 <= monitor.looks - before <= 210


async def test_a_monitor_that_changes_its_mind_with_each_look_does_no_harm() -> None:
    """Others have their turn, dials are given up, and the cable can be closed."""
    mind = [False]

    def turn(_: float) -> Look:
        mind[0] = not mind[0]
        return Look(up=mind[0])

    monitor = Obedient(turn)
    made = line(monitor=monitor, open_timeout=5)
    with pytest.raises(ConnectTimeout):
        await made.cable.open()
    assert monitor.looks < 2000
    assert made.cable._engine.at_rest
    await asyncio.sleep(100)
    looks = monitor.looks
    await asyncio.sleep(100)
    assert monitor.looks == looks


async def test_a_monitor_that_asks_for_a_sign_of_life_for_ever_gets_one_question_a_look() -> None:
    """And no more looks than it asks for."""
    async with connected(monitor=Obedient(lambda now: Look(up=True, check=Check.PROBE, again=now + 1))) as made:
        _ = made.server.received
        await asyncio.sleep(10)
        assert 9 <= len(made.server.received) <= 11


async def test_a_monitor_that_finds_every_line_dead_backs_off() -> None:
    """Each line is dropped and counted as a failure."""
    monitor = Obedient(Look(up=True, check=Check.DEAD))
    made = line(monitor=monitor)
    opening = background(made.cable.open())
    for _ in range(3):
        await made.welcome()
    assert made.cable.stats().failures == 3
    assert [type(event.error) for event in made.told(RetryScheduled)] == [LineStale] * 3  # type: ignore[attr-defined]
    await made.cable.close()
    await asyncio.wait([opening])
    assert isinstance(opening.exception(), CableError) or opening.exception() is None


# pause() and resume() ------------------------------------------------------------------------------------------------


async def test_pause_and_resume_while_connected() -> None:
    """The line is closed well, subscriptions are pending, and come back."""
    async with connected() as made:
        chat = await made.live()
        first = made.server
        made.cable.pause()
        await settle()
        assert (made.cable.state, chat.state) == (State.DORMANT, SubscriptionState.PENDING)
        assert first.closed_by_client == (1000, "")
        with pytest.raises(NotConnected, match="paused: call resume"):
            await chat.perform("speak")
        await asyncio.sleep(1000)
        assert made.transport.dials == 1
        made.cable.resume()
        await made.welcome()
        made.server.confirm(chat.identifier)
        await chat
        assert [type(event) for event in made.told(Disconnected, Dormant)] == [Disconnected, Dormant]
        assert made.told(Disconnected) == [Disconnected(None)]


async def test_pause_and_resume_while_connecting() -> None:
    """The dial is given up; whoever opens waits on, and is served after it."""
    made = line()
    opening = background(made.cable.open())
    await settle()
    made.cable.pause()
    await settle()
    assert made.cable.state is State.DORMANT
    made.cable.resume()
    await made.welcome()
    await opening
    assert made.transport.dials == 2
    await made.cable.close()


@pytest.mark.parametrize("stage", ["dialling", "greeting", "nudged"])
async def test_a_command_that_waits_for_a_line_hears_that_there_will_be_none(stage: str) -> None:
    """Paused while it comes up, the cable is dormant: the call fails rather than to wait for nobody knows how long."""
    made, watch = watched()
    opening = background(made.cable.open())
    await settle()
    performing = background(made.cable.subscribe("Chat").perform("speak"))
    await settle()
    if stage == "greeting":
        await made.transport.accept()
    elif stage == "nudged":
        await asyncio.sleep(1)
        watch.tell(NETWORK)
        assert made.cable.state is State.DISCONNECTED
    made.cable.pause()
    await settle()
    assert performing.done()
    with pytest.raises(NotConnected, match="paused"):
        await performing
    await made.cable.close()
    await asyncio.wait([opening])
    assert opening.exception() is not None


async def test_pause_and_resume_while_the_next_dial_is_waited_for() -> None:
    """The wait is not cut short by it: pausing and resuming must not make a storm."""
    made = line(backoff=SLOW)
    await made.connect()
    made.server.cut()
    await settle()
    lost = now()
    for refused in range(3):
        if refused:
            await made.transport.refuse(refusal())
            lost = now()
        await settle()
        made.cable.pause()
        assert made.cable.state is State.DORMANT
        made.cable.resume()
        assert made.cable.state is State.DISCONNECTED
    await made.welcome()
    assert now() - lost == pytest.approx(30, abs=0.1)
    await made.cable.close()


async def test_pause_while_dormant_keeps_demand_out() -> None:
    """A demand during the pause is served after it."""
    made = line(monitor=OnDemandMonitor())
    await made.cable.open()
    made.cable.pause()
    made.cable.wake()
    await asyncio.sleep(100)
    assert (made.cable.state, made.transport.dials) == (State.DORMANT, 0)
    made.cable.resume()
    await made.welcome()
    assert made.cable.state is State.CONNECTED
    await made.cable.close()


async def test_pause_before_opening_and_after_closing() -> None:
    """It lasts until resume(), whatever happens in between."""
    made = line(open_timeout=1)
    made.cable.pause()
    assert made.cable.state is State.IDLE
    with pytest.raises(ConnectTimeout, match="paused"):
        await made.cable.open()
    made.cable.resume()
    await made.connect()
    await made.cable.close()
    made.cable.pause()
    made.cable.resume()
    assert (made.cable.state, made.transport.dials) == (State.CLOSED, 1)


async def test_pausing_twice_is_pausing_once() -> None:
    """As is resuming."""
    async with connected() as made:
        made.cable.pause()
        made.cable.pause()
        made.cable.resume()
        await made.welcome()
        made.cable.resume()
        await settle()
        assert (made.cable.state, made.transport.dials, len(made.told(Dormant))) == (State.CONNECTED, 2, 1)


async def test_a_block_that_holds_the_line_does_not_hold_it_against_a_pause() -> None:
    """The user's word counts more; what was sent still has its time."""
    made = line(monitor=OnDemandMonitor(linger=0))
    async with Model(made.transport).serving() as rails:
        await made.cable.open()
        async with made.cable.awake():
            chat = await made.cable.subscribe("Chat")
            await chat.perform("speak")
            made.cable.pause()
            assert made.cable.state is State.CONNECTED
            await asyncio.sleep(0.26)
            assert made.cable.state is State.DORMANT
            made.cable.resume()
            await chat
        assert len(rails.performed) == 1
        assert rails.faults == []
        await made.cable.close()


# The gate ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["plain", "async"])
async def test_the_gate_is_asked_before_each_dial(kind: str) -> None:
    """And not while the line is up."""
    asked: list[float] = []

    def plain() -> bool:
        asked.append(now())
        return True

    async def later() -> bool:
        await asyncio.sleep(0.5)
        return plain()

    made = line(gate=plain if kind == "plain" else later)
    await made.connect()
    await asyncio.sleep(40)
    for refused in (False, True):
        made.server.cut()
        if refused:
            await made.transport.refuse(refusal())
        await made.welcome()
    assert len(asked) == made.transport.dials == 4
    await made.cable.close()


@pytest.mark.parametrize("failure", [ValueError("mine"), TimeoutError(), asyncio.CancelledError()])
async def test_a_gate_that_fails_said_no_and_is_asked_again(failure: BaseException) -> None:
    """Also one that cancels itself."""
    asked: list[float] = []

    async def gate() -> bool:
        asked.append(now())
        await asyncio.sleep(0)
        if len(asked) < 3:
            raise failure
        return True

    made = line(gate=gate)
    await made.connect()
    assert asked == pytest.approx([0, GATE_EVERY, 2 * GATE_EVERY], abs=0.01)
    told = [event.callback for event in made.told(CallbackFailed)]  # type: ignore[attr-defined]
    assert told == ([] if isinstance(failure, asyncio.CancelledError) else ["gate", "gate"])
    made.server.cut()
    await made.welcome()
    await made.cable.close()


async def test_a_gate_that_takes_too_long_said_no() -> None:
    """It is told, and asked again."""
    asked: list[float] = []

    async def gate() -> bool:
        asked.append(now())
        await asyncio.sleep(1000 if len(asked) == 1 else 0)
        return True

    made = line(gate=gate)
    await made.connect()
    assert asked == pytest.approx([0, GATE_TIMEOUT + GATE_EVERY], abs=0.01)
    assert len(made.told(CallbackFailed)) == 1
    await made.cable.close()


async def test_a_gate_that_shuts_makes_the_cable_dormant() -> None:
    """Not while the line is up, only where a dial would be due."""
    is_open = [True]
    async with connected(gate=lambda: is_open[0]) as made:
        is_open[0] = False
        await asyncio.sleep(40)
        assert made.cable.state is State.CONNECTED
        made.server.cut()
        await asyncio.sleep(1.1)
        assert made.cable.state is State.DORMANT
        with pytest.raises(NotConnected, match="the gate= function says no"):
            await made.cable.subscribe("Chat").perform("speak")
        is_open[0] = True
        started = now()
        await made.welcome()
        assert now() - started <= GATE_EVERY


async def test_the_answer_for_a_cable_that_was_closed_meanwhile_is_of_no_use() -> None:
    """Opened anew it asks anew at once, and neither the old no nor the old yes counts."""
    answers: list[asyncio.Future[bool]] = []

    async def gate() -> bool:
        answers.append(asyncio.get_running_loop().create_future())
        return await answers[-1]

    made = line(gate=gate)
    opening = background(made.cable.open())
    await settle()
    opening.cancel()
    await asyncio.wait([opening])
    opening = background(made.cable.open())
    await settle()
    assert len(answers) == 2
    assert made.transport.dials == 0
    answers[1].set_result(True)
    await made.welcome()
    await opening
    await made.cable.close()


async def test_a_gate_that_closes_the_cable_says_nothing_for_the_next_opening() -> None:
    """Its yes was for a dial that is not made any more."""
    asked: list[bool] = []
    made: Line

    async def gate() -> bool:
        asked.append(True)
        if len(asked) == 1:
            await made.cable.close()
        return True

    made = line(gate=gate)
    with pytest.raises(CableError):
        await made.cable.open()
    await made.connect()
    assert len(asked) == 2
    await made.cable.close()


async def test_a_gate_that_is_asked_while_the_cable_is_paused() -> None:
    """Its answer is dropped, the next one counts."""
    asked: list[asyncio.Future[bool]] = []

    async def gate() -> bool:
        asked.append(asyncio.get_running_loop().create_future())
        return await asked[-1]

    made = line(gate=gate)
    opening = background(made.cable.open())
    await settle()
    made.cable.pause()
    asked[0].set_result(True)
    await settle()
    made.cable.resume()
    await settle()
    assert (len(asked), made.transport.dials) == (2, 0)
    asked[1].set_result(True)
    await made.welcome()
    await opening
    await made.cable.close()


# The host ------------------------------------------------------------------------------------------------------------


async def test_a_network_change_while_connecting_dials_anew_soon() -> None:
    """The dial under way may hang on a route that is gone."""
    made, watch = watched()
    opening = background(made.cable.open())
    await asyncio.sleep(3)
    watch.tell(NETWORK)
    started = now()
    assert (made.cable.state, made.transport.dials) == (State.DISCONNECTED, 1)
    await made.welcome()
    await opening
    assert now() - started <= 1.1
    assert made.transport.dials == 2
    await made.cable.close()


@pytest.mark.parametrize("change", [NETWORK, HostChange(slept=1.0), HostChange(slept=3600.0, network=True)])
async def test_a_network_change_cuts_a_long_wait_short(change: HostChange) -> None:
    """Spread over a second; the loss itself is told once, however often the network changes."""
    made, watch = watched(backoff=SLOW)
    await made.connect()
    made.server.cut()
    await made.transport.refuse(refusal())
    await asyncio.sleep(2)
    losses = len(made.told(Disconnected))
    started = now()
    for _ in range(5):
        watch.tell(change)
    await settle()
    assert len(made.told(Disconnected)) == losses == 2
    await made.welcome()
    assert now() - started <= 1.1
    await made.cable.close()


async def test_changes_in_a_row_do_not_make_a_storm() -> None:
    """An interface that comes and goes ten times a second: at most a dial a second."""
    made, watch = watched(backoff=SLOW)
    await made.connect()
    made.server.cut()
    before = made.transport.dials
    for _ in range(300):
        watch.tell(NETWORK)
        await asyncio.sleep(0.1)
    assert 5 <= made.transport.dials - before <= 31
    await made.cable.close()


async def test_a_doubtful_clock_cuts_no_wait_short() -> None:
    """Somebody may only have set it."""
    made, watch = watched(backoff=SLOW)
    await made.connect()
    made.server.cut()
    await made.transport.refuse(refusal())
    await settle()
    watch.tell(DOUBT)
    await asyncio.sleep(29)
    assert made.transport.dials == 2
    await made.welcome()
    await made.cable.close()


async def test_what_a_server_asked_for_is_not_cut_short() -> None:
    """``Retry-After`` holds on every network."""
    made, watch = watched()
    opening = background(made.cable.open())
    await made.transport.refuse(HandshakeRefused(URL, 503, {"Retry-After": "20"}))
    await settle()
    refused = now()
    watch.tell(NETWORK)
    await made.welcome()
    await opening
    assert 19.9 <= now() - refused <= 24.1
    await made.cable.close()


async def test_a_change_while_dormant_dials_nothing() -> None:
    """Nobody needs a line."""
    made, watch = watched(monitor=OnDemandMonitor())
    await made.cable.open()
    for change in (NETWORK, HostChange(slept=100.0), DOUBT):
        watch.tell(change)
    await asyncio.sleep(100)
    assert (made.cable.state, made.transport.dials) == (State.DORMANT, 0)
    await made.cable.close()


async def test_a_sleep_that_no_server_waits_out_costs_the_line_a_second() -> None:
    """It is taken for dead at once, though it looks open, and dialled anew."""
    made, watch = watched()
    await made.connect()
    first = made.server
    watch.tell(HostChange(slept=3600.0))
    started = now()
    assert first.over.is_set()
    assert isinstance(made.cable.error, LineStale)
    await made.welcome()
    assert now() - started <= 2.0
    await made.cable.close()


@pytest.mark.parametrize("change", [NETWORK, HostChange(slept=5.0)])
async def test_a_line_that_survived_a_change_is_kept(change: HostChange) -> None:
    """A beat proves it; where none comes within its time, it is dialled anew."""
    made, watch = watched()
    await made.connect()
    for _ in range(3):
        await asyncio.sleep(3)
        made.server.send({"type": "ping"})
    await settle()
    watch.tell(change)
    await asyncio.sleep(2.9)
    made.server.send({"type": "ping"})
    await asyncio.sleep(3)
    made.server.send({"type": "ping"})
    await settle()
    assert (made.cable.state, made.transport.dials) == (State.CONNECTED, 1)
    watch.tell(change)
    await asyncio.sleep(6.1)
    assert isinstance(made.cable.error, LineStale)
    await made.cable.close()


@pytest.mark.parametrize("change", [NETWORK, DOUBT, HostChange(slept=5.0)])
async def test_a_server_that_can_be_asked_is_asked_at_once(change: HostChange) -> None:
    """Its answer settles the matter, and measures the way; silence costs it the line within five seconds."""
    made, watch = watched()
    opening = background(made.cable.open())
    made.server = await made.transport.accept()
    made.server.send(ANYCABLE_WELCOME)
    await opening
    watch.tell(change)
    assert [command.get("type") or command.get("command") for command in made.server.received] == ["ping"]
    await asyncio.sleep(0.25)
    made.server.send({"type": "pong"})
    await asyncio.sleep(6)
    assert made.cable.state is State.CONNECTED
    assert made.cable.stats().round_trip == pytest.approx(0.25, abs=0.01)
    watch.tell(change)
    await asyncio.sleep(5.1)
    assert isinstance(made.cable.error, LineStale)
    await made.cable.close()


async def test_a_doubtful_clock_costs_no_line_that_cannot_be_asked() -> None:
    """With Rails, which answers no question, nothing happens."""
    made, watch = watched()
    await made.connect()
    watch.tell(DOUBT)
    await asyncio.sleep(15)
    assert (made.cable.state, made.server.received) == (State.CONNECTED, [])
    await made.cable.close()


async def test_the_host_is_watched_only_while_the_cable_is_open() -> None:
    """However it ends."""
    made, watch = watched(open_timeout=1)
    assert watch.listeners == []
    with pytest.raises(ConnectTimeout):
        await made.cable.open()
    assert watch.listeners == []
    await made.connect()
    assert len(watch.listeners) == 1
    made.server.send({"type": "disconnect", "reason": "unauthorized", "reconnect": False})
    await settle()
    assert (made.cable.state, watch.listeners) == (State.CLOSED, [])
    await made.connect()
    await made.cable.close()
    assert watch.listeners == []


# Another monitor -----------------------------------------------------------------------------------------------------


async def test_another_monitor_while_connected() -> None:
    """The line stays as long as it wants it; its own view of the line's health counts from then on."""
    async with connected() as made:
        made.cable.configure(monitor=PersistentMonitor(missed_beats=1, grace=1))
        await settle()
        assert (made.cable.state, made.transport.dials) == (State.CONNECTED, 1)
        made.cable.configure(monitor=OnDemandMonitor())
        await settle()
        assert made.cable.state is State.DORMANT
        assert made.server.closed_by_client == (1000, "")


async def test_another_monitor_while_dormant() -> None:
    """One that wants a line gets one at once."""
    made = line(monitor=ManualMonitor())
    await made.cable.open()
    made.cable.configure(monitor=PersistentMonitor())
    await made.welcome()
    assert made.cable.state is State.CONNECTED
    await made.cable.close()


async def test_another_monitor_while_somebody_holds_the_line() -> None:
    """It hears of them: the line stays until they are done."""
    made = line(monitor=OnDemandMonitor(linger=0))
    async with Model(made.transport).serving() as rails:
        await made.cable.open()
        async with made.cable.awake():
            for monitor in (ManualMonitor(), OnDemandMonitor(linger=2), ManualMonitor()):
                made.cable.configure(monitor=monitor)
                await asyncio.sleep(10)
                assert made.cable.state is State.CONNECTED
            assert len(rails.lines) == 1
        await settle()
        assert made.cable.state is State.DORMANT
        await made.cable.close()


async def test_two_monitors_that_take_turns_hold_nothing_in_the_end() -> None:
    """By day this one, by night that one, changed while somebody holds the line."""
    day, night = OnDemandMonitor(linger=1), OnDemandMonitor(linger=0)
    made = line(monitor=day)
    async with Model(made.transport).serving():
        await made.cable.open()
        async with made.cable.awake():
            for monitor in (night, day, day):
                made.cable.configure(monitor=monitor)
        await asyncio.sleep(1.1)
        assert made.cable.state is State.DORMANT
        await made.cable.close()


async def test_another_monitor_before_opening() -> None:
    """A cable at rest takes one, too."""
    made = line()
    made.cable.configure(monitor=OnDemandMonitor())
    await made.cable.open()
    assert made.cable.state is State.DORMANT
    await made.cable.close()
    made.cable.configure(monitor=PersistentMonitor())
    await made.connect()
    await made.cable.close()


# Another backoff -----------------------------------------------------------------------------------------------------


async def test_another_backoff_shortens_a_wait() -> None:
    """At once, and tells no second loss."""
    made = line(backoff=SLOW)
    await made.connect()
    made.server.cut()
    await made.transport.refuse(refusal())
    await asyncio.sleep(2)
    losses = len(made.told(Disconnected))
    made.cable.configure(backoff=STEADY)
    started = now()
    await made.welcome()
    assert now() - started == pytest.approx(1.0, abs=0.01)
    assert len(made.told(Disconnected)) == losses
    await made.cable.close()


async def test_another_backoff_makes_no_wait_longer() -> None:
    """What was promised stands; the next one is the new one's."""
    made = line(backoff=STEADY)
    await made.connect()
    made.server.cut()
    await made.transport.refuse(refusal())
    await settle()
    made.cable.configure(backoff=SLOW)
    started = now()
    await made.transport.refuse(refusal())
    assert now() - started <= 1.0
    await made.welcome()
    assert now() - started == pytest.approx(31.0, abs=0.01)
    await made.cable.close()


async def test_another_backoff_cuts_no_retry_after_short() -> None:
    """Nor do many of them, nor many looks."""
    made = line(backoff=SLOW)
    opening = background(made.cable.open())
    await made.transport.refuse(HandshakeRefused(URL, 429, {"Retry-After": "20"}))
    await settle()
    refused = now()
    for number in range(20):
        made.cable.configure(backoff=ExponentialBackoff(minimum=0.1 + number / 100, maximum=1))
    await made.welcome()
    await opening
    # Asked for were twenty seconds, spread a little past; the rest of the wait was the old backoff's.
    assert 20 <= now() - refused <= 24.1
    await made.cable.close()


# Policies from a server ----------------------------------------------------------------------------------------------


async def test_a_policy_is_taken_at_once_and_left_again() -> None:
    """Each stands alone: what it does not set is the user's own again."""
    gate, monitor = DialGate(5, 6), PersistentMonitor(missed_beats=3, grace=4)
    own = STEADY
    feed = Feed(Policy(ExponentialBackoff(minimum=9, maximum=9.5), {"grace": 8}, (1, 2)))
    made = line(policy=feed, dial_gate=gate, monitor=monitor)
    await made.connect()

    def seen() -> Any:
        plan = made.cable._engine.line.plan
        return plan.backoff, monitor.limit, gate.rate, gate.burst

    slow = ExponentialBackoff(minimum=9, maximum=9.5)
    for _ in range(2):
        made.server.send({"type": "ping"})
        await asyncio.sleep(3)
    await settle()
    assert seen() == (slow, pytest.approx(3 * 3 + 8), 1.0, 2)
    feed.tell(Policy(None, {"missed_beats": 2}, None))
    assert seen() == (own, pytest.approx(2 * 3 + 4), 5.0, 6)
    feed.tell(Policy())
    assert seen() == (own, pytest.approx(3 * 3 + 4), 5.0, 6)
    feed.tell(Policy(slow))
    made.cable.configure(backoff=SLOW)
    assert seen()[0] == SLOW
    feed.tell(Policy())
    assert seen()[0] == SLOW
    assert made.told(CallbackFailed) == []
    await made.cable.close()
    assert (feed.apply, feed.waited) == (None, 1)


async def test_a_policy_shortens_a_wait_that_is_under_way() -> None:
    """This is what ends a storm of one's own making, also while the line is down."""
    feed = Feed()
    made = line(policy=feed, backoff=SLOW)
    await made.connect()
    made.server.cut()
    await made.transport.refuse(refusal())
    await asyncio.sleep(1)
    assert feed.wanted()
    feed.tell(Policy(STEADY))
    started = now()
    await made.welcome()
    assert now() - started == pytest.approx(1.0, abs=0.01)
    await made.cable.close()


async def test_a_policy_lets_dials_pass_that_wait() -> None:
    """A gate that is opened wider opens at once."""
    gate = DialGate(rate=0.001, burst=1)
    await gate.wait("cable.example")
    feed = Feed()
    made = line(policy=feed, dial_gate=gate)
    opening = background(made.cable.open())
    await asyncio.sleep(100)
    assert made.transport.dials == 0
    feed.tell(Policy(dial_gate=(10, 20)))
    started = now()
    await made.welcome()
    await opening
    assert now() - started <= 0.2
    await made.cable.close()


async def test_a_policy_without_a_gate_to_change() -> None:
    """A cable without a limit keeps none; a monitor of another kind ignores what it does not know."""
    feed = Feed()
    async with connected(policy=feed, dial_gate=None, monitor=Obedient(Look(up=True))) as made:
        feed.tell(Policy(None, {"grace": 1}, (1, 1)))
        feed.tell(Policy())
        assert made.told(CallbackFailed) == []


async def test_a_policy_is_in_force_for_the_next_monitor_too() -> None:
    """Whoever changes the monitor does not leave the policy behind, and is not bound by one that was taken back."""
    feed = Feed()
    async with connected(policy=feed) as made:
        feed.tell(Policy(None, {"grace": 20}))
        limits = []
        for policy in (None, Policy()):
            if policy is not None:
                feed.tell(policy)
            monitor = PersistentMonitor(grace=1)
            made.cable.configure(monitor=monitor)
            for _ in range(2):
                made.server.send({"type": "ping"})
                await asyncio.sleep(4)
            limits.append(monitor.limit)
        assert limits == pytest.approx([2 * 4 + 20, 2 * 4 + 1])


async def test_a_monitor_that_cannot_take_the_numbers_is_told_of() -> None:
    """It goes on by its own."""
    feed = Feed()
    async with connected(policy=feed, monitor=PersistentMonitor()) as made:
        feed.tell(Policy(None, {"missed_beats": 0.1}))
        await settle()
        assert [event.callback for event in made.told(CallbackFailed)] == ["monitor"]  # type: ignore[attr-defined]
        assert made.cable.state is State.CONNECTED


async def test_policies_are_wanted_while_a_line_is() -> None:
    """A dormant cable wants none, and asks anew as it wakes."""
    feed = Feed()
    made = line(policy=feed, monitor=OnDemandMonitor(linger=1))
    await made.cable.open()
    assert (feed.wanted(), feed.nudges) == (False, 0)
    for wakes in (1, 2):
        made.cable.wake()
        assert (feed.wanted(), feed.nudges) == (True, wakes)
        await made.welcome()
        await asyncio.sleep(1.1)
        assert (made.cable.state, feed.wanted()) == (State.DORMANT, False)
    await made.cable.close()
    assert feed.apply is None
    await made.cable.open()
    assert feed.apply is not None
    await made.cable.close()


# The story -----------------------------------------------------------------------------------------------------------


async def test_the_story_of_a_wake() -> None:
    """Each event once, in order."""
    made = line(monitor=OnDemandMonitor(linger=1))
    await made.cable.open()
    made.cable.wake("a position")
    made.cable.wake("another")
    await made.welcome()
    await asyncio.sleep(1.1)
    kinds = [type(event).__name__ for event in made.events]
    assert kinds == ["Dormant", "Demanded", "Connecting", "Connected", "Disconnected", "Dormant"]
    assert (made.told(Demanded), made.told(Disconnected)) == ([Demanded("a position")], [Disconnected(None)])
    assert made.told(Connected) == [Connected(reconnected=False, transport="memory", protocol="actioncable-v1-json")]
    await made.cable.close()


async def test_retries_exhausted_reaches_everybody() -> None:
    """open(), a command, one who awaits a confirmation, and one who iterates."""
    limited = ExponentialBackoff(minimum=1, maximum=1, factor=1, jitter=0, max_attempts=3)
    made = line(backoff=limited, open_timeout=None)
    opening = background(made.cable.open())
    chat = made.cable.subscribe("Chat")

    async def confirmed() -> None:
        await chat

    async def iterated() -> None:
        async for _ in chat:
            pytest.fail("there is no line")

    waiting = [background(confirmed()), background(iterated())]
    for _ in range(3):
        await made.transport.refuse(refusal())
    for call in (opening, *waiting, chat.perform("speak")):
        with pytest.raises(RetriesExhausted, match="given up after 3 failures") as caught:
            await call
        assert "nobody is there" in str(caught.value.__cause__)
    assert (made.cable.state, made.transport.dials) == (State.CLOSED, 3)
    await asyncio.sleep(1000)
    assert made.transport.dials == 3
    await made.connect()
    await made.cable.close()
