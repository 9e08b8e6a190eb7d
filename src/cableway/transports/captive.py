"""Tells a captive portal from a server: a page or a redirect of the network's, where an answer of the cable was due."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, urlsplit

from cableway.errors import CaptivePortal
from cableway.redact import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

SIGN_IN_DUE: Final = 511
"""How a network says so itself (RFC 6585 section 6)."""

_PAGE_TYPES: Final = ("text/html", "application/xhtml")
_PAGE_STARTS: Final = (b"<!doctype html", b"<html")
_REFRESH: Final = re.compile(rb"""<meta\s[^>]*?http-equiv=["']?refresh[^>]*?url=["']?([^"'>\s]+)""", re.IGNORECASE)

_PORTS: Final = {"http": 80, "ws": 80, "https": 443, "wss": 443}
_ENCRYPTED: Final = frozenset({"https", "wss"})


def is_page(headers: Mapping[str, str], body: bytes = b"") -> bool:
    """Tell whether a page for people came, by its type, or by how *body* starts if it has none."""
    kind = headers.get("content-type", "").strip().lower()
    return kind.startswith(_PAGE_TYPES) or (not kind and body.lstrip()[:20].lower().startswith(_PAGE_STARTS))


def find_portal(url: str, status: int, headers: Mapping[str, str], body: bytes = b"") -> CaptivePortal | None:
    """Return the error for an answer that a captive portal gives; ``None`` if the server may have given it itself.

    That is: status 511, a redirect to somewhere else, or a page with a status of success. A page with a status of
    refusal is the server's own, or that of a proxy before it. *headers* have names in lower case.
    """
    if status == SIGN_IN_DUE:
        what, at = "the network asks for a sign-in", _refresh(url, body)
    elif 300 <= status < 400:
        at = _elsewhere(url, headers.get("location", ""))
        if at is None:
            return None
        what = f"a redirect to {at} came"
    elif 200 <= status < 300 and is_page(headers, body):
        what, at = "a web page came", _refresh(url, body)
    else:
        return None
    return CaptivePortal(
        url, f"{what} (HTTP {status}) where an answer of the cable was due", _hint(url, at), status, at
    )


def _hint(url: str, at: str | None) -> str:
    page = f"; its page is at {at}" if at else ""
    if urlsplit(url).scheme.lower() in _ENCRYPTED:
        return (
            f"The certificate was right, so this comes from the server or from something that is trusted here: "
            f"a sign-in may be due, by a browser{page}; or the address is wrong"
        )
    return f"This network may want a sign-in: open a browser{page}. If it wants none, the address is wrong"


def _refresh(url: str, body: bytes) -> str | None:
    found = _REFRESH.search(body)
    return None if found is None else _elsewhere(url, found[1].decode("latin-1"))


def _elsewhere(url: str, target: str) -> str | None:
    """Return host and port of *target*, ``None`` if it is the server of *url*, or the same by TLS."""
    try:
        here, there = urlsplit(url), urlsplit(target)
        same = _place(here) == _place(there)
    except ValueError:
        return None
    if not there.hostname or same:
        return None
    secured = here.scheme.lower() not in _ENCRYPTED and there.scheme.lower() == "https"
    if secured and here.hostname == there.hostname:
        return None
    return printable(there.netloc.rpartition("@")[2])


def _place(parts: SplitResult) -> tuple[str | None, int | None]:
    return parts.hostname, parts.port or _PORTS.get(parts.scheme.lower())
