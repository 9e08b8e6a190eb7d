"""How plain requests get to a server: what goes with each, TLS, proxy; and what is spoken by them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import field, frozen

from cableway.address import HttpAddress
from cableway.errors import InvalidURL, UsageError
from cableway.transports.websocket.proxies import choose_proxy
from cableway.transports.websocket.reach import Route
from cableway.transports.websocket.tls import default_context
from cableway.wire.subprotocols import BASE_JSON, JSON, subprotocol

if TYPE_CHECKING:
    import ssl
    from collections.abc import Collection, Mapping
    from urllib.parse import SplitResult

    from cableway.transports.base import DialRequest


@frozen
class Way:
    """How to get there."""

    address: HttpAddress
    headers: Mapping[str, str] = field(repr=False)
    """What goes with each request; names in lower case."""
    route: Route


class Ways:
    """Finds the way for each line, and keeps what is costly to make."""

    def __init__(self, proxy_ssl: ssl.SSLContext | None = None) -> None:
        self._proxy_ssl = proxy_ssl
        self._default_ssl: ssl.SSLContext | None = None

    async def way(self, request: DialRequest, parts: SplitResult, *, without: Collection[str] = ()) -> Way:
        """Return the way to the address *parts*; *without*: headers, in lower case, that not each request carries.

        Raises:
            InvalidURL: The host name, or the address of the proxy, is none.
        """
        address = HttpAddress.of(parts)
        headers = {name.lower(): value.strip(" \t") for name, value in request.headers.items()}
        if request.origin is not None:
            headers["origin"] = request.origin
        if address.authorization is not None:
            headers.setdefault("authorization", address.authorization)
        context = None
        if parts.scheme == "https":
            context = request.ssl or self._default_ssl
            if context is None:
                context = self._default_ssl = await default_context()
        every = {name: value for name, value in headers.items() if name not in without}
        route = await self._route(request, parts, context)
        if route.forwarded and route.proxy is not None and route.proxy.authorization is not None:
            every["proxy-authorization"] = route.proxy.authorization
        return Way(address, every, route)

    async def _route(self, request: DialRequest, parts: SplitResult, context: ssl.SSLContext | None) -> Route:
        secure = context is not None
        host, port = _ascii(request.url, parts.hostname or ""), parts.port or (443 if secure else 80)
        # A proxy that makes no tunnels to plain ports may still pass on requests.
        proxy = await choose_proxy(request.proxy, host, port, secure=secure, tunnelled=secure)
        return Route(request.url, host, port, context, proxy, self._proxy_ssl, request.timeout, tunnelled=secure)


def _ascii(url: str, host: str) -> str:
    try:
        return host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        raise InvalidURL(url, "the host name is not one that can be dialled") from None


def spoken_as_text(request: DialRequest) -> str:
    """Return what is spoken where the server names nothing: AnyCable obeys all commands on any line.

    Raises:
        UsageError: What is offered cannot travel as lines of text.
    """
    known = [subprotocol(name) for name in request.subprotocols]
    offered = [one for one in known if one is not None]
    if any(one.encoding != JSON for one in offered):
        msg = "plain requests carry text alone: give protocol='auto', or one whose name ends with -json"
        raise UsageError(msg)
    return offered[0].name if offered else BASE_JSON.name
