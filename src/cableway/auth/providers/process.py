"""Runs a program to its end, without a shell, and leaves nothing of it behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

LARGEST_OUTPUT: Final = 256 * 1024
"""Bytes that a program may write, at most."""

KEPT_COMPLAINT: Final = 4096
"""Bytes that are kept of what it complains."""

GRACE: Final = 0.5
"""Seconds that the output may stay open after the program's end: something that it started may have inherited it."""


class OutputTooLarge(Exception):
    """The program wrote more than ``LARGEST_OUTPUT``."""


@frozen
class Finished:
    """How a program ended."""

    status: int
    """Its exit status; a signal's number, negative, if that ended it."""
    output: bytes = field(repr=False)
    complaint: bytes = field(repr=False)
    """What it wrote to its standard error, the beginning of it."""


async def run(command: Sequence[str]) -> Finished:
    """Run *command* to its end, in a process group of its own.

    Cancelled, or if it raises, the whole group is killed, and the program is gone when this returns.

    Raises:
        OutputTooLarge: It wrote too much.
        OSError: It could not be started.
    """
    loop = asyncio.get_running_loop()
    starting = loop.create_task(_start(loop, command))
    try:
        transport, program = await asyncio.shield(starting)
    except asyncio.CancelledError:
        # A program that is half started could not be killed: a moment later it can.
        while not starting.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([starting])
        if not starting.cancelled() and starting.exception() is None:
            await _end(*starting.result())
        raise
    try:
        return await program.finished()
    finally:
        await _end(transport, program)


async def _start(
    loop: asyncio.AbstractEventLoop, command: Sequence[str]
) -> tuple[asyncio.SubprocessTransport, _Program]:
    return await loop.subprocess_exec(_Program, *command, stdin=subprocess.DEVNULL, start_new_session=True)


async def _end(transport: asyncio.SubprocessTransport, program: _Program) -> None:
    if not program.is_over():
        _kill_group(transport)
    transport.close()
    # Killed, it is gone in a moment; only then is it no zombie any more.
    await asyncio.wait([program.exited])


def _kill_group(transport: asyncio.SubprocessTransport) -> None:
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(transport.get_pid(), signal.SIGKILL)
        else:
            transport.kill()


class _Program(asyncio.SubprocessProtocol):
    """Hears from a running program."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.exited: asyncio.Future[None] = loop.create_future()
        self._silent: asyncio.Future[None] = loop.create_future()
        self._flooded: asyncio.Future[None] = loop.create_future()
        self._open = {1, 2}
        self._read: dict[int, bytearray] = {1: bytearray(), 2: bytearray()}
        self._transport: asyncio.SubprocessTransport | None = None

    async def finished(self) -> Finished:
        """Wait for its end, then for the rest of its output."""
        await asyncio.wait([self.exited, self._flooded], return_when=asyncio.FIRST_COMPLETED)
        if not self._flooded.done():
            await asyncio.wait([self._silent, self._flooded], timeout=GRACE, return_when=asyncio.FIRST_COMPLETED)
        if self._flooded.done() or self._transport is None:
            raise OutputTooLarge
        return Finished(self._transport.get_returncode() or 0, bytes(self._read[1]), bytes(self._read[2]))

    def is_over(self) -> bool:
        """Whether it has ended of itself: what it left running then was meant to run on."""
        return self.exited.done()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.SubprocessTransport):
            self._transport = transport

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 2:
            self._read[2] += data[: KEPT_COMPLAINT - len(self._read[2])]
            return
        self._read[1] += data
        if len(self._read[1]) > LARGEST_OUTPUT and not self._flooded.done():
            self._flooded.set_result(None)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio calls it so
        self._open.discard(fd)
        if not self._open and not self._silent.done():
            self._silent.set_result(None)

    def process_exited(self) -> None:
        if not self.exited.done():
            self.exited.set_result(None)
