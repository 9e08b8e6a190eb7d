"""What to do about the token of one source: keep it, fetch another, wait, or give up.

Pure: it is told what happened and when, and answers with events and with the moment of the next request. It forgets no
token that the server refused, so that none of them is sent twice.
"""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

from attrs import define, field, frozen

from cableway.auth.peek import read_claims
from cableway.auth.schedule import Basis, Grant, ServerClock, due, first_part, later_part, leeway
from cableway.errors import Unauthorized
from cableway.errors.tokens import TokenUnavailable
from cableway.policies.backoff import Backoff, ExponentialBackoff
from cableway.types import Seconds, to_seconds

if TYPE_CHECKING:
    from random import Random

    from cableway.auth.schedule import End
    from cableway.auth.token import Token

OnRenewal: TypeAlias = Literal["next_dial", "reconnect", "hand_over"]
"""What a line that is up does with a fresh token."""

NoToken: TypeAlias = TokenUnavailable | Unauthorized
"""Why a source gave no token: this time, or for good."""

SLOW: Final = 60.0
"""Seconds at least between two requests to a source that gives what the server has refused."""

SLOW_SPREAD: Final = 1.2

LONGEST_HINT: Final = 600.0
"""Seconds up to which a source that asks to be left alone is obeyed."""

SPACING: Final = 1.0
"""Seconds at least between a token and the next request, however short-lived it is."""

JUST_NOW: Final = 1.0
"""Seconds for which a token that has just come is good, whatever we think of its life: the next would be no better."""

REMEMBERED: Final = 32
"""Refused tokens that are known, at most."""

_FALLBACK: Final = ExponentialBackoff(minimum=1.0, maximum=60.0, jitter=0.5)


def _leeway(value: Seconds) -> float:
    return to_seconds(value, "leeway")


def _timeout(value: Seconds) -> float:
    seconds = to_seconds(value, "timeout")
    if seconds == 0:
        msg = "timeout=0 leaves the source no time: give more than 0 seconds"
        raise ValueError(msg)
    return seconds


@frozen(kw_only=True)
class TokenRenewal:
    """When tokens are renewed, and what follows.

    ::

        TokenRenewal(at=0.7, on_renewal="reconnect")

    Args:
        at: The part of a token's life after which the next is fetched: between 0 and 1. A first one is fetched up to
            three eighths earlier, spread, so that processes which started together do not ask together.
        leeway: Seconds before its end in which no token is dialled with any more, but at most a tenth of its life.
        timeout: Seconds for each request to the source.
        backoff: The waits between requests that fail, and between refusals. Its limits of attempts and time do not
            count: a source that failed for an hour may come back.
        on_renewal: What a line that is up does with a fresh token: ``next_dial`` keeps it for the next dial,
            ``reconnect`` dials anew, ``hand_over`` opens the next line before it closes this one.
        refusals: How often in a row a refused token is replaced before the cable ends with
            :class:`~cableway.Unauthorized`.

    Raises:
        ValueError: A value is out of its range; the text names it.
    """

    at: float = field(default=0.8, converter=float)
    leeway: float = field(default=30.0, converter=_leeway)
    timeout: float = field(default=10.0, converter=_timeout)
    backoff: Backoff = _FALLBACK
    on_renewal: OnRenewal = "next_dial"
    refusals: int = 2

    def __attrs_post_init__(self) -> None:
        if not 0 < self.at < 1:
            msg = f"at={self.at!r} is not a part of a life: give a number between 0 and 1"
            raise ValueError(msg)
        if self.on_renewal not in get_args(OnRenewal):
            msg = f"on_renewal={self.on_renewal!r} is none of {', '.join(get_args(OnRenewal))}"
            raise ValueError(msg)
        if isinstance(self.refusals, bool) or not isinstance(self.refusals, int) or self.refusals < 0:
            msg = f"refusals={self.refusals!r} is not a number of renewals: give a whole number of at least 0"
            raise ValueError(msg)


@frozen
class TokenFresh:
    """A token came from the source."""

    token: Token
    renewed: bool
    """Whether it takes the place of another one."""
    life: float | None
    """Seconds that it lives, as far as is known."""


@frozen
class TokenFailed:
    """The source gave no token that can be used, or the last one ended while the source was failing."""

    error: NoToken
    expired: bool
    """Whether no living token is left."""
    retry_in: float | None
    """Seconds until the source is asked again; ``None`` if it said that it will never give one."""


TokenNews: TypeAlias = TokenFresh | TokenFailed


@frozen
class Held:
    """A token that was given out; its refusal or acceptance is told with it."""

    token: Token
    digest: bytes = field(repr=False)

    @classmethod
    def of(cls, token: Token) -> Held:
        """Hold *token*."""
        return cls(token, hashlib.sha256(token.value.encode()).digest())


@frozen
class Refusal:
    """What follows from a refusal."""

    final: bool
    """Whether there is nothing left to try: the cable ends with :class:`~cableway.Unauthorized`."""
    tried: str
    """What was tried; holds no secret."""
    newer: bool = False
    """Whether another token is there already: nothing is fetched."""


