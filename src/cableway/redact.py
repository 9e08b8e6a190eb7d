"""Cuts secrets out of anything that a person may read."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit

MASK = "***"

# A query parameter is shown only when it is known to be harmless: a name nobody thought of may well be a token.
_HARMLESS = frozenset({"pi", "ptp", "room", "id", "channel", "locale", "v", "vsn", "version"})

_URL = re.compile(r"\b(?:wss?|https?|socks5h?|socks4a?)://[^\s'\"<>]+")


def redact_url(url: str) -> str:
    """Return *url* without user, password, fragment and the values of unknown query parameters."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        credentials = f"{MASK}@" if "@" in parts.netloc else ""
        query = _redact_query(parts)
        return urlunsplit((parts.scheme, credentials + host, parts.path, query, ""))
    except ValueError:
        return "(an unreadable address)"


def _redact_query(parts: SplitResult) -> str:
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    shown = [(name, value if name.lower() in _HARMLESS else MASK) for name, value in pairs]
    return urlencode(shown, safe="*")


def redact_text(text: str) -> str:
    """Return *text* with each address in it redacted, for texts that come from other libraries."""
    return _URL.sub(lambda match: redact_url(match.group()), text)


def printable(text: str, limit: int = 200) -> str:
    """Return *text* on one line, without control characters, cut to *limit* characters."""
    clean = "".join(char if char.isprintable() else " " for char in text[: limit * 2])
    clean = " ".join(clean.split())
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"
