"""Event streams (server-sent events): subscriptions that an address asks for, and no way back. AnyCable's ``--sse``.

A request is a session of the base protocol, on the same streams, broker and channels as those of WebSockets. Its status
tells how the session began, so nothing is written before all subscriptions are confirmed.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Final

from aiohttp import hdrs, web

from cableway.errors import MalformedFrame
from cableway.gateway.cors import Cors
from cableway.gateway.event_codec import EventCodec
from cableway.gateway.event_request import commands_of_body, commands_of_query, wants_raw
from cableway.gateway.faults import doors
from cableway.gateway.faults.effects import Asked
from cableway.gateway.session import Session, Terms, dialect_of
from cableway.gateway.visitor import BodyRefused, abort, describe, read_body, watching
from cableway.wire.server_pulse import PingPlan
from cableway.wire.server_session import Verdict

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
    from random import Random

    from cableway.gateway.faults.doors import Doors
    from cableway.gateway.faults.impairment import Impairment
    from cableway.gateway.house import House

BODY_LIMIT: Final = 65_536
"""Largest body of a POST, in bytes: AnyCable's."""

HEADERS: Final = {
    "Connection": "keep-alive",
    "Content-Type": "text/event-stream; charset=utf-8",
    "X-Content-Type-Options": "nosniff",
    "X-Accel-Buffering": "no",
    "Cache-Control": "private, no-cache, no-store, must-revalidate, max-age=0",
    "Pragma": "no-cache",
    # AnyCable's word: Expires would be HTTP's.
    "Expire": "0",
}

REFUSALS: Final = {1011: 400, 1001: 503}
"""The status of a session that ended before it began, by its close code; else 401."""

log: logging.Logger = logging.getLogger("cableway.gateway")


class EventLine:
    """One client's event stream. It is also the witness of its session: the first answers make the status."""

    def __init__(self, *, subscribes: int, limit: int, abort: Callable[[], None]) -> None:
        self.status: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        """How the session began; 499 where the client was gone before that."""
        self._due = subscribes
        self._limit = limit
        self._abort = abort
        self._early: list[bytes] = []
        self._waiting = 0
        self._response: web.StreamResponse | None = None
        self._opened = asyncio.Event()
        self._over = asyncio.Event()
        self.impairment: Impairment | None = None
        """What faults do to it; ``None``: nothing."""

    # What the session tells ------------------------------------------------------------------------------------------

    def let_in(self) -> None:
        """Without subscriptions, that is all there is to know."""
        if self._due == 0:
            self._decide(200)

    def settled(self, verdict: Verdict, *, idle: bool) -> None:
        """All are confirmed, and the past that they asked for is told; or one is not."""
        if verdict in {Verdict.REJECTED, Verdict.FAILED}:
            self._decide(400)
        self._due -= verdict is Verdict.CONFIRMED
        if self._due == 0 and idle:
            self._decide(200)

    async def messages(self, commands: Iterable[bytes]) -> AsyncIterator[bytes]:
        """Say what was asked for, then nothing until the end."""
        for command in commands:
            yield command
        await self._over.wait()

    # What the session writes -----------------------------------------------------------------------------------------

    async def send(self, frame: bytes) -> None:
        """Write one event, or keep it until there is something to write to; wait while the client does not read."""
        if self._response is None and self._waiting <= self._limit:
            self._early.append(frame)
            self._waiting += len(frame)
            return
        await self._opened.wait()
        if frame:
            await self._send(frame)

    async def close(self, code: int, reason: str) -> None:  # noqa: ARG002 - there is no place for it here
        """End the stream; before it began, refuse it."""
        if self.impairment is not None and self.impairment.silent and self._opened.is_set():
            await self.impairment.stay_silent()
            return
        self._decide(REFUSALS.get(code, 401))
        if self._opened.is_set() and self._response is not None:
            await self._response.write_eof()
        self._over.set()

    def abort(self) -> None:
        """Be gone at once."""
        self._abort()
        self.hang_up()

    # What faults use --------------------------------------------------------------------------------------------------

    def wire_size(self, frame: bytes) -> int:
        """Tell how many bytes of text it is."""
        return len(frame)

    async def write(self, frame: bytes) -> None:
        """Write a whole event, or several."""
        if self._response is not None:
            await self._response.write(frame)

    async def write_part(self, frame: bytes, size: int) -> None:
        """Write as many bytes of it."""
        if size:
            await self.write(frame[:size])

    # What the request does -------------------------------------------------------------------------------------------

    async def open(self, response: web.StreamResponse) -> None:
        """Write what has waited, in one go, and from now on at once."""
        self._response = response
        early = b"".join(self._early)
        self._early.clear()
        try:
            if early:
                await self._send(early)
        finally:
            self._opened.set()

    def hang_up(self) -> None:
        """Learn that the client is gone."""
        self._decide(499)
        self._over.set()

    async def _send(self, text: bytes) -> None:
        if self.impairment is None:
            await self.write(text)
        else:
            await self.impairment.send(text)

    def _decide(self, status: int) -> None:
        if not self.status.done():
            self.status.set_result(status)


