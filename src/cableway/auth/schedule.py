"""How long a token lives, and when the next one is due. Pure: the readings of clocks and chance are arguments.

All moments are seconds of the monotonic clock unless they are called Unix seconds. What is known of the end, the best
first:

1. the life that the source told;
2. ``exp`` by the server's own clock, once that was heard: it is the clock by which tokens are judged;
3. ``exp - iat``, both by the issuer's clock;
4. ``exp`` by this machine's wall clock, which may be wrong by any amount: it never calls a token dead.
"""

from __future__ import annotations

import math
from collections import deque
from enum import Enum
from statistics import median
from typing import TYPE_CHECKING, Final

from attrs import define, evolve, field, frozen

if TYPE_CHECKING:
    from random import Random

WHOLE: Final = 1.0
"""Seconds that are taken off a life: the times in a JWT, and those that servers tell, are whole."""

SHORTEST: Final = 1.0
"""Seconds of life below which nothing is renewed ahead: a token that short is fetched for each dial."""

LEEWAY_PART: Final = 0.1
"""The leeway's share in a life, at most."""

FIRST_FROM: Final = 0.625
"""A first renewal falls between this part of its point and the point (0.5 and 0.8 of the life, if left alone): who
started together would otherwise ask together."""

LATER_FROM: Final = 0.95
"""Likewise for all later ones."""

REMEMBERED: Final = 9
"""Times of the server that count: so many that a few which came late change nothing."""

STOOD_STILL: Final = 5.0
"""Seconds by which a server's time must be ahead of what was expected for our clock to have stood still."""

TRUSTED_FOR: Final = 900.0
"""Seconds for which a time that was heard calls tokens dead. Were it for ever, a wrong one could keep a line down for
ever: with no token there is no line, and with no line no other time."""

NOTICEABLE: Final = 0.5
"""Seconds by which the estimate must move for a schedule to be made anew."""

_EARLIEST, _LATEST = 1e8, 1e11
"""Unix seconds that a server may tell: milliseconds, and counters, are not among them."""


@define
class ServerClock:
    """What the server's clock shows, from the times it told. A wall clock of ours has no part in it."""

    vagueness: float = field(default=WHOLE, init=False)
    """Seconds by which it may be later than :meth:`time` says."""
    _offset: float | None = field(default=None, init=False)
    _trusted_until: float = field(default=-math.inf, init=False)
    _heard: deque[tuple[float, float]] = field(factory=lambda: deque(maxlen=REMEMBERED), init=False)

    def heard(self, unix: float, now: float, accuracy: float = WHOLE) -> bool:
        """The server told its time. Return whether that changes noticeably what is known of it.

        Args:
            unix: What it told, in Unix seconds.
            now: When that was read.
            accuracy: Seconds by which its clock may have been further, at that moment.
        """
        if not (_EARLIEST <= unix < _LATEST and 0 <= accuracy < math.inf):
            return False
        vague = max(accuracy, WHOLE)
        if not self.is_trusted(now) or self._is_news(unix - now, vague):
            self._heard.clear()
        if self._heard and vague > 2 * self.vagueness:
            # A time that travelled long says nothing new.
            return False
        before = self._offset
        self._heard.append((unix - now, vague))
        self._settle()
        self._trusted_until = now + TRUSTED_FOR
        return before is None or self._offset is None or abs(self._offset - before) > NOTICEABLE

    def bear_out(self, unix: float, now: float, wall: float) -> bool:
        """The server said that *unix* is over; return whether what we know of its clock bears that out.

        *wall* is asked only where the server's time is not known, or not sure, and if it agrees it is taken for that:
        two witnesses are believed.
        """
        known = self.moment(unix)
        if known is not None and now >= known - self.vagueness:
            self._trusted_until = now + TRUSTED_FOR
            return True
        if wall < unix or self.is_trusted(now):
            return False
        self._heard.clear()
        self._offset, self.vagueness = wall - now, WHOLE
        self._trusted_until = now + TRUSTED_FOR
        return True

    def slept(self, seconds: float) -> None:
        """The host slept: the monotonic clock stood still, the server's did not. How long is not quite sure."""
        self._heard = deque(((offset + seconds, vague) for offset, vague in self._heard), maxlen=REMEMBERED)
        self._trusted_until = -math.inf
        if self._offset is not None:
            self._offset += seconds

    def is_trusted(self, now: float) -> bool:
        """Tell whether what is known is recent enough to call a token dead."""
        return now < self._trusted_until

    def time(self, now: float) -> float | None:
        """Return the server's Unix time; ``None`` before anything is known of it."""
        return None if self._offset is None else now + self._offset

    def moment(self, unix: float) -> float | None:
        """Return when its clock will show *unix*, or somewhat earlier, as far as it is known."""
        return None if self._offset is None else unix - self._offset

    def _is_news(self, offset: float, vague: float) -> bool:
        # A time on its way can only fall behind. One that is ahead means that our clock stood still, or that the
        # server's was set.
        ahead = self._offset is not None and offset - self._offset > max(STOOD_STILL, 2 * vague)
        return ahead or 2 * vague < self.vagueness

    def _settle(self) -> None:
        self._offset = median(offset for offset, _ in self._heard)
        self.vagueness = max(vague for _, vague in self._heard)


