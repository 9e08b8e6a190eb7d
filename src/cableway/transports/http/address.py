"""Where plain requests go, from the address of the cable."""

from __future__ import annotations

from typing import Final
from urllib.parse import SplitResult, urlsplit

from cableway.address import check_url

_SCHEMES: Final = {"ws": "http", "http": "http", "wss": "https", "https": "https"}

WEBSOCKET_PATH: Final = "/cable"


def http_address(url: str, path: str | None, usual: str) -> SplitResult:
    """Return the parts of the address to ask for a cable at *url*, at *path* if one is given.

    Without one, ``/cable`` at the end of the cable's own path becomes *usual*, as AnyCable has both by default; any
    other path is taken for the one to ask at.

    Raises:
        InvalidURL: The address cannot be dialled.
    """
    parts = urlsplit(check_url(url))
    if path is None:
        path = parts.path
        if path.endswith(WEBSOCKET_PATH):
            path = path.removesuffix(WEBSOCKET_PATH) + usual
    return parts._replace(scheme=_SCHEMES[parts.scheme.lower()], path=path, fragment="")
