"""What an answer means that opens no line, or that ends one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from cableway.errors import (
    CableError,
    ConnectError,
    HandshakeRefused,
    MalformedFrame,
    NotAWebSocket,
    NotOffered,
    ProxyFailure,
    ServerDisconnect,
    ServerSilent,
    Unauthorized,
)
from cableway.transports.http.posting import Broken, Unsent
from cableway.transports.websocket.failures import REDIRECT_HINT, explain_silence
from cableway.transports.websocket.proxy import explain_credentials, explain_no_passage
from cableway.wire.codecs.json import JSONCodec
from cableway.wire.dialects.base import BaseDialect
from cableway.wire.frames import Disconnect

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cableway.transports.websocket.proxy import ProxyAddress

_WHERE: Final = (
    "AnyCable Pro takes polls at /lp when it was started with --poll, and AnyCable gives event streams at /events when "
    "it was with --sse; Rails has neither"
)

_SECURE: Final = frozenset({"https", "wss"})

_ABSENT: Final = frozenset({404, 405, 501})

_MAYBE_THE_PROXY: Final = frozenset({401, 403, 502, 503, 504})
"""What a proxy that passes requests on says in its own name, with nothing to tell that by."""

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
}


def refused(
    url: str,
    status: int,
    headers: Mapping[str, str],
    *,
    step: str,
    opens: bool = False,
    proxy: ProxyAddress | None = None,
) -> HandshakeRefused | ProxyFailure:
    """Return the error for an answer with another status than was due.

    *opens*: to the request that opens a line; *proxy*: what has passed the request on.
    """
    if proxy is not None and status == 407:
        return explain_credentials(url, proxy, status)
    if proxy is not None and _is_from_proxy(headers):
        return explain_no_passage(url, proxy, status, headers)
    hint = REDIRECT_HINT if 300 <= status < 400 else _HINTS.get(status, "")
    if proxy is not None and status in _MAYBE_THE_PROXY:
        end = "" if hint.endswith("?") else "."
        hint = f"{hint}{end} The proxy {proxy.at} may have answered itself: does it know us, and may we go there?"
    kind = NotOffered if opens and status in _ABSENT else HandshakeRefused
    return kind(url, status, headers, b"", hint, step=step)


def _is_from_proxy(headers: Mapping[str, str]) -> bool:
    """Tell whether a proxy says that an answer is its own (RFC 9209 section 2.1.1; Squid)."""
    return "x-squid-error" in headers or "error=" in headers.get("proxy-status", "").replace(" ", "")


def no_session(url: str, status: int) -> NotAWebSocket:
    """Return the error for an answer that opens nothing."""
    what = f"an answer came (HTTP {status}) that gives no X-Anycable-Poll-ID"
    return NotAWebSocket(url, what, f"A proxy on the way may answer in its place. {_WHERE}", status)


def no_stream(url: str, status: int) -> NotAWebSocket:
    """Return the error for an answer that is no event stream."""
    what = f"an answer came (HTTP {status}) that is no event stream"
    return NotAWebSocket(url, what, f"A proxy on the way may answer in its place. {_WHERE}", status)


def unreached(url: str, failure: Unsent | Broken, *, timeout: float) -> ConnectError:
    """Return why no answer came to the request for a line, ready to be raised."""
    import httpcore2

    error = failure.__cause__
    if isinstance(error, ConnectError):
        return error
    found: ConnectError
    if isinstance(error, httpcore2.TimeoutException):
        found = ServerSilent(url, timeout, "the request was not answered")
    else:
        received = failure.received if isinstance(failure, Broken) else b""
        secure = urlsplit(url).scheme.lower() in _SECURE
        found = explain_silence(url, received, _root(error), secure=secure, step="the request")
    found.__cause__ = error
    return found


def _root(error: BaseException | None) -> Exception | None:
    """Return what the system said first, from among what was made of it on the way."""
    found = error
    while found is not None and not isinstance(found, OSError):
        found = found.__cause__ or found.__context__
    return found


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
