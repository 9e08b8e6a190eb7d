"""The public surface as a type checker sees it. Never run: ``make check`` shows it to mypy and pyright."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, assert_type

import cableway.sync
from cableway import (
    Cable,
    CableError,
    Channel,
    Connected,
    ExponentialBackoff,
    Message,
    State,
    Subscription,
    SubscriptionOptions,
    SubscriptionState,
    WebSocketTransport,
    action,
    latest_by,
)
from cableway.gateway import Channel as ServedChannel
from cableway.gateway import Gateway
from cableway.gateway import action as served_action

if TYPE_CHECKING:
    from collections.abc import Mapping


async def cookies() -> Mapping[str, str]:
    """Give headers, as an async function may."""
    return {"Cookie": "session=1"}


class ChatChannel(Channel[Any]):
    """A channel as a class, on the client's side."""

    name = "ChatChannel"
    room: int

    @action
    async def speak(self, text: str, *, loud: bool = False) -> None:
        """Say something."""


class ServedChat(ServedChannel):
    """A channel as a class, on the gateway's side."""

    async def subscribed(self) -> None:
        """Start."""
        self.stream_from("chat", lambda message: message)

    @served_action
    async def speak(self, data: dict[str, Any]) -> None:
        """Say something."""
        await self.broadcast("chat", data)


async def client() -> None:
    """Use every part of the client."""
    cable = Cable(
        ["wss://one.example/cable", "wss://two.example/cable"],
        backoff=ExponentialBackoff(minimum=0.5, maximum=60),
        transports=[WebSocketTransport()],
        headers=cookies,
        params=lambda: {"locale": "en"},
        origin="https://example.com",
        proxy=None,
        open_timeout=timedelta(minutes=1),
        write_timeout=5,
    )
    assert_type(cable.state, State)
    assert_type(cable.error, CableError | None)
    stop = cable.on(Connected, lambda event: event.reconnected)
    stop()
    async with cable:
        options = SubscriptionOptions(overflow=latest_by(lambda message: message.data["id"]), confirm_timeout=2.0)
        handle = cable.subscribe("ChatChannel", {"room": 42}, options=options)
        assert_type(handle.state, SubscriptionState)
        assert_type(await handle, Subscription[Any])
        async with cable.subscribe("ChatChannel", room=42) as chat:
            await chat.perform("speak", text="hi")
            await chat.perform("speak", {"text": "hi"})
            await chat.send({"text": "hi"})
            assert_type(await chat.receive(lambda message: bool(message.data), timeout=5), Message[Any])
            async for message in chat:
                assert_type(message, Message[Any])
        async with cable.stream("news") as news:
            await news.unsubscribe(flush=False)
        async with cable.subscribe(ChatChannel(room=42)) as typed:
            await typed.channel.speak("hi", loud=True)
    await cable.close(flush=False, timeout=timedelta(seconds=1))


def blocking() -> None:
    """Use the client without asyncio."""
    with cableway.sync.Cable("wss://example.com/cable") as cable:
        assert_type(cable.state, State)
        with cable.subscribe("ChatChannel", room=42) as chat:
            chat.perform("speak", text="hi")
            for message in chat:
                assert_type(message, Message[Any])


async def gateway() -> None:
    """Use the gateway."""
    async with Gateway([ServedChat], port=8080, ping_interval=1) as running:
        assert_type(running.url, str)
        await running.broadcast("chat", {"text": "hi"})