class EventStreams:
    """Answers who asks for events."""

    def __init__(
        self,
        house: House,
        random: Random,
        turned_away: Callable[[web.Request], Awaitable[web.Response | None]],
        ways: Doors,
    ) -> None:
        self._house = house
        self._ways = ways
        self._options = house.options
        self._random = random
        self._turned_away = turned_away
        self._cors = Cors(house.options)

    def add_to(self, app: web.Application) -> None:
        """Serve them, if the options say so."""
        if self._options.sse:
            app.router.add_route("*", self._options.sse_path, self._ways.guard(self.answer, doors.stream))

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer with AnyCable's statuses; a page of another site with 403, a crowd with 503."""
        shared = self._cors.headers(request)
        if request.method not in (hdrs.METH_GET, hdrs.METH_POST):
            return web.Response(status=200 if request.method == hdrs.METH_OPTIONS else 405, headers=shared)
        if not self._cors.allows(request):
            return web.Response(status=403, headers=shared)
        headers = {**shared, **HEADERS}
        try:
            commands = await _commands(request)
        except (MalformedFrame, BodyRefused) as error:
            log.debug("an event stream is refused with 400: %s", error)
            return web.Response(status=400, headers=headers)
        refusal = await self._turned_away(request)
        if refusal is not None:
            refusal.headers.update(shared)
            return refusal
        return await self._stream(request, commands, headers)

    async def _stream(self, request: web.Request, commands: list[bytes], headers: dict[str, str]) -> web.StreamResponse:
        line = EventLine(
            subscribes=len(commands), limit=self._options.ws_max_pending_size, abort=partial(abort, request)
        )
        session = Session(self._house, describe(request), line, self._terms(request), line)
        loop = asyncio.get_running_loop()
        serving = loop.create_task(session.serve(line.messages(commands)), name="cableway gateway: event stream")
        try:
            with watching(request, line.hang_up), self._ways.line(line, Asked.STREAM):
                response = await self._begin(request, line, headers)
                if response.status == 200:
                    await asyncio.wait([serving])
        finally:
            line.hang_up()
            await serving
        return response

    async def _begin(self, request: web.Request, line: EventLine, headers: dict[str, str]) -> web.StreamResponse:
        status = await line.status
        if status != 200:
            return web.Response(status=status, headers=headers)
        response = web.StreamResponse(headers=headers)
        self._house.counters["event_streams"] += 1
        try:
            await response.prepare(request)
            await line.open(response)
        except OSError:
            line.hang_up()
        return response

    def _terms(self, request: web.Request) -> Terms:
        options, rails = self._options, self._options.flavour == "rails"
        pings = PingPlan(options.ping_interval, self._random.uniform(0.5, 1.5), options.ping_timestamp_precision)
        codec = EventCodec(unwrap=request.method == hdrs.METH_GET, raw=wants_raw(request.query))
        return Terms(pings, codec, dialect_of(options.flavour), nameless=rails)


async def _commands(request: web.Request) -> list[bytes]:
    if request.method == hdrs.METH_GET:
        return commands_of_query(request.query, request.headers.get("Last-Event-ID", ""))
    return commands_of_body(await read_body(request, BODY_LIMIT))
