"""Keeps HTTP libraries from logging what is said to those who give tokens."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOGGERS = (
    "httpx2",
    "httpcore2.connection",
    "httpcore2.http11",
    "httpcore2.http2",
    "httpcore2.proxy",
    "httpcore2.socks",
)

_discreet: ContextVar[bool] = ContextVar("cableway_discreet", default=False)


@contextmanager
def discreet() -> Iterator[None]:
    """Drop what the HTTP libraries log of the present task: at DEBUG they write out headers, cookies among them.

    What other tasks do with the same libraries is logged as ever.
    """
    for name in _LOGGERS:
        # Adding it again changes nothing.
        logging.getLogger(name).addFilter(_passes)
    before = _discreet.set(True)
    try:
        yield
    finally:
        _discreet.reset(before)


def _passes(_: logging.LogRecord) -> bool:
    return not _discreet.get()
