"""A client with no opinions: sends what it is told, and hands over what comes."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import TYPE_CHECKING, Any, Self

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.conformance.tongues import tongue_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.conformance.tongues import Tongue

BASE = "actioncable-v1-json"
EXTENDED = "actioncable-v1-ext-json"
WAIT = 5.0
"""Seconds for something that must come: only a failing test takes that long."""

_unique = itertools.count(1)


def identifier(channel: str, **params: Any) -> str:
    """Write an identifier as the JavaScript client does."""
    return json.dumps({"channel": channel, **params}, separators=(",", ":"))


def stream(name: str, **params: Any) -> str:
    """Write the identifier of a public stream."""
    return identifier("$pubsub", stream_name=name, **params)


def extended(url: str, **options: Any) -> RawClient:
    """Make a client that speaks the extended protocol."""
    return RawClient(url, subprotocols=[EXTENDED], **options)


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something on the server's side is so; for what no frame tells."""
    async with asyncio.timeout(WAIT):
        while not condition():  # noqa: ASYNC110 - what is waited for is a counter, which wakes nobody
            await asyncio.sleep(0)


class RawClient:
    """One WebSocket, frames in the encoding that was agreed. Pings are put aside unless asked for."""

    def __init__(
        self,
        url: str,
        *,
        subprotocols: Sequence[str] | None = (BASE,),
        headers: dict[str, str] | None = None,
    ) -> None:
        self._dial = connect(
            url,
            subprotocols=list(subprotocols) if subprotocols else None,  # type: ignore[arg-type]
            additional_headers=headers,
            compression=None,
            max_size=None,
            proxy=None,
            ping_interval=None,
            open_timeout=WAIT,
            close_timeout=WAIT,
        )
        self.socket: ClientConnection
        self.tongue: Tongue

    async def __aenter__(self) -> Self:
        self.socket = await self._dial
        self.tongue = tongue_of(self.socket.subprotocol)
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Say goodbye."""
        await self.socket.close()

    @property
    def subprotocol(self) -> str | None:
        """What the server selected."""
        return self.socket.subprotocol

    async def send(self, text: str) -> None:
        """Send any text."""
        await self.socket.send(text)

    async def command(self, name: str, **fields: Any) -> None:
        """Send a command."""
        await self.socket.send(self.tongue.encode({"command": name, **fields}))

    async def perform(self, target: str, action: str, **data: Any) -> None:
        """Call an action."""
        await self.command("message", identifier=target, data=json.dumps({"action": action, **data}))

    async def frame(self, *, pings: bool = False) -> dict[str, Any]:
        """Return the next frame; pings only where asked for."""
        async with asyncio.timeout(WAIT):
            while True:
                frame = self.tongue.decode(await self.socket.recv())
                if pings or frame.get("type") != "ping":
                    return frame

    async def expect_ping(self) -> int:
        """Check that the next frame is a ping, and return what it says."""
        frame = await self.frame(pings=True)
        assert set(frame) == {"type", "message"}
        assert frame["type"] == "ping"
        assert type(frame["message"]) is int
        return int(frame["message"])

    async def expect(self, **expected: Any) -> dict[str, Any]:
        """Check that the next frame has these fields; it may have more."""
        frame = await self.frame()
        assert {name: frame.get(name) for name in expected} == expected
        return frame

    async def welcomed(self) -> Self:
        """Check that the server lets us in."""
        await self.expect(type="welcome")
        return self

    async def subscribe(self, target: str) -> str:
        """Subscribe, and check that the next frame confirms it."""
        await self.command("subscribe", identifier=target)
        await self.expect(type="confirm_subscription", identifier=target)
        return target

    async def expect_message(self, target: str, message: Any) -> None:
        """Check that the next frame is this message."""
        frame = await self.expect(identifier=target)
        assert frame["message"] == message

    async def expect_silence(self) -> None:
        """Check that nothing came: the next frame is the answer to what we ask now.

        Servers carry one session's commands out in order, so the answer comes after all that was due before.
        """
        target = identifier(f"NobodyKnows{next(_unique)}")
        await self.command("subscribe", identifier=target)
        await self.expect(type="reject_subscription", identifier=target)

    async def expect_close(self) -> tuple[int, str]:
        """Check that the server closes now, and return how: code and reason."""
        with pytest.raises(ConnectionClosed) as ended:
            async with asyncio.timeout(WAIT):
                await self.socket.recv()
        close = ended.value.rcvd
        assert close is not None, "the line broke without a close frame"
        return close.code, close.reason
