"""Cuts secrets out of anything that a person may read."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, unquote_plus, urlsplit, urlunsplit

MASK = "***"

# A query parameter is shown only when it is known to be harmless: a name nobody thought of may well be a token.
_HARMLESS = frozenset({"pi", "ptp", "room", "id", "channel", "locale", "v", "vsn", "version"})

_LONGEST_NAME = 32

_URL = re.compile(r"\b(?:wss?|https?|socks5h?|socks4a?)://[^\s'\"<>]+", re.IGNORECASE)

# A member of a JSON object whose name says that its value is nobody's business: tokens, signed stream names.
_SECRET_MEMBER = re.compile(
    r'("(?:[^"\\]*(?:token|secret|passw|signed|signature|credential|session|cookie|auth|jwt|jid|(?:api|private|access)[_-]?'
    r'key)[^"\\]*|sid)"\s*:\s*)'
    r'(?:"(?:[^"\\]|\\.)*(?:"|\\?$)|\[[^\]]*\]?|\{[^}]*\}?|[^\s,}\]]+)',
    re.IGNORECASE,
)


def redact_url(url: str) -> str:
    """Return *url* without user, password, fragment and the values of unknown query parameters."""
    try:
        parts = _split(url)
        host = parts.netloc.rpartition("@")[2]
        credentials = f"{MASK}@" if "@" in parts.netloc else ""
        query = "&".join(map(_redact_item, parts.query.split("&"))) if parts.query else ""
        return urlunsplit((parts.scheme, credentials + host, parts.path, query, ""))
    except ValueError:
        return "(an unreadable address)"


def _split(url: str) -> SplitResult:
    parts = urlsplit(url)
    if "@" not in parts.netloc and "@" in url and _hides_credentials(parts):
        scheme, slashes, _ = url.partition("//")
        return urlsplit(f"{scheme if slashes else ''}//{MASK}@{url.rpartition('@')[2]}")
    return parts


def _hides_credentials(parts: SplitResult) -> bool:
    """Tell whether an @ outside of the host's part ends a password: one with a / in it, or without a scheme before."""
    try:
        parts.port  # noqa: B018 - reading it checks it
    except ValueError:
        return True
    return not parts.netloc and "@" in parts.path


def _redact_item(item: str) -> str:
    """Show a parameter's name, and its value if that is harmless; without a value, the name may be the secret."""
    name, equals, _ = item.partition("=")
    if not equals or len(name) > _LONGEST_NAME:
        return MASK
    return item if unquote_plus(name).lower() in _HARMLESS else f"{name}={MASK}"


def redact_text(text: str) -> str:
    """Return *text* with each address in it redacted, for texts that come from other libraries."""
    return _URL.sub(lambda match: redact_url(match.group()), text)


def redact_identifier(identifier: str) -> str:
    """Return *identifier* as it may be shown: without parameters that are secrets by their name, and printable."""
    return printable(_SECRET_MEMBER.sub(rf'\1"{MASK}"', identifier[:1000]))


def redact_subprotocol(name: str) -> str:
    """Return a subprotocol as it may be shown: a token can travel as one, and some servers choose it."""
    prefix, dot, _ = name.partition("-token.")
    return f"{prefix}{dot}{MASK}" if dot else name


def printable(text: str, limit: int = 200) -> str:
    """Return *text* on one line, without control characters, cut to *limit* characters."""
    clean = "".join(char if char.isprintable() else " " for char in text[: limit * 2])
    clean = " ".join(clean.split())
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"
