"""Who is here, and a whisper to them: two people in a room, one of whom loses the line for a moment."""

from __future__ import annotations

import asyncio

from cableway import Cable, PresenceJoined, PresenceLeft
from cableway.gateway import Gateway


async def main() -> None:
    """Let Ann and Bob meet."""
    async with (
        Gateway(public=True) as gateway,
        Cable(gateway.url) as anns,
        Cable(gateway.url) as bobs,
        anns.stream("room") as anns_room,
        bobs.stream("room") as bobs_room,
    ):
        anns_room.on(PresenceJoined, lambda event: print("came:", event.member.id))
        anns_room.on(PresenceLeft, lambda event: print("went:", event.member.id))  # does not happen here
        await anns_room.presence.join("ann")
        await bobs_room.presence.join("bob", {"name": "Bob"})
        print((await anns_room.presence.wait_for("bob", timeout=5)).info["name"], "is here")

        bobs.pause()
        bobs.resume()
        await bobs_room  # back within presence_ttl: nobody saw him go
        print("still here:", sorted(await anns_room.presence.get()))

        await bobs_room.whisper({"event": "typing"})
        print("whispered:", (await anns_room.receive(timeout=5)).data)


if __name__ == "__main__":
    asyncio.run(main())
