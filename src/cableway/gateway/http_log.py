"""What aiohttp's server says: errors of requests that it cannot read would show them, tokens and all."""

from __future__ import annotations

import logging

from aiohttp.http_exceptions import HttpProcessingError


class Discreet(logging.Filter):
    """Tells that a request could not be read, and why, without showing it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Take the request out of *record*."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError):
            # Anybody can send one: that is no error of ours.
            record.levelno, record.levelname = logging.INFO, logging.getLevelName(logging.INFO)
            record.msg, record.args = "a request could not be read: %s", (type(error).__name__,)
            record.exc_info = record.exc_text = None
        return True


log: logging.Logger = logging.getLogger("cableway.gateway.http")
log.addFilter(Discreet())
