"""Where the doctor touches what the transports reach a server by: which proxy, by which route, and the line itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cableway.transports.websocket.address import parse_address
from cableway.transports.websocket.exchange import HttpExchange
from cableway.transports.websocket.proxies import choose_proxy
from cableway.transports.websocket.reach import Route, reach

if TYPE_CHECKING:
    import asyncio

    from cableway.transports.base import DialRequest
    from cableway.transports.websocket.proxy import ProxyAddress


async def proxy_for(request: DialRequest) -> ProxyAddress | None:
    """Return the proxy that a WebSocket would take.

    Raises:
        InvalidURL: What was given, or what the environment says, is no address of a proxy.
    """
    uri = parse_address(request.url)
    return await choose_proxy(request.proxy, uri.host, uri.port, secure=uri.secure)


def route_for(request: DialRequest, proxy: ProxyAddress | None) -> Route:
    """Return the route to the server that ends before TLS; with ``tls`` set, it goes through that."""
    uri = parse_address(request.url)
    return Route(request.url, uri.host, uri.port, None, proxy, None, request.timeout)


async def reached(route: Route) -> asyncio.Transport:
    """Return a line to the server, through the tunnel and TLS where there are such. Cancelled, it leaves nothing open.

    Raises:
        ConnectError: One of its subclasses says what was in the way.
    """
    return (await reach(route, HttpExchange)).transport
