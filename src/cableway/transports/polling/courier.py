"""Carries out what the exchange decides: one request after the other, until there is no line any more."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from attrs import field, frozen

from cableway.auth.providers.response import server_now
from cableway.errors import CableError, HandshakeRefused, LineLost, MalformedFrame, ServerDisconnect
from cableway.policies.classify import retry_after
from cableway.transports.http.posting import Broken, Unsent
from cableway.transports.http.refusals import farewell, refused
from cableway.transports.polling.exchange import End
from cableway.transports.polling.lines import LineSplitter, LineTooLong

if TYPE_CHECKING:
    from collections.abc import Callable

    from cableway.transports.http.posting import Answer, Poster
    from cableway.transports.polling.exchange import Exchange

POLL_ID: Final = "x-anycable-poll-id"

POLL: Final = "a poll"

GRACE: Final = 10.0
"""Seconds on top of the time that the server holds a poll, for a slow network."""

UNKNOWN: Final = "The server does not know the session any more; with the next line it is asked back"

STRAY: Final = (
    "Line after line, the server does not know a session that was polled in time. Are there several behind a load "
    "balancer? A polled session is on one of them: the balancer must be sticky, by a cookie (it is kept) or by address"
)

_BUSY: Final = frozenset({429, 503})


@frozen
class Session:
    """The session that is polled. Who knows its id could read along."""

    url: str = field(repr=False)
    poll_id: str = field(repr=False)
    hold: float
    """Seconds for which the server holds a poll at most."""
    max_message_size: int


class Courier:
    """Polls one session. It hands on messages as they come in, and tells of answers and of other changes."""

    def __init__(
        self,
        poster: Poster,
        exchange: Exchange,
        session: Session,
        *,
        deliver: Callable[[list[bytes]], None],
        answered: Callable[[], None],
        changed: Callable[[], None],
    ) -> None:
        self.last_received: float = asyncio.get_running_loop().time()
        self.server_time: float | None = None
        """The server's Unix time of the last answer, if that was an empty one: nothing was left to say then."""
        self.error: CableError | None = None
        """What ended the line, where it was not our wish."""
        self._loop = asyncio.get_running_loop()
        self._poster = poster
        self._exchange = exchange
        self._session = session
        self._deliver = deliver
        self._answered = answered
        self._changed = changed
        self._news = asyncio.Event()
        self._limit: asyncio.Timeout | None = None
        # Why the last request came to nothing.
        self._why: BaseException | None = None

    async def run(self) -> None:
        """Poll until the line is no more. Cancelled, it drops the connection."""
        try:
            while self.error is None and self._exchange.end is None:
                if await self._due():
                    await self._poll()
            self.error = self.error or self._explained()
        finally:
            with suppress(Exception):
                await self._poster.aclose()

    def look(self) -> None:
        """Something has changed: look at the exchange again, and give up a poll that is in the way."""
        self._limit_poll()
        self._news.set()

    def _limit_poll(self) -> None:
        due = self._exchange.interrupt_at
        if self._limit is not None and due is not None:
            self._limit.reschedule(max(due, self._loop.time()))

    async def _due(self) -> bool:
        """Wait until a request is due, or something has changed; tell which."""
        due = self._exchange.next_at()
        if due is not None and due <= self._loop.time():
            return True
        self._news.clear()
        try:
            async with asyncio.timeout_at(due):
                await self._news.wait()
        except TimeoutError:
            # Timers may be early by what the clock cannot tell apart: it is not asked again.
            return True
        return False

    async def _poll(self) -> None:
        exchange, body = self._exchange, self._exchange.begin(self._loop.time())
        limit = asyncio.timeout(None)
        try:
            async with limit:
                self._limit = limit
                self._limit_poll()
                await self._ask(body)
        except TimeoutError:
            if not limit.expired():
                raise
            exchange.interrupted(self._loop.time())
        except Unsent as error:
            self._why = error
            exchange.unsent(self._loop.time())
        except Broken as error:
            self._why = error.__cause__
            exchange.broke(self._loop.time())
        finally:
            self._limit = None
        self._changed()

    async def _ask(self, body: bytes) -> None:
        session = self._session
        async with self._poster.post(body, {POLL_ID: session.poll_id}, session.hold + GRACE) as answer:
            self.last_received = self._loop.time()
            if self._limit is not None:
                # From here on it brings messages, and nobody may give it up.
                self._limit.reschedule(None)
            if (portal := await answer.portal(session.url)) is not None:
                # The server may have had an answer, and the network has kept it.
                raise Broken from portal
            if answer.taken and answer.readable:
                self._exchange.taken(self.last_received)
                self._changed()
                busy = await self._read(answer, self._deliver)
                # One with messages may have been full, and have left some for the next.
                self.server_time = None if busy else server_now(answer.headers)
                self._exchange.answered(self._loop.time(), busy=busy)
                if self.error is None:
                    self._answered()
            else:
                await self._refused(answer)

    async def _read(self, answer: Answer, deliver: Callable[[list[bytes]], None]) -> bool:
        """Hand the messages of *answer* to *deliver*; tell whether there were any."""
        splitter, busy = LineSplitter(self._session.max_message_size), False
        try:
            while (chunk := await answer.chunk()) is not None:
                self.last_received = self._loop.time()
                messages = splitter.feed(chunk)
                busy = busy or bool(messages)
                deliver(messages)
        except LineTooLong:
            self.error = MalformedFrame(f"a message of more than {self._session.max_message_size} bytes")
            return busy
        last = splitter.end()
        deliver(last)
        return busy or bool(last)

    async def _refused(self, answer: Answer) -> None:
        proxy = self._poster.passed_on_by
        refusal = refused(self._session.url, answer.status, answer.headers, step=POLL, proxy=proxy)
        self._why = refusal
        if answer.status in _BUSY:
            self._exchange.busy(self._loop.time(), retry_after(answer.headers))
        elif answer.status >= 500 or answer.taken:
            # What stands in between may have had an answer, and lost it.
            raise Broken from refusal
        elif answer.status == 401:
            await self._unknown(answer)
        else:
            self.error = refusal

    async def _unknown(self, answer: Answer) -> None:
        lines: list[bytes] = []
        if answer.readable:
            # The server may say why: that the session has expired, for one.
            with suppress(Broken):
                await self._read(answer, lines.extend)
        why = farewell(lines, answer.status)
        stray = self._is_expiry(why) and self._exchange.unknown(self._loop.time())
        # That it has expired is not the reason then, and would hide it.
        self._deliver([line for line in lines if not stray or farewell([line], answer.status) is None])
        hint = STRAY if stray else UNKNOWN
        refusal = HandshakeRefused(self._session.url, answer.status, answer.headers, hint=hint, step=POLL)
        self.error = self.error or refusal

    @staticmethod
    def _is_expiry(why: CableError | None) -> bool:
        return why is None or (isinstance(why, ServerDisconnect) and why.reason == "session_expired")

    def _explained(self) -> CableError | None:
        end = self._exchange.end
        if end is None or end is End.CLOSED:
            return None
        if isinstance(self._why, CableError):
            return self._why
        error = LineLost(end.value)
        error.__cause__ = self._why.__cause__ if isinstance(self._why, Unsent) else self._why
        return error
