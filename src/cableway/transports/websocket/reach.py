"""Reaches the host: name, address, proxy, TLS."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, TypeVar

from attrs import field, frozen

from cableway.errors import ConnectTimeout
from cableway.transports.websocket.address import host_and_port
from cableway.transports.websocket.exchange import HttpExchange
from cableway.transports.websocket.failures import explain_network, explain_proxy
from cableway.transports.websocket.proxy import connect_request, connect_through_socks, explain_connect
from cableway.transports.websocket.race import connect_socket
from cableway.transports.websocket.tls import default_context

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable

    from cableway.errors import ConnectError
    from cableway.transports.websocket.proxy import ProxyAddress

P = TypeVar("P", bound=asyncio.Protocol)

_GOODBYE: Final = 1.0
"""Seconds that TLS may take for its own goodbye."""

_TUNNEL: Final = range(200, 300)


@frozen
class Route:
    """Where a line leads, and by which way."""

    url: str = field(repr=False)
    """As it was given; only for error texts, which redact it."""
    host: str
    port: int
    tls: ssl.SSLContext | None
    """Set for a secure line."""
    proxy: ProxyAddress | None
    proxy_ssl: ssl.SSLContext | None
    timeout: float
    tunnelled: bool = True
    """Whether an HTTP proxy makes a tunnel; if not, it is told with each request where that is to go."""

    @property
    def at(self) -> str:
        """Name and port of the server, for people."""
        return host_and_port(self.host, self.port)

    @property
    def forwarded(self) -> bool:
        """Whether requests are written for an HTTP proxy, which passes them on (RFC 9112 section 3.2.2)."""
        return self.proxy is not None and not self.proxy.is_socks and not self.tunnelled


async def reach(route: Route, factory: Callable[[], P]) -> P:
    """Open the way to the server for the protocol that *factory* makes. Cancelled, it leaves nothing open.

    Raises:
        ConnectTimeout: It took longer than the route's time allows.
        ConnectError: Another of its subclasses says what was in the way.
    """
    limit = asyncio.timeout(route.timeout)
    try:
        async with limit:
            if route.proxy is None:
                return await _connect(route, factory)
            if route.proxy.is_socks:
                return await _connect_through_socks(route, route.proxy, factory)
            if route.forwarded:
                return await _connect_to_proxy(route, route.proxy, factory)
            return await _connect_through_http(route, route.proxy, factory)
    except TimeoutError:
        if not limit.expired():
            raise
        raise ConnectTimeout(route.url, route.timeout, "the host was not reached") from None


async def _connect(route: Route, factory: Callable[[], P]) -> P:
    try:
        sock = await connect_socket(route.host, route.port)
        return await _take_over(sock, route.tls, route.host, factory)
    except OSError as error:
        raise _explain(route, error) from error


async def _connect_through_socks(route: Route, proxy: ProxyAddress, factory: Callable[[], P]) -> P:
    sock = await connect_through_socks(route.url, proxy, route.host, route.port, timeout=route.timeout)
    try:
        return await _take_over(sock, route.tls, route.host, factory)
    except OSError as error:
        raise _explain(route, error) from error


async def _take_over(sock: socket.socket, context: ssl.SSLContext | None, host: str, factory: Callable[[], P]) -> P:
    """Return a protocol over *sock*, which is connected; by TLS with *host* where there is a *context*."""
    loop = asyncio.get_running_loop()
    _, protocol = await loop.create_connection(factory, sock=sock, **_tls(context, host))
    return protocol


async def _connect_through_http(route: Route, proxy: ProxyAddress, factory: Callable[[], P]) -> P:
    exchange = await _connect_to_proxy(route, proxy, HttpExchange)
    try:
        await _ask_for_tunnel(route, proxy, exchange)
        return await _enter_tunnel(route, exchange.transport, factory())
    except BaseException:
        exchange.transport.abort()
        raise


async def _connect_to_proxy(route: Route, proxy: ProxyAddress, factory: Callable[[], P]) -> P:
    context = None
    if proxy.scheme == "https":
        context = route.proxy_ssl or await default_context()
    try:
        sock = await connect_socket(proxy.host, proxy.port)
        return await _take_over(sock, context, proxy.host, factory)
    except OSError as error:
        raise explain_proxy(route.url, error, at=proxy.at, secure=context is not None) from error


async def _ask_for_tunnel(route: Route, proxy: ProxyAddress, exchange: HttpExchange) -> None:
    head = await exchange.head(connect_request(proxy, route.host, route.port))
    if head is None or head.status not in _TUNNEL:
        raise explain_connect(route.url, proxy, head)


async def _enter_tunnel(route: Route, proxied: asyncio.Transport, protocol: P) -> P:
    """Give *protocol* the line to the server itself, over TLS where the address asks for it."""
    if route.tls is None:
        proxied.set_protocol(protocol)
        protocol.connection_made(proxied)
        proxied.resume_reading()
        return protocol
    loop = asyncio.get_running_loop()
    options = _tls(route.tls, route.host)
    context = options.pop("ssl")
    try:
        transport = await loop.start_tls(proxied, protocol, context, **options)
    except OSError as error:
        raise _explain(route, error) from error
    if transport is None:  # asyncio's way to say that the line broke meanwhile
        raise _explain(route, ConnectionResetError())
    protocol.connection_made(transport)
    return protocol


def _tls(context: ssl.SSLContext | None, host: str) -> dict[str, Any]:
    if context is None:
        return {}
    return {"ssl": context, "server_hostname": host, "ssl_shutdown_timeout": _GOODBYE}


def _explain(route: Route, error: OSError) -> ConnectError:
    return explain_network(route.url, error, at=route.at, secure=route.tls is not None)
