"""A monitor of your own: a line in office hours only, with a clock that a test, or this program, can set."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from cableway import Cable, Dormant, Look, PersistentMonitor
from cableway.gateway import Gateway

if TYPE_CHECKING:
    from collections.abc import Callable

FRIDAY = 4


class OfficeHours(PersistentMonitor):
    """Has the line up from Monday to Friday, between two full hours; in between it is watched as ever.

    Args:
        start: First hour.
        end: The hour in which it is down again.
        clock: Gives the time of day.
        every: Seconds between looks at that clock: clocks are set, summer time comes, and hosts sleep.
    """

    def __init__(
        self, start: int, end: int, *, clock: Callable[[], datetime] = datetime.now, every: float = 60.0
    ) -> None:
        super().__init__()
        self._start = start
        self._end = end
        self._clock = clock
        self._every = every

    @property
    def dials_at_once(self) -> bool:
        """False: ``open()`` is not to wait for the morning."""
        return False

    def look(self, now: float) -> Look:
        """Tell whether the line should be up, and whether it is alive."""
        today = self._clock()
        check, again = self.judge(now)
        up = today.weekday() <= FRIDAY and self._start <= today.hour < self._end
        later = now + self._every
        return Look(up=up, check=check, again=later if again is None else min(again, later))


class Wall:
    """A clock on the wall, to be set by hand."""

    def __init__(self, time: datetime) -> None:
        self.time = time

    def __call__(self) -> datetime:
        """Tell the time."""
        return self.time


async def main() -> None:
    """Live through a Monday."""
    wall = Wall(datetime.fromisoformat("2026-03-02T08:30"))
    monitor = OfficeHours(9, 17, clock=wall, every=0.1)
    async with Gateway(public=True) as gateway, Cable(gateway.url, monitor=monitor) as cable:
        news = cable.stream("news")
        print(f"{wall():%H:%M}", cable.state.value)

        wall.time += timedelta(hours=1)
        await news  # confirmed as soon as the line is up
        print(f"{wall():%H:%M}", cable.state.value)

        events = cable.events()
        wall.time += timedelta(hours=8)
        async for event in events:
            if isinstance(event, Dormant):
                break
        print(f"{wall():%H:%M}", cable.state.value)


if __name__ == "__main__":
    asyncio.run(main())
