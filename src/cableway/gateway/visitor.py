"""A request of HTTP as sessions see it: who asks, whether they are still there, and when they hang up."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING

from aiohttp import hdrs, web

from cableway.gateway.connection import Request, read_cookies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def describe(request: web.Request) -> Request:
    """Describe who opens a session."""
    wished = request.headers.get("X-Request-ID", "")
    sid = wished if 0 < len(wished) <= 128 and wished.isprintable() else secrets.token_urlsafe(16)
    return Request(
        sid=sid,
        url=str(request.url),
        host=request.host,
        path=request.path,
        query=request.query,
        headers=request.headers,
        cookies=read_cookies("; ".join(request.headers.getall(hdrs.COOKIE, []))),
        remote=request.remote,
    )


def is_there(request: web.Request) -> bool:
    """Tell whether the client still holds the line."""
    transport = request.transport
    return transport is not None and not transport.is_closing()


def abort(request: web.Request) -> None:
    """Cut the client's line at once."""
    if request.transport is not None:
        request.transport.abort()


class BodyRefused(Exception):
    """A request's body cannot be taken."""

    def __init__(self, status: int, rule: str) -> None:
        self.status = status
        super().__init__(rule)


async def read_body(request: web.Request, limit: int) -> bytes:
    """Read the body.

    Raises:
        BodyRefused: It is larger than *limit* bytes (413), or ends or is written as none should (400).
    """
    whole = bytearray()
    try:
        async for chunk in request.content.iter_chunked(65_536):
            whole += chunk
            if len(whole) > limit:
                raise BodyRefused(413, "the body is too large")
    except (web.RequestPayloadError, OSError, ValueError) as error:
        raise BodyRefused(400, "the body could not be read") from error
    return bytes(whole)


@contextmanager
def watching(request: web.Request, on_gone: Callable[[], None]) -> Iterator[None]:
    """Have *on_gone* called, at most once, when the client hangs up; at once if it has. Not after the block.

    aiohttp tells that only to who reads or writes, and who waits for something to say does neither.
    """
    transport = request.transport
    if transport is None or transport.is_closing():
        on_gone()
        yield
        return
    watch = _Watch(request.protocol, on_gone)
    transport.set_protocol(watch)
    try:
        yield
    finally:
        # It stays where it is, and passes everything on.
        watch.forget()


class _Watch(asyncio.Protocol):
    """Stands between a transport and its protocol, and looks for the end."""

    def __init__(self, protocol: asyncio.Protocol, on_gone: Callable[[], None]) -> None:
        self._on_gone: Callable[[], None] | None = on_gone
        self._protocol = protocol

    def forget(self) -> None:
        """Tell nobody any more."""
        self._on_gone = None

    def data_received(self, data: bytes) -> None:
        """Pass it on."""
        self._protocol.data_received(data)

    def eof_received(self) -> bool | None:
        """Pass it on."""
        return self._protocol.eof_received()

    def pause_writing(self) -> None:
        """Pass it on."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """Pass it on."""
        self._protocol.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass it on, and tell."""
        self._protocol.connection_lost(exc)
        if self._on_gone is not None:
            self._on_gone()
            self._on_gone = None
