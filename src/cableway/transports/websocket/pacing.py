"""How much to read at once, so that one line never holds up the event loop for long."""

from __future__ import annotations

import threading
from typing import Final

from attrs import define, field

SMALLEST: Final = 4 * 1024
LARGEST: Final = 64 * 1024

_AIM: Final = 0.001
"""Seconds that handling one read may take."""


@define
class ReadSize:
    """Grows and shrinks between 4 and 64 KiB so that handling one read takes about a millisecond."""

    size: int = field(init=False, default=16 * 1024)
    """Bytes to read next time."""

    def record(self, received: int, seconds: float) -> None:
        """Learn that handling *received* bytes took *seconds*."""
        if seconds > _AIM and self.size > SMALLEST:
            self.size //= 2
        elif received >= self.size and seconds < _AIM / 2 and self.size < LARGEST:
            self.size *= 2


class _ThreadBuffer(threading.local):
    """One receive buffer a thread: a read is drained before its callback returns, so lines of a loop can share it."""

    def __init__(self) -> None:
        self.view = memoryview(bytearray(LARGEST))


_buffer = _ThreadBuffer()


def receive_buffer(size: int) -> memoryview:
    """Return the first *size* bytes of this thread's receive buffer."""
    return _buffer.view[:size]
