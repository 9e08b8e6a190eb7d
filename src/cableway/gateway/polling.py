"""Long polling: sessions for clients that nothing but plain requests gets through. AnyCable Pro's ``--poll``.

The opening request is authenticated as an upgrade is, and answered with the id of the session. Each further one brings
commands, if there are any, and is held until there is something to say. Its lines are the frames of a WebSocket, and so
is all that a session does: the protocol is the base one, or the extended one where the opening request names that.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from aiohttp import hdrs, web

from cableway.gateway.cors import POLL_ID, Cors
from cableway.gateway.faults import doors
from cableway.gateway.poll_line import PollLine
from cableway.gateway.session import Session, Terms, dialect_of
from cableway.gateway.visitor import BodyRefused, abort, describe, read_body, watching
from cableway.wire.codecs.json import JSONCodec
from cableway.wire.dialects.extended_server import ExtendedServerDialect
from cableway.wire.frames import Disconnect
from cableway.wire.server_pulse import PingPlan
from cableway.wire.subprotocols import BASE_JSON, EXTENDED_JSON

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cableway.gateway.faults.doors import Doors
    from cableway.gateway.house import House
    from cableway.wire.subprotocols import Subprotocol

PROTOCOL_PARAM: Final = "protocol"
"""Names the subprotocol where a header cannot: browsers keep ``Sec-WebSocket-Protocol`` to themselves."""

HEADERS: Final = {
    "Content-Type": "application/jsonl; charset=utf-8",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}

REFUSALS: Final = {1011: 500, 1001: 503}
"""The status of an opening request by how the session ended it; else 401."""

log: logging.Logger = logging.getLogger("cableway.gateway")


class Polling:
    """Answers who polls."""

    def __init__(
        self, house: House, turned_away: Callable[[web.Request], Awaitable[web.Response | None]], ways: Doors
    ) -> None:
        self._house = house
        self._ways = ways
        self._options = house.options
        self._turned_away = turned_away
        self._cors = Cors(house.options)
        self._lines: dict[str, PollLine] = {}
        self._serving: set[asyncio.Task[None]] = set()
        self._flush = house.options.poll_flush_interval / 1000
        house.closers.append(self._let_go)

    def add_to(self, app: web.Application) -> None:
        """Serve them, if the options say so."""
        if self._options.poll:
            app.router.add_route("*", self._options.poll_path, self._ways.guard(self.answer, doors.poll))

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer: 200 with lines, 204 without, 401 where there is no session or must be none; all else is an error."""
        shared = self._cors.headers(request)
        if request.method != hdrs.METH_POST:
            return web.Response(status=200 if request.method == hdrs.METH_OPTIONS else 405, headers=shared)
        if not self._cors.allows(request):
            return web.Response(status=403, headers=shared)
        try:
            body = await read_body(request, self._options.poll_max_request_size)
        except BodyRefused as refused:
            return web.Response(status=refused.status, headers=shared)
        commands, headers = body.split(b"\n"), {**shared, **HEADERS}
        poll_id = request.headers.get(POLL_ID)
        if poll_id is not None:
            return await self._poll(request, self._lines.get(poll_id), commands, headers)
        refusal = await self._turned_away(request)
        if refusal is not None:
            refusal.headers.update(shared)
            return refusal
        return await self._open(request, commands, headers)

    # The opening request ---------------------------------------------------------------------------------------------

    async def _open(self, request: web.Request, commands: list[bytes], headers: dict[str, str]) -> web.StreamResponse:
        spoken = _protocol(request, rails=self._options.flavour == "rails")
        line = self._enter(request, spoken)
        with line.request(partial(abort, request)) as turn, watching(request, lambda: line.leave(turn)):
            await line.ask(turn, commands)
            flush = self._flush if any(map(bytes.strip, commands)) else 0
            said = await line.fetch(turn, patience=None, flush=flush)
            if not line.accepted:
                line.end()
                return web.Response(
                    status=REFUSALS.get(line.close_code or 0, 401), body=b"".join(said), headers=headers
                )
            self._lines[line.poll_id] = line
            named = {POLL_ID: line.poll_id, hdrs.SEC_WEBSOCKET_PROTOCOL: spoken.name}
            response = web.Response(body=b"".join(said), headers={**headers, **named})
            if not await _written(request, response):
                line.end()
            return response

    def _enter(self, request: web.Request, spoken: Subprotocol) -> PollLine:
        rails = self._options.flavour == "rails"
        # Each poll is a beat: pings on top would cut every one of them short.
        terms = Terms(
            PingPlan(0), JSONCodec(), dialect_of(self._options.flavour), spoken.extended, nameless=rails, patient=True
        )
        line = PollLine(keepalive=self._options.poll_keepalive_timeout)
        session = Session(self._house, describe(request), line, terms, line)
        self._house.counters["poll_sessions"] += 1
        loop = asyncio.get_running_loop()
        serving = loop.create_task(session.serve(line.messages()), name="cableway gateway: polled session")
        self._serving.add(serving)
        serving.add_done_callback(lambda _: self._forget(serving, line))
        return line

    def _forget(self, serving: asyncio.Task[None], line: PollLine) -> None:
        self._serving.discard(serving)
        line.end()
        self._lines.pop(line.poll_id, None)
        if not serving.cancelled() and (error := serving.exception()) is not None:
            log.error("a polled session broke", exc_info=error)

    # Those that follow -----------------------------------------------------------------------------------------------

    async def _poll(
        self, request: web.Request, line: PollLine | None, commands: list[bytes], headers: dict[str, str]
    ) -> web.StreamResponse:
        if line is None or line.over:
            return self._stale(headers)
        with line.request(partial(abort, request)) as turn, watching(request, lambda: line.leave(turn)):
            await line.ask(turn, commands)
            doors.cut_once_taken(request)
            said = await line.fetch(turn, patience=self._options.poll_interval, flush=self._flush)
            response = web.Response(status=200 if said else 204, body=b"".join(said) or None, headers=headers)
            lost = not turn.over and await doors.lose_answer(request, turn.ended)
            if not lost and not await _written(request, response):
                line.put_back(said)
            return response

    def _stale(self, headers: dict[str, str]) -> web.Response:
        self._house.counters["stale_polls"] += 1
        goodbye = ExtendedServerDialect().compose(Disconnect("session_expired", reconnect=True))
        return web.Response(status=401, body=JSONCodec().encode(goodbye) + b"\n", headers=headers)

    def _let_go(self) -> None:
        for line in list(self._lines.values()):
            # Who asks is told why; who hangs up instead, and who is not there, will not ask again.
            line.keepalive = 0
            if not line.asking:
                line.end()


def _protocol(request: web.Request, *, rails: bool) -> Subprotocol:
    # As for an upgrade: the base protocol where both are named, or none is.
    header = ",".join(request.headers.getall(hdrs.SEC_WEBSOCKET_PROTOCOL, []))
    named = {name.strip() for name in f"{header},{request.query.get(PROTOCOL_PARAM, '')}".split(",")}
    return EXTENDED_JSON if EXTENDED_JSON.name in named and BASE_JSON.name not in named and not rails else BASE_JSON


async def _written(request: web.Request, response: web.Response) -> bool:
    # As far as one can tell: what the operating system has taken may still be lost.
    with suppress(OSError):
        await response.prepare(request)
        await response.write_eof()
        return True
    return False
