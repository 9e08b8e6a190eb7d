"""A private thread with an event loop, and the way into it from other threads."""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from cableway.errors import WrongLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")


class _Job(Generic[T]):
    """One call. Its coroutine is made on the private thread: an interrupt on the way there leaves none unawaited."""

    def __init__(self, function: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self.result: Future[T] = Future()
        self._function = function
        self._task: asyncio.Task[T] | None = None
        self._cancelled = False

    def start(self) -> None:
        if not self._cancelled:
            self._task = asyncio.get_running_loop().create_task(self._function())
            self._task.add_done_callback(self._finish)

    def cancel(self) -> None:
        self._cancelled = True
        if self._task is not None:
            self._task.cancel()

    def _finish(self, task: asyncio.Task[T]) -> None:
        if task.cancelled():
            self.result.set_exception(asyncio.CancelledError())
        elif (error := task.exception()) is not None:
            self.result.set_exception(error)
        else:
            self.result.set_result(task.result())


class Portal:
    """Runs coroutines on a thread of its own.

    The thread is there while a call is under way, and from :meth:`hold` to :meth:`release`. Any thread may call it. It
    is a daemon: a script that ends without closing anything is not held up.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._worker: ThreadPoolExecutor | None = None
        self._users = 0
        self._held = False
        self._pid = 0

    @property
    def started(self) -> bool:
        """Whether there is a thread."""
        return self._thread is not None

    def hold(self) -> None:
        """Keep the thread between calls, from the next one on."""
        self._held = True

    def release(self) -> None:
        """End the thread once no call is under way: now, if none is. May be called again."""
        self._held = False
        self._users_change(0)

    def call(self, function: Callable[..., Coroutine[Any, Any, T]], *args: Any, **kwargs: Any) -> T:
        """Run ``function(*args, **kwargs)`` on the private loop and return its result.

        Interrupted, by Ctrl-C for one, the coroutine is cancelled before the interrupt goes on.

        Raises:
            WrongLoop: Called from the private thread itself, or after a fork.
        """
        if threading.current_thread() is self._thread:
            msg = f"the {self._name} was called from its own thread, where waiting for it would never end"
            raise WrongLoop(msg)
        loop = self._enter()
        try:
            job: _Job[T] = _Job(partial(function, *args, **kwargs))
            try:
                loop.call_soon_threadsafe(job.start)
                return job.result.result()
            except BaseException:
                loop.call_soon_threadsafe(job.cancel)
                raise
        finally:
            self._users_change(-1)

    def run(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Call a plain function on the private loop and return its result; see :meth:`call`."""

        async def run() -> T:
            return function(*args, **kwargs)

        return self.call(run)

    def later(self, function: Callable[..., object], *args: Any, failed: Callable[[BaseException], None]) -> None:
        """Have a worker thread call *function*, one call after another; *failed* hears, on the loop, what it raised."""
        loop = self._enter()
        with self._lock:
            if self._worker is None:
                self._worker = ThreadPoolExecutor(1, thread_name_prefix=f"{self._name} callbacks")
            future = self._worker.submit(function, *args)

        def done(_: object) -> None:
            error = future.exception()
            if error is not None:
                loop.call_soon_threadsafe(failed, error)
            self._users_change(-1)

        future.add_done_callback(done)

    def _enter(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = self._start()
            elif self._pid != os.getpid():
                msg = f"the {self._name} was opened before this process was forked: make a new one in each process"
                raise WrongLoop(msg)
            self._users += 1
            return self._loop

    def _users_change(self, by: int) -> None:
        with self._lock:
            self._users += by
            if self._users or self._held or self._loop is None or self._pid != os.getpid():
                return
            loop, thread, worker = self._loop, self._thread, self._worker
            self._loop = self._thread = self._worker = None
        loop.call_soon_threadsafe(loop.stop)
        current = threading.current_thread()
        if worker is not None:
            worker.shutdown(wait=not current.name.startswith(f"{self._name} callbacks"))
        if thread is not None and thread is not current:
            thread.join()

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
