"""Who may come in now, who waits for a turn, and who is asked to come back, and when. Pure: the caller brings the time.

New sessions are let in at a rate. An upgrade beyond it waits in a queue, first come, first served; the queue is as long
as a client is patient. Beyond that an upgrade is refused and told when to come back: it gets a place in a second queue,
which is a mere promise and costs nothing, so that a crowd comes back one after another, at the pace at which it can be
served, and not all at once.
"""

from __future__ import annotations

import math
from collections import deque
from enum import Enum
from typing import TYPE_CHECKING

from attrs import define

from cableway.policies.gate import ROUNDING, TokenBucket

if TYPE_CHECKING:
    from collections.abc import Callable

BURST = 0.25
"""Seconds without newcomers that are made up for at once."""

LONGEST = 600
"""Seconds: nobody is asked to stay away for longer, so that nothing that a crowd does silences a client for good."""

STRETCH = 1.1
"""By how much clients overdo it, in the middle: those of this library take up to a fifth more, lest they come in step.
Where all keep to the second, the queue takes up those who are early."""

UNMEASURED_RATE = 100.0
"""Clients a second that are asked back where no rate is set: what a gateway that is full wants to be bothered with."""


class Answer(Enum):
    """What is said to an upgrade."""

    ENTER = "enter"
    WAIT = "wait"
    LATER = "later"
    GONE = "gone"
    """Nothing: its client is not there any more."""


@define(eq=False)
class Ticket:
    """One upgrade that waits, and a way to see whether its client does, too."""

    is_alive: Callable[[], bool]


class Admission:
    """Keeps the queue, and the promises.

    Args:
        rate: New sessions a second; 0 lets everybody in at once.
        wait: The longest that an upgrade may wait for its turn, in seconds.
    """

    def __init__(self, rate: float, wait: float) -> None:
        self.rate: float = rate
        self.room: int = math.ceil(rate * wait)
        """How many may wait."""
        self.waiting: deque[Ticket] = deque()
        self._bucket = TokenBucket(rate, burst_of(rate)) if rate else None
        self._promised = -math.inf

    def ask(self, ticket: Ticket, now: float) -> Answer:
        """Let *ticket* enter, have it wait for its turn, or turn it away: then see :meth:`come_back_in`."""
        if not self.waiting and self._take(now):
            return Answer.ENTER
        if len(self.waiting) >= self.room:
            return Answer.LATER
        self.waiting.append(ticket)
        return Answer.WAIT

    def due(self, now: float) -> list[tuple[Ticket, Answer]]:
        """Take those out whose turn it is; a client that is gone is skipped, and costs the others nothing."""
        called: list[tuple[Ticket, Answer]] = []
        while self.waiting:
            if not self.waiting[0].is_alive():
                called.append((self.waiting.popleft(), Answer.GONE))
            elif self._take(now):
                called.append((self.waiting.popleft(), Answer.ENTER))
            else:
                break
        return called

    def sweep(self) -> list[tuple[Ticket, Answer]]:
        """Take all out whose clients are gone, wherever they stand."""
        before, self.waiting = self.waiting, deque[Ticket]()
        gone: list[tuple[Ticket, Answer]] = []
        for ticket in before:
            if ticket.is_alive():
                self.waiting.append(ticket)
            else:
                gone.append((ticket, Answer.GONE))
        return gone

    def send_away(self) -> list[tuple[Ticket, Answer]]:
        """Take all out, to be told to come back."""
        before, self.waiting = self.waiting, deque[Ticket]()
        return [(ticket, Answer.LATER) for ticket in before]

    def next_turn(self, now: float) -> float | None:
        """Tell when to call :meth:`due`, or ``None`` while nobody waits."""
        return now + self._bucket.wait(now) if self._bucket is not None and self.waiting else None

    def come_back_in(self, now: float) -> int:
        """Promise the next free place, and return in how many whole seconds it comes, from 1 to :data:`LONGEST`.

        Behind those who wait, and behind all who were promised one before. A promise binds nobody: who comes back
        stands in the queue like others, and finds it short if the rest keep to theirs. Too early is therefore better
        than too late: it costs a short wait, and not a turn that nobody takes. Where the places that are left come too
        late, the crowd is spread over the second half of the time, in place of one great wave.
        """
        rate = self.rate or UNMEASURED_RATE
        # By then half of the queue is served, and the rest serves while the first ones come back.
        ahead = max(0.0, len(self.waiting) - self.room / 2) / rate
        self._promised = max(self._promised, now + ahead) + 1 / rate
        seconds = (self._promised - now) / STRETCH
        if seconds > LONGEST:
            half = LONGEST / 2
            seconds = half + (seconds - half) % half
        return max(1, math.ceil(seconds - ROUNDING))

    def _take(self, now: float) -> bool:
        if self._bucket is None:
            return True
        if self._bucket.wait(now):
            return False
        self._bucket.take(now)
        return True


def burst_of(rate: float) -> int:
    """Tell how many may enter at once after a quiet moment: in *t* seconds at most this and ``rate * t``."""
    return max(1, math.ceil(rate * BURST))


def spread(clients: int, rate: float) -> float | None:
    """Tell over how many seconds *clients* should spread their return; ``None`` where no rate is set."""
    return min(clients / rate, LONGEST) if rate else None
