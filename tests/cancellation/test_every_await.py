"""Cancel every public wait at each of its steps: nothing is left behind, and the cable still works."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from attrs import define, field

from cableway import (
    Cable,
    CableError,
    ManualMonitor,
    MemoryTransport,
    OnDemandMonitor,
    State,
    SubscriptionState,
    Token,
)
from cableway.engine.gate import DialGate
from tests.scripted import STEADY, URL, Model, confirmation

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Generator

pytestmark = pytest.mark.looptime

LONGEST = 60
"""More steps than any of the calls takes."""


class CancelledAt:
    """Runs a coroutine and cancels the task around it at the wait number *steps*.

    Either while it waits, or *late*: in the very turn in which what it waits for has come about.
    """

    def __init__(self, work: Coroutine[Any, Any, Any], steps: int, *, late: bool = False) -> None:
        self.work = work
        self.steps = steps
        self.late = late
        self.waits = 0
        self.finished = False

    def __await__(self) -> Generator[Any, Any, Any]:
        """Step through the coroutine, counting."""
        value: Any = None
        error: BaseException | None = None
        while True:
            try:
                waited_for = self.work.send(value) if error is None else self.work.throw(error)
            except StopIteration as done:
                self.finished = True
                return done.value
            self.waits += 1
            if self.waits == self.steps:
                self._cancel(waited_for)
            value, error = None, None
            try:
                value = yield waited_for
            except BaseException as thrown:  # noqa: BLE001 - it is handed on to the coroutine
                error = thrown

    def _cancel(self, waited_for: asyncio.Future[Any] | None) -> None:
        task = asyncio.current_task()
        assert task is not None
        if self.late and waited_for is not None:
            waited_for.add_done_callback(lambda _: task.cancel())
        else:
            task.cancel()


@define
class Scene:
    """A cable, a server that behaves as Rails does, and a subscription."""

    cable: Cable
    rails: Model
    chat: Any = None
    events: Any = field(default=None)

    async def open(self) -> None:
        """Open the cable, and subscribe."""
        await self.cable.open()
        self.chat = await self.cable.subscribe("Chat")


async def use_block(scene: Scene) -> None:
    """Enter, subscribe, perform, read, leave."""
    async with scene.cable as cable, cable.subscribe("Chat") as chat:
        await chat.perform("speak")
        scene.rails.line.message(chat.identifier, 1)
        await anext(chat)


async def event(scene: Scene) -> None:
    """Wait for what happens next."""
    stream = scene.cable.events()
    scene.rails.line.cut()
    await anext(stream)
    await anext(stream)


async def receive(scene: Scene) -> None:
    """Wait for the second of two messages."""
    asyncio.get_running_loop().call_later(0.05, scene.rails.line.message, scene.chat.identifier, 1)
    asyncio.get_running_loop().call_later(0.10, scene.rails.line.message, scene.chat.identifier, 2)
    await scene.chat.receive(lambda message: message.data == 2, timeout=5)


async def next_message(scene: Scene) -> None:
    """Wait for a message."""
    asyncio.get_running_loop().call_later(0.05, scene.rails.line.message, scene.chat.identifier, 1)
    await anext(scene.chat)


async def pending_perform(scene: Scene) -> None:
    """Perform by a handle that is not confirmed yet."""
    await scene.cable.subscribe("Other").perform("speak")


async def jammed_perform(scene: Scene) -> None:
    """Perform while the network takes nothing."""
    line = scene.rails.line.connection
    line.writable.clear()
    asyncio.get_running_loop().call_later(0.05, line.writable.set)
    await scene.chat.perform("speak")


async def reopened(scene: Scene) -> None:
    """Open while the line is coming back."""
    scene.rails.line.cut()
    await asyncio.sleep(0.01)
    await scene.cable.open()


async def flushed_close(scene: Scene) -> None:
    """Close after a command."""
    await scene.chat.perform("speak")
    await scene.cable.close()


async def flushed_unsubscribe(scene: Scene) -> None:
    """Unsubscribe after a command."""
    await scene.chat.perform("speak")
    await scene.chat.unsubscribe()


async def signed(scene: Scene) -> None:
    """Wait for a subscription that a function names."""

    async def name() -> str:
        await asyncio.sleep(0.01)
        return "signed"

    await scene.cable.signed_stream(name)


async def block(scene: Scene) -> None:
    """Enter and leave a subscription's block."""
    async with scene.cable.subscribe("Block") as handle:
        await handle.perform("speak")


