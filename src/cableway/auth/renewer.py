"""One keeper of tokens for all cables that use a source: whoever asks, one request is in flight."""

from __future__ import annotations

import asyncio
import os
import random as random_module
import time
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from attrs import evolve, frozen

from cableway.auth.providers.function import asked
from cableway.auth.providers.reading import as_token
from cableway.auth.renewal import Renewal, TokenRenewal
from cableway.auth.schedule import WHOLE
from cableway.auth.token import Token
from cableway.errors import Unauthorized, UsageError, WrongLoop
from cableway.errors.tokens import TokenUnavailable
from cableway.types import Seconds, to_limit

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from cableway.auth.providers.base import TokenProvider
    from cableway.auth.renewal import Held, NoToken, Refusal, TokenNews

    Listener = Callable[[TokenNews], None]

TICK = 1e-6
"""Seconds by which a timer may be early."""

SAME_SLEEP = 1.0
"""Seconds within which all cables of a loop have told of one sleep of the host."""


def renewer_for(provider: TokenProvider, options: TokenRenewal | None = None) -> Renewer:
    """Return the one renewer of *provider* in the running loop, for as long as somebody keeps it.

    After a fork there is another one: a child asks for tokens of its own.

    Raises:
        UsageError: The source is in use with other options: they say when it is asked, which is for all alike. What
            to do on renewal may differ.
        RuntimeError: No loop is running.
    """
    loop = asyncio.get_running_loop()
    options = options or TokenRenewal()
    key = (os.getpid(), loop, id(provider))
    renewer = _renewers.get(key)
    if renewer is None or not (renewer.serves(options) or renewer.in_use):
        renewer = _renewers[key] = Renewer(provider, options)
    elif not renewer.serves(options):
        msg = (
            f"the tokens of {renewer.label} are renewed with other options already: give all cables of a source the "
            f"same TokenRenewal, or each a source of its own"
        )
        raise UsageError(msg)
    return renewer


