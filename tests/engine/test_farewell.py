"""Goodbyes: a line that is let go is closed well while the cable goes on without it."""

from __future__ import annotations

import asyncio
import gc
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from cableway import CableError, ManualMonitor, MemoryServer, OnDemandMonitor, State
from cableway.engine.dials import GOODBYE_WAIT
from cableway.transports.memory import MemoryConnection
from tests.scripted import Line, background, line, settle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.looptime


def now() -> float:
    """Return the loop's time."""
    return asyncio.get_running_loop().time()


@asynccontextmanager
async def woken(**options: Any) -> AsyncIterator[Line]:
    """A cable whose line was asked for by hand, and is up."""
    made = line(**{"monitor": ManualMonitor(), **options})
    await made.cable.open()
    made.cable.wake()
    await made.welcome()
    try:
        yield made
    finally:
        await made.cable.close(flush=False)


@pytest.fixture
def slow_goodbye(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let the server take so many seconds for its answer to each goodbye; a day, at first."""
    takes = [86400.0]
    answered_at_once = MemoryConnection.close

    async def close(self: MemoryConnection, code: int = 1000, reason: str = "", timeout: float = 1.0) -> None:
        self.server.closed_by_client = (code, reason)
        await asyncio.sleep(min(takes[0], timeout))
        await answered_at_once(self, code, reason, timeout)

    monkeypatch.setattr(MemoryConnection, "close", close)
    return takes


async def test_a_line_that_is_let_go_is_closed_well() -> None:
    """With a goodbye, while the cable is dormant already; nothing is left."""
    async with woken() as made:
        made.cable.rest()
        assert made.cable.state is State.DORMANT
        await settle()
        assert made.server.closed_by_client == (1000, "")
        assert made.server.over.is_set()
        assert not made.cable._engine.farewells.pending


async def test_what_was_written_arrives_before_the_goodbye() -> None:
    """The network is given its time."""
    async with woken() as made:
        chat = await made.live()
        made.server.connection.writable.clear()
        performing = background(chat.perform("speak"))
        await asyncio.sleep(1)
        made.cable.rest()
        await asyncio.sleep(3)
        assert (made.cable.state, made.server.over.is_set()) == (State.DORMANT, False)
        made.server.connection.writable.set()
        await settle()
        assert made.server.closed_by_client == (1000, "")
        assert [command["command"] for command in made.server.received] == ["message"]
        # Whether it arrived is more than the cable knows.
        with pytest.raises(CableError):
            await performing


async def test_a_jammed_network_has_a_limit() -> None:
    """The write time-out and a second for the answer; then the line is dropped."""
    async with woken(write_timeout=10) as made:
        made.server.connection.writable.clear()
        made.cable.rest()
        await asyncio.sleep(9.9)
        assert not made.server.over.is_set()
        await asyncio.sleep(1.2)
        assert made.server.over.is_set()
        assert not made.cable._engine.farewells.pending


async def test_nothing_that_comes_after_the_goodbye_is_acted_on(slow_goodbye: list[float]) -> None:
    """Neither messages nor a disconnect are the cable's any more."""
    async with woken() as made:
        chat = await made.live()
        made.cable.rest()
        made.server.message(chat.identifier, "late")
        made.server.send({"type": "disconnect", "reason": "unauthorized", "reconnect": False})
        await settle()
        assert (made.cable.state, made.cable.error, chat.stats().received) == (State.DORMANT, None, 0)
        assert slow_goodbye


async def test_a_new_dial_waits_for_the_goodbye(slow_goodbye: list[float]) -> None:
    """One line at a time: the next one is dialled when this one is closed."""
    slow_goodbye[0] = 0.7
    async with woken() as made:
        first = made.server
        made.cable.rest()
        made.cable.wake()
        await asyncio.sleep(0.6)
        assert (made.cable.state, made.transport.dials, first.over.is_set()) == (State.CONNECTING, 1, False)
        await asyncio.sleep(0.2)
        assert (made.transport.dials, first.over.is_set()) == (2, True)
        await made.welcome()
        assert made.cable.state is State.CONNECTED


async def test_a_new_dial_does_not_wait_for_ever(slow_goodbye: list[float]) -> None:
    """A jammed line must not keep its cable from a new one."""
    async with woken(write_timeout=100) as made:
        first = made.server
        first.connection.writable.clear()
        started = now()
        made.cable.rest()
        made.cable.wake()
        await made.welcome()
        assert now() - started == pytest.approx(GOODBYE_WAIT, abs=0.01)
        assert not first.over.is_set()
        assert slow_goodbye
    assert first.over.is_set()


@pytest.mark.parametrize("seed", range(5))
async def test_one_socket_at_a_time(seed: int, slow_goodbye: list[float]) -> None:
    """However often the line is let go and wanted again, at any moment, no two are open at once."""
    import random

    dice = random.Random(seed)
    slow_goodbye[0] = 0.3
    lines: list[MemoryServer] = []
    most = 0
    made = line(monitor=OnDemandMonitor(linger=0))

    async def serve() -> None:
        nonlocal most
        while True:
            server = await made.transport.accept()
            lines.append(server)
            most = max(most, sum(not one.over.is_set() for one in lines))
            asyncio.get_running_loop().call_later(dice.uniform(0, 0.2), server.welcome)

    serving = background(serve())
    await made.cable.open()
    for _ in range(300):
        made.cable.wake() if dice.random() < 0.6 else made.cable.rest()
        await asyncio.sleep(dice.uniform(0, 0.4))
    await made.cable.close(flush=False)
    serving.cancel()
    assert most == 1
    assert len(lines) > 20
    assert all(one.over.is_set() for one in lines)


# Closing while a goodbye is under way --------------------------------------------------------------------------------


@pytest.mark.parametrize("flush", [False, True])
async def test_close_waits_for_a_goodbye_under_way(slow_goodbye: list[float], *, flush: bool) -> None:
    """And leaves nothing."""
    slow_goodbye[0] = 0.5
    async with woken() as made:
        made.cable.rest()
        await settle()
        started = now()
        await made.cable.close(flush=flush)
        assert now() - started == pytest.approx(0.5, abs=0.01)
        assert made.server.over.is_set()
        assert made.cable._engine.at_rest


@pytest.mark.parametrize(("flush", "timeout", "longest"), [(False, 5, 1.1), (True, 5, 6.1), (True, 0.5, 1.6)])
async def test_close_is_bounded_when_the_goodbye_is_not(*, flush: bool, timeout: float, longest: float) -> None:
    """A network that takes nothing does not hold it up for the whole write time-out."""
    async with woken(write_timeout=60) as made:
        made.server.connection.writable.clear()
        made.cable.rest()
        started = now()
        await made.cable.close(flush=flush, timeout=timeout)
        assert now() - started <= longest
        assert made.server.over.is_set()
        assert made.cable._engine.at_rest


@pytest.mark.parametrize("flush", [False, True])
@pytest.mark.parametrize("after", [0, 0.001, 0.3])
async def test_a_close_that_is_cancelled_drops_what_is_being_closed(after: float, *, flush: bool) -> None:
    """At once, not when the network has given up."""
    async with woken(write_timeout=60) as made:
        made.server.connection.writable.clear()
        made.cable.rest()
        await settle()
        closing = background(made.cable.close(flush=flush))
        await asyncio.sleep(after)
        closing.cancel()
        await asyncio.wait([closing])
        await settle()
        assert closing.cancelled()
        assert made.cable.state is State.CLOSED
        assert made.server.over.is_set()
        assert made.cable._engine.at_rest


async def test_a_goodbye_that_is_cut_short_before_it_began_drops_the_line() -> None:
    """A task cancelled before its first step does not even begin."""
    async with woken() as made:
        made.cable.rest()
        await made.cable._engine.farewells.cut_short()
        assert made.server.over.is_set()
        assert not made.cable._engine.farewells.pending


async def test_a_transport_that_fails_at_the_goodbye_harms_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line is dropped, the cable goes on."""

    async def close(self: MemoryConnection, *_: Any, **__: Any) -> None:
        raise RuntimeError("mine")  # noqa: EM101 - of the test

    heard: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context))
    async with woken() as made:
        with monkeypatch.context() as patch:
            patch.setattr(MemoryConnection, "close", close)
            made.cable.rest()
            await settle()
        assert made.server.over.is_set()
        assert not made.cable._engine.farewells.pending
        made.cable.wake()
        await made.welcome()
        assert made.cable.state is State.CONNECTED
        monkeypatch.setattr(MemoryConnection, "close", close)
        await made.cable.close()
        assert made.server.over.is_set()
        gc.collect()
        assert heard == []


async def test_a_line_that_breaks_during_its_goodbye_is_over() -> None:
    """Nobody is told of its end, and the next line is dialled at once."""
    async with woken() as made:
        made.server.connection.writable.clear()
        made.cable.rest()
        await settle()
        made.server.cut()
        made.server.connection.writable.set()
        await settle()
        assert (made.cable.state, made.cable.error) == (State.DORMANT, None)
        assert not made.cable._engine.farewells.pending
        started = now()
        made.cable.wake()
        await made.welcome()
        assert now() - started < 0.1