async def awake(scene: Scene) -> None:
    """Wake a dormant line, use it, let it go."""
    async with scene.cable.awake("a test"):
        await asyncio.sleep(0.01)


async def awake_twice(scene: Scene) -> None:
    """Two blocks, one inside of the other."""
    async with scene.cable.awake("outer"), scene.cable.awake("inner"):
        await asyncio.sleep(0.01)


async def awake_anew(scene: Scene) -> None:
    """Wake the line while it says goodbye."""
    async with scene.cable.awake():
        pass
    scene.cable.rest()
    async with scene.cable.awake():
        pass


async def waking_perform(scene: Scene) -> None:
    """Perform while the line is dormant."""
    await scene.chat.perform("speak")


async def open_at_the_dial_gate(scene: Scene) -> None:
    """Wait for a place."""
    await scene.cable.open()


async def closed_at_the_dial_gate(scene: Scene) -> None:
    """Close while a dial waits for a place."""
    scene.cable.wake()
    await asyncio.sleep(0.01)
    await scene.cable.close()


async def closed_during_the_goodbye(scene: Scene) -> None:
    """Close while a jammed line is being let go."""
    async with scene.cable.awake():
        scene.rails.line.connection.writable.clear()
        asyncio.get_running_loop().call_later(0.4, scene.rails.line.connection.writable.set)
    scene.cable.rest()
    await scene.cable.close()


async def slow_gate() -> bool:
    """Say yes, after a while."""
    await asyncio.sleep(0.02)
    return True


def options(**given: Any) -> Callable[[], dict[str, Any]]:
    """Make a cable's options anew each time: a monitor serves one cable."""
    return lambda: {name: make() for name, make in given.items()}


def on_demand() -> OnDemandMonitor:
    """Let the line go at once."""
    return OnDemandMonitor(linger=0)


DORMANT: list[tuple[Callable[[Scene], Awaitable[Any]], Callable[[], dict[str, Any]]]] = [
    (awake, options(monitor=on_demand)),
    (awake, options(monitor=ManualMonitor)),
    (awake_twice, options(monitor=on_demand)),
    (awake_anew, options(monitor=on_demand)),
    (waking_perform, options(monitor=on_demand)),
    (lambda scene: confirmation(scene.chat), options(monitor=lambda: OnDemandMonitor(linger=0, every=0.5))),
    (closed_during_the_goodbye, options(monitor=on_demand)),
    (lambda scene: scene.cable.close(), options(monitor=on_demand)),
    # At the dial gate, and while the gate= function is being asked.
    (awake, options(monitor=on_demand, dial_gate=lambda: DialGate(5, 1))),
    (awake_anew, options(monitor=on_demand, dial_gate=lambda: DialGate(5, 1))),
    (waking_perform, options(monitor=on_demand, dial_gate=lambda: DialGate(5, 1))),
    (closed_at_the_dial_gate, options(monitor=on_demand, dial_gate=lambda: DialGate(5, 1))),
    (awake, options(monitor=on_demand, gate=lambda: slow_gate)),
    (awake_anew, options(monitor=on_demand, gate=lambda: slow_gate)),
    (waking_perform, options(monitor=on_demand, gate=lambda: slow_gate)),
    (closed_at_the_dial_gate, options(monitor=on_demand, gate=lambda: slow_gate)),
]

CLOSED_GATED: list[tuple[Callable[[Scene], Awaitable[Any]], Callable[[], dict[str, Any]]]] = [
    (open_at_the_dial_gate, options(dial_gate=lambda: DialGate(5, 1))),
    (open_at_the_dial_gate, options(gate=lambda: slow_gate)),
    (open_at_the_dial_gate, options(gate=lambda: slow_gate, dial_gate=lambda: DialGate(5, 1))),
    (use_block, options(gate=lambda: slow_gate, dial_gate=lambda: DialGate(5, 1))),
]

CLOSED: list[Callable[[Scene], Awaitable[Any]]] = [
    lambda scene: scene.cable.open(),
    use_block,
    lambda scene: scene.cable.close(),
]