class Renewer:
    """Asks one source for tokens, ahead of time while a cable wants its line, and when one is needed to dial.

    All methods are for the thread of the event loop in which it was made. Without an attachment, and with nobody
    waiting for a token, it holds no task and no timer.

    Args:
        provider: The source.
        options: When to renew.
        random: Draws the spread of renewals and waits.
        wall: Gives the Unix time; believed only where nothing better is known.
    """

    def __init__(
        self,
        provider: TokenProvider,
        options: TokenRenewal | None = None,
        *,
        random: Random | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._pid = os.getpid()
        self._provider = provider
        self._options = options or TokenRenewal()
        self._wall = wall
        self.label: str = provider.label
        """What the source is called; holds no secret."""
        self._plan = Renewal(self._options, self.label, provider.renewable, random or random_module.SystemRandom())
        self._attached: list[_Attached] = []
        self._waiting = 0
        self._news = asyncio.Event()
        self._flight: asyncio.Task[Token] | None = None
        self._limit: asyncio.TimerHandle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._last_sleep: tuple[float, float] | None = None
        self._ending: set[asyncio.Task[Token]] = set()

    def __repr__(self) -> str:
        return f"Renewer({self.label!r}, {len(self._attached)} attached)"

    @property
    def in_use(self) -> bool:
        """Whether a cable is attached, or somebody waits for a token."""
        return bool(self._attached or self._waiting)

    @property
    def error(self) -> NoToken | None:
        """Why the source gave nothing usable when it was last asked; ``None`` if it did."""
        return self._plan.error

    def serves(self, options: TokenRenewal) -> bool:
        """Tell whether it renews as *options* say; what follows a renewal is each cable's own affair."""
        return evolve(options, on_renewal=self._options.on_renewal) == self._options

    def attach(self, listener: Listener, wanted: Callable[[], bool] = lambda: True) -> Callable[[], None]:
        """Tell *listener* of tokens and failures from now on; return a function that ends it.

        With the last one that ends it all work stops, and an answer that comes later is dropped.

        Args:
            listener: Called by the loop; it must not block. What it raises goes to the loop's exception handler.
            wanted: Whether the cable wants its line. Where all say no, nothing is renewed ahead of time, and no timer
                runs; see :meth:`nudge`.

        Raises:
            WrongLoop: Called in another event loop, thread or process.
        """
        self._check()
        one = _Attached(listener, wanted)
        self._attached.append(one)
        self._arrange()
        return partial(self._detach, one)

    async def token(self, give_up: Seconds | None = None) -> Held:
        """Return a token to dial with, once there is one.

        One that lives is there at once. Near its end the request that is under way is waited for, or made; should that
        fail, the old one is good for as long as it lives. A source that fails is asked again, with growing waits, for
        as long as somebody waits. Cancelling it is safe: the others who wait get their token.

        Args:
            give_up: Seconds to wait for a token, at most; ``None``: as long as it takes.

        Raises:
            TokenUnavailable: There was none within *give_up*; ``__cause__`` is the source's last failure.
            Unauthorized: The source said that it will never give one.
            WrongLoop: Called in another event loop, thread or process.
        """
        self._check()
        limit = to_limit(give_up, "give_up")
        try:
            async with asyncio.timeout(limit):
                return await self._fit()
        except TimeoutError:
            after = f"; the last failure was: {self.error}" if self.error is not None else ""
            raise TokenUnavailable(self.label, f"none came within {limit:g} s{after}") from self.error

    def refused(self, held: Held, *, expired: bool = False) -> Refusal:
        """The server did not accept *held*; return what follows. That token is never given out again.

        Call :meth:`token` next, unless the refusal is final. However many cables tell of the same token, it counts
        once; if another one is there already, nothing is fetched.

        Args:
            held: What the line was dialled with.
            expired: Whether the server said that it has expired.
        """
        self._check()
        refusal = self._plan.refused(held, self._loop.time(), self._wall(), expired=expired)
        self._arrange()
        return refusal

    def accepted(self, held: Held) -> None:
        """A line dialled with *held* was healthy for a while: refusals before that are forgotten."""
        self._plan.accepted(held)

    def heard_server_time(self, unix_seconds: float, accuracy: float = WHOLE) -> None:
        """The server told its time, in a ping or in a ``Date`` header.

        Args:
            unix_seconds: What it told.
            accuracy: Seconds by which its clock may have been further when that arrived.
        """
        if self._plan.clock.heard(unix_seconds, self._loop.time(), accuracy):
            self._arrange()

    def slept(self, seconds: float) -> None:
        """The host slept for *seconds*, and the loop's clock stood still: tokens are that much older.

        A request that was in flight for longer than its time-out, sleep included, is dropped and made anew. Each cable
        may tell it: the same sleep, told again within a second, counts once.
        """
        self._check()
        now = self._loop.time()
        known, self._last_sleep = self._last_sleep, (seconds, now)
        if known is not None and known[0] == seconds and now - known[1] < SAME_SLEEP:
            return
        self._plan.slept(seconds)
        if self._flight is not None and seconds >= self._options.timeout:
            self._abandon()
        self._wake()
        self._arrange()

    def nudge(self) -> None:
        """A cable's wish for its line has changed: see what is due, or let be what is due no more."""
        self._check()
        self._arrange()

    async def released(self) -> None:
        """Wait until nothing is left of requests that were given up. Cancelling it is safe.

        Raises:
            WrongLoop: Called in another event loop, thread or process.
        """
        self._check()
        while ending := [task for task in self._ending if not task.done()]:
            await asyncio.wait(ending)

    # Who asks ---------------------------------------------------------------------------------------------------------

    def _check(self) -> None:
        if asyncio.get_running_loop() is not self._loop or os.getpid() != self._pid:
            msg = f"the tokens of {self.label} are kept in another event loop, thread or process"
            raise WrongLoop(msg)

    def _detach(self, one: _Attached) -> None:
        if any(other is one for other in self._attached):
            self._attached = [other for other in self._attached if other is not one]
            self._arrange()

    async def _fit(self) -> Held:
        while (held := self._plan.fit(self._loop.time())) is None:
            self._waiting += 1
            try:
                self._arrange()
                await self._news.wait()
            finally:
                self._waiting -= 1
                if not self._waiting:
                    self._arrange()
            self._check_hope()
        self._arrange()
        return held

    def _check_hope(self) -> None:
        error = self._plan.error
        if isinstance(error, Unauthorized) and self._plan.fit(self._loop.time()) is None:
            raise error

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def _tell(self, news: TokenNews) -> None:
        for one in list(self._attached):
            if not any(still is one for still in self._attached):
                # One that was told before has ended this one.
                continue
            try:
                one.listener(news)
            except Exception as error:  # noqa: BLE001 - one cable's fault is not to cost another its token
                context = {"message": "A listener for tokens failed", "exception": error}
                self._loop.call_exception_handler(context)

    # The one request --------------------------------------------------------------------------------------------------

    def _arrange(self) -> None:
        """Begin what is due, or set the timer for it; with nobody there, stop."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self.in_use:
            self._abandon()
            return
        wanted = any(one.wanted() for one in self._attached)
        now = self._loop.time() + TICK
        if wanted and (news := self._plan.lapsed(now)) is not None:
            self._loop.call_soon(self._tell, news)
        # Who waits may have been woken by a token, and not have looked yet.
        in_vain = self._waiting > 0 and self._plan.fit(now) is None
        at = self._plan.next_at(asked=in_vain, wanted=wanted)
        if at is None:
            return
        if at <= now:
            self._begin()
        else:
            self._timer = self._loop.call_at(at, self._arrange)

    def _begin(self) -> None:
        number = self._plan.begin(self._loop.time())
        self._limit = self._loop.call_later(self._options.timeout, self._too_late)
        self._flight = self._loop.create_task(self._ask(), name="cableway token")
        self._flight.add_done_callback(partial(self._landed, number))

    async def _ask(self) -> Token:
        return as_token(self.label, await asked(self.label, self._provider.fetch))

    def _landed(self, number: int, flight: asyncio.Task[Token]) -> None:
        self._ending.discard(flight)
        error = asyncio.CancelledError() if flight.cancelled() else flight.exception()
        if number != self._plan.flight:
            # Given up meanwhile: what it brought is older than what there is, or of no use to anybody.
            return
        self._clear()
        if error is None:
            self._settle(flight.result())
        elif isinstance(error, TokenUnavailable | Unauthorized):
            self._settle(error)
        else:
            self._settle(TokenUnavailable(self.label, f"it was ended by {type(error).__name__}"))

    def _too_late(self) -> None:
        self._abandon()
        self._settle(TokenUnavailable(self.label, f"it did not answer within {self._options.timeout:g} s"))

    def _settle(self, outcome: Token | NoToken) -> None:
        now = self._loop.time()
        if isinstance(outcome, Token):
            news = self._plan.landed(outcome, now, self._wall())
        else:
            news = self._plan.failed(outcome, now)
        self._wake()
        # A listener may detach, refuse, or ask again: by then all is settled.
        self._arrange()
        self._tell(news)

    def _clear(self) -> None:
        self._flight = None
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _abandon(self) -> None:
        flight = self._flight
        self._plan.abandon()
        self._clear()
        if flight is not None and not flight.done():
            self._ending.add(flight)
            flight.cancel()


@frozen(eq=False)
class _Attached:
    listener: Listener
    wanted: Callable[[], bool]


# Weak: a renewer knows its loop and its source, so a strong hold on it would keep both for ever.
_renewers: WeakValueDictionary[tuple[int, Any, int], Renewer] = WeakValueDictionary()
