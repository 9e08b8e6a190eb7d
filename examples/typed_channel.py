"""A channel as a class: typed parameters, typed actions, and messages of your own type."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from cableway import Cable, Channel, action
from cableway import gateway as server


@dataclass
class Reading:
    """What a thermometer said."""

    celsius: float

    @classmethod
    def read(cls, data: Any) -> Reading:
        """Make one out of a message."""
        return cls(float(data["celsius"]))


class Thermometer(Channel[Reading]):
    """The client's side: what can be asked, and what comes back."""

    name = "ThermometerChannel"
    decode = Reading.read
    place: str

    @action
    async def report(self, celsius: float) -> None:
        """Tell everybody how warm it is."""


class ThermometerChannel(server.Channel):
    """The server's side."""

    async def subscribed(self) -> None:
        """Listen to one place."""
        self.stream_from(f"thermometer/{self.params['place']}")

    @server.action
    async def report(self, data: dict[str, Any]) -> None:
        """Pass a reading on."""
        await self.broadcast(f"thermometer/{self.params['place']}", data)


async def main() -> None:
    """Report a temperature, and read it as a typed value."""
    async with (
        server.Gateway([ThermometerChannel]) as gateway,
        Cable(gateway.url) as cable,
        cable.subscribe(Thermometer(place="cellar")) as cellar,
    ):
        await cellar.channel.report(celsius=11.5)
        message = await cellar.receive(timeout=5)
        print(f"the cellar has {message.data.celsius} degrees")


if __name__ == "__main__":
    asyncio.run(main())