OPEN: list[Callable[[Scene], Awaitable[Any]]] = [
    lambda scene: scene.cable.open(),
    lambda scene: scene.cable.close(),
    lambda scene: scene.cable.close(flush=False),
    flushed_close,
    reopened,
    lambda scene: confirmation(scene.cable.subscribe("Other")),
    lambda scene: confirmation(scene.chat),
    block,
    signed,
    next_message,
    receive,
    lambda scene: scene.chat.perform("speak"),
    lambda scene: scene.chat.send({"a": 1}),
    pending_perform,
    jammed_perform,
    lambda scene: scene.chat.unsubscribe(),
    flushed_unsubscribe,
    event,
]


def named(calls: list[Any]) -> list[Any]:
    """Give each call the number of its place as its name."""
    return [pytest.param(call, id=f"{call.__name__}-{number}") for number, call in enumerate(calls)]


async def dormant(scene: Scene) -> None:
    """Open the cable, subscribe while it is awake, and let the line go."""
    await scene.cable.open()
    async with scene.cable.awake():
        scene.chat = await scene.cable.subscribe("Chat")
    scene.cable.rest()
    await asyncio.sleep(0.001)
    assert scene.cable.state is State.DORMANT


async def closed(scene: Scene) -> None:
    """Leave the cable closed; if there is a dial gate, take its only place."""
    gate = scene.cable._engine.settings.dial_gate
    if gate is not None and gate.burst == 1:
        await gate.wait("cable.example")


async def cancelled(
    call: Callable[[Scene], Awaitable[Any]],
    steps: int,
    *,
    prepare: Callable[[Scene], Awaitable[None]],
    late: bool,
    given: Callable[[], dict[str, Any]] = dict,
) -> bool:
    """Cancel *call* at a step; return whether it was over before."""
    transport = MemoryTransport()
    async with Model(transport).serving() as rails:
        before = asyncio.all_tasks()
        scene = Scene(Cable(URL, transports=[transport], backoff=STEADY, **given()), rails)
        await prepare(scene)
        stepping = CancelledAt(_coroutine(call, scene), steps, late=late)
        task = asyncio.ensure_future(_run(stepping))
        await asyncio.wait([task])
        over = stepping.finished
        assert over or task.cancelled(), "the cancellation was swallowed"
        await works(scene)
        await scene.cable.close()
        await clean(scene, before)
        assert rails.faults == []
    return over


async def _coroutine(call: Callable[[Scene], Awaitable[Any]], scene: Scene) -> Any:
    return await call(scene)


async def _run(stepping: CancelledAt) -> Any:
    return await stepping


async def works(scene: Scene) -> None:
    """The cable still does what it is for."""
    async with asyncio.timeout(30):
        await scene.cable.open()
        async with scene.cable.awake():
            handle = await scene.cable.subscribe("After")
            await handle.perform("speak", n=1)
            scene.rails.line.message(handle.identifier, "hi")
            assert (await handle.receive()).data == "hi"
            if scene.chat is not None and scene.chat.state is not SubscriptionState.CLOSED:
                await scene.chat
            await handle.unsubscribe()
            await asyncio.sleep(0.5)
    assert (handle.identifier, {"n": 1, "action": "speak"}) in scene.rails.performed
    assert handle.identifier not in scene.rails.subscribed


