"""Tokens of four seconds, and a line that never notices: a fresh one comes in time, and the line is handed over."""

from __future__ import annotations

import asyncio
import secrets

from cableway import Cable, EndpointToken, HandedOver, TokenRenewal, TokenRenewalFailed, TokenRenewed
from cableway.gateway import Gateway


async def main() -> None:
    """Listen for longer than a token lives, while the server that gives them fails once."""
    # The server's side: it lets nobody in without a token, and gives some that live for four seconds.
    gateway = Gateway(
        jwt_secret=secrets.token_hex(32),
        enforce_jwt=True,
        public_streams=True,
        token_path="/token",  # noqa: S106 - where tokens are given
        token_life=4,
    )
    async with gateway:
        # The client's side.
        source = EndpointToken(gateway.http_url + "/token")
        cable = Cable(gateway.url, token=source, renewal=TokenRenewal(on_renewal="hand_over"))
        cable.on(TokenRenewed, lambda event: print("a token for", round(event.life or 0), "seconds"))
        cable.on(TokenRenewalFailed, lambda event: print("none this time:", event.error))
        cable.on(HandedOver, lambda _: print("handed over"))
        async with cable, cable.stream("news") as news:
            gateway.tokens.fail(503, times=1)
            for number in range(12):
                await gateway.broadcast("news", number)
                message = await news.receive(timeout=5)
                if number % 4 == 0:
                    print("news:", message.data)
                await asyncio.sleep(0.5)
            print("refused by the server:", gateway.stats().unauthorized)


if __name__ == "__main__":
    asyncio.run(main())
