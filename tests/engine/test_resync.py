"""The users' functions that bring a subscription up to date: when they run, and that messages go on after them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from cableway import CallbackFailed, SubscriptionOptions
from cableway.engine.resync import LONGEST, resync
from tests.extended import EXTENDED, extended
from tests.scripted import connected, settle

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.scripted import Line

pytestmark = pytest.mark.looptime


class Snapshot:
    """A function of a user's that takes the time that the test gives it."""

    def __init__(self, fault: BaseException | None = None) -> None:
        self.calls: list[Any] = []
        self.gate = asyncio.Event()
        self.cancelled = False
        self.failures: list[CallbackFailed] = []
        self._fault = fault

    async def load(self, subscription: Any) -> None:
        """Load the present state."""
        self.calls.append(subscription)
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        if self._fault is not None:
            raise self._fault


async def live(made: Line, function: Callable[[Any], Any] | None, failures: list[CallbackFailed] | None = None) -> Any:
    """Subscribe with *function* to come up to date by."""
    chat = made.cable.subscribe("Chat", options=SubscriptionOptions(on_resync=function))
    chat.on(CallbackFailed, (failures if failures is not None else []).append)
    await settle()
    made.server.confirm(chat.identifier)
    return await chat


def data(chat: Any) -> list[Any]:
    """Read what may be read."""
    return [message.data for message in chat.take()]


async def test_it_runs_between_what_came_before_and_what_comes_after() -> None:
    """Not before all of the one is read; and the other waits until it has returned, and wakes who waits for it."""
    snapshot = Snapshot()
    async with connected() as made:
        chat = await live(made, snapshot.load, snapshot.failures)
        made.server.message(chat.identifier, 1, 2)
        await settle()
        chat._handle.mailbox.bar()
        made.server.message(chat.identifier, 3)
        await settle()
        assert snapshot.calls == []
        assert data(chat) == [1, 2]
        await settle()
        assert snapshot.calls == [chat]
        reading = asyncio.ensure_future(anext(chat))
        await asyncio.sleep(LONGEST - 1)
        assert not reading.done()
        snapshot.gate.set()
        assert (await asyncio.wait_for(reading, 1)).data == 3
        assert snapshot.failures == []


async def test_a_plain_function_will_do() -> None:
    """What it returns is of no matter."""
    calls: list[Any] = []
    async with connected() as made:
        chat = await live(made, calls.append)
        chat._handle.mailbox.bar()
        made.server.message(chat.identifier, 1)
        await settle()
        assert (calls, data(chat)) == ([chat], [1])


async def test_one_that_fails_is_told_and_messages_go_on() -> None:
    """The subscription lives; the next time it is called again."""
    fault = RuntimeError("the database is away")
    snapshot = Snapshot(fault)
    snapshot.gate.set()
    async with connected() as made:
        chat = await live(made, snapshot.load, snapshot.failures)
        for number in (1, 2):
            chat._handle.mailbox.bar()
            made.server.message(chat.identifier, number)
            await settle()
            assert data(chat) == [number]
        assert [(failure.callback, failure.error) for failure in snapshot.failures] == [("on_resync", fault)] * 2


async def test_one_that_takes_too_long_is_stopped_and_messages_go_on() -> None:
    """After a minute: whatever it waits for, the line does not."""
    snapshot = Snapshot()
    async with connected() as made:
        chat = await live(made, snapshot.load, snapshot.failures)
        chat._handle.mailbox.bar()
        made.server.message(chat.identifier, 1)
        for _ in range(int(LONGEST) - 1):
            await asyncio.sleep(1)
            made.server.send({"type": "ping"})
        assert data(chat) == []
        await asyncio.sleep(1.1)
        assert (snapshot.cancelled, data(chat)) == (True, [1])
        [failure] = snapshot.failures
        assert isinstance(failure.error, TimeoutError)


async def test_one_that_cancels_itself_does_not_stop_the_messages() -> None:
    """A library of the user's may do that."""
    snapshot = Snapshot(asyncio.CancelledError())
    snapshot.gate.set()
    async with connected() as made:
        chat = await live(made, snapshot.load, snapshot.failures)
        chat._handle.mailbox.bar()
        made.server.message(chat.identifier, 1)
        await settle()
        assert data(chat) == [1]


async def test_a_closed_cable_stops_it() -> None:
    """Nothing runs on; what is unread can be read, and then the iteration ends."""
    snapshot = Snapshot()
    async with connected() as made:
        chat = await live(made, snapshot.load, snapshot.failures)
        chat._handle.mailbox.bar()
        made.server.message(chat.identifier, 1)
        await settle()
        await made.cable.close()
        assert snapshot.cancelled
        async with asyncio.timeout(1):
            assert [message.data async for message in chat] == [1]


async def test_a_second_doubt_meanwhile_has_it_run_once_more() -> None:
    """What was loaded first is older than that; doubts with nothing between them are one."""
    snapshot = Snapshot()
    async with connected() as made:
        chat = await live(made, snapshot.load, snapshot.failures)
        chat._handle.mailbox.bar()
        await settle()
        chat._handle.mailbox.bar()
        made.server.message(chat.identifier, 1)
        await settle()
        chat._handle.mailbox.bar()
        chat._handle.mailbox.bar()
        made.server.message(chat.identifier, 2)
        snapshot.gate.set()
        await settle()
        assert (len(snapshot.calls), data(chat)) == (1, [1])
        await settle()
        assert (len(snapshot.calls), data(chat)) == (2, [2])


async def test_who_has_no_function_goes_on() -> None:
    """Called for one without, nothing is left held."""
    async with connected() as made:
        chat = await live(made, None)
        chat._handle.mailbox.bar()
        made.server.message(chat.identifier, 1)
        await settle()
        await resync(made.cable._engine, chat._handle)
        assert data(chat) == [1]


async def test_a_recovery_that_is_not_known_to_be_complete_calls_it() -> None:
    """Once, before what is new; another holder of the same subscription is not held up by it."""
    snapshot = Snapshot()
    async with extended() as made:
        chat = await live(made, snapshot.load, snapshot.failures)
        other = made.cable.subscribe("Chat")
        await settle()
        made.server.cut()
        made.server = await made.transport.accept(EXTENDED)
        made.server.welcome()
        await settle()
        made.server.confirm(chat.identifier)
        await settle()
        made.server.send({"type": "ping", "message": 1_700_000_000})
        await asyncio.sleep(12)
        assert snapshot.calls == [chat]
        made.server.message(chat.identifier, "new")
        await settle()
        assert (data(chat), data(other)) == ([], ["new"])
        snapshot.gate.set()
        await settle()
        assert (data(chat), len(snapshot.calls)) == (["new"], 1)
