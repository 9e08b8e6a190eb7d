"""Short HTTP requests to a server on this machine."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any


def request(url: str, body: Any = None, headers: dict[str, str] | None = None, **query: str) -> Any:
    """GET *url*, or POST *body* as JSON; return the JSON of the answer (``None`` if it is empty)."""
    full = f"{url}?{urllib.parse.urlencode(query)}" if query else url
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(full, data=data, headers=headers or {})  # noqa: S310 - loopback only
    with urllib.request.urlopen(asked, timeout=10) as answer:  # noqa: S310
        text = answer.read()
    return json.loads(text) if text else None


def answers(url: str) -> bool:
    """Tell whether *url* answers with a status of success."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310
            return bool(answer.status < 300)
    except (OSError, urllib.error.URLError):
        return False
