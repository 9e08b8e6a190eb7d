"""The recipe for WebSocket lines."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.protocol import State
from websockets.typing import Origin, Subprotocol

from cableway.errors import NotAWebSocket, ServerSilent, UnsupportedProtocol
from cableway.redact import printable
from cableway.transports.websocket.address import parse_address
from cableway.transports.websocket.connection import WebSocketConnection
from cableway.transports.websocket.exchange import HttpExchange
from cableway.transports.websocket.failures import explain_refusal, explain_silence
from cableway.transports.websocket.headers import build_upgrade, check_request
from cableway.transports.websocket.proxies import choose_proxy
from cableway.transports.websocket.reach import Route, reach
from cableway.transports.websocket.receiver import Receiver
from cableway.transports.websocket.tls import default_context
from cableway.wire.subprotocols import subprotocol

if TYPE_CHECKING:
    import ssl
    from collections.abc import Coroutine
    from typing import Any, TypeVar

    from websockets.uri import WebSocketURI

    from cableway.transports.base import DialRequest, Sink
    from cableway.transports.websocket.response import ResponseHead

    T = TypeVar("T")

_SWITCHING: Final = 101

# The library's log shows the request line and all headers, credentials among them. A logger of its own, unknown to
# the logging module, cannot be switched on from outside.
_MUTE: Final = logging.Logger("websockets-mute")  # noqa: LOG001 - see above
_MUTE.disabled = True


class WebSocketTransport:
    """Opens lines by WebSocket (RFC 6455), over TLS for ``wss`` and ``https`` addresses.

    Certificates are always verified; for an authority of your own, or a client certificate, pass an
    ``ssl.SSLContext`` with the dial. Redirects are not followed.

    Example::

        transport = WebSocketTransport(compression=True)
        connection = await transport.open(DialRequest("wss://example.com/cable"), sink)
        connection.resume()
    """

    name = "websocket"

    def __init__(
        self,
        *,
        compression: bool = False,
        max_message_size: int = 1024 * 1024,
        write_limit: int = 64 * 1024,
        proxy_ssl: ssl.SSLContext | None = None,
    ) -> None:
        """Keep the options; nothing is dialled yet.

        Args:
            compression: Offer permessage-deflate (RFC 7692). It costs some 70 KiB of memory a line, and most of the
                speed of receiving.
            max_message_size: Largest message to receive, in bytes, after decompression. A larger one loses the line.
            write_limit: Unsent bytes above which ``drain()`` waits.
            proxy_ssl: For a proxy whose address starts with ``https``; by default the system's certificates.

        Raises:
            ValueError: A size is not positive.
        """
        if max_message_size < 1 or write_limit < 1:
            msg = f"max_message_size={max_message_size} and write_limit={write_limit} must be at least 1 byte"
            raise ValueError(msg)
        self._compression = compression
        self._max_message_size = max_message_size
        self._write_limit = write_limit
        self._proxy_ssl = proxy_ssl
        self._default_ssl: ssl.SSLContext | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(compression={self._compression}, max_message_size={self._max_message_size})"

    async def open(self, request: DialRequest, sink: Sink) -> WebSocketConnection:
        """Open one line and hand it over paused. Cancelled, it leaves nothing open.

        ``request.timeout`` limits reaching the host (with proxy and TLS), and then the upgrade.

        Raises:
            InvalidURL: The address, or the proxy's, cannot be dialled.
            InvalidHeader: A header, the origin, a subprotocol or the address must not go on the wire.
            MissingExtra: A SOCKS proxy is to be used and ``python-socks`` is not installed.
            HostUnreachable: Name not found, port refused, no route, or cut before the upgrade was answered.
            TLSFailure: No secure line could be made, or only with a server whose certificate is not pinned.
            ProxyFailure: The proxy did not let us through.
            ConnectTimeout: The host was not reached in time.
            ServerSilent: It was, but did not answer the upgrade in time.
            HandshakeRefused: The server answered with an error, or a redirect to another of its paths; its fields hold
                the response.
            CaptivePortal: The network wants a sign-in first.
            NotAWebSocket: What answered is no WebSocket server.
            UnsupportedProtocol: The server selected a subprotocol that was not offered.
        """
        uri = parse_address(request.url)
        check_request(request)
        exchange = await reach(await self._route(request, uri), HttpExchange)
        try:
            protocol, head = await _in_time(request, self._upgrade(request, uri, exchange))
        except BaseException:
            exchange.transport.abort()
            raise
        exchange.transport.set_write_buffer_limits(high=self._write_limit)
        receiver = Receiver(protocol, self._max_message_size, binary=_is_binary(protocol))
        early = bytes(exchange.received)
        return WebSocketConnection(exchange.transport, receiver, sink, headers=head.headers, early=early)

    async def _route(self, request: DialRequest, uri: WebSocketURI) -> Route:
        proxy = await choose_proxy(request.proxy, uri.host, uri.port, secure=uri.secure)
        context = None
        if uri.secure:
            context = request.ssl or self._default_ssl
            if context is None:
                context = self._default_ssl = await default_context()
        return Route(request.url, uri.host, uri.port, context, proxy, self._proxy_ssl, request.timeout)

    async def _upgrade(
        self, request: DialRequest, uri: WebSocketURI, exchange: HttpExchange
    ) -> tuple[ClientProtocol, ResponseHead]:
        protocol = self._protocol(request, uri)
        head = await exchange.head(build_upgrade(protocol, request).serialize())
        if head is None:
            raise explain_silence(request.url, bytes(exchange.received), exchange.error, secure=uri.secure)
        if head.status != _SWITCHING:
            body = await exchange.body(head)
            raise explain_refusal(request.url, head, body, origin=request.origin)
        _check_subprotocol(request, head)
        protocol.receive_data(head.raw)
        protocol.events_received()
        if protocol.state is not State.OPEN:
            raise _explain_bad_upgrade(request.url, protocol.handshake_exc)
        return protocol, head

    def _protocol(self, request: DialRequest, uri: WebSocketURI) -> ClientProtocol:
        return ClientProtocol(
            uri,
            origin=None if request.origin is None else Origin(request.origin),
            subprotocols=[Subprotocol(name) for name in request.subprotocols] or None,
            extensions=[ClientPerMessageDeflateFactory()] if self._compression else None,
            max_size=self._max_message_size,
            logger=_MUTE,
        )


def _check_subprotocol(request: DialRequest, head: ResponseHead) -> None:
    selected = head.headers.get("sec-websocket-protocol")
    if selected is not None and selected not in request.subprotocols:
        raise UnsupportedProtocol(request.url, printable(selected), request.subprotocols)


def _is_binary(protocol: ClientProtocol) -> bool:
    agreed = subprotocol(protocol.subprotocol)
    return agreed is not None and agreed.binary


def _explain_bad_upgrade(url: str, error: Exception | None) -> NotAWebSocket:
    why = printable(str(error)) if isinstance(error, InvalidHandshake) else "the response is not valid"
    hint = "Does a proxy on the way spoil the upgrade?"
    return NotAWebSocket(url, f"the upgrade was answered, but wrongly: {why}", hint, _SWITCHING)


async def _in_time(request: DialRequest, work: Coroutine[Any, Any, T]) -> T:
    limit = asyncio.timeout(request.timeout)
    try:
        async with limit:
            return await work
    except TimeoutError:
        if not limit.expired():
            raise
        raise ServerSilent(request.url, request.timeout, "the upgrade was not answered") from None
