"""Who may poll when, and what follows from each end of a request. Does no I/O; times are arguments.

Rule 1: one request is in flight at a time. It takes along what commands there are, as many as fit.
Rule 2: a command is kept until a response says that the server has taken it. Where none did, it goes again, before all
that came after it: the server may run it twice then, but never out of order, and never not at all.
Rule 3: a request that never reached the server, or that the server was too busy for, is repeated while its session can
be alive still.
Rule 4: a response that broke off may have held messages, which nobody can ask for again on this line. It is still used
to have the server take what it was sent until then, and ends after that: the next line recovers what was missed.
Rule 5: after an answer with messages the next poll follows as soon as somebody had the time to react to them, after one
without by the pace, and with a command at once.
Rule 6: a server that does not know a session that was polled in time has lost it, or another one was asked. Once may be
a restart; line after line, and each after a few polls, is a load balancer that does not lead to the same server twice.
Rule 7: at the goodbye the last commands have a second to be answered for. The server has them by then, and may hold the
answer for as long as it holds any.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

from attrs import define, field

if TYPE_CHECKING:
    from cableway.transports.polling.outbox import Outbox
    from cableway.transports.polling.pace import Pace

FIRST_RETRY: Final = 0.1
"""Seconds until a request that failed is repeated; doubled with each that fails after it."""

SAFE_SHARE: Final = 0.8
"""Of the time that the server keeps a session between two requests; the rest is for the way there."""


GOODBYE: Final = 1.0
"""Seconds that a server has to answer for the last commands."""

STRAYS: Final = 3
"""Lines in a row whose session was not known, from which on it is told so."""

SETTLED: Final = 10
"""Polls answered on one line after which it is at the right server: by chance, one of two is found that often in a
thousand tries."""


@define
class Strays:
    """Lines in a row, of one transport, whose session was not known though it was polled in time."""

    count: int = 0


class End(Enum):
    """Why no more requests are made."""

    SWALLOWED = "messages may have been lost with a response"
    UNREACHABLE = "the server could not be reached for as long as it keeps a session"
    CLOSED = "all was said"


@define
class Exchange:
    """The requests of one line, one after the other, from the one that opened it on."""

    pace: Pace
    outbox: Outbox
    keepalive: float
    """Seconds for which the server keeps a session between two requests."""
    interrupts: bool
    """Whether a poll that only waits is given up for a command."""
    opened_at: float
    strays: Strays = field(factory=Strays)
    end: End | None = field(default=None, init=False)
    stalled: bool = field(default=True, init=False)
    """Whether more messages could not be kept, or nobody has begun to read: no poll until somebody does."""
    closing: bool = field(default=False, init=False)
    _in_flight: bool = field(default=False, init=False)
    _taken: bool = field(default=False, init=False)
    _begun_at: float = field(default=float("-inf"), init=False)
    # Not before this time at all, after a failure; and by the pace, which a command may hasten.
    _barred_until: float = field(default=float("-inf"), init=False)
    _ready_at: float = field(default=float("-inf"), init=False)
    _alive_at: float = field(init=False)
    _in_vain: int = field(default=0, init=False)
    _failures: int = field(default=0, init=False)
    _answers: int = field(default=0, init=False)
    # Commands that the server must have taken before a line that lost messages ends; None while none were lost.
    _owed: int | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        """Begin with the answer that opened the line: it has brought a welcome."""
        self._alive_at = self.opened_at
        self._ready_at = self.opened_at + min(self.pace.reaction, self._longest)

    # What the owner asks

    def next_at(self) -> float | None:
        """Return when the next request is due; ``None``: not before something happens."""
        if self.end is not None or self._in_flight or self.stalled:
            return None
        return max(self._barred_until, self._ready_at)

    @property
    def waits(self) -> bool:
        """Whether a request is in flight that only waits for messages: no command in it, and no answer yet."""
        return self._in_flight and not self._taken and self.outbox.in_request == 0

    @property
    def interrupt_at(self) -> float | None:
        """When the request in flight is to be given up, which may be long ago; ``None``: not before it is answered."""
        if self.waits:
            due = self.closing or (self.interrupts and self.outbox.waiting)
            return self._begun_at if due else None
        last = self.closing and self._in_flight and not self._taken and not self.outbox.waiting
        return self._begun_at + GOODBYE if last else None

    # What happens

    def offer(self, frame: bytes, now: float) -> None:
        """Take a command."""
        if self.end is None:
            self.outbox.add(frame, now)
            self._ready_at = min(self._ready_at, now + min(self.pace.gather, self._longest))

    def begin(self, now: float) -> bytes:
        """Make a request, and return its body."""
        self._in_flight, self._taken, self._begun_at = True, False, now
        return self.outbox.load(now)

    def taken(self, now: float) -> None:
        """The server has answered that it took the request; its messages are on their way."""
        self._taken = True
        self._alive_at = now
        taken = self.outbox.taken()
        if self._owed is not None:
            self._owed -= min(taken, self._owed)

    def answered(self, now: float, *, busy: bool) -> None:
        """The answer is complete; *busy* if it brought messages."""
        self._settle(now)
        self._failures = 0
        self._answers += 1
        if self._answers == SETTLED:
            self.strays.count = 0
        self._in_vain = 0 if busy else self._in_vain + 1
        self._ready_at = now + min(self.pace.pause(self._in_vain), self._longest)
        if self.outbox.waiting:
            self._ready_at = now
        self._end_if_done()

    def unsent(self, now: float) -> None:
        """The request did not reach the server."""
        self._settle(self._alive_at)
        self._again(now, self._delay())

    def busy(self, now: float, wait: float | None) -> None:
        """The server, or somebody before it, was too busy for the request, and asked to come back in *wait* seconds."""
        self._settle(self._alive_at)
        self._again(now, self._delay() if wait is None else wait)

    def broke(self, now: float) -> None:
        """The request was sent, and no whole answer came: what became of it is not known."""
        # The server held it until just now, unless this is one of several failures.
        self._settle(now if self._failures == 0 else self._alive_at)
        if self._owed is None:
            self._owed = len(self.outbox)
        self._again(now, self._delay())
        self._end_if_done()

    def unknown(self, now: float) -> bool:
        """The server does not know the session; tell whether it looks as if requests reached one and another server."""
        if now - self._alive_at > self.keepalive:
            return False
        self.strays.count += 1
        return self.strays.count >= STRAYS

    def interrupted(self, now: float) -> None:
        """The poll was given up for a command, or at the goodbye."""
        if self.closing:
            self.outbox.taken()
        self._settle(now)
        self._ready_at = now
        self._end_if_done()

    def read(self, *, stalled: bool) -> None:
        """Somebody has read what came, or too much is *stalled* unread."""
        self.stalled = stalled and not self.closing

    def close(self, now: float) -> None:
        """Send what is left, and then no more."""
        self.closing = True
        self._ready_at = now
        self.stalled = False
        self._end_if_done()

    # Inside

    @property
    def longest_pause(self) -> float:
        """Seconds between two polls, at most, while all goes well."""
        return min(self.pace.longest_pause, self._longest)

    @property
    def _longest(self) -> float:
        return SAFE_SHARE * self.keepalive

    def _settle(self, alive_at: float) -> None:
        self._in_flight = False
        self._alive_at = alive_at
        self.outbox.returned()

    def _delay(self) -> float:
        self._failures += 1
        return FIRST_RETRY * 2.0 ** min(self._failures - 1, 10)

    def _again(self, now: float, delay: float) -> None:
        self._barred_until = now + delay
        if self._barred_until > self._alive_at + self.keepalive:
            self._finish(End.UNREACHABLE if self._owed is None else End.SWALLOWED)

    def _end_if_done(self) -> None:
        if self._in_flight:
            return
        if self._owed == 0:
            self._finish(End.SWALLOWED)
        elif self.closing and not self.outbox:
            self._finish(End.CLOSED)

    def _finish(self, end: End) -> None:
        if self.end is None:
            self.end = end
            self.outbox.clear()
