"""A cable that polls the bundled gateway: the whole way, with presence, tokens, and a past to recover from."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from cableway import Cable, Connected, Event, HandshakeRefused, LongPollingTransport, Recovered, Recovery, Unauthorized
from cableway.gateway import Channel, Gateway, action
from cableway.server import mint_token

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.looptime

SECRET = "a secret of at least thirty-two bytes"


class Ledger(Channel):
    """Writes down what it is told, and tells everybody."""

    pages: list[int] = []  # noqa: RUF012 - emptied by each test

    async def subscribed(self) -> None:
        self.stream_from("ledger")
        self.allow_presence("ledger")

    @action
    async def note(self, data: dict[str, Any]) -> None:
        self.pages.append(data["n"])
        await self.broadcast("ledger", {"n": data["n"]})


@pytest.fixture(autouse=True)
def empty_ledger() -> None:
    """Begin anew."""
    Ledger.pages.clear()


@asynccontextmanager
async def polled(events: list[Event] | None = None, **options: Any) -> AsyncIterator[tuple[Gateway, Cable]]:
    """A gateway, and a cable that polls it."""
    transport = LongPollingTransport(**options.pop("transport", {}))
    cable_options = {name: options.pop(name) for name in ("token", "protocol") if name in options}
    settings = {"channels": [Ledger], "poll": True, "poll_flush_interval": 20, **options}
    async with Gateway(**settings) as gateway:
        cable = Cable(gateway.url, transports=[transport], **cable_options)
        if events is not None:
            cable.on(Event, events.append)
        async with cable:
            yield gateway, cable


@pytest.mark.parametrize("sending", ["wait", "interrupt"])
async def test_all_that_is_said_is_heard_in_order(sending: str) -> None:
    """Whatever the way of sending: each command is run once, and each message comes once."""
    events: list[Event] = []
    async with polled(events, transport={"sending": sending}) as (_, cable), cable.subscribe("Ledger") as ledger:
        for number in range(40):
            await ledger.perform("note", n=number)
            if number % 10 == 0:
                # Long enough for a poll to be held.
                await asyncio.sleep(0.3)
        received = [(await ledger.receive(timeout=60)).data["n"] for _ in range(40)]
    assert received == Ledger.pages == list(range(40))
    assert [(event.transport, event.protocol) for event in events if isinstance(event, Connected)] == [
        ("long_polling", "actioncable-v1-ext-json")
    ]


async def test_what_was_published_meanwhile_is_recovered() -> None:
    """The session is asked back, and the past fills the gap."""
    async with polled() as (gateway, cable):
        ledger = await cable.subscribe("Ledger")
        await gateway.broadcast("ledger", {"n": 1})
        assert (await ledger.receive(timeout=60)).data == {"n": 1}
        # An answer that brings nothing tells the server's time: all before it was heard.
        await asyncio.sleep(20)
        told: asyncio.Queue[Recovered] = asyncio.Queue()
        ledger.on(Recovered, told.put_nowait)
        cable.pause()
        for number in (2, 3):
            await gateway.broadcast("ledger", {"n": number})
        cable.resume()
        assert [(await ledger.receive(timeout=60)).data["n"] for _ in range(2)] == [2, 3]
        async with asyncio.timeout(60):
            assert (await told.get()).recovery is Recovery.COMPLETE


async def test_presence_passes() -> None:
    """The extended protocol is spoken in full."""
    async with polled(transport={"sending": "interrupt"}) as (_, cable), cable.subscribe("Ledger") as ledger:
        await ledger.presence.join("ada", {"name": "Ada"})
        assert list(await ledger.presence.get()) == ["ada"]


async def test_questions_are_given_the_time_that_a_held_poll_takes() -> None:
    """The past and who is present, asked for while nothing moves."""
    async with polled() as (gateway, cable), cable.subscribe("Ledger") as ledger:
        await gateway.broadcast("ledger", {"n": 1})
        await ledger.receive(timeout=60)
        await asyncio.sleep(1)
        assert [message.data for message in await ledger.history(since=timedelta(minutes=5), timeout=30)] == [{"n": 1}]
        await asyncio.sleep(1)
        assert list(await ledger.presence.get(timeout=30)) == []


async def test_the_base_protocol_is_spoken_where_it_is_asked_for() -> None:
    """As by an upgrade."""
    events: list[Event] = []
    async with polled(events, protocol="actioncable-v1-json") as (_, cable), cable.subscribe("Ledger"):
        pass
    assert [event.protocol for event in events if isinstance(event, Connected)] == ["actioncable-v1-json"]


async def test_a_token_lets_in_and_a_bad_one_does_not() -> None:
    """In a header, with each request."""
    token = mint_token({"who": "ada"}, secret=SECRET)
    async with polled(jwt_secret=SECRET, token=token) as (_, cable), cable.subscribe("Ledger") as ledger:
        await ledger.perform("note", n=1)
        assert (await ledger.receive(timeout=60)).data == {"n": 1}
    with pytest.raises(Unauthorized):
        async with polled(jwt_secret=SECRET, token="junk"):
            pytest.fail("it was let in")


async def test_a_gateway_without_polling_says_where_it_would_be() -> None:
    """The way out stands in the error."""
    async with Gateway(public=True) as gateway:
        cable = Cable(gateway.url, transports=[LongPollingTransport()])
        with pytest.raises(HandshakeRefused, match="started with --poll"):
            await cable.open()