class Basis(Enum):
    """By what an end is known."""

    LIFE = "life"
    SERVER = "server"
    CLAIMS = "claims"
    WALL = "wall"


@frozen
class End:
    """When a token ends."""

    at: float
    basis: Basis


@frozen
class Grant:
    """What is known of a token's time."""

    asked: float
    """When its source was asked. It may have been made at any moment from then on."""
    landed: float
    """When it came."""
    wall: float
    """What our wall clock showed then, in Unix seconds."""
    life: float | None = None
    """Seconds it is good for, if its source told."""
    exp: float | None = None
    """When it ends, in Unix seconds."""
    iat: float | None = None
    """When it was issued, likewise."""

    def slept(self, seconds: float) -> Grant:
        """Return it *seconds* older: the host slept, and the monotonic clock stood still."""
        return evolve(self, asked=self.asked - seconds, landed=self.landed - seconds)

    def end(self, clock: ServerClock) -> End | None:
        """Return when it ends; ``None`` if nobody can tell."""
        if self.life is not None:
            return End(self.asked + self.life, Basis.LIFE)
        if self.exp is None:
            return None
        moment = clock.moment(self.exp)
        if moment is not None:
            return End(moment - clock.vagueness, Basis.SERVER)
        if self.iat is not None:
            return End(self.asked + max(self.exp - self.iat - WHOLE, 0.0), Basis.CLAIMS)
        left = self.exp - self.wall - WHOLE
        return End(self.landed + left, Basis.WALL) if left > 0 else None

    def is_stillborn(self, clock: ServerClock) -> bool:
        """Tell whether it was dead when it came, beyond doubt. Our wall clock is not asked."""
        if self.life is not None:
            return self.life <= 0
        if self.exp is not None and self.iat is not None and self.exp <= self.iat:
            return True
        end = self.end(clock) if clock.is_trusted(self.landed) else None
        return end is not None and end.basis is Basis.SERVER and end.at <= self.landed


def leeway(life: float, most: float) -> float:
    """Return the seconds before the end of a *life* in which nobody dials with it any more, if there is a choice."""
    return min(most, LEEWAY_PART * max(life, 0.0))


def due(start: float, end: float, part: float, most: float) -> float | None:
    """Return when the next token is due; ``None`` if this one is too short-lived for that.

    Args:
        start: When its life began.
        end: When it ends.
        part: The part of the life after which to renew; see :func:`first_part` and :func:`later_part`.
        most: The leeway's limit in seconds.
    """
    life = end - start
    if life < SHORTEST:
        return None
    return max(start, min(start + part * life, end - leeway(life, most)))


def first_part(at: float, random: Random) -> float:
    """Return the part of a process's first token's life after which it is renewed."""
    return at * random.uniform(FIRST_FROM, 1.0)


def later_part(at: float, random: Random) -> float:
    """Return the part of any later token's life after which it is renewed."""
    return at * random.uniform(LATER_FROM, 1.0)
