"""The functions that name streams are asked at the right time, and what they do wrong harms nobody."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from cableway import NamingFailed, OnDemandMonitor, State, SubscriptionState
from cableway.engine.naming import NAMING_TIMEOUT
from cableway.errors import NamingFault
from tests.scripted import Model, background, confirmation, line, settle

pytestmark = pytest.mark.looptime


def signed(name: str) -> str:
    """Write the identifier of a signed stream."""
    return json.dumps({"channel": "$pubsub", "signed_stream_name": name}, separators=(",", ":"))


@pytest.mark.parametrize("kind", ["plain", "async"])
async def test_a_function_is_asked_before_each_subscribe(kind: str) -> None:
    """Not before there is a line, and anew on each one: names may expire."""
    asked: list[int] = []

    def plain() -> str:
        asked.append(len(asked))
        return f"name-{asked[-1]}"

    async def later() -> str:
        await asyncio.sleep(0.5)
        return plain()

    made = line()
    async with Model(made.transport).serving() as rails:
        stream = made.cable.signed_stream(plain if kind == "plain" else later)
        await settle()
        assert asked == []
        await made.cable.open()
        for number in range(3):
            await stream
            assert stream.identifier == signed(f"name-{number}")
            assert rails.subscribed == {signed(f"name-{number}")}
            rails.line.cut()
            await settle()
        await made.cable.close()
    assert rails.faults == []


@pytest.mark.parametrize("failure", [ValueError("mine"), TimeoutError(), KeyError("x")])
async def test_a_function_that_fails_is_told_and_asked_again(failure: Exception) -> None:
    """Those who await the subscription hear of it; the other subscriptions do not."""
    asked: list[bool] = []

    def name() -> str:
        asked.append(True)
        if len(asked) < 3:
            raise failure
        return "name"

    made = line()
    async with Model(made.transport).serving():
        stream, chat = made.cable.signed_stream(name), made.cable.subscribe("Chat")
        told: list[Any] = []
        stream.on(NamingFailed, told.append)
        waiting = background(confirmation(stream))
        await made.cable.open()
        with pytest.raises(NamingFault) as caught:
            await waiting
        assert caught.value.__cause__ is failure
        await chat
        await asyncio.sleep(60)
        await stream
        assert [event.error for event in told] == [failure, failure]
        await made.cable.close()


async def test_a_function_that_takes_too_long_has_failed() -> None:
    """Its time is limited, and it is asked again."""
    asked: list[float] = []

    async def name() -> str:
        asked.append(asyncio.get_running_loop().time())
        await asyncio.sleep(1000 if len(asked) == 1 else 0)
        return "name"

    made = line()
    async with Model(made.transport).serving():
        await made.cable.open()
        stream = made.cable.signed_stream(name)
        with pytest.raises(NamingFault):
            await stream
        assert asyncio.get_running_loop().time() - asked[0] == pytest.approx(NAMING_TIMEOUT, abs=0.1)
        await asyncio.wait_for(stream, 60)
        await made.cable.close()


async def test_a_function_that_cancels_itself_is_asked_again() -> None:
    """As one that fails."""
    asked: list[bool] = []

    async def name() -> str:
        asked.append(True)
        await asyncio.sleep(0)
        if len(asked) == 1:
            raise asyncio.CancelledError
        return "name"

    made = line()
    async with Model(made.transport).serving() as rails:
        await made.cable.open()
        stream = made.cable.signed_stream(name)
        await asyncio.wait_for(stream, 60)
        assert rails.subscribed == {signed("name")}
        await made.cable.close()


async def test_an_answer_that_comes_too_late_is_of_no_use() -> None:
    """The line it was for is gone: on the next one it is asked anew, and only that answer counts."""
    answers: list[asyncio.Future[str]] = []

    async def name() -> str:
        answers.append(asyncio.get_running_loop().create_future())
        return await answers[-1]

    made = line()
    async with Model(made.transport).serving() as rails:
        await made.cable.open()
        stream = made.cable.signed_stream(name)
        await settle()
        rails.line.cut()
        await asyncio.sleep(2)
        assert len(answers) == 2
        answers[0].set_result("old")
        await settle()
        answers[1].set_result("new")
        await stream
        assert rails.commands == [("subscribe", signed("new"))]
        await made.cable.close()


async def test_a_dormant_cable_asks_nobody() -> None:
    """A function that asks a server for a name would wake the radio."""
    asked: list[bool] = []

    def name() -> str:
        asked.append(True)
        return "name"

    made = line(monitor=OnDemandMonitor(linger=1))
    async with Model(made.transport).serving():
        await made.cable.open()
        stream = made.cable.signed_stream(name)
        await asyncio.sleep(1000)
        assert asked == []
        for times in (1, 2):
            made.cable.wake()
            await stream
            await asyncio.sleep(60)
            assert (made.cable.state, len(asked)) == (State.DORMANT, times)
        await made.cable.close()


async def test_closing_does_not_wait_for_a_function() -> None:
    """It is cancelled, and what it says then is of no matter."""
    cancelled: list[bool] = []

    async def name() -> str:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise
        return "name"

    made = line()
    async with Model(made.transport).serving() as rails:
        await made.cable.open()
        stream = made.cable.signed_stream(name)
        await settle()
        await asyncio.wait_for(made.cable.close(), 0.1)
        assert cancelled == [True]
        assert (stream.state, rails.commands) == (SubscriptionState.CLOSED, [])
        assert made.cable._engine.at_rest
