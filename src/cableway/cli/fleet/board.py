"""What is known about the fleet at a moment: written by those who act, read by those who show it."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Callable

    from cableway.cli.fleet.route import Point

LOG_LINES = 100


@define
class Actor:
    """A tracker or the dispatcher, as seen from outside."""

    name: str
    line: str = "not started"
    """Where its line stands, in a few words."""
    connects: int = 0
    """How often its line came up."""
    dials: int = 0
    """Dials that it took."""
    reported: int = 0
    """Positions made so far."""
    kept: int = 0
    """Of these, positions that nobody has acknowledged yet."""
    in_flight: int = 0
    """Of these, positions that are under way on the present line."""
    sent_again: int = 0
    position: Point | None = None


@define
class Note:
    """Something worth telling."""

    at: float
    """Seconds since the demo began."""
    who: str
    event: str
    text: str
    facts: dict[str, Any]


@define(eq=False)
class Board:
    """The whole picture."""

    elapsed: Callable[[], float]
    """Tells the seconds since the demo began."""
    expected: int
    """Positions that there will be in the end."""
    gateway: str = "not started"
    trackers: list[Actor] = field(factory=list)
    dispatcher: Actor = field(factory=lambda: Actor("dispatcher"))
    arrived: int = 0
    """Different positions that the dispatcher has."""
    seen_twice: int = 0
    """Positions that it got and had already."""
    places: dict[str, Point] = field(factory=dict)
    """Where the dispatcher knows each vehicle to be."""
    road: list[Point] = field(factory=list)
    """All places that vehicles may be at, for a map."""
    notes: deque[Note] = field(factory=lambda: deque(maxlen=LOG_LINES))
    on_note: Callable[[Note], None] = field(default=lambda _: None)
    _waiting: list[tuple[Callable[[Board], bool], asyncio.Future[None]]] = field(factory=list, init=False)

    def note(self, who: str, event: str, text: str, **facts: Any) -> None:
        """Tell something."""
        note = Note(self.elapsed(), who, event, text, facts)
        self.notes.append(note)
        self.on_note(note)
        self.changed()

    def changed(self) -> None:
        """Take note that something is different: whoever waits for it looks."""
        for condition, waiter in self._waiting:
            if not waiter.done() and condition(self):
                waiter.set_result(None)

    async def until(self, condition: Callable[[Board], bool]) -> None:
        """Wait until *condition* holds; it is asked at each change."""
        entry = (condition, asyncio.get_running_loop().create_future())
        self._waiting.append(entry)
        try:
            self.changed()
            await entry[1]
        finally:
            self._waiting.remove(entry)

    @property
    def complete(self) -> bool:
        """Whether every position arrived."""
        return self.arrived == self.expected

    def summary(self) -> dict[str, Any]:
        """Sum it up."""
        actors = [*self.trackers, self.dispatcher]
        return {
            "reported": sum(tracker.reported for tracker in self.trackers),
            "arrived": self.arrived,
            "sent_again": sum(tracker.sent_again for tracker in self.trackers),
            "seen_twice": self.seen_twice,
            "reconnects": sum(max(actor.connects - 1, 0) for actor in actors),
            "dials": sum(actor.dials for actor in actors),
        }
