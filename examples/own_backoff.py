"""A backoff of your own: when to dial again, and when to give up."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cableway import Cable, RetriesExhausted, RetryScheduled
from cableway.gateway import Gateway

if TYPE_CHECKING:
    from random import Random


class Patient:
    """Waits a little longer each time, and gives up after five failures.

    Args:
        step: Seconds that each wait is longer than the one before.
        longest: Longest wait.
    """

    def __init__(self, step: float, longest: float) -> None:
        self._step = step
        self._longest = longest

    def delay(self, failures: int, random: Random) -> float:
        """Return seconds to wait after *failures* failures in a row."""
        return min(self._step * (failures + 1), self._longest) * random.uniform(0.5, 1.5)

    def gives_up(self, failures: int, elapsed: float) -> bool:
        """Tell whether that was enough."""
        return failures >= 5 or elapsed > 3600


async def main() -> None:
    """Dial where nobody is any more."""
    async with Gateway(public=True) as gateway:
        address = gateway.url

    cable = Cable(address, backoff=Patient(step=0.05, longest=10))
    cable.on(RetryScheduled, lambda event: print(f"dial {event.attempt} in {event.delay:.2f} s"))
    try:
        await cable.open()
    except RetriesExhausted as error:
        print("given up after", error.attempts, "failures; the last one:", type(error.last).__name__)


if __name__ == "__main__":
    asyncio.run(main())
