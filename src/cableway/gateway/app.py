"""The HTTP face of a gateway: the upgrade, the publications, and the health check."""

from __future__ import annotations

import asyncio
import hmac
import logging
import re
import struct
from typing import TYPE_CHECKING

from aiohttp import WSMsgType, hdrs, web

from cableway.auth.signing import broadcast_key
from cableway.errors import MalformedFrame
from cableway.gateway.admission import Answer
from cableway.gateway.api import Api
from cableway.gateway.connection import last_of
from cableway.gateway.events import EventStreams
from cableway.gateway.faults import doors
from cableway.gateway.faults.effects import Asked
from cableway.gateway.origins import origin_rule
from cableway.gateway.polling import Polling
from cableway.gateway.publications import Posted, RemoteDisconnect, read_publication
from cableway.gateway.session import Session, Terms, dialect_of
from cableway.gateway.streams import broadcast_data
from cableway.gateway.visitor import describe, is_there
from cableway.redact import redact_url
from cableway.wire.codecs.choice import codec_for, encoding_available
from cableway.wire.dialects.base import SUBPROTOCOL, UNSUPPORTED
from cableway.wire.expulsions import closed_remotely
from cableway.wire.server_pulse import PingPlan
from cableway.wire.subprotocols import ALL, BASE_JSON, subprotocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from random import Random

    from cableway.gateway.faults.impairment import Impairment
    from cableway.gateway.faults.rules import OrderBook
    from cableway.gateway.house import House
    from cableway.gateway.options import GatewayOptions
    from cableway.gateway.tokens import TokenDesk

PUBLICATION_LIMIT = 16 * 1024 * 1024
CLOSE_TIMEOUT = 1.0
"""Seconds for a client to answer a close frame."""

WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")
"""As Go reads one: no space, no other digits, and nothing beyond 64 bits."""

log: logging.Logger = logging.getLogger("cableway.gateway")


