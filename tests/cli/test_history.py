"""``cableway history``, as a program of its own, and before a server that the test plays."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from cableway import HistoryRejected, HistoryTimeout, NotSupported
from cableway.cli.history import AGAIN, ALL, past
from cableway.gateway import Gateway
from tests.cli.programs import ran
from tests.extended import extended
from tests.scripted import background, connected, settle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cableway import MemoryServer


def told(identifier: str, offset: int, stream: str = "s") -> dict[str, Any]:
    """Write a message with its place; its data is the place."""
    place = {"stream_id": stream, "epoch": "e", "offset": offset}
    return {"identifier": identifier, "message": [stream, offset], **place}


def tell(
    server: MemoryServer, identifier: str, *offsets: int, other: tuple[int, ...] = (), after: Sequence[str] = ()
) -> None:
    """Answer a question for the past that came *after* other commands, with messages of this and an *other* stream."""
    assert [command["command"] for command in server.received] == [*after, "history"]
    frames = [*(told(identifier, at) for at in offsets), *(told(identifier, at, "t") for at in other)]
    server.send(*frames, {"identifier": identifier, "type": "confirm_history"})


@pytest.mark.looptime
async def test_what_is_past_and_what_is_as_new_as_the_subscription_come_in_order_and_once() -> None:
    """The library shows the former and delivers the latter; a message that came before the question is told by both."""
    async with extended() as made:
        chat = await made.live()
        made.server.send(told(chat.identifier, 1, "t"))
        await settle()
        asking = background(past(chat, ALL, 30))
        await settle()
        made.server.send(told(chat.identifier, 8))
        # What was published since the subscription was made.
        tell(made.server, chat.identifier, 6, 7, 8, other=(1,))
        await settle()
        tell(made.server, chat.identifier, 4, 5, 6, 7, 8, other=(1,))
        messages = await asking

    ours = [message for message in messages if message.stream == "s"]
    assert [message.data for message in ours] == [["s", offset] for offset in (4, 5, 6, 7, 8)]
    assert [message.data for message in messages if message.stream == "t"] == [["t", 1]]
    assert all(message.replayed for message in messages)


@pytest.mark.looptime
async def test_what_has_no_place_is_no_history() -> None:
    """Such as a whisper that comes meanwhile."""
    async with extended() as made:
        chat = await made.live()
        asking = background(past(chat, ALL, 30))
        await settle()
        made.server.send({"identifier": chat.identifier, "message": "psst"})
        tell(made.server, chat.identifier)
        await settle()
        tell(made.server, chat.identifier)
        assert await asking == []


@pytest.mark.looptime
async def test_a_line_that_breaks_meanwhile_is_waited_for() -> None:
    """Nothing is changed by asking again."""
    async with extended() as made:
        chat = await made.live()
        asking = background(past(chat, ALL, 30))
        await settle()
        made.server.close(1006)
        server = await made.welcome()
        server.confirm(chat.identifier)
        await asyncio.sleep(AGAIN)
        tell(server, chat.identifier, 3, after=["subscribe"])
        await settle()
        tell(server, chat.identifier)
        messages = await asking

    assert [message.offset for message in messages] == [3]


@pytest.mark.looptime
async def test_a_server_that_does_not_tell_is_an_error() -> None:
    """It refuses, it is silent, or its protocol has no history: each has an error of its own."""
    async with extended() as made:
        chat = await made.live()
        asking = background(past(chat, ALL, 30))
        await settle()
        made.server.send({"identifier": chat.identifier, "type": "reject_history"})
        with pytest.raises(HistoryRejected):
            await asking
        with pytest.raises(HistoryTimeout):
            await past(chat, ALL, 2)
    async with connected() as base:
        chat = await base.live()
        with pytest.raises(NotSupported):
            await past(chat, ALL, 30)


async def test_it_prints_what_the_server_has_and_ends(gateway: Gateway) -> None:
    """One JSON line a message, as `subscribe` writes them; stderr tells how many."""
    for number in range(3):
        await gateway.broadcast("s", {"n": number})
    await gateway.broadcast("other", 1)

    ended = await ran("history", gateway.url, "--stream", "s")
    newest = await ran("history", gateway.url, "--stream", "s", "--last", "1", "--envelope", "-q")

    assert (ended.code, ended.stdout) == (0, '{"n":0}\n{"n":1}\n{"n":2}\n')
    assert ended.stderr.endswith("3 messages of the stream s\n")
    envelope = json.loads(newest.stdout)
    assert (envelope["data"], envelope["offset"], envelope["replayed"]) == ({"n": 2}, 3, True)
    assert newest.stderr == ""


async def test_since_leaves_out_what_is_older(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the server's clock, in whole seconds; no time at all is not the same as none given."""
    now = time.time()
    with monkeypatch.context() as earlier:
        earlier.setattr("time.time", lambda: now - 100)
        await gateway.broadcast("s", "old")
    await gateway.broadcast("s", "new")

    recent = await ran("history", gateway.url, "--stream", "s", "--since", "50")
    both = await ran("history", gateway.url, "--stream", "s", "--since", f"@{int(now) - 100}")
    last = await ran("history", gateway.url, "--stream", "s", "--since", "0")
    none = await ran("history", gateway.url, "--stream", "nothing", "--since", "5m")

    assert (recent.code, recent.stdout) == (0, '"new"\n')
    assert (both.code, both.stdout) == (0, '"old"\n"new"\n')
    assert "old" not in last.stdout
    assert (none.code, none.stdout) == (0, "")
    assert none.stderr.endswith("no messages of the stream nothing\n")


async def test_a_time_to_come_is_a_usage_error(gateway: Gateway) -> None:
    """Nothing is dialled for it."""
    ended = await ran("history", gateway.url, "--stream", "s", "--since", "2999-01-01")

    assert (ended.code, ended.stdout) == (2, "")
    assert "in the future" in ended.stderr


@pytest.mark.parametrize("options", [{"broker": "none"}, {"flavour": "rails"}], ids=["no broker", "rails"])
async def test_a_server_without_history_is_code_1(options: dict[str, Any]) -> None:
    """One line says so."""
    async with Gateway(public=True, **options) as server:
        ended = await ran("history", server.url, "--stream", "s", "-q")

    assert (ended.code, ended.stdout) == (1, "")
    assert ended.stderr.count("\n") == 1
    assert "history" in ended.stderr
