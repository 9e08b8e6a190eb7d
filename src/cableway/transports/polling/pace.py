"""How soon the next poll follows: at once while something moves, later and later while nothing does."""

from __future__ import annotations

from typing import Final

from attrs import field, frozen

from cableway.errors import UsageError
from cableway.types import Seconds, to_seconds

FIRST_PAUSE: Final = 0.1
"""Seconds after the first poll that brought nothing; doubled with each that follows it."""


def _duration(value: Seconds) -> float:
    return to_seconds(value, "a duration of Pace")


@frozen
class Pace:
    """How soon polls follow each other.

    Whatever it says, no pause is longer than four fifths of the time that the server keeps a session between polls.

    Example::

        LongPollingTransport(pace=Pace(gather=0.2, longest_pause=3))
    """

    gather: float = field(default=0.0, converter=_duration)
    """Seconds that a command waits for others to come along, where no poll is held."""
    reaction: float = field(default=0.05, converter=_duration)
    """Seconds that a program has to react to messages with a command, before a poll goes without one and is held."""
    longest_pause: float = field(default=1.0, converter=_duration)
    """Seconds between two polls at most, reached step by step while they bring nothing."""

    def __attrs_post_init__(self) -> None:
        """Refuse a pace that never rests.

        Raises:
            UsageError: The longest pause is too short.
        """
        if self.longest_pause < FIRST_PAUSE:
            msg = (
                f"longest_pause={self.longest_pause:g} would ask in a loop for nothing: give {FIRST_PAUSE:g} s or more"
            )
            raise UsageError(msg)

    def pause(self, in_vain: int) -> float:
        """Return the seconds to wait after *in_vain* polls in a row that brought nothing."""
        if in_vain == 0:
            return self.reaction
        # Ten doublings are more than any session lasts between polls.
        return min(self.longest_pause, FIRST_PAUSE * 2.0 ** min(in_vain - 1, 10))


PACES: Final = {
    "prompt": Pace(reaction=0.02, longest_pause=FIRST_PAUSE),
    "balanced": Pace(),
    "sparing": Pace(gather=0.5, reaction=0.5, longest_pause=4.0),
}
"""Ready-made ones, by name."""


def pace_of(pace: str | Pace) -> Pace:
    """Return *pace*, or the one of that name.

    Raises:
        UsageError: There is none of that name.
    """
    if isinstance(pace, Pace):
        return pace
    found = PACES.get(pace) if isinstance(pace, str) else None
    if found is None:
        msg = f"pace={pace!r} is none: give {', '.join(map(repr, PACES))}, or a Pace(...)"
        raise UsageError(msg)
    return found
