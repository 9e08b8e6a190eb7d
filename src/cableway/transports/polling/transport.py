"""The recipe for lines by long polling."""

from __future__ import annotations

import asyncio
from http.cookiejar import CookieJar
from typing import TYPE_CHECKING, Final, Literal

from cableway.errors import ServerSilent, UsageError
from cableway.transports.http.address import http_address
from cableway.transports.http.posting import Broken, Poster, Unsent
from cableway.transports.http.refusals import farewell, no_session, refused, unreached
from cableway.transports.http.way import Ways, spoken_as_text
from cableway.transports.polling.connection import Buffers, Opened, PollingConnection
from cableway.transports.polling.courier import POLL_ID, Session
from cableway.transports.polling.exchange import Exchange, Strays
from cableway.transports.polling.lines import LineSplitter, LineTooLong
from cableway.transports.polling.outbox import Outbox
from cableway.transports.polling.pace import Pace, pace_of
from cableway.transports.websocket.headers import check_request
from cableway.types import Seconds, to_seconds
from cableway.wire.subprotocols import BASE_JSON

if TYPE_CHECKING:
    import ssl

    from cableway.transports.base import DialRequest, Sink
    from cableway.transports.http.posting import Answer

LONGEST_HOLD: Final = 40.0
"""Seconds: a monitor takes a line on which nothing moves for longer than 48 s for dead."""

POLL_PATH: Final = "/lp"

REQUEST: Final = "the request for a line by long polling"

_SUBPROTOCOLS: Final = "sec-websocket-protocol"

_ONCE: Final = frozenset({"x-anycable-restore-sid", _SUBPROTOCOLS})
"""Headers of the request that opens the line alone: what lets somebody in is shown no more often than needed."""


