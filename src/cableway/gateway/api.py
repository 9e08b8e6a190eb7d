"""The API for back ends: publish, and ask who is present. With AnyCable's paths and statuses."""

from __future__ import annotations

import hmac
import logging
from typing import TYPE_CHECKING

from aiohttp import hdrs, web

from cableway.auth.signing import api_key
from cableway.errors import MalformedFrame
from cableway.gateway.publications import Posted, read_publication
from cableway.wire.codecs.json import dump_text
from cableway.wire.dialects.extended_server import presence_info
from cableway.wire.frames import PresenceInfo

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cableway.gateway.house import House
    from cableway.gateway.options import GatewayOptions

PUBLISH = "/api/publish"
PRESENCE = "/api/presence/{stream:[^/]+}/users"

log: logging.Logger = logging.getLogger("cableway.gateway")


class Api:
    """Answers back ends."""

    def __init__(self, house: House, post: Callable[[Posted], Awaitable[None]]) -> None:
        self._house = house
        self._post = post
        self._key = key_of(house.options)

    def add_to(self, app: web.Application) -> None:
        """Serve it, if there is a key for it, or none is needed."""
        if self._key is not None or self._house.options.public:
            app.router.add_route("*", PUBLISH, self.publish)
            app.router.add_route("*", PRESENCE, self.presence)

    async def publish(self, request: web.Request) -> web.Response:
        """Take a publication."""
        if request.method != "POST":
            return web.Response(status=422, text="publications are posted")
        if not self._allows(request):
            return web.Response(status=401, text="the API key is missing or wrong")
        try:
            body = await request.read()
        except (web.HTTPException, OSError, ValueError):
            return web.Response(status=422, text="the body could not be read")
        try:
            await self._post(read_publication(body))
        except MalformedFrame as error:
            self._house.counters["failed_broadcasts"] += 1
            log.warning("a publication could not be read: %s", error)
        return web.Response(status=201)

    async def presence(self, request: web.Request) -> web.Response:
        """Tell who is present in a stream. As with AnyCable, a name with a slash in it cannot be asked for."""
        if request.method != "GET":
            return web.Response(status=422, text="presence is asked for with GET")
        if not self._allows(request):
            return web.Response(status=401, text="the API key is missing or wrong")
        stream = request.match_info["stream"]
        if "/" in stream:
            return web.Response(status=404)
        if self._house.broker is None:
            return web.Response(status=501, text="presence needs a broker")
        present = self._house.attendance.present(stream)
        text = dump_text(presence_info(PresenceInfo("", len(present), present)))
        return web.Response(text=text, content_type="application/json")

    def _allows(self, request: web.Request) -> bool:
        if self._key is None:
            return True
        given = request.headers.get(hdrs.AUTHORIZATION, "")
        return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), f"Bearer {self._key}".encode())


def key_of(options: GatewayOptions) -> str | None:
    """Tell the key of the API: the given one, the derived one, or none."""
    if options.public:
        return None
    return options.api_secret or (api_key(options.secret) if options.secret else None)
