"""What is sent to an address that gives tokens, checked before it goes out."""

from __future__ import annotations

import json as json_module
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urlsplit

from attrs import field, frozen

from cableway.address import HttpAddress, check_url
from cableway.errors import InvalidHeader, InvalidURL, UsageError
from cableway.redact import printable, redact_url

if TYPE_CHECKING:
    from cableway.types import JSONValue

TOKEN_CHARACTERS: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""What names of headers and methods are made of (RFC 9110 section 5.6.2)."""

_VALUE: Final = re.compile(r"[\t\x20-\x7e]*")

_OWN: Final = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept-encoding"})


@frozen
class Endpoint:
    """An address that gives tokens. Its text holds no secret."""

    url: str
    """Without user, password and query: HTTP libraries log it."""
    shown: str
    host: str
    method: str
    target: bytes = field(repr=False)
    """Path and query as they go on the wire."""
    headers: dict[str, str] = field(repr=False)
    """What the address itself asks for."""
    near: bool
    """Whether it is on this machine: a proxy would then be of no use, and less safe."""

    @classmethod
    def of(cls, url: str, method: str, *, allow_insecure: bool) -> Endpoint:
        """Check what a user gave.

        Raises:
            InvalidURL: The address cannot be used, or anybody on the way could read the token.
            UsageError: The method is none.
        """
        parts = urlsplit(check_url(url))
        scheme = parts.scheme.lower()
        if scheme not in {"http", "https"}:
            raise InvalidURL(url, "a token is fetched over HTTP, so it must begin with https:// or http://")
        host = (parts.hostname or "").lower()
        address = HttpAddress.of(parts)
        if scheme == "http" and not address.near and not allow_insecure:
            rule = "anybody on the way could read the token: use https://, or say allow_insecure=True"
            raise InvalidURL(url, rule)
        if not isinstance(method, str) or not TOKEN_CHARACTERS.fullmatch(method):
            msg = "method= is none: give a word such as GET or POST"
            raise UsageError(msg)
        headers = {"accept": "application/json", "user-agent": "cableway"}
        if address.authorization is not None:
            headers["authorization"] = address.authorization
        return cls(address.bare, redact_url(url), host, method.upper(), address.target, headers, address.near)


def checked_headers(given: Mapping[str, str]) -> dict[str, str]:
    """Return *given* with names in lower case.

    Raises:
        InvalidHeader: One cannot go on the wire. The text names it, never its value.
    """
    headers = {}
    for name, value in _pairs("headers", given).items():
        if not TOKEN_CHARACTERS.fullmatch(name):
            msg = f"{printable(name)!r} is no name of a header: letters, digits and hyphens"
            raise InvalidHeader(msg)
        if name.lower() in _OWN:
            msg = f"the header {name} is set by Cableway itself"
            raise InvalidHeader(msg)
        if not _VALUE.fullmatch(value):
            msg = f"the value of the header {name} holds what a header cannot carry: give one line of ASCII"
            raise InvalidHeader(msg)
        headers[name.lower()] = value.strip()
    return headers


def checked_cookies(given: Mapping[str, str]) -> dict[str, str]:
    """Return *given*.

    Raises:
        InvalidHeader: One cannot go on the wire. The text names it, never its value.
    """
    cookies = _pairs("cookies", given)
    for name, value in cookies.items():
        if not TOKEN_CHARACTERS.fullmatch(name) or not _VALUE.fullmatch(value) or ";" in value:
            msg = f"the cookie {printable(name)!r} holds what a cookie cannot: give one line of ASCII without ;"
            raise InvalidHeader(msg)
    return cookies


def _pairs(what: str, given: Mapping[str, str]) -> dict[str, str]:
    if not isinstance(given, Mapping):
        msg = f"{what} are {type(given).__name__}: give a mapping of strings"
        raise InvalidHeader(msg)
    for name, value in given.items():
        if not isinstance(name, str) or not isinstance(value, str):
            msg = f"{what}[{name!r}] is {type(value).__name__}: names and values are strings"
            raise InvalidHeader(msg)
    return dict(given)


@frozen
class Body:
    """The body of a request."""

    content: bytes = field(default=b"", repr=False)
    headers: dict[str, str] = field(factory=dict)


def json_body(value: JSONValue) -> Body:
    """Write *value* as JSON.

    Raises:
        UsageError: JSON cannot write it.
    """
    try:
        content = json_module.dumps(value, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError):
        msg = "json= holds what JSON cannot write"
        raise UsageError(msg) from None
    return Body(content, {"content-type": "application/json"})


def form_body(value: Any) -> Body:
    """Write *value*: a mapping of strings as a form; a string or bytes as they are.

    Raises:
        UsageError: It is none of them.
    """
    if isinstance(value, bytes):
        return Body(value)
    if isinstance(value, str):
        return Body(value.encode())
    if isinstance(value, Mapping) and all(isinstance(part, str) for pair in value.items() for part in pair):
        return Body(urlencode(dict(value)).encode(), {"content-type": "application/x-www-form-urlencoded"})
    msg = f"data= is {type(value).__name__}: give a mapping of strings, a string, or bytes"
    raise UsageError(msg)
