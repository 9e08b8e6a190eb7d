"""Turns what went wrong on the way to an open line into errors of ours, each with what to try."""

from __future__ import annotations

import errno
import socket
import ssl
from typing import TYPE_CHECKING, Final

from cableway.errors import HandshakeCut, HandshakeRefused, HostUnreachable, NotAWebSocket, ProxyFailure, TLSFailure
from cableway.redact import printable
from cableway.transports.captive import find_portal
from cableway.transports.websocket.response import END_OF_HEAD, is_junk
from cableway.transports.websocket.tls import explain_tls

if TYPE_CHECKING:
    from cableway.errors import ConnectError
    from cableway.transports.websocket.response import ResponseHead

_UNREACHABLE: Final = {
    errno.ECONNREFUSED: ("refused the connection", "Is the server running, and is this its port?"),
    errno.ENETUNREACH: ("cannot be reached: no network leads there", "Is this machine online?"),
    errno.EHOSTUNREACH: ("cannot be reached: no route leads there", "Is this machine online, and the host up?"),
    errno.ETIMEDOUT: ("did not answer", "Is the host up, and does a firewall drop the connection?"),
    errno.ECONNRESET: ("cut the connection", "Does a firewall or a load balancer refuse it?"),
    errno.ECONNABORTED: ("cut the connection", "Does a firewall or a load balancer refuse it?"),
    errno.EMFILE: ("cannot be dialled: this process has too many files open", "Close some, or raise ulimit -n"),
    errno.EADDRNOTAVAIL: ("cannot be reached from any address of this machine", "Is IPv6 set up here?"),
}

_IN_BETWEEN: Final = "A proxy on the way may answer in its place; or the path is wrong"

REDIRECT_HINT: Final = (
    "Redirects are not followed, since credentials would go along; it points to another path of this host, "
    "or to the same by TLS. Dial the right address instead"
)

_PATH: Final = "Action Cable and AnyCable listen at /cable unless told otherwise: is the path right?"

_STATUS_HINTS: Final = {
    400: "The server takes this for a bad request: does a proxy on the way drop the Upgrade header?",
    401: "Are the credentials right and still valid?",
    403: "Are the credentials right? AnyCable answers so when Origin is not in its --allowed_origins",
    405: _PATH,
    407: "A proxy on the way asks for credentials: give its address with them by proxy=",
    426: "The server asks for another protocol version: does a proxy on the way drop the Upgrade header?",
    429: "Too many connections or requests; Retry-After in headers tells when to come back, if the server says so",
    500: "The server failed; its log tells why",
    502: "A proxy or load balancer on the way does not reach the server: is it running?",
    503: "The server is overloaded or being restarted; Retry-After in headers tells when to come back, if it says so",
    504: "A proxy or load balancer on the way got no answer from the server: is it running?",
}


def explain_network(url: str, error: Exception, *, at: str, secure: bool) -> ConnectError:
    """Return why the host *at* (name and port) was not reached."""
    if isinstance(error, ssl.SSLError) or (secure and isinstance(error, ConnectionResetError | ConnectionAbortedError)):
        return explain_tls(url, error)
    if isinstance(error, socket.gaierror):
        again = error.errno == socket.EAI_AGAIN
        hint = "Is this machine online?" if again else "Is it spelt right, and is this machine online?"
        return HostUnreachable(url, f"the host name of {at} was not found", hint)
    number = error.errno if isinstance(error, OSError) and error.errno else 0
    what, hint = _UNREACHABLE.get(number, (f"cannot be reached: {printable(str(error))}", ""))
    return HostUnreachable(url, f"{at} {what}", hint)


def explain_proxy(url: str, error: Exception, *, at: str, secure: bool) -> ProxyFailure:
    """Return why the proxy *at* (name and port) was not reached."""
    cause = explain_network(url, error, at=at, secure=secure)
    if isinstance(cause, TLSFailure):
        hint = (
            "Its address starts with https:// only if the way to the proxy itself is by TLS; proxy_ssl= is its context"
        )
        return ProxyFailure(url, f"no secure line to the proxy {at}: {cause.what}", hint)
    return ProxyFailure(url, f"the proxy was not reached: {cause.what}", cause.hint)


def explain_silence(
    url: str, received: bytes, error: Exception | None, *, secure: bool, step: str = "the upgrade"
) -> ConnectError:
    """Return why no response came to *step*: the line broke, or what came is not HTTP."""
    if isinstance(error, ssl.SSLError):
        return explain_tls(url, error)
    if received.startswith((b"\x15\x03", b"\x16\x03")):
        return NotAWebSocket(url, "the port speaks TLS", "Start the address with wss://")
    if received and (is_junk(received) or END_OF_HEAD in received):
        start = printable(received[:40].decode("latin-1"))
        return NotAWebSocket(url, f"what answers is not HTTP (it starts with {start!r})", "Is the port right?")
    other = "the server asks for a client certificate" if secure else "the port speaks TLS: then dial wss://"
    hint = f"A load balancer or firewall may refuse it, or {other}"
    return HandshakeCut(url, f"the connection was cut before {step} was answered", hint)


def explain_refusal(url: str, head: ResponseHead, body: bytes, *, origin: str | None) -> ConnectError:
    """Return what an answer other than 101 means."""
    status = head.status
    portal = find_portal(url, status, head.headers, body)
    if portal is not None:
        return portal
    if status < 300:
        return NotAWebSocket(
            url, f"an ordinary answer came (HTTP {status}) where an upgrade was due", _IN_BETWEEN, status
        )
    if status < 400:
        return HandshakeRefused(url, status, head.headers, body, REDIRECT_HINT)
    hint = _STATUS_HINTS.get(status, "")
    if status == 404:
        hint = _not_found_hint(body, origin)
    elif status == 400 and b"HTTPS" in body:  # nginx: "... sent to HTTPS port"; Go: "... to an HTTPS server"
        hint = "The port speaks TLS: start the address with wss://"
    return HandshakeRefused(url, status, head.headers, body, hint)


def _not_found_hint(body: bytes, origin: str | None) -> str:
    # Rails answers so to an Origin it does not accept, a missing one included, and to a plain GET of /cable.
    if body.strip() != b"Page not found":
        return _PATH
    sent = f"the Origin {printable(origin)!r}" if origin else "a request without an Origin"
    return (
        f"This is how Rails refuses {sent}. Pass origin= with the address of the web site, "
        f"or allow it on the server: config.action_cable.allowed_request_origins. It says the same where a proxy on "
        f"the way drops the Upgrade header"
    )
