"""An address that mints tokens for whoever asks: for demos and tests, with faults to order.

It is off unless ``token_path`` is set, and answers this machine alone unless ``token_remote`` says otherwise: who can
ask it needs no other right.
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
from typing import TYPE_CHECKING, Final

from aiohttp import hdrs, web
from attrs import frozen

from cableway.auth.jwts import sign_claims
from cableway.auth.minting import claims_of
from cableway.errors import UsageError
from cableway.gateway.origins import origin_rule

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cableway.gateway.options import GatewayOptions

_FORWARDED: Final = (hdrs.FORWARDED, hdrs.X_FORWARDED_FOR, "X-Real-IP")
"""Set by proxies: then the peer is not the client."""
_PRIVATE: Final = {hdrs.CACHE_CONTROL: "no-store"}


@frozen
class _Fault:
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]]
    times: int | None


class TokenDesk:
    """The token endpoint of a gateway, as ``gateway.tokens``; and what tests may make of it.

    ::

        async with Gateway(jwt_secret=secret, enforce_jwt=True, token_path="/token", token_life=60) as gateway:
            gateway.tokens.fail(503, times=3)
            ...
            gateway.tokens.heal()
            assert gateway.tokens.requests < 10

    A ``POST`` is answered with ``{"token": "...", "expires_in": 60}``. A fault holds until another one, until
    :meth:`heal`, or for *times* requests; it outlives a restart of the gateway.
    """

    def __init__(self, options: GatewayOptions) -> None:
        self._options = options
        self._origins = origin_rule(options.allowed_origins, any_origin=False, bound_to=options.host)
        self._fault: _Fault | None = None
        self._hanging: set[asyncio.Future[None]] = set()
        self.requests: int = 0
        """Requests that were let through to here, whatever came of them."""
        self.issued: int = 0
        """Good tokens given."""
        if options.token_path is not None:
            claims_of(options.token_ext, options.token_life, 0)

    @property
    def url_path(self) -> str:
        """Where it is, below ``gateway.http_url``.

        Raises:
            UsageError: There is none.
        """
        if self._options.token_path is None:
            msg = "this gateway gives no tokens: set token_path"
            raise UsageError(msg)
        return self._options.token_path

    @property
    def hanging(self) -> int:
        """Requests that wait at this moment for an answer that will not come."""
        return len(self._hanging)

    # Faults to order -------------------------------------------------------------------------------------------------

    def fail(self, status: int = 500, *, times: int | None = None, retry_after: float | None = None) -> None:
        """Answer with this HTTP status; *retry_after*, in seconds, adds the header of that name."""
        more = {} if retry_after is None else {hdrs.RETRY_AFTER: f"{retry_after:g}"}

        async def failed(_request: web.Request) -> web.Response:
            return web.Response(status=status, text="out of order", headers=more)

        self._fault = _Fault(failed, times)

    def hang(self, *, times: int | None = None) -> None:
        """Take requests and do not answer them. :meth:`heal`, or the gateway's end, cuts their lines."""
        self._fault = _Fault(self._hang, times)

    def garbage(self, *, times: int | None = None) -> None:
        """Answer with 200 and what is no JSON."""

        async def nonsense(_request: web.Request) -> web.Response:
            return web.Response(text="<html>welcome", content_type="text/html", headers=_PRIVATE)

        self._fault = _Fault(nonsense, times)

    def expired(self, *, times: int | None = None) -> None:
        """Answer with tokens that ended a second ago, and say so: ``expires_in`` is 0."""

        async def late(_request: web.Request) -> web.Response:
            claims = claims_of(self._options.token_ext, 1, time.time() - 2)
            return self._given(claims, 0)

        self._fault = _Fault(late, times)

    def heal(self) -> None:
        """Answer well from now on."""
        self._fault = None
        self.let_go()

    def let_go(self) -> None:
        """Cut the lines of those who hang; later ones hang on."""
        for hanging in self._hanging:
            if not hanging.done():
                hanging.set_result(None)

    # Answers ---------------------------------------------------------------------------------------------------------

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer a request for a token."""
        if not self._may_ask(request):
            text = "tokens are given to programs on this machine only: see token_remote"
            return web.Response(status=403, text=text)
        self.requests += 1
        fault = self._next_fault()
        if fault is not None:
            return await fault.answer(request)
        self.issued += 1
        claims = claims_of(self._options.token_ext, self._options.token_life, time.time())
        return self._given(claims, claims["exp"] - claims["iat"])

    def _given(self, claims: dict[str, object], expires_in: int) -> web.Response:
        token = sign_claims(claims, self._options.token_secret or "")
        return web.json_response({"token": token, "expires_in": expires_in}, headers=_PRIVATE)

    def _next_fault(self) -> _Fault | None:
        fault = self._fault
        if fault is not None and fault.times is not None:
            self._fault = _Fault(fault.answer, fault.times - 1) if fault.times > 1 else None
        return fault

    def _may_ask(self, request: web.Request) -> bool:
        # A page of another site could ask, too; programs send no Origin.
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is not None and not self._origins.allows(origin, request.host):
            return False
        if self._options.token_remote:
            return True
        return _is_loopback(request.remote) and not any(name in request.headers for name in _FORWARDED)

    async def _hang(self, request: web.Request) -> web.StreamResponse:
        hanging: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._hanging.add(hanging)
        try:
            await hanging
        finally:
            self._hanging.discard(hanging)
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=503)


def _is_loopback(remote: str | None) -> bool:
    try:
        address = ipaddress.ip_address(remote or "")
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)
