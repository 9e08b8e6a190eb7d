"""Where the polls go, from the address of the cable."""

from __future__ import annotations

from typing import Final
from urllib.parse import SplitResult, urlsplit

from cableway.address import check_url

_SCHEMES: Final = {"ws": "http", "http": "http", "wss": "https", "https": "https"}

WEBSOCKET_PATH: Final = "/cable"
POLL_PATH: Final = "/lp"


def poll_address(url: str, path: str | None) -> SplitResult:
    """Return the parts of the address to poll for a cable at *url*, at *path* if one is given.

    Without one, ``/cable`` at the end of the cable's own path becomes ``/lp``, as AnyCable has both by default; any
    other path is taken for that of the polls.

    Raises:
        InvalidURL: The address cannot be dialled.
    """
    parts = urlsplit(check_url(url))
    if path is None:
        path = parts.path
        if path.endswith(WEBSOCKET_PATH):
            path = path.removesuffix(WEBSOCKET_PATH) + POLL_PATH
    return parts._replace(scheme=_SCHEMES[parts.scheme.lower()], path=path, fragment="")
