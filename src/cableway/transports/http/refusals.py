"""What an answer means that opens no line, or that ends one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from cableway.errors import (
    CableError,
    ConnectError,
    ConnectTimeout,
    HandshakeCut,
    HandshakeRefused,
    MalformedFrame,
    NotAWebSocket,
    NotOffered,
    ProxyFailure,
    ServerDisconnect,
    ServerSilent,
    Unauthorized,
)
from cableway.redact import printable
from cableway.transports.websocket.failures import explain_network
from cableway.wire.codecs.json import JSONCodec
from cableway.wire.dialects.base import BaseDialect
from cableway.wire.frames import Disconnect

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


_WHERE: Final = (
    "AnyCable Pro takes polls at /lp when it was started with --poll, and AnyCable gives event streams at /events when "
    "it was with --sse; Rails has neither"
)

_SECURE: Final = frozenset({"https", "wss"})

_ABSENT: Final = frozenset({404, 405, 501})

_HINTS: Final = {
    401: "Are the credentials right and still valid?",
    403: "Are the credentials right, and may this Origin poll?",
    404: _WHERE,
    405: _WHERE,
    501: _WHERE,
    407: "A proxy on the way asks for credentials: give its address with them by proxy=",
    413: "A request was larger than the server takes: lower max_request_size=",
    429: "Too many requests; Retry-After in headers tells when to come back, if the server says so",
    502: "A proxy or load balancer on the way does not reach the server: is it running?",
    503: "The server is overloaded or being restarted; Retry-After in headers tells when to come back, if it says so",
    504: "A proxy or load balancer on the way got no answer from the server: is it running?",
    511: "The network asks you to log in first, by a browser",
}


def refused(url: str, status: int, headers: Mapping[str, str], *, step: str, opens: bool = False) -> HandshakeRefused:
    """Return the error for an answer with another status than was due; *opens*: to the request that opens a line."""
    hint = _HINTS.get(status, "")
    if 300 <= status < 400:
        hint = "Redirects are not followed, since credentials would go along: give the right address"
    kind = NotOffered if opens and status in _ABSENT else HandshakeRefused
    return kind(url, status, headers, b"", hint, step=step)


def no_session(url: str, status: int) -> NotAWebSocket:
    """Return the error for an answer that opens nothing."""
    what = f"an answer came (HTTP {status}) that gives no X-Anycable-Poll-ID"
    return NotAWebSocket(url, what, f"A proxy or a login page of the network may answer in its place. {_WHERE}", status)


def unreached(url: str, error: BaseException | None, *, timeout: float) -> ConnectError:
    """Return why no answer came to the request for a line; *error* is what httpx2 said, or ``None``."""
    import httpx2

    parts = urlsplit(url)
    match error:
        case httpx2.ConnectTimeout() | httpx2.PoolTimeout():
            return ConnectTimeout(url, timeout, "the host was not reached")
        case httpx2.TimeoutException():
            return ServerSilent(url, timeout, "the request was not answered")
        case httpx2.ProxyError():
            # What it says begins with the status that the proxy answered with, where it answered at all.
            said = printable(str(error))
            status = int(said[:3]) if said[:3].isdecimal() else None
            return ProxyFailure(url, f"the proxy did not let us through: {said}", _HINTS.get(status or 0, ""), status)
        case httpx2.ConnectError():
            return explain_network(
                url, _root(error), at=parts.netloc.rpartition("@")[2], secure=parts.scheme in _SECURE
            )
        case _:
            what = "the connection was cut before the request was answered, or what answers is not HTTP"
            return HandshakeCut(url, what, "Is the port right, and does a firewall or load balancer refuse it?")


def _root(error: Exception) -> Exception:
    """Return what the system said first, from among what was made of it on the way."""
    found: BaseException = error
    while (cause := found.__cause__ or found.__context__) is not None:
        found = cause
        if isinstance(found, OSError) and found.errno is not None:
            return found
    return found if isinstance(found, Exception) else error


def farewell(lines: Iterable[bytes], status: int) -> CableError | None:
    """Return what the server says in the body of a refusal, if it says why it sends us away."""
    for line in lines:
        try:
            mapping = JSONCodec().decode(line)
            frame = None if mapping is None else BaseDialect().parse(mapping)
        except MalformedFrame:
            continue
        if isinstance(frame, Disconnect):
            if frame.reason in {"unauthorized", "token_expired"}:
                return Unauthorized(frame.reason, reconnect=frame.reconnect, status=status)
            return ServerDisconnect(frame.reason, reconnect=frame.reconnect, retry_after=frame.retry_after)
    return None