class WebSocketLine:
    """One client's WebSocket. Reading and writing are for one task each; the close frame is the writer's.

    aiohttp's own ``close`` cuts the line under a reader without waiting for the client's answer, which can cost the
    client the last frames. So the close frame is sent as a frame, and the reader goes on until the answer comes.
    """

    def __init__(
        self, socket: web.WebSocketResponse[bool], transport: asyncio.Transport | None, *, binary: bool = False
    ) -> None:
        self._socket = socket
        self._type = WSMsgType.BINARY if binary else WSMsgType.TEXT
        self._transport = transport
        self._answered = asyncio.Event()
        self._said_goodbye = False
        self.impairment: Impairment | None = None
        """What faults do to it; ``None``: nothing."""

    async def messages(self) -> AsyncIterator[bytes]:
        """Read messages until the line is closed."""
        try:
            async for message in self._socket:
                # Opcodes do not matter: AnyCable reads JSON from binary messages, too.
                if message.type in {WSMsgType.TEXT, WSMsgType.BINARY}:
                    yield message.data
                elif message.type is WSMsgType.PING and not self._silent:
                    await self._socket.pong(message.data)
        finally:
            self._answered.set()
        if self._silent:
            self.abort()
        elif not self._said_goodbye:
            await self._socket.close()

    async def send(self, frame: bytes) -> None:
        """Write one message; wait while the client does not read."""
        if self.impairment is None:
            await self._socket.send_frame(frame, self._type)
        else:
            await self.impairment.send(frame)

    def wire_size(self, frame: bytes) -> int:
        """Tell how many bytes the message is, with its header and before any compression."""
        return len(_frame_header(frame, self._type)) + len(frame)

    async def write(self, frame: bytes) -> None:
        """Write one message, whatever the faults."""
        await self._socket.send_frame(frame, self._type)

    async def write_part(self, frame: bytes, size: int) -> None:
        """Write as many bytes of it, uncompressed."""
        if self._transport is not None and size:
            self._transport.write((_frame_header(frame, self._type) + frame)[:size])

    async def close(self, code: int, reason: str) -> None:
        """Say goodbye, and wait a little for the answer."""
        if self.impairment is not None and self.impairment.silent:
            await self.impairment.stay_silent()
            return
        self._said_goodbye = True
        await self._socket.send_frame(struct.pack("!H", code) + reason.encode(), WSMsgType.CLOSE)
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self._answered.wait()
        except TimeoutError:
            self.abort()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Be gone at once."""
        if self._transport is not None:
            self._transport.abort()

    @property
    def _silent(self) -> bool:
        return self.impairment is not None and self.impairment.silent


class GatewayApp:
    """The request handlers, tied to what the sessions share."""

    def __init__(self, house: House, random: Random, tokens: TokenDesk, orders: OrderBook) -> None:
        self._house = house
        self._options = house.options
        self._random = random
        self._tokens = tokens
        self._doors = doors.Doors(orders, house)
        self._key = publication_key(house.options)
        self._origins = origin_rule(
            house.options.allowed_origins, any_origin=house.options.public, bound_to=house.options.host
        )

    def build(self) -> web.Application:
        """Build the aiohttp application."""
        app = web.Application(client_max_size=PUBLICATION_LIMIT)
        app.router.add_get(self._options.path, self._doors.guard(self.connect, doors.upgrade), allow_head=False)
        app.router.add_get(self._options.health_path, _health)
        app.router.add_get(self._options.policy_path, self.policy)
        if self._options.token_path is not None:
            app.router.add_post(self._options.token_path, self._tokens.answer)
        app.router.add_route("*", self._options.http_broadcast_path, self.publish)
        Api(self._house, self.post).add_to(app)
        EventStreams(self._house, self._random, self._turned_away, self._doors).add_to(app)
        Polling(self._house, self._turned_away, self._doors).add_to(app)
        app.on_response_prepare.append(_hide_server)
        return app

    async def connect(self, request: web.Request) -> web.StreamResponse:
        """Upgrade, and serve the session until it ends."""
        refusal = self._refusal(request) or await self._turned_away(request)
        if refusal is not None:
            return refusal
        socket = web.WebSocketResponse(
            timeout=CLOSE_TIMEOUT,
            autoclose=False,
            autoping=False,
            compress=self._options.enable_ws_compression,
            # aiohttp refuses what reaches its limit, AnyCable what exceeds it.
            max_msg_size=self._options.max_message_size + 1,
            decode_text=False,
        )
        chosen = choose_subprotocol(request.headers.getall(hdrs.SEC_WEBSOCKET_PROTOCOL, []), self._options.flavour)
        if chosen is not None:
            socket.headers[hdrs.SEC_WEBSOCKET_PROTOCOL] = chosen
        await socket.prepare(_without_subprotocols(request))
        terms = self._terms(chosen, request.query)
        line = WebSocketLine(socket, request.transport, binary=terms.binary)
        session = Session(self._house, describe(request), line, terms)
        with self._doors.line(line, Asked.UPGRADE):
            await session.serve(line.messages())
        return socket

    async def policy(self, request: web.Request) -> web.Response:
        """Hand the policy out, if there is one."""
        document = self._house.policy
        return web.Response(status=404, text="no policy is set") if document is None else document.answer(request)

    async def publish(self, request: web.Request) -> web.Response:
        """Take a publication, with the statuses of AnyCable."""
        if request.method != "POST":
            return web.Response(status=422, text="publications are posted")
        if not self._may_publish(request):
            return web.Response(status=401, text="the broadcast key is missing or wrong")
        try:
            body = await request.read()
        except (web.HTTPException, OSError, ValueError):
            return web.Response(status=422, text="the body could not be read")
        try:
            await self.post(read_publication(body))
        except MalformedFrame as error:
            # 201 all the same, as AnyCable: a publisher must not tell the two apart.
            self._house.counters["failed_broadcasts"] += 1
            log.warning("a publication could not be read: %s", error)
        return web.Response(status=201)

    async def post(self, posted: Posted) -> None:
        """Carry out what was posted."""
        if isinstance(posted, RemoteDisconnect):
            disconnect_all(self._house, posted.identifier, reconnect=posted.reconnect)
            return
        for publication in posted:
            broadcast = broadcast_data(
                publication.data,
                publication.exclude_socket,
                kind=publication.broadcast_type,
                transient=publication.transient,
            )
            await self._house.publish(publication.stream, broadcast)

    def _may_publish(self, request: web.Request) -> bool:
        if self._key is None:
            return self._options.public
        given = request.headers.get(hdrs.AUTHORIZATION, "")
        return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), f"Bearer {self._key}".encode())

    def _refusal(self, request: web.Request) -> web.Response | None:
        headers = request.headers
        if "websocket" not in headers.get(hdrs.UPGRADE, "").lower():
            return self._refused(request, 400, "this address speaks WebSocket only")
        # A body, or two hosts, on an upgrade: some proxy and we would disagree about where the request ends.
        if hdrs.TRANSFER_ENCODING in headers or headers.get(hdrs.CONTENT_LENGTH, "0") != "0":
            return self._refused(request, 400, "an upgrade has no body")
        if len(headers.getall(hdrs.HOST, [])) != 1:
            return self._refused(request, 400, "an upgrade names one host")
        rails, origin = self._options.flavour == "rails", headers.get(hdrs.ORIGIN)
        if (rails and origin is None) or not self._origins.allows(origin, request.host):
            # Rails gives no other answer to a missing origin than to a wrong one.
            status = 404 if rails else 403
            return self._refused(request, status, "pages of this origin may not connect: see allowed_origins")
        return None

    async def _turned_away(self, request: web.Request) -> web.Response | None:
        if not self._full():
            match await self._house.entrance.turn(lambda: is_there(request)):
                case Answer.GONE:
                    return web.Response(status=503)
                case Answer.ENTER if not self._full():
                    return None
                case _:
                    pass
        refused = self._refused(request, 503, "too many clients: come back later")
        refused.headers[hdrs.RETRY_AFTER] = str(self._house.entrance.come_back_in())
        # A crowd that is to come back later must not stay in the house meanwhile.
        refused.force_close()
        return refused

    def _full(self) -> bool:
        return 0 < self._options.max_conn <= len(self._house.sessions)

    def _refused(self, request: web.Request, status: int, text: str) -> web.Response:
        self._house.counters["refused_upgrades"] += 1
        if log.isEnabledFor(logging.INFO):
            log.info("refused with %s: %s", status, redact_url(str(request.url)))
        return web.Response(status=status, text=text)

    def _terms(self, chosen: str | None, query: Mapping[str, str]) -> Terms:
        options = self._options
        rails = options.flavour == "rails"
        # Rails takes no wishes.
        wishes: Mapping[str, str] = {} if rails else query
        interval, wish = options.ping_interval, last_of(wishes, "pi")
        if WHOLE_NUMBER.fullmatch(wish):
            interval = float(wish)
        elif wish:
            log.warning("the ping interval that a client asks for is no whole number: ignored")
        agreed = (None if rails else subprotocol(chosen)) or BASE_JSON
        pings = PingPlan(
            interval,
            self._random.uniform(0.5, 1.5),
            last_of(wishes, "ptp") or options.ping_timestamp_precision,
            options.pong_timeout if agreed.extended else 0.0,
        )
        codec = codec_for(agreed, server=True)
        return Terms(pings, codec, dialect_of(options.flavour), agreed.extended, binary=agreed.binary, nameless=rails)


def publication_key(options: GatewayOptions) -> str | None:
    """Tell the key that publishers must show: the given one, the derived one, or none in public mode or without any."""
    if options.public:
        return None
    if options.broadcast_key:
        return options.broadcast_key
    return broadcast_key(options.secret) if options.secret else None


def disconnect_all(house: House, identifiers: str, *, reconnect: bool) -> int:
    """End all sessions with exactly these identifiers; tell how many they were. AnyCable ends one of them alone."""
    found = [session for session in house.sessions if session.identifiers == identifiers]
    if house.options.flavour == "anycable":
        found = found[:1]
    for session in found:
        session.expel(closed_remotely(reconnect=reconnect))
    return len(found)


def choose_subprotocol(offers: list[str], flavour: str = "strict") -> str | None:
    """Choose what to speak: the first of *our* list that the client offers, as AnyCable; ``None`` where there is none.

    Rails takes the first of the *client's* list that it knows.
    """
    offered = [name.strip() for offer in offers for name in offer.split(",")]
    if flavour == "rails":
        return next((name for name in offered if name in (SUBPROTOCOL, UNSUPPORTED)), None)
    spoken = (one.name for one in ALL if encoding_available(one.encoding))
    return next((name for name in spoken if name in offered), None)


def _frame_header(frame: bytes, kind: WSMsgType) -> bytes:
    first, size = 0x80 | kind, len(frame)
    if size < 126:
        return bytes((first, size))
    return struct.pack("!BBH", first, 126, size) if size < 65_536 else struct.pack("!BBQ", first, 127, size)


def _without_subprotocols(request: web.Request) -> web.BaseRequest:
    # aiohttp logs offers that it does not know, and one of them may be a token; it would also choose in client order.
    headers = request.headers.copy()
    headers.popall(hdrs.SEC_WEBSOCKET_PROTOCOL, None)
    return request.clone(headers=headers)


async def _health(_request: web.Request) -> web.Response:
    return web.Response(text="OK")


async def _hide_server(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.popall(hdrs.SERVER, None)
