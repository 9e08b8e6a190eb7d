"""Which pages of other sites may use the plain HTTP transports, and how they are told (CORS)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from aiohttp import hdrs

from cableway.gateway.origins import OriginRule, origin_rule

if TYPE_CHECKING:
    from aiohttp import web

    from cableway.gateway.options import GatewayOptions

POLL_ID: Final = "X-Anycable-Poll-ID"
RESTORE_SID: Final = "X-ANYCABLE-RESTORE-SID"

_ALLOWED: Final = (
    "Origin, X-Requested-With, X-Request-ID, Content-Type, Accept, X-CSRF-Token, Authorization, Last-Event-ID"
)
_EXPOSED: Final = f"{POLL_ID}, Sec-WebSocket-Protocol, Retry-After"

log: logging.Logger = logging.getLogger("cableway.gateway")


class Cors:
    """Judges requests by their origin, as upgrades are judged, and writes the headers that browsers ask for.

    A page of another site is refused altogether, unless ``flavour`` says otherwise: a browser would keep the answer
    from it, as with AnyCable, but the request would have been carried out by then, cookies and all.
    """

    def __init__(self, options: GatewayOptions) -> None:
        self._rule: OriginRule = origin_rule(options.allowed_origins, any_origin=options.public, bound_to=options.host)
        self._lenient = options.flavour == "anycable"
        self._always = {
            "Access-Control-Allow-Methods": "POST, OPTIONS",
            "Access-Control-Allow-Credentials": "true",
            "Access-Control-Allow-Headers": f"{_ALLOWED}, {POLL_ID}, {RESTORE_SID}, x-{options.jwt_param}",
            "Access-Control-Expose-Headers": _EXPOSED,
        }

    def allows(self, request: web.Request) -> bool:
        """Tell whether the request may be answered."""
        if self._lenient or self._knows(request):
            return True
        log.info("refused with 403: pages of this origin, or by this name of the host, may not connect")
        return False

    def headers(self, request: web.Request) -> dict[str, str]:
        """Return the headers of any answer to *request*."""
        if self._rule.any_origin:
            return {"Access-Control-Allow-Origin": "*", **self._always}
        origin = request.headers.get(hdrs.ORIGIN)
        given = {"Access-Control-Allow-Origin": origin} if origin is not None and self._knows(request) else {}
        return {**given, **self._always, hdrs.VARY: hdrs.ORIGIN}

    def _knows(self, request: web.Request) -> bool:
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is None:
            return self._rule.allows_silence(request.host)
        return self._rule.allows(origin, request.host)
