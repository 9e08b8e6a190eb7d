"""A private thread with an event loop, and the way into it from other threads."""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from cableway.errors import WrongLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")


class Portal:
    """Runs coroutines on a thread of its own, which is there from the first call to :meth:`stop`.

    Any thread may call it. The thread is a daemon: a script that ends without closing anything is not held up.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._worker: ThreadPoolExecutor | None = None
        self._pid = 0

    def call(self, function: Callable[..., Coroutine[Any, Any, T]], *args: Any, **kwargs: Any) -> T:
        """Run ``function(*args, **kwargs)`` on the private loop and return its result.

        Interrupted, by Ctrl-C for one, the coroutine is cancelled before the interrupt goes on.

        Raises:
            WrongLoop: Called from the private thread itself, or after a fork.
        """
        loop = self._running_loop()
        if threading.current_thread() is self._thread:
            msg = f"the {self._name} was called from its own thread, where waiting for it would never end"
            raise WrongLoop(msg)
        future = asyncio.run_coroutine_threadsafe(function(*args, **kwargs), loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def run(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Call a plain function on the private loop and return its result; see :meth:`call`."""

        async def run() -> T:
            return function(*args, **kwargs)

        return self.call(run)

    def later(self, function: Callable[..., object], *args: Any, failed: Callable[[BaseException], None]) -> None:
        """Have a worker thread call *function*, one call after another; *failed* hears, on the loop, what it raised."""
        if self._worker is None:
            self._worker = ThreadPoolExecutor(1, thread_name_prefix=f"{self._name} callbacks")
        loop = self._running_loop()
        future = self._worker.submit(function, *args)

        def done(_: object) -> None:
            error = future.exception()
            if error is not None and not loop.is_closed():
                loop.call_soon_threadsafe(failed, error)

        future.add_done_callback(done)

    def stop(self) -> None:
        """End the thread, if there is one; the next call starts another. May be called again."""
        with self._lock:
            loop, thread, worker = self._loop, self._thread, self._worker
            self._loop = self._thread = self._worker = None
        if worker is not None:
            inside = threading.current_thread().name.startswith(f"{self._name} callbacks")
            worker.shutdown(wait=not inside)
        if loop is not None and thread is not None and self._pid == os.getpid():
            loop.call_soon_threadsafe(loop.stop)
            thread.join()

    @property
    def started(self) -> bool:
        """Whether there is a thread."""
        return self._thread is not None

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = self._start()
            elif self._pid != os.getpid():
                msg = f"the {self._name} was opened before this process was forked: make a new one in each process"
                raise WrongLoop(msg)
            return self._loop

    def _start(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.new_event_loop()

        def run() -> None:
            asyncio.set_event_loop(loop)
            try:
                loop.run_forever()
            finally:
                loop.run_until_complete(loop.shutdown_asyncgens())
                loop.close()

        self._pid = os.getpid()
        self._thread = threading.Thread(target=run, name=self._name, daemon=True)
        self._thread.start()
        return loop
