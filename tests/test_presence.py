"""Presence, as a program uses it."""

from __future__ import annotations

import asyncio

import pytest

from cableway import (
    Event,
    InvalidPayload,
    Member,
    NotSupported,
    PresenceFailed,
    PresenceJoined,
    PresenceLeft,
    PresenceSynced,
    PresenceTimeout,
    PresenceUnavailable,
    SubscriptionClosed,
)
from tests.extended import commands, extended, info, presence
from tests.scripted import background, connected, line, settle

pytestmark = pytest.mark.looptime


async def test_a_join_is_said_again_on_each_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """And so is the question, once somebody asked; what changed meanwhile is told."""
    async with extended() as made:
        chat = await made.live()
        heard: list[Event] = []
        chat.on(Event, heard.append)
        await chat.presence.join("ann", {"name": "Ann"})
        asking = background(chat.presence.get())
        await settle()
        assert commands(made) == ["join", "presence"]
        made.server.send(info(chat.identifier, "ann", "bob"))
        assert sorted(await asking) == ["ann", "bob"]
        assert chat.presence.synced
        made.server.cut()
        await asyncio.sleep(0.1)
        assert not chat.presence.synced
        assert sorted(chat.presence.members) == ["ann", "bob"]
        await made.welcome()
        made.server.confirm(chat.identifier)
        await settle()
        assert commands(made) == ["subscribe", "join", "presence"]
        heard.clear()
        made.server.send(info(chat.identifier, "ann", "eve"))
        await settle()
        assert [event for event in heard if isinstance(event, PresenceJoined | PresenceLeft)] == [
            PresenceLeft(Member("bob")),
            PresenceJoined(Member("eve")),
        ]
        assert isinstance(heard[-1], PresenceSynced)


async def test_changes_are_told_and_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """``wait_for`` finds who is there, who comes, and by a function."""
    async with extended() as made:
        chat = await made.live()
        waiting = background(chat.presence.wait_for("bob"))
        await settle()
        assert commands(made) == ["presence"]
        made.server.send(info(chat.identifier, "ann"))
        await settle()
        assert not waiting.done()
        made.server.send(presence(chat.identifier, "join", id="bob", info={"age": 3}))
        assert (await waiting).info == {"age": 3}
        assert (await chat.presence.wait_for(lambda member: member.id == "ann")).id == "ann"
        with pytest.raises(TimeoutError, match="within 2 s"):
            await chat.presence.wait_for("eve", timeout=2)


async def test_silence_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """A question is asked twice; then it has failed."""
    async with extended() as made:
        chat = await made.live()
        with pytest.raises(PresenceTimeout, match="within 10 s"):
            await chat.presence.total()
        assert commands(made) == ["presence", "presence"]
        with pytest.raises(PresenceTimeout, match="within 1 s"):
            await chat.presence.total(timeout=1)


async def test_a_broker_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's error is raised as such; the total of an answer is what it counted."""
    async with extended() as made:
        chat = await made.live()
        asking = background(chat.presence.get())
        await settle()
        made.server.send(presence(chat.identifier, "error", total=0))
        with pytest.raises(PresenceFailed, match="could not tell"):
            await asking
        asking_total = background(chat.presence.total())
        await settle()
        made.server.send(info(chat.identifier, "a", "b"))
        assert await asking_total == 2


async def test_a_base_line_refuses_presence() -> None:
    """It would lapse there and nobody would know; what was joined before is told, and stays remembered."""
    async with connected() as made:
        chat = await made.live()
        for call in (chat.presence.join("ann"), chat.presence.get(), chat.presence.total()):
            with pytest.raises(NotSupported, match=r"lapse silently after presence_ttl"):
                await call
        assert made.server.received == []


async def test_a_join_before_the_line_is_remembered() -> None:
    """It returns at once; the base line that comes then is told of."""
    made = line()
    chat = made.cable.subscribe("Chat")
    heard: list[PresenceUnavailable] = []
    chat.on(PresenceUnavailable, heard.append)
    opening = background(made.cable.open())
    await settle()
    await chat.presence.join("ann")
    await made.welcome()
    await opening
    made.server.confirm(chat.identifier)
    await settle()
    assert len(heard) == 1
    assert commands(made) == ["subscribe"]
    await made.cable.close(flush=False)


@pytest.mark.parametrize(
    ("who", "more", "text"),
    [
        (7, None, r"give str\(7\)"),
        (None, None, "give a string"),
        ("\ud800", None, "lone surrogate"),
        ("a", float("nan"), "info is nan"),
        ("a", {"n": 10**400}, r"info\['n'\] is beyond the range"),
    ],
)
async def test_what_servers_cannot_read_is_refused(
    monkeypatch: pytest.MonkeyPatch, who: object, more: object, text: str
) -> None:
    """Before anything is sent."""
    async with extended() as made:
        chat = await made.live()
        with pytest.raises(InvalidPayload, match=text):
            await chat.presence.join(who, more)
        assert made.server.received == []


async def test_a_join_goes_with_its_handle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another handle on the subscription keeps it, not the presence; an ended one refuses."""
    async with extended() as made:
        first = await made.live()
        second = await made.cable.subscribe("Chat")
        await first.presence.join("ann")
        await first.unsubscribe()
        await settle()
        assert commands(made) == ["join", "leave"]
        with pytest.raises(SubscriptionClosed):
            await first.presence.join("ann")
        await second.presence.join("bob")
        await second.presence.leave()
        assert commands(made) == ["join", "leave"]


async def test_a_cancelled_question_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer that comes later is taken all the same."""
    async with extended() as made:
        chat = await made.live()
        asking = background(chat.presence.get())
        await settle()
        asking.cancel()
        await settle()
        assert not chat.presence._waiters
        made.server.send(info(chat.identifier, "ann"))
        await settle()
        assert list(chat.presence.members) == ["ann"]
