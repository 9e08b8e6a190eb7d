"""Addresses: what may be dialled, what is added to them, and the origin that goes with them."""

from __future__ import annotations

import base64
import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, parse_qsl, quote, unquote_to_bytes, urlencode, urlsplit, urlunsplit

from attrs import field, frozen

from cableway.errors import InvalidURL

if TYPE_CHECKING:
    from collections.abc import Mapping

_DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}
_SAFE_IN_TARGET = "!$%&'()*+,/:;=?@~"
_ORIGIN_SCHEMES = {"ws": "http", "http": "http", "wss": "https", "https": "https"}


def check_url(url: object) -> str:
    """Return *url* if it can be dialled.

    Raises:
        InvalidURL: It is no string, has no ``ws``, ``wss``, ``http`` or ``https`` in front, no host, a bad port, or
            characters that an address cannot hold. The text has secrets cut out.
    """
    if not isinstance(url, str):
        raise InvalidURL(url, "an address is a string")
    if any(char.isspace() or not char.isprintable() for char in url):
        raise InvalidURL(url, "an address holds no spaces and no control characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        # Such texts quote the address, or parts of it.
        raise InvalidURL(url, "it cannot be read as an address (is the port a number up to 65535?)") from None
    if parts.scheme.lower() not in _DEFAULT_PORTS:
        raise InvalidURL(url, "it must begin with ws://, wss://, http:// or https://")
    if not parts.hostname:
        raise InvalidURL(url, "it names no host")
    if port == 0:
        raise InvalidURL(url, "port 0 cannot be dialled")
    return url


def with_params(url: str, params: Mapping[str, str]) -> str:
    """Return *url* with *params* added to its query; those it has already are replaced, others kept as they stand."""
    if not params:
        return url
    parts = urlsplit(url)
    kept = [item for item in parts.query.split("&") if item and _name_of(item) not in params]
    query = "&".join([*kept, urlencode(dict(params), quote_via=quote)])
    return urlunsplit(parts._replace(query=query))


def _name_of(item: str) -> str:
    pairs = parse_qsl(item, keep_blank_values=True)
    return pairs[0][0] if pairs else item


def origin_of(url: str) -> str:
    """Return the origin of *url* as a browser would send it: Rails refuses a line without one."""
    parts = urlsplit(url)
    scheme = _ORIGIN_SCHEMES[parts.scheme.lower()]
    return f"{scheme}://{_host(parts)}{_port(parts)}"


@frozen
class HttpAddress:
    """An address that is asked by plain HTTP, taken apart so that its secrets go on the wire and nowhere else."""

    bare: str
    """Without user, password and query: HTTP libraries log it."""
    target: bytes = field(repr=False)
    """Path and query as they go on the wire."""
    authorization: str | None = field(repr=False)
    """The header that says user and password (RFC 7617); ``None`` where the address names none."""
    near: bool
    """Whether it is on this machine: a proxy would then be of no use, and less safe."""

    @classmethod
    def of(cls, parts: SplitResult) -> HttpAddress:
        """Take an address apart that :func:`check_url` has found fit."""
        userinfo, at, netloc = parts.netloc.rpartition("@")
        text = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(
            bare=urlunsplit((parts.scheme.lower(), netloc, parts.path or "/", "", "")),
            target=quote(text, safe=_SAFE_IN_TARGET).encode(),
            authorization=_basic(userinfo) if at else None,
            near=_is_near((parts.hostname or "").lower()),
        )


def _basic(userinfo: str) -> str:
    user, _, password = userinfo.partition(":")
    return f"Basic {base64.b64encode(unquote_to_bytes(user) + b':' + unquote_to_bytes(password)).decode()}"


def _is_near(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _host(parts: SplitResult) -> str:
    host = (parts.hostname or "").lower()
    return f"[{host}]" if ":" in host else host


def _port(parts: SplitResult) -> str:
    if parts.port is None or parts.port == _DEFAULT_PORTS[parts.scheme.lower()]:
        return ""
    return f":{parts.port}"
