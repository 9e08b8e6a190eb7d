"""Reaches the host: name, address, proxy, TLS."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from attrs import field, frozen

from cableway.errors import ConnectError, ProxyFailure
from cableway.transports.websocket.address import host_and_port
from cableway.transports.websocket.exchange import HttpExchange
from cableway.transports.websocket.failures import explain_network
from cableway.transports.websocket.proxy import connect_request, connect_through_socks, explain_connect
from cableway.transports.websocket.tls import default_context

if TYPE_CHECKING:
    import ssl

    from websockets.uri import WebSocketURI

    from cableway.transports.websocket.proxy import ProxyAddress

_NEXT_ADDRESS: Final = 0.25
"""Seconds after which the next address of a host is tried beside the first (RFC 8305 section 5)."""

_GOODBYE: Final = 1.0
"""Seconds that TLS may take for its own goodbye."""

_TUNNEL: Final = range(200, 300)


@frozen
class Route:
    """Where a line leads, and by which way."""

    url: str = field(repr=False)
    """As it was given; only for error texts, which redact it."""
    uri: WebSocketURI = field(repr=False)
    tls: ssl.SSLContext | None
    """Set for a secure line."""
    proxy: ProxyAddress | None
    proxy_ssl: ssl.SSLContext | None
    timeout: float

    @property
    def at(self) -> str:
        """Name and port of the server, for people."""
        return host_and_port(self.uri.host, self.uri.port)


async def reach(route: Route) -> HttpExchange:
    """Open the way to the server and return it ready for the upgrade. Cancelled, it leaves nothing open.

    Raises:
        ConnectError: One of its subclasses says what was in the way.
    """
    if route.proxy is None:
        return await _connect(route)
    if route.proxy.is_socks:
        return await _connect_through_socks(route, route.proxy)
    return await _connect_through_http(route, route.proxy)


async def _connect(route: Route) -> HttpExchange:
    loop = asyncio.get_running_loop()
    tls = _tls(route.tls, route.uri.host)
    try:
        _, exchange = await loop.create_connection(
            HttpExchange, route.uri.host, route.uri.port, happy_eyeballs_delay=_NEXT_ADDRESS, **tls
        )
    except OSError as error:
        raise _explain(route, error) from error
    return exchange


async def _connect_through_socks(route: Route, proxy: ProxyAddress) -> HttpExchange:
    sock = await connect_through_socks(route.url, proxy, route.uri, timeout=route.timeout)
    try:
        _, exchange = await asyncio.get_running_loop().create_connection(
            HttpExchange, sock=sock, **_tls(route.tls, route.uri.host)
        )
    except OSError as error:
        raise _explain(route, error) from error
    return exchange


async def _connect_through_http(route: Route, proxy: ProxyAddress) -> HttpExchange:
    exchange = await _connect_to_proxy(route, proxy)
    try:
        await _ask_for_tunnel(route, proxy, exchange)
        return await _enter_tunnel(route, exchange)
    except BaseException:
        exchange.transport.abort()
        raise


async def _connect_to_proxy(route: Route, proxy: ProxyAddress) -> HttpExchange:
    context = None
    if proxy.scheme == "https":
        context = route.proxy_ssl or await default_context()
    loop = asyncio.get_running_loop()
    try:
        _, exchange = await loop.create_connection(
            HttpExchange, proxy.host, proxy.port, happy_eyeballs_delay=_NEXT_ADDRESS, **_tls(context, proxy.host)
        )
    except OSError as error:
        cause = explain_network(route.url, error, at=proxy.at, secure=context is not None)
        raise ProxyFailure(route.url, f"no way through the proxy: {cause.what}", cause.hint) from error
    return exchange


async def _ask_for_tunnel(route: Route, proxy: ProxyAddress, exchange: HttpExchange) -> None:
    head = await exchange.head(connect_request(proxy, route.uri.host, route.uri.port))
    if head is None or head.status not in _TUNNEL:
        raise explain_connect(route.url, proxy, head)


async def _enter_tunnel(route: Route, proxied: HttpExchange) -> HttpExchange:
    """Return the exchange with the server itself, over TLS where the address asks for it."""
    exchange = HttpExchange()
    if route.tls is None:
        exchange.transport = proxied.transport
        proxied.transport.set_protocol(exchange)
        proxied.transport.resume_reading()
        return exchange
    loop = asyncio.get_running_loop()
    options = _tls(route.tls, route.uri.host)
    context = options.pop("ssl")
    try:
        transport = await loop.start_tls(proxied.transport, exchange, context, **options)
    except OSError as error:
        raise _explain(route, error) from error
    if transport is None:  # asyncio's way to say that the line broke meanwhile
        raise _explain(route, ConnectionResetError())
    exchange.transport = transport
    return exchange


def _tls(context: ssl.SSLContext | None, host: str) -> dict[str, Any]:
    if context is None:
        return {}
    return {"ssl": context, "server_hostname": host, "ssl_shutdown_timeout": _GOODBYE}


def _explain(route: Route, error: OSError) -> ConnectError:
    return explain_network(route.url, error, at=route.at, secure=route.tls is not None)
