"""Whispers on their way out."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cableway import (
    InvalidPayload,
    MessageTooLarge,
    NotConnected,
    NotSupported,
    SubscriptionClosed,
    SubscriptionOptions,
)
from tests.extended import extended
from tests.scripted import background, connected, settle

pytestmark = pytest.mark.looptime


def whispered(made: Any) -> list[Any]:
    """Take the data of the whispers that came."""
    return [command["data"] for command in made.server.received if command["command"] == "whisper"]


async def slow(made: Any) -> Any:
    """Subscribe with at most one whisper a second."""
    chat = made.cable.subscribe("Chat", options=SubscriptionOptions(whisper_every=1))
    await settle()
    made.server.confirm(chat.identifier)
    return await chat


async def test_a_whisper_goes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Falsy values, too."""
    async with extended() as made:
        chat = await made.live()
        for data in ({"typing": True}, 0, ""):
            await chat.whisper(data)
        await settle()
        assert whispered(made) == [{"typing": True}, 0, ""]


async def test_the_latest_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    """What came too soon waits; a newer one takes its place, and the call it replaced returns."""
    async with extended() as made:
        chat = await slow(made)
        await chat.whisper(1)
        calls = [background(chat.whisper(number)) for number in (2, 3, 4)]
        await settle()
        assert [call.done() for call in calls] == [True, True, False]
        assert whispered(made)[-1:] == [1]
        await asyncio.sleep(1)
        assert all(call.done() for call in calls)
        assert whispered(made) == [4]
        assert chat.stats().whispers_replaced == 2
        late = background(chat.whisper(5))
        await settle()
        assert not late.done()
        await late
        assert whispered(made) == [5]


async def test_a_cancelled_one_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """And one that waits when the line falls has failed."""
    async with extended() as made:
        chat = await slow(made)
        await chat.whisper(1)
        call = background(chat.whisper(2))
        await settle()
        call.cancel()
        await asyncio.sleep(2)
        assert whispered(made) == [1]
        await chat.whisper(3)
        waiting = background(chat.whisper(4))
        await settle()
        made.server.cut()
        with pytest.raises(NotConnected, match="not kept"):
            await waiting


async def test_what_cannot_go_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bad data, too much of it, no confirmation, no subscription, no line."""
    async with extended(max_command_size=1000) as made:
        pending = made.cable.subscribe("Other")
        with pytest.raises(NotConnected, match="not confirmed"):
            await pending.whisper(1)
        await pending.unsubscribe()
        _ = made.server.received
        chat = await made.live()
        for wrong in (None, float("inf"), {1: 2}, {"a": object()}):
            with pytest.raises(InvalidPayload):
                await chat.whisper(wrong)
        with pytest.raises(MessageTooLarge):
            await chat.whisper("x" * 1000)
        await chat.unsubscribe(flush=False)
        with pytest.raises(SubscriptionClosed):
            await chat.whisper(1)


async def test_a_base_line_refuses_whispers() -> None:
    """Rails would write an error into its log."""
    async with connected() as made:
        chat = await made.live()
        with pytest.raises(NotSupported, match="a whisper is not part of"):
            await chat.whisper(1)
        made.server.cut()
        await settle()
        with pytest.raises(NotConnected):
            await chat.whisper(1)
