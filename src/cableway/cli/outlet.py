"""Stdout, written by a thread of its own: a slow reader stops neither the line's heartbeat nor Ctrl-C."""

from __future__ import annotations

import asyncio
import io
import os
import queue
import select
import sys
import threading
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from attrs import frozen

from cableway.cli.running import ReaderGone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from cableway.cli.running import Run

LOOK_EVERY = 0.5
"""Seconds between looks whether somebody still reads the pipe."""


@frozen
class _Job:
    chunk: bytes
    done: asyncio.Future[None]
    loop: asyncio.AbstractEventLoop


class Outlet:
    """Writes to stdout, one chunk after another."""

    def __init__(self, descriptor: int | None = None) -> None:
        self._descriptor = _stdout_descriptor() if descriptor is None else descriptor
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        # A daemon: a reader that never reads again must not hold up the end of the process.
        self._thread = threading.Thread(target=self._work, name="cableway-stdout", daemon=True)

    async def write(self, chunk: bytes) -> None:
        """Write *chunk* and wait until the reader, or the pipe, took it. Cancelled, it is written all the same.

        Raises:
            ReaderGone: Nobody reads any more.
            OSError: Another failure, such as a full disk.
        """
        loop = asyncio.get_running_loop()
        if not self._thread.is_alive():
            self._thread.start()
        job = _Job(chunk, loop.create_future(), loop)
        self._jobs.put(job)
        await asyncio.shield(job.done)

    async def watch(self, on_gone: Callable[[], None]) -> None:
        """Call *on_gone* once nobody reads any more, also while there is nothing to write."""
        descriptor = self._descriptor
        if descriptor is None or not hasattr(select, "poll"):
            return
        poll = select.poll()
        poll.register(descriptor, 0)
        while not any(flags & select.POLLERR for _, flags in poll.poll(0)):  # noqa: ASYNC110 - no event tells it
            await asyncio.sleep(LOOK_EVERY)
        on_gone()

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            error: Exception | None = None
            try:
                self._write(job.chunk)
            except BrokenPipeError:
                error = ReaderGone()
            except Exception as failure:  # noqa: BLE001 - told to whoever waits
                error = failure
            # Nobody waits any more once the loop is closed.
            with suppress(RuntimeError):
                job.loop.call_soon_threadsafe(_settle, job.done, error)

    def _write(self, chunk: bytes) -> None:
        if self._descriptor is None:
            sys.stdout.write(chunk.decode())
            sys.stdout.flush()
            return
        rest = memoryview(chunk)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]


@asynccontextmanager
async def watched(outlet: Outlet, run: Run) -> AsyncIterator[None]:
    """End *run* inside of the block once nobody reads *outlet* any more."""
    watch = asyncio.create_task(outlet.watch(run.reader_gone), name="cableway-reader-watch")
    try:
        yield
    finally:
        watch.cancel()


def _stdout_descriptor() -> int | None:
    """Return the file descriptor of stdout, ``None`` where stdout is an object of Python's own."""
    try:
        return sys.stdout.fileno()
    except (io.UnsupportedOperation, AttributeError, ValueError):
        return None


def _settle(done: asyncio.Future[None], error: Exception | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
        # A cancelled writer does not come back for it.
        done.exception()