async def clean(scene: Scene, before: set[asyncio.Task[Any]]) -> None:
    """No task, no timer, no line, no waiter, no dial is left."""
    engine = scene.cable._engine
    await asyncio.sleep(10)
    serving = {task for task in asyncio.all_tasks() if "Model" in repr(task.get_coro())}
    assert asyncio.all_tasks() - before - serving == set()
    assert scene.cable.state is State.CLOSED
    assert engine._timer is None
    assert engine._tasks == set()
    assert engine.waiting.empty
    assert not engine.farewells.pending
    assert (engine.opening.idle, engine.carrier) == (True, None)
    assert (engine.overseer.oversight.holds, engine.overseer.oversight.asking) == (0, False)
    gate = engine.settings.dial_gate
    assert gate is not None
    assert not any(queue.waiting or queue.timer for queues in gate._queues.values() for queue in queues.values())
    assert all(line.over.is_set() for line in scene.rails.lines)
    lines = len(scene.rails.lines)
    await asyncio.sleep(100)
    assert len(scene.rails.lines) == lines


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("call", named(CLOSED))
async def test_cancelled_on_a_closed_cable(call: Any, *, late: bool) -> None:
    """At every step of the call, from the first to the last."""
    for steps in range(1, LONGEST):
        if await cancelled(call, steps, prepare=closed, late=late):
            return
    pytest.fail("the call never came to its end")


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(("call", "given"), CLOSED_GATED)
async def test_cancelled_before_a_gate(call: Any, given: Any, *, late: bool) -> None:
    """While a place is waited for, or an answer."""
    for steps in range(1, LONGEST):
        if await cancelled(call, steps, prepare=closed, late=late, given=given):
            return
    pytest.fail("the call never came to its end")


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(("call", "given"), DORMANT)
async def test_cancelled_on_a_dormant_cable(call: Any, given: Any, *, late: bool) -> None:
    """At every step of the call: nothing holds the line after it."""
    for steps in range(1, LONGEST):
        if await cancelled(call, steps, prepare=dormant, late=late, given=given):
            return
    pytest.fail("the call never came to its end")


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("call", named(OPEN))
async def test_cancelled_on_an_open_cable(call: Any, *, late: bool) -> None:
    """At every step of the call, from the first to the last."""
    for steps in range(1, LONGEST):
        if await cancelled(call, steps, prepare=Scene.open, late=late):
            return
    pytest.fail("the call never came to its end")


# Tokens --------------------------------------------------------------------------------------------------------------


def renewing(delay: float = 0.02) -> Callable[[], dict[str, Any]]:
    """Options of a cable whose token comes after a while, and again every few seconds."""

    def made() -> dict[str, Any]:
        async def token() -> Token:
            await asyncio.sleep(delay)
            return Token(f"token-{next(numbers)}", life=10)

        numbers = iter(range(100_000))
        return {"token": token}

    return made


async def first_token(scene: Scene) -> None:
    """Open a cable: its first token has to come first."""
    await scene.cable.open()


TOKENS: list[tuple[Callable[[Scene], Awaitable[Any]], Callable[[], dict[str, Any]]]] = [
    (first_token, renewing()),
    (use_block, renewing()),
    (lambda scene: scene.cable.close(), renewing(delay=5)),
]


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(("call", "given"), TOKENS)
async def test_cancelled_while_a_token_is_fetched(call: Any, given: Any, *, late: bool) -> None:
    """No request is left behind, and the next one who asks gets the token."""
    for steps in range(1, LONGEST):
        if await cancelled(call, steps, prepare=closed, late=late, given=given):
            return
    pytest.fail("the call never came to its end")


@pytest.mark.parametrize("call", named(OPEN))
@pytest.mark.parametrize("limit", [0, 0.001, 0.01, 0.015, 0.1, 0.251])
async def test_timed_out_on_an_open_cable(call: Any, limit: float) -> None:
    """A limit around a call is a cancellation too, and comes at any time; it is never swallowed."""
    transport = MemoryTransport()
    async with Model(transport).serving() as rails:
        before = asyncio.all_tasks()
        scene = Scene(Cable(URL, transports=[transport], backoff=STEADY), rails)
        await scene.open()
        started = asyncio.get_running_loop().time()
        timeout = asyncio.timeout(limit)
        try:
            async with timeout:
                await call(scene)
        except TimeoutError as error:
            ended = error
        else:
            ended = None
        if ended is not None:
            assert timeout.expired() or isinstance(ended, CableError)
            assert asyncio.get_running_loop().time() - started == pytest.approx(limit, abs=0.005)
        await works(scene)
        await scene.cable.close()
        await clean(scene, before)


async def test_the_steps_are_many() -> None:
    """The suite does cancel in the midst of things: the whole way of a block has its waits."""
    transport = MemoryTransport()
    async with Model(transport).serving() as rails:
        scene = Scene(Cable(URL, transports=[transport]), rails)
        stepping = CancelledAt(_coroutine(use_block, scene), 0)
        await stepping
        assert stepping.finished
        assert 5 < stepping.waits < LONGEST
