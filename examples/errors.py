"""What can go wrong, and how it is told: one tree of errors, each with its facts as fields."""

from __future__ import annotations

import asyncio

from cableway import Cable, CableError, ConnectTimeout, SubscriptionRejected, Unauthorized
from cableway.gateway import Channel, Connection, Gateway


class MembersOnly(Channel):
    """Lets nobody in."""

    async def subscribed(self) -> None:
        """Refuse."""
        self.reject()


class KnownClients(Connection):
    """Lets in who knows the word."""

    async def connect(self) -> None:
        """Look at a header."""
        if self.request.headers.get("X-Word") != "please":
            self.reject()


async def main() -> None:
    """Run into three walls."""
    async with Gateway([MembersOnly], connection=KnownClients) as gateway:
        try:
            async with Cable(gateway.url):
                pass
        except Unauthorized as error:
            print("turned away:", error.reason)

        async with Cable(gateway.url, headers={"X-Word": "please"}) as cable:
            try:
                await cable.subscribe("MembersOnly")
            except SubscriptionRejected as error:
                print("rejected:", error.identifier)
        address = gateway.url

    try:
        # Nobody is there any more. Without open_timeout it would go on trying for 30 s.
        await Cable(address, open_timeout=0.5).open()
    except ConnectTimeout as error:
        print("nobody there:", isinstance(error, CableError), error.seconds)


if __name__ == "__main__":
    asyncio.run(main())
