"""Checks an address before anything is sent to it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, urlsplit

from websockets.exceptions import InvalidURI
from websockets.uri import parse_uri

from cableway.errors import InvalidHeader, InvalidURL
from cableway.redact import redact_url

if TYPE_CHECKING:
    from websockets.uri import WebSocketURI

_SCHEMES: Final = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


def parse_address(url: str) -> WebSocketURI:
    """Return the parts of *url*, ``http`` and ``https`` mapped to ``ws`` and ``wss``.

    A name, path or query beyond ASCII is encoded for the wire. A user without a password gets an empty one.

    Raises:
        InvalidHeader: It holds a control character, which would reach the request line.
        InvalidURL: It cannot be dialled for another reason.
    """
    if _CONTROL.search(url):
        # urlsplit() would drop some of these without a word, so that another address is dialled than was given.
        msg = f"the address {redact_url(_CONTROL.sub('?', url))!r} holds a control character such as a line break"
        raise InvalidHeader(msg)
    parts = _split(url)
    if " " in url:
        raise InvalidURL(url, "it holds a space; write %20 in a path and + in a query")
    netloc = parts.netloc
    if "@" in netloc and parts.password is None:
        user, _, host = netloc.rpartition("@")
        netloc = f"{user}:@{host}"
    try:
        uri = parse_uri(parts._replace(scheme=_SCHEMES[parts.scheme], netloc=netloc, fragment="").geturl())
        uri.host.encode("idna")
    except (InvalidURI, UnicodeError):
        # The library's text holds the address with its secrets, so it is not kept as a cause.
        raise InvalidURL(url, "the host name or the user is not one that can be sent") from None
    return uri


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise InvalidURL(url, "the port is not a number from 1 to 65535, or the address is misspelt") from None
    if parts.scheme not in _SCHEMES:
        raise InvalidURL(url, "the scheme must be ws, wss, http or https")
    if not parts.hostname or parts.hostname.startswith("."):
        raise InvalidURL(url, "it names no host")
    if port == 0:
        raise InvalidURL(url, "port 0 cannot be dialled")
    return parts


def host_and_port(host: str, port: int) -> str:
    """Return *host* and *port* as people write them: an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