class LongPollingTransport:
    """Opens lines by long polling, as AnyCable Pro and Cableway's gateway serve it at ``/lp``.

    For networks that let no WebSocket pass. The address of the cable may be that of the polls, or that of the
    WebSocket: ``/cable`` at its end becomes ``/lp``. Certificates are always verified, redirects are not followed, and
    cookies are kept from one line to the next, so that a load balancer finds the same server.

    Example::

        async with Cable("https://example.com/lp", transports=[LongPollingTransport()]) as cable:
            ...
    """

    name = "long_polling"
    text_only = True

    def __init__(
        self,
        *,
        path: str | None = None,
        sending: Literal["wait", "interrupt"] = "wait",
        pace: Literal["prompt", "balanced", "sparing"] | Pace = "balanced",
        hold: Seconds = 15.0,
        keepalive: Seconds = 5.0,
        max_request_size: int = 64_000,
        max_message_size: int = 1024 * 1024,
        write_limit: int = 1024 * 1024,
        proxy_ssl: ssl.SSLContext | None = None,
    ) -> None:
        """Keep the options; nothing is dialled yet.

        Args:
            path: Where the server takes polls; by default that of the address, ``/lp`` in place of ``/cable``.
            sending: What becomes of a command while the server holds a poll. ``"wait"``: it goes with the next one, and
                nothing can be lost. ``"interrupt"``: the poll is given up for it, with what the server had put into
                that answer in the same instant; only on the extended protocol, which can tell.
            pace: How soon polls follow each other: ``"prompt"``, ``"balanced"``, ``"sparing"``, or your own.
            hold: Seconds for which the server holds a poll at most (AnyCable's ``--poll_interval``); 40 at most. One
                that is not answered ten seconds later has ended the line.
            keepalive: Seconds for which the server keeps a session between two polls
                (``--poll_keepalive_timeout``).
            max_request_size: Largest body of a request in bytes (``--poll_max_request_size``, 64 kB).
            max_message_size: Largest message to receive, in bytes. A larger one loses the line.
            write_limit: Bytes that the server has not taken, above which ``drain()`` waits.
            proxy_ssl: For a proxy whose address starts with ``https``; by default the system's certificates.

        Raises:
            UsageError: A value is none of its kind, or out of its range.
        """
        if sending not in ("wait", "interrupt"):
            msg = f"sending={sending!r} is none: give 'wait' or 'interrupt'"
            raise UsageError(msg)
        if path is not None and not path.startswith("/"):
            msg = f"path={path!r} does not begin with a slash, as /lp does"
            raise UsageError(msg)
        for name, size in (
            ("max_request_size", max_request_size),
            ("max_message_size", max_message_size),
            ("write_limit", write_limit),
        ):
            if size < 1:
                msg = f"{name}={size} leaves no room: give at least 1 byte"
                raise UsageError(msg)
        self._path = path
        self._interrupts = sending == "interrupt"
        self._pace = pace_of(pace)
        self._hold = _between(to_seconds(hold, "hold"), "hold", LONGEST_HOLD)
        self._keepalive = _between(to_seconds(keepalive, "keepalive"), "keepalive", 3600.0)
        self._max_request_size = max_request_size
        self._max_message_size = max_message_size
        self._buffers = Buffers(write_limit, read_limit=max_message_size)
        self._cookies = CookieJar()
        self._strays = Strays()
        self._ways = Ways(proxy_ssl)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(path={self._path!r}, pace={self._pace!r})"

    @property
    def max_command_size(self) -> int:
        """Bytes of the largest command that it can carry: with its line end it is a request of its own."""
        return self._max_request_size - 1

    async def open(self, request: DialRequest, sink: Sink) -> PollingConnection:
        """Open one line and hand it over paused. Cancelled, it leaves nothing open.

        ``request.timeout`` limits reaching the host, and then the answer.

        Raises:
            InvalidURL: The address, or the proxy's, cannot be dialled.
            InvalidHeader: A header, the origin or a subprotocol must not go on the wire.
            UsageError: The protocol is not one of text.
            MissingExtra: A SOCKS proxy is to be used and ``python-socks`` is not installed.
            HostUnreachable: Name not found, port refused, no route, or cut before an answer came.
            TLSFailure: No secure line could be made.
            ProxyFailure: The proxy did not let us through.
            ConnectTimeout: The host was not reached in time.
            ServerSilent: It was, but did not answer in time.
            HandshakeRefused: The server answered with an error, or a redirect to another of its paths.
            CaptivePortal: The network wants a sign-in first.
            Unauthorized: It refused with 401, and said that this is final or that the token has expired.
            ServerDisconnect: It refused with 401 for another reason that it named.
            NotAWebSocket: What answered does not serve long polling.
        """
        check_request(request)
        spoken = spoken_as_text(request)
        parts = http_address(request.url, self._path, POLL_PATH)
        poster = Poster(await self._ways.way(request, parts, without=_ONCE), self._cookies)
        try:
            opened = await self._opened(request, poster, spoken)
        except BaseException:
            await poster.aclose()
            raise
        extended = opened.subprotocol is not None and opened.subprotocol != BASE_JSON.name
        exchange = Exchange(
            self._pace,
            Outbox(self._max_request_size),
            self._keepalive,
            interrupts=self._interrupts and extended,
            opened_at=asyncio.get_running_loop().time(),
            strays=self._strays,
        )
        connection = PollingConnection(poster, exchange, sink, opened, self._buffers)
        try:
            # A task that is cancelled before its first step would not even begin, and close nothing.
            await asyncio.sleep(0)
        except BaseException:
            connection.abort()
            raise
        return connection

    async def _opened(self, request: DialRequest, poster: Poster, spoken: str) -> Opened:
        headers = {name.lower(): value for name, value in request.headers.items() if name.lower() in _ONCE}
        headers[_SUBPROTOCOLS] = ", ".join(request.subprotocols)
        limit = asyncio.timeout(2 * request.timeout)
        try:
            async with limit, poster.post(b"", headers, request.timeout) as answer:
                return await self._read(request, poster, answer, spoken)
        except (Unsent, Broken) as failure:
            raise unreached(request.url, failure, timeout=request.timeout)  # noqa: B904 - it has its cause
        except TimeoutError:
            if not limit.expired():
                raise
            raise ServerSilent(request.url, 2 * request.timeout, "the request was not answered in full") from None

    async def _read(self, request: DialRequest, poster: Poster, answer: Answer, spoken: str) -> Opened:
        poll_id = answer.headers.get(POLL_ID, "")
        if not poll_id and (portal := await answer.portal(request.url)) is not None:
            raise portal
        lines = await self._lines(request, answer) if answer.taken or answer.status == 401 else []
        if not answer.taken:
            proxy = poster.passed_on_by
            refusal = refused(request.url, answer.status, answer.headers, step=REQUEST, opens=True, proxy=proxy)
            raise farewell(lines, answer.status) or refusal
        if not poll_id:
            raise no_session(request.url, answer.status)
        session = Session(request.url, poll_id, self._hold, self._max_message_size)
        shown = {name: value for name, value in answer.headers.items() if name != POLL_ID}
        return Opened(session, answer.headers.get(_SUBPROTOCOLS, spoken), shown, lines)

    async def _lines(self, request: DialRequest, answer: Answer) -> list[bytes]:
        splitter, lines = LineSplitter(self._max_message_size), list[bytes]()
        try:
            while answer.readable and (chunk := await answer.chunk()) is not None:
                lines += splitter.feed(chunk)
        except LineTooLong:
            raise no_session(request.url, answer.status) from None
        return lines + splitter.end()


def _between(seconds: float, name: str, most: float) -> float:
    if not 0 < seconds <= most:
        msg = f"{name}={seconds:g} is out of range: give more than 0 and at most {most:g} seconds"
        raise UsageError(msg)
    return seconds
