"""Frames on their way to one client: a queue that knows its size, and a writer that gives up on a stuck line."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Line(Protocol):
    """The WebSocket under the queue."""

    async def send(self, frame: bytes) -> None:
        """Write one text message; wait while the client does not read.

        Raises:
            OSError: The line is gone.
        """

    async def close(self, code: int, reason: str) -> None:
        """Say goodbye, and wait a little for the answer."""

    def abort(self) -> None:
        """Be gone at once."""


class Outbound:
    """Queue and writer of one session."""

    def __init__(
        self,
        line: Line,
        *,
        limit: int,
        write_timeout: float | None,
        on_overflow: Callable[[], None],
        on_stall: Callable[[], None],
    ) -> None:
        self._line = line
        self._limit = limit
        self._write_timeout = write_timeout
        self._on_overflow = on_overflow
        self._on_stall = on_stall
        self._frames: deque[bytes] = deque()
        self._pending = 0
        self._more = asyncio.Event()
        self._goodbye: tuple[int, str] | None = None
        self._overflowed = False

    @property
    def pending(self) -> int:
        """Bytes that the client has not taken yet, as far as the operating system tells."""
        return self._pending

    def send(self, frame: bytes) -> None:
        """Queue *frame*; nothing after :meth:`finish`. Once too much waits, ``on_overflow`` is called, once."""
        if self._goodbye is not None:
            return
        self._frames.append(frame)
        self._pending += len(frame)
        self._more.set()
        if 0 < self._limit < self._pending and not self._overflowed:
            self._overflowed = True
            self._on_overflow()

    def discard(self) -> None:
        """Forget what waits. A frame that is being written is not taken back."""
        self._frames.clear()
        self._pending = 0

    def finish(self, code: int, reason: str) -> None:
        """Close the line with *code* and *reason* once what waits is written. Only the first call counts."""
        if self._goodbye is None:
            self._goodbye = (code, reason)
            self._more.set()

    async def run(self) -> None:
        """Write until :meth:`finish`, or until the line is gone or stuck. Cancelled, it stops at once."""
        try:
            await self._write_all()
        except TimeoutError:
            self._on_stall()
            self._line.abort()
        except OSError:
            self._line.abort()

    async def _write_all(self) -> None:
        while True:
            while self._frames:
                frame = self._frames.popleft()
                async with asyncio.timeout(self._write_timeout):
                    await self._line.send(frame)
                self._pending = max(0, self._pending - len(frame))
            if self._goodbye is not None:
                async with asyncio.timeout(None if self._write_timeout is None else self._write_timeout * 2):
                    await self._line.close(*self._goodbye)
                return
            self._more.clear()
            await self._more.wait()
