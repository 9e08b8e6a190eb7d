"""One open line: a request that says how the server is, and one for each bunch of subscriptions."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from cableway.errors import CableError, LineLost, MalformedFrame
from cableway.transports.event_stream.events import EventParser, EventTooLong
from cableway.transports.event_stream.roster import passed
from cableway.transports.http.posting import Broken
from cableway.transports.http.refusals import no_stream, refused

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractAsyncContextManager

    from cableway.errors import HandshakeRefused, ProxyFailure
    from cableway.transports.base import Sink
    from cableway.transports.event_stream.roster import Bunch, Roster
    from cableway.transports.http.posting import Answer, Poster

STREAM = "a request for an event stream"

STREAM_TYPE: Final = "text/event-stream"

_WANTED: Final = {"accept": STREAM_TYPE}

_NOT_WANTED = 400
"""How a server answers whom it does not let subscribe."""


class EventStreamConnection:
    """One open line; see :class:`~cableway.transports.base.Connection` for the contract. It only listens.

    When one of its requests ends, the line has.
    """

    sends = False

    def __init__(
        self, poster: Poster, sink: Sink, url: str, subprotocol: str | None, roster: Roster, *, max_message_size: int
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._poster = poster
        self._sink = sink
        self._url = url
        self._subprotocol = subprotocol
        self._max_message_size = max_message_size
        self._roster = roster
        self._headers: Mapping[str, str] = {}
        self._heard: dict[Bunch | None, float] = {}
        self._tasks: dict[Bunch | None, asyncio.Task[None]] = {}
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._readable = asyncio.Event()
        self._unread: list[bytes] = []
        self._flushing: asyncio.Handle | None = None
        self._resuming: asyncio.Handle | None = None
        self._deaf = self._told = False
        self._error: CableError | None = None
        self._ended = asyncio.Event()
        self._gone = asyncio.Event()
        self._task = self._loop.create_task(self._run(), name="cableway-event-stream")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {'lost' if self._gone.is_set() else 'open'}>"

    async def opened(self) -> None:
        """Wait for the answer to the request that opens the line.

        Raises:
            Unsent: The server was not reached.
            Broken: It did not answer.
            HandshakeRefused: It refused.
        """
        await asyncio.shield(self._opened)

    @property
    def subprotocol(self) -> str | None:
        """What is spoken: what was asked for, since messages are the same, and history is part of the request."""
        return self._subprotocol

    @property
    def response_headers(self) -> Mapping[str, str]:
        """Headers of the response that opened the line; names in lower case."""
        return self._headers

    @property
    def last_received(self) -> float:
        """The loop's time when something last came by that request by which nothing has come for the longest time."""
        return min(self._heard.values(), default=self._loop.time())

    def send(self, frame: bytes) -> None:
        """Subscribe, unsubscribe, or ask for the past. All else cannot be said here, and is dropped."""
        if self._ended.is_set():
            return
        for bunch in self._roster.take(frame):
            self._tasks[bunch].cancel()
        if self._flushing is None:
            self._flushing = self._loop.call_soon(self._flush)

    async def drain(self) -> None:
        """Nothing is kept: return at once."""

    def pause(self) -> None:
        """Stop reading; what was read already waits."""
        self._readable.clear()

    def resume(self) -> None:
        """Read on, from the next turn of the loop. May be called again."""
        self._readable.set()
        if self._resuming is None:
            self._resuming = self._loop.call_soon(self._read_on)

    async def close(self, code: int = 1000, reason: str = "", timeout: float = 1.0) -> None:  # noqa: ARG002 - the seam
        """Be gone: there is nothing to say. May be called again."""
        self.abort()
        await self._gone.wait()

    def abort(self) -> None:
        """Be gone at once. May be called again."""
        self._deaf = True
        self._unread = []
        self._ended.set()

    # Inside

    def _flush(self) -> None:
        self._flushing = None
        for bunch in () if self._ended.is_set() else self._roster.due():
            self._begin(bunch)

    def _begin(self, bunch: Bunch | None) -> None:
        self._heard[bunch] = self._loop.time()
        self._tasks[bunch] = self._loop.create_task(self._listen(bunch), name="cableway-event-stream-request")
        self._tasks[bunch].add_done_callback(lambda task: self._over(bunch, task))

    def _over(self, bunch: Bunch | None, task: asyncio.Task[None]) -> None:
        del self._tasks[bunch], self._heard[bunch]
        if bunch is not None:
            self._roster.done(bunch)
        error = None if task.cancelled() else task.exception()
        if not self._opened.done():
            self._opened.set_exception(error or LineLost("the event stream ended before it began"))
            self._opened.exception()  # whoever opens the line may have gone
        if error is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if isinstance(error, CableError):
            self._error = self._error or error
        elif self._error is None:
            self._error = LineLost("an event stream broke off")
            self._error.__cause__ = error.__cause__ or error
        self._ended.set()

    async def _run(self) -> None:
        self._begin(None)
        try:
            await self._ended.wait()
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)
            with suppress(Exception):
                await self._poster.aclose()
            self._gone.set()
            if self._resuming is None:
                self._read_on()

    def _ask(self, bunch: Bunch | None) -> AbstractAsyncContextManager[Answer]:
        if bunch is None or bunch.query is None:
            return self._poster.post(b"" if bunch is None else bunch.body, _WANTED, None)
        # A stream that somebody on the way has kept is no news.
        return self._poster.get(bunch.query.text, {**_WANTED, **bunch.query.headers, "cache-control": "no-store"}, None)

    async def _listen(self, bunch: Bunch | None) -> None:
        async with self._ask(bunch) as answer:
            if answer.status == _NOT_WANTED and bunch is not None:
                self._take(self._roster.refused(bunch))
                self._flush()
                return
            if not answer.headers.get("content-type", "").lower().startswith(STREAM_TYPE):
                await self._refuse(bunch, answer)
            if not answer.taken or not answer.readable:
                raise self._refusal(bunch, answer)
            if bunch is None:
                self._headers = answer.headers
                self._opened.set_result(None)
            await self._read(bunch, answer)

    async def _refuse(self, bunch: Bunch | None, answer: Answer) -> None:
        portal = await answer.portal(self._url)
        if portal is not None:
            raise portal
        raise no_stream(self._url, answer.status) if answer.taken else self._refusal(bunch, answer)

    def _refusal(self, bunch: Bunch | None, answer: Answer) -> HandshakeRefused | ProxyFailure:
        proxy = self._poster.passed_on_by
        return refused(self._url, answer.status, answer.headers, step=STREAM, opens=bunch is None, proxy=proxy)

    async def _read(self, bunch: Bunch | None, answer: Answer) -> None:
        parser = EventParser(self._max_message_size)
        try:
            while (chunk := await answer.chunk()) is not None:
                self._heard[bunch] = self._loop.time()
                self._take(passed(bunch, parser.feed(chunk)))
                if bunch is not None and bunch.over:
                    return
                await self._readable.wait()
        except EventTooLong:
            rule = f"an event of more than {self._max_message_size} bytes"
            raise MalformedFrame(rule) from None
        raise Broken

    def _take(self, frames: list[bytes]) -> None:
        if frames and not self._deaf:
            self._unread += frames
            self._push()

    def _push(self) -> None:
        if self._unread and self._readable.is_set() and self._resuming is None:
            batch, self._unread = self._unread, []
            self._sink.frames(batch)

    def _read_on(self) -> None:
        self._resuming = None
        self._push()
        if self._gone.is_set() and self._readable.is_set() and not self._told:
            self._told = True
            self._sink.lost(None, "", None if self._deaf else self._error)
