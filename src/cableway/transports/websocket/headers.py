"""Builds the upgrade request, and refuses what must not go on the wire."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from cableway.errors import InvalidHeader
from cableway.redact import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from websockets.client import ClientProtocol
    from websockets.http11 import Request

    from cableway.transports.base import DialRequest

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""What a header name or a subprotocol is made of (RFC 9110 section 5.6.2)."""

_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
"""What a header value is made of (RFC 9110 section 5.5)."""

_OWN: Final = frozenset({"connection", "upgrade", "content-length", "transfer-encoding"})
"""Headers that make a request an upgrade; so do all that start with ``Sec-WebSocket-``."""


def check_header(name: str, value: str) -> None:
    """Refuse a header that could not be sent as one line, or that the handshake sets itself.

    Raises:
        InvalidHeader: The text names the header, never its value.
    """
    if not _TOKEN.fullmatch(name):
        msg = f"header name {printable(name)!r}: only letters, digits and !#$%&'*+.^_`|~- may be in it"
        raise InvalidHeader(msg)
    if name.lower() in _OWN or name.lower().startswith("sec-websocket-"):
        msg = f"header {name!r}: the WebSocket handshake sets it itself; subprotocols have an option of their own"
        raise InvalidHeader(msg)
    if not _VALUE.fullmatch(value):
        msg = f"header {name!r}: its value holds a line break, another control character, or one beyond latin-1"
        raise InvalidHeader(msg)


def check_subprotocols(names: Sequence[str]) -> None:
    """Refuse a subprotocol that is no token.

    Raises:
        InvalidHeader: One of *names* is empty or holds other characters.
    """
    for name in names:
        if not _TOKEN.fullmatch(name):
            msg = "a subprotocol name may only hold letters, digits and !#$%&'*+.^_`|~-, and must not be empty"
            raise InvalidHeader(msg)


def check_request(request: DialRequest) -> None:
    """Check all that *request* adds to the upgrade.

    Raises:
        InvalidHeader: A header, the origin or a subprotocol must not go on the wire.
    """
    check_subprotocols(request.subprotocols)
    if request.origin is not None:
        check_header("Origin", request.origin)
    for name, value in request.headers.items():
        check_header(name, value)


def build_upgrade(protocol: ClientProtocol, request: DialRequest) -> Request:
    """Return the upgrade request; a header given by the caller takes the place of the one made for him."""
    upgrade = protocol.connect()
    upgrade.headers["User-Agent"] = "cableway"
    for name, value in request.headers.items():
        if name in upgrade.headers:
            del upgrade.headers[name]
        upgrade.headers[name] = value.strip(" \t")
    return upgrade
