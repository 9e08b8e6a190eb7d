"""The recipe for lines by event streams."""

from __future__ import annotations

import asyncio
from http.cookiejar import CookieJar
from typing import TYPE_CHECKING, Final, Literal

from cableway.errors import ServerSilent, UsageError
from cableway.transports.event_stream.connection import EventStreamConnection
from cableway.transports.event_stream.roster import Roster
from cableway.transports.http.address import http_address
from cableway.transports.http.posting import Broken, Poster, Unsent
from cableway.transports.http.refusals import unreached
from cableway.transports.http.way import Ways, spoken_as_text
from cableway.transports.websocket.headers import check_request

if TYPE_CHECKING:
    import ssl

    from cableway.transports.base import DialRequest, Sink

PATH: Final = "/events"

REQUEST_LIMIT: Final = 64_000
"""Bytes of a body: AnyCable takes 64 KiB."""

_NOT_HERE: Final = frozenset({"x-anycable-restore-sid"})
"""A session of event streams cannot be taken up again: its id is shown to nobody."""


class EventStreamTransport:
    """Opens lines by event streams (server-sent events), as AnyCable and Cableway's gateway serve them at ``/events``.

    They carry subscriptions, messages and the past, and nothing the other way: commands, whispers and presence raise
    :class:`~cableway.NotSupported`.

    Example::

        async with Cable("https://example.com/events", transports=[EventStreamTransport()]) as cable:
            async for message in cable.stream("news"):
                print(message.data)
    """

    name = "event_stream"
    sends = False
    text_only = True

    def __init__(
        self,
        *,
        path: str | None = None,
        method: Literal["POST", "GET"] = "POST",
        max_message_size: int = 1024 * 1024,
        proxy_ssl: ssl.SSLContext | None = None,
    ) -> None:
        """Keep the options; nothing is dialled yet.

        Args:
            path: Where the server serves them; by default that of the address, ``/events`` in place of ``/cable``.
            method: How subscriptions are asked for. ``"POST"``: several in one request, and messages come as they do
                on any other line. ``"GET"``: each by an address of its own, as browsers' ``EventSource`` does, after
                a break with the ``Last-Event-ID`` from which to go on. Messages come bare then: published text that
                reads as JSON (``"5"``, ``"null"``) arrives as what it reads as. What an address cannot say (a question
                about two streams, or about one whose name no header carries) is posted all the same.
            max_message_size: Largest message to receive, in bytes. A larger one loses the line.
            proxy_ssl: For a proxy whose address starts with ``https``; by default the system's certificates.

        Raises:
            UsageError: A value is out of its range.
        """
        if path is not None and not path.startswith("/"):
            msg = f"path={path!r} does not begin with a slash, as /events does"
            raise UsageError(msg)
        if method not in ("POST", "GET"):
            msg = f"method={method!r} is none: give 'POST' or 'GET'"
            raise UsageError(msg)
        if max_message_size < 1:
            msg = f"max_message_size={max_message_size} leaves no room: give at least 1 byte"
            raise UsageError(msg)
        self._path = path
        self._method = method
        self._max_message_size = max_message_size
        self._cookies = CookieJar()
        self._ways = Ways(proxy_ssl)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(path={self._path!r}, method={self._method!r})"

    async def open(self, request: DialRequest, sink: Sink) -> EventStreamConnection:
        """Open one line and hand it over paused. Cancelled, it leaves nothing open.

        Raises:
            InvalidURL: The address, or the proxy's, cannot be dialled.
            InvalidHeader: A header, the origin or a subprotocol must not go on the wire.
            UsageError: The protocol is not one of text.
            MissingExtra: A SOCKS proxy is to be used and ``python-socks`` is not installed.
            ConnectError: One of its subclasses: the host was not reached, or refused.
        """
        check_request(request)
        spoken = spoken_as_text(request)
        parts = http_address(request.url, self._path, PATH)
        poster = Poster(await self._ways.way(request, parts, without=_NOT_HERE), self._cookies, crowd=True)
        roster, size = Roster(REQUEST_LIMIT, gets=self._method == "GET"), self._max_message_size
        connection = EventStreamConnection(poster, sink, request.url, spoken, roster, max_message_size=size)
        limit = asyncio.timeout(2 * request.timeout)
        try:
            async with limit:
                await connection.opened()
        except BaseException as error:
            await connection.close()
            if isinstance(error, Unsent | Broken):
                raise unreached(request.url, error, timeout=request.timeout)  # noqa: B904 - it has its cause
            if isinstance(error, TimeoutError) and limit.expired():
                raise ServerSilent(request.url, 2 * request.timeout, "the request was not answered") from None
            raise
        return connection
