"""Reaches the host: name, address, proxy, TLS."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from attrs import field, frozen

from cableway.transports.websocket.address import host_and_port
from cableway.transports.websocket.exchange import HttpExchange
from cableway.transports.websocket.failures import explain_network, explain_proxy
from cableway.transports.websocket.proxy import connect_request, connect_through_socks, explain_connect
from cableway.transports.websocket.race import connect_socket
from cableway.transports.websocket.tls import default_context

if TYPE_CHECKING:
    import socket
    import ssl

    from websockets.uri import WebSocketURI

    from cableway.errors import ConnectError
    from cableway.transports.websocket.proxy import ProxyAddress

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
    try:
        sock = await connect_socket(route.uri.host, route.uri.port)
        return await _take_over(sock, route.tls, route.uri.host)
    except OSError as error:
        raise _explain(route, error) from error


async def _connect_through_socks(route: Route, proxy: ProxyAddress) -> HttpExchange:
    sock = await connect_through_socks(route.url, proxy, route.uri, timeout=route.timeout)
    try:
        return await _take_over(sock, route.tls, route.uri.host)
    except OSError as error:
        raise _explain(route, error) from error


async def _take_over(sock: socket.socket, context: ssl.SSLContext | None, host: str) -> HttpExchange:
    """Return an exchange over *sock*, which is connected; by TLS with *host* where there is a *context*."""
    loop = asyncio.get_running_loop()
    _, exchange = await loop.create_connection(HttpExchange, sock=sock, **_tls(context, host))
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
    try:
        sock = await connect_socket(proxy.host, proxy.port)
        return await _take_over(sock, context, proxy.host)
    except OSError as error:
        raise explain_proxy(route.url, error, at=proxy.at, secure=context is not None) from error


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