@define
class Renewal:
    """Keeps the token of one source. At most one request is in flight; its number is :attr:`flight`."""

    options: TokenRenewal
    label: str
    renewable: bool
    _random: Random
    clock: ServerClock = field(factory=ServerClock, init=False)
    flight: int | None = field(default=None, init=False)
    """The request whose answer is awaited; answers to others are dropped."""
    error: NoToken | None = field(default=None, init=False)
    """Why the last request brought nothing; ``None`` if it did."""
    failures: int = field(default=0, init=False)
    """Requests in a row that brought nothing."""
    _flights: int = field(default=0, init=False)
    _asked: float = field(default=0.0, init=False)
    _held: Held | None = field(default=None, init=False)
    _grant: Grant | None = field(default=None, init=False)
    _part: float = field(default=0.0, init=False)
    _not_before: float = field(default=-math.inf, init=False)
    _told: bool = field(default=False, init=False)
    _streak: int = field(default=0, init=False)
    _bad: dict[bytes, Refusal] = field(factory=dict, init=False)

    # What there is ----------------------------------------------------------------------------------------------------

    def fit(self, now: float) -> Held | None:
        """Return a token to dial with; ``None`` if it is worth while, or needed, to wait for another one."""
        held, grant = self._held, self._grant
        if held is None or grant is None or not self.renewable:
            return held
        if held.digest in self._bad:
            return None
        end = grant.end(self.clock)
        if end is None or 0 <= now - grant.landed < JUST_NOW:
            return held
        if now >= end.at - self._leeway(grant, end):
            # It lives on while requests fail, but one that is under way is likely to bring a better one in time.
            return held if now < end.at and self.failures and self.flight is None else None
        return held

    def alive(self, now: float) -> bool:
        """Tell whether there is a token that may still be good."""
        if self._held is None or self._grant is None or self._held.digest in self._bad:
            return False
        end = self._grant.end(self.clock)
        return not self.renewable or end is None or now < end.at

    @property
    def is_over(self) -> bool:
        """Whether the source said that it will never give another token. It is asked again only if somebody asks."""
        return isinstance(self.error, Unauthorized)

    def due_at(self) -> float | None:
        """Return when the next token is due, as the life of this one has it; ``None`` if it has none."""
        held, grant = self._held, self._grant
        if held is None or grant is None or not self.renewable or held.digest in self._bad:
            return None
        end = grant.end(self.clock)
        return None if end is None else due(grant.asked, end.at, self._part, self.options.leeway)

    def next_at(self, *, asked: bool, wanted: bool) -> float | None:
        """Return when there is something to do: a request, or an end to be told; ``None`` if nothing is.

        Args:
            asked: Whether somebody waits for a token, in vain so far.
            wanted: Whether a token is of use at all, now or later.
        """
        if self.flight is not None or (self._held is not None and not self.renewable):
            return None
        at = self._not_before if asked else self._planned_at() if wanted else math.inf
        if wanted:
            at = min(at, self._lapse_at())
        return None if at == math.inf else at

    # What happens -----------------------------------------------------------------------------------------------------

    def begin(self, now: float) -> int:
        """A request begins; return its number."""
        self._flights += 1
        self._asked = now
        self.flight = self._flights
        return self._flights

    def abandon(self) -> None:
        """Nobody waits for the request that is in flight any more."""
        self.flight = None

    def landed(self, token: Token, now: float, wall: float) -> TokenNews:
        """The request that is in flight brought *token*; *wall* is the Unix time by our wall clock."""
        self.flight = None
        held, claims = Held.of(token), read_claims(token.value)
        exp = claims.exp if token.expires_unix is None else token.expires_unix
        grant = Grant(self._asked, now, wall, token.life, exp, claims.iat)
        if held.digest in self._bad:
            return self._fail("it gave once more a token that the server has refused", now, slow=True)
        if self.renewable and grant.is_stillborn(self.clock):
            return self._fail("it gave a token that has already expired", now)
        if held == self._held and self.renewable and not self._is_later(grant):
            if self._ended_by_wall_clock(now):
                # It is known by our wall clock alone, and the source stands by it: the server may judge.
                self._grant = grant
            return self._fail("it gave the same token again, which is due to be renewed", now)
        return self._take(held, grant, now)

    def failed(self, error: NoToken, now: float) -> TokenFailed:
        """The request that is in flight brought nothing."""
        return self._fail(error, now)

    def lapsed(self, now: float) -> TokenFailed | None:
        """Tell, once, that the last token ended while its source was failing."""
        if self.error is None or self._told or self.flight is not None or self.alive(now):
            return None
        self._told = True
        return TokenFailed(self.error, expired=True, retry_in=self._retry_in(now))

    def refused(self, held: Held, now: float, wall: float, *, expired: bool = False) -> Refusal:
        """The server did not accept *held*, because it is *expired* or for another reason."""
        if not self.renewable:
            return Refusal(final=True, tried=f"the one token of {self.label}, which cannot be renewed")
        if held.digest not in self._bad:
            self._mark(held, now, dead=expired and self._is_over_for(held, now, wall))
        if self._held is not None and self._held.digest not in self._bad:
            return Refusal(final=False, tried=self._bad[held.digest].tried, newer=True)
        return self._bad[held.digest]

    def accepted(self, held: Held) -> None:
        """A line that was dialled with *held* proved to be healthy."""
        if held == self._held and held.digest not in self._bad:
            self._streak = 0

    def slept(self, seconds: float) -> None:
        """The host slept, and the monotonic clock stood still meanwhile."""
        self.clock.slept(seconds)
        self._asked -= seconds
        self._not_before -= seconds
        if self._grant is not None:
            self._grant = self._grant.slept(seconds)

    # Within -----------------------------------------------------------------------------------------------------------

    def _leeway(self, grant: Grant, end: End) -> float:
        return leeway(end.at - grant.asked, self.options.leeway)

    def _take(self, held: Held, grant: Grant, now: float) -> TokenFresh:
        draw = first_part if self._held is None else later_part
        self._part = draw(self.options.at, self._random)
        renewed = self._held is not None
        self._held, self._grant = held, grant
        self.failures, self.error, self._told = 0, None, False
        self._not_before = now + SPACING
        end = grant.end(self.clock)
        return TokenFresh(held.token, renewed, None if end is None else max(end.at - now, 0.0))

    def _fail(self, error: NoToken | str, now: float, *, slow: bool = False) -> TokenFailed:
        self.flight = None
        self.error = TokenUnavailable(self.label, error) if isinstance(error, str) else error
        wait = self._wait(self.failures)
        if slow:
            wait = max(wait, SLOW * self._random.uniform(1.0, SLOW_SPREAD))
        hint = self.error.retry_after
        if hint is not None and 0 < hint < math.inf:
            wait = max(wait, min(hint, LONGEST_HINT) * self._random.uniform(1.0, SLOW_SPREAD))
        self.failures += 1
        self._not_before = now + wait
        self._told = not self.alive(now)
        return TokenFailed(self.error, self._told, self._retry_in(now))

    def _retry_in(self, now: float) -> float | None:
        return None if self.is_over else max(self._not_before - now, 0.0)

    def _wait(self, failures: int) -> float:
        # A backoff of the user's own may fail, or answer nonsense; the source is spared all the same.
        try:
            wait = float(self.options.backoff.delay(failures, self._random))
        except Exception:  # noqa: BLE001 - anybody's code
            wait = -1.0
        return wait if 0 <= wait < math.inf else _FALLBACK.delay(failures, self._random)

    def _planned_at(self) -> float:
        if self.failures:
            return math.inf if self.is_over else self._not_before
        point = self.due_at()
        return math.inf if point is None else max(point, self._not_before)

    def _lapse_at(self) -> float:
        if self._grant is None or self._told or self.error is None:
            return math.inf
        end = self._grant.end(self.clock)
        return math.inf if end is None else end.at

    def _is_later(self, grant: Grant) -> bool:
        before = None if self._grant is None else self._grant.end(self.clock)
        after = grant.end(self.clock)
        if before is None or after is None:
            return after is not None
        if Basis.CLAIMS in {before.basis, after.basis}:
            # The same claims tell the same end, whenever they are read.
            return self._grant is not None and (grant.exp or 0.0) > (self._grant.exp or 0.0)
        return after.at > before.at + SPACING

    def _ended_by_wall_clock(self, now: float) -> bool:
        end = None if self._grant is None else self._grant.end(self.clock)
        return end is not None and end.basis is Basis.WALL and now >= end.at

    def _mark(self, held: Held, now: float, *, dead: bool) -> None:
        if held != self._held:
            # It was replaced before the answer came: that says nothing of its successor.
            self._remember(held, Refusal(final=False, tried=f"a token of {self.label} that was replaced since"))
            return
        if dead:
            # The server knows us: it is the source that failed, or that was not asked in time.
            self._remember(held, Refusal(final=False, tried=f"a token from {self.label} that has expired"))
            self._not_before = max(self._not_before, now + self._wait(self.failures))
            self.failures += 1
            return
        self._streak += 1
        final = self._streak > self.options.refusals
        count = "a token" if self._streak == 1 else f"{self._streak} tokens in a row"
        self._remember(held, Refusal(final=final, tried=f"{count} from {self.label}"))
        self._not_before = max(self._not_before, now + self._wait(self._streak - 1))
        if final:
            # Whoever starts anew has the same number of tries.
            self._streak = 0

    def _remember(self, held: Held, refusal: Refusal) -> None:
        self._bad[held.digest] = refusal
        while len(self._bad) > REMEMBERED:
            self._bad.pop(next(iter(self._bad)))

    def _is_over_for(self, held: Held, now: float, wall: float) -> bool:
        grant = self._grant if held == self._held else None
        if grant is None or grant.exp is None or grant.life is not None:
            return False
        return self.clock.bear_out(grant.exp, now, wall)
