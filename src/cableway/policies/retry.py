"""How the backoff is applied: what comes before it, what bends it, and when it ends.

The rules, in the order in which they count:

1. A line that stayed up for 30 s and was beaten on at least once was good: the series of failures is forgotten. One
   that was accepted and dropped at once was not, and goes on backing off. One that had proved itself, by a beat or a
   confirmed subscription, and that we let go of our own accord was good, too.
2. The first try after a good line's loss comes within a second, spread; after a server's restart notice within the
   time that the server names, or 5 s, so that a crowd does not come back in one instant.
3. Every other wait is the backoff's. After more than ten failures, the last three of them for overload, its cap is
   doubled, after more than twelve doubled again: a crowd of N with a mean wait of D costs N / D attempts a second, and
   a server that is kept down by the refusals alone needs them to be fewer.
4. A line that had proved itself and lasted for u seconds waits at most about u: who is dropped every ten seconds, and
   comes back each time, must not be down for most of the time.
5. A server that says when (``Retry-After``) is obeyed, within reason, and spread a little past it.
6. Too many failures of the server's making open a circuit breaker: one probe every five minutes, until one succeeds.
7. Where no secure line can be made, a person has to mend something: the waits are the longest ones.
8. Where the user set limits, they end the series.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from cableway.policies.backoff import ExponentialBackoff
from cableway.policies.classify import LONGEST_HINT, Cause

if TYPE_CHECKING:
    from random import Random

    from cableway.policies.backoff import Backoff

STABLE_AFTER = 30.0
"""Seconds after which a line that was beaten on counts as good."""
FIRST_SPREAD = 1.0
RESTART_SPREAD = 5.0
FLOOR = 0.1
"""Seconds: no two dials are closer together. A first try has no floor beyond that: it would gather a crowd there."""
HINT_SPREAD = 1.2
RAISED_AFTER = ((12, 4.0), (10, 2.0))
OVERLOADS_TO_RAISE = 3
BREAKER_FAILURES = 20
BREAKER_WINDOW = 300.0
BREAKER_PAUSE = 300.0
BREAKER_SPREAD = 0.2
SLOW = 30.0
"""Middle of the wait, in seconds, where only a person can help."""
SLOW_SPREAD = 0.5

_FIRST_SPREADS = {Cause.NETWORK: FIRST_SPREAD, Cause.RESTART: RESTART_SPREAD}
_COUNTS_TO_BREAKER = frozenset({Cause.OVERLOAD, Cause.PROTOCOL})
_FALLBACK = ExponentialBackoff()


@frozen
class Spell:
    """How long a line was up, and whether it had proved itself."""

    seconds: float
    beaten: bool = False
    """Whether the server beat on it."""
    confirmed: bool = False
    """Whether it confirmed a subscription."""

    @property
    def proved(self) -> bool:
        """Whether the server did more than to accept it."""
        return self.beaten or self.confirmed

    @property
    def good(self) -> bool:
        """Whether what went wrong before it is forgotten."""
        return self.seconds >= STABLE_AFTER and self.beaten


@define
class RetryPlan:
    """Decides how long to wait after each failure. Pure: the caller brings time and chance."""

    backoff: Backoff
    """May be replaced while a series runs: the next wait is the new one's."""
    _random: Random
    failures: int = field(default=0, init=False)
    """Failures in a row."""
    fault: Exception | None = field(default=None, init=False)
    """What the backoff last failed with; the default one then stood in."""
    asked: float | None = field(default=None, init=False)
    """The part of the last wait that a server asked for; ``None`` if none did."""
    _since: float | None = field(default=None, init=False)
    _overloads: int = field(default=0, init=False)
    _counted: deque[float] | None = field(default=None, init=False)
    _broken: bool = field(default=False, init=False)

    def start(self) -> None:
        """Forget the past: somebody asked for the line, or one was good."""
        self.failures = self._overloads = 0
        self._since = self._counted = None
        self._broken = False

    def failed(
        self,
        cause: Cause,
        now: float,
        *,
        hint: float | None = None,
        spell: Spell | None = None,
        at_once: bool = True,
    ) -> float:
        """Return seconds to wait after a failure.

        Args:
            cause: What kind of failure.
            now: When it was.
            hint: Seconds after which the server asked us to come back.
            spell: What is known of the line that was lost; ``None`` if it never came up.
            at_once: Whether the first try after the loss may come before the backoff's own wait.
        """
        if spell is not None and spell.good:
            self.start()
        self._overloads = self._overloads + 1 if cause is Cause.OVERLOAD else 0
        if self.failures == 0 and spell is not None and at_once and cause in _FIRST_SPREADS:
            # A server that names no time at all would have everybody back in one instant.
            spread = min(hint or _FIRST_SPREADS[cause], LONGEST_HINT)
            wait = max(self._random.uniform(0.0, spread), FLOOR - spell.seconds)
            self.asked = None if hint is None else wait
        else:
            wait = max(self._later(cause, hint, spell, at_once=at_once), FLOOR)
        if self._since is None:
            self._since = now
        self.failures += 1
        return max(wait, self._break(cause, now))

    def another_wait(self) -> float:
        """Return the wait that the backoff would choose now, for one that was replaced while it was waited for."""
        return max(self._ask(max(self.failures - 1, 0)), FLOOR)

    def gives_up(self, now: float) -> bool:
        """Tell whether the backoff's own limits end the series here."""
        ask = getattr(self.backoff, "gives_up", None)
        if ask is None:
            return False
        try:
            return bool(ask(self.failures, self.elapsed(now)))
        except Exception as error:  # noqa: BLE001 - the user's code; told by whoever carries the wait out
            self.fault = error
            return False

    def elapsed(self, now: float) -> float:
        """Return seconds since the first failure of the series."""
        return 0.0 if self._since is None else now - self._since

    def _later(self, cause: Cause, hint: float | None, spell: Spell | None, *, at_once: bool) -> float:
        # Whom somebody sent away does not come back with the first, shortest wait.
        wait = self._ask(self.failures if spell is None or at_once else max(self.failures, 1))
        if cause is Cause.TLS:
            wait = max(wait, SLOW * self._random.uniform(1 - SLOW_SPREAD, 1 + SLOW_SPREAD))
        if cause is Cause.NETWORK and spell is not None and spell.proved:
            wait = min(wait, max(1.0, spell.seconds) * self._random.uniform(0.5, 1.5))
        self.asked = None if hint is None else min(hint, LONGEST_HINT) * self._random.uniform(1.0, HINT_SPREAD)
        return wait if self.asked is None else max(wait, self.asked)

    def _ask(self, failures: int) -> float:
        # A backoff of the user's own may fail, or answer nonsense: the line comes back all the same.
        try:
            delay = self._raised(failures)
            if isinstance(delay, bool) or not isinstance(delay, int | float) or not 0 <= delay < math.inf:
                msg = f"the backoff gave {delay!r}, which is no wait"
                raise ValueError(msg)  # noqa: TRY301 - one way out for both
        except Exception as error:  # noqa: BLE001 - told by whoever carries the wait out
            self.fault = error
            return _FALLBACK.delay(failures, self._random)
        return delay

    def _raised(self, failures: int) -> float:
        backoff = self.backoff
        if isinstance(backoff, ExponentialBackoff) and self._overloads >= OVERLOADS_TO_RAISE:
            for more_than, times in RAISED_AFTER:
                if failures > more_than:
                    return backoff.spread(backoff.middle(failures, times), self._random)
        return backoff.delay(failures, self._random)

    def _break(self, cause: Cause, now: float) -> float:
        if cause not in _COUNTS_TO_BREAKER:
            return 0.0
        if self._counted is None:
            self._counted = deque(maxlen=BREAKER_FAILURES)
        self._counted.append(now)
        many = len(self._counted) == BREAKER_FAILURES and now - self._counted[0] <= BREAKER_WINDOW
        self._broken = self._broken or many
        if not self._broken:
            return 0.0
        return BREAKER_PAUSE * self._random.uniform(1 - BREAKER_SPREAD, 1 + BREAKER_SPREAD)
