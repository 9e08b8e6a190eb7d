"""Two people in a chat room: subscribe, perform, receive.

The server is the bundled gateway, in this very process; against your own server only the address differs.
"""

from __future__ import annotations

import asyncio
from typing import Any

from cableway import Cable
from cableway.gateway import Channel, Gateway, action


class ChatChannel(Channel):
    """The server's side: passes on what is said in a room."""

    async def subscribed(self) -> None:
        """Listen to the room."""
        self.stream_from(f"room/{self.params['room']}")

    @action
    async def speak(self, data: dict[str, Any]) -> None:
        """Tell everybody in the room."""
        await self.broadcast(f"room/{self.params['room']}", {"text": data["text"]})


async def main() -> None:
    """Let Ann say something and Bob hear it."""
    async with (
        Gateway([ChatChannel]) as gateway,
        Cable(gateway.url) as ann,
        Cable(gateway.url) as bob,
        ann.subscribe("ChatChannel", room=42) as anns_side,
        bob.subscribe("ChatChannel", room=42) as bobs_side,
    ):
        await anns_side.perform("speak", text="hi Bob")
        async for message in bobs_side:
            print("Bob hears:", message.data["text"])
            break


if __name__ == "__main__":
    asyncio.run(main())
