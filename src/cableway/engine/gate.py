"""A limit on new connections that all cables of a process share."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import deque
from contextlib import suppress
from weakref import WeakKeyDictionary, WeakSet

from attrs import define, field

from cableway.policies.gate import TokenBucket

RATE = 10.0
BURST = 20

SAME_CLOCK = 1.0
"""Seconds by which a loop's clock may lie off the machine's and still be the same one."""


@define(eq=False)
class _Queue:
    bucket: TokenBucket
    shared: bool
    waiting: deque[asyncio.Future[None]] = field(factory=deque)
    timer: asyncio.TimerHandle | None = None


class DialGate:
    """Lets *burst* dials to a host pass at once, and then *rate* a second, in the order in which they came.

    One gate may serve many cables, of several threads too. Without ``dial_gate=`` all cables of a process share one,
    so that ten thousand of them, dropped at once, do not come back as a storm. Waiting at the gate is neither dial time
    nor a failure.

    In any window of t seconds no more than ``burst + rate * t`` dials pass (the generic cell rate algorithm of
    ITU-T I.371).

    Args:
        rate: Dials a second to one host.
        burst: Dials that may pass at once after a rest.

    Raises:
        ValueError: A value is out of its range; the text names it.
    """

    def __init__(self, rate: float = RATE, burst: int = BURST) -> None:
        self._lock = threading.Lock()
        self._plan = self._own = TokenBucket(rate, burst)
        # Loops on the machine's own clock share these; one on a virtual clock has a time, and buckets, of its own.
        self._shared: dict[str, TokenBucket] = {}
        self._queues: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, _Queue]] = WeakKeyDictionary()
        _gates.add(self)

    @property
    def rate(self) -> float:
        """Dials a second to one host."""
        return self._plan.rate

    @property
    def burst(self) -> int:
        """Dials that may pass at once after a rest."""
        return self._plan.burst

    def adjust(self, rate: float | None = None, burst: int | None = None) -> None:
        """Change the limits; those who wait wait by the new ones. May be called in any thread.

        Raises:
            ValueError: A value is out of its range; the text names it.
        """
        self._own = TokenBucket(self.rate if rate is None else rate, self.burst if burst is None else burst)
        self._use(self._own)

    def override(self, limits: tuple[float, int] | None) -> None:
        """Use *limits*, a rate and a burst, instead of its own; with ``None`` its own again. In any thread.

        Raises:
            ValueError: A value is out of its range; the text names it.
        """
        self._use(self._own if limits is None else TokenBucket(*limits))

    def _use(self, plan: TokenBucket) -> None:
        with self._lock:
            if (plan.rate, plan.burst) == (self.rate, self.burst):
                return
            self._plan = plan
            for bucket in self._shared.values():
                bucket.adjust(plan.rate, plan.burst, time.monotonic())
            waiting = [(loop, queue) for loop, queues in self._queues.items() for queue in queues.values()]
            for loop, queue in waiting:
                if not queue.shared:
                    queue.bucket.adjust(plan.rate, plan.burst, loop.time())
        for loop, queue in waiting:
            with suppress(RuntimeError):
                # The loop may be another thread's, or closed.
                loop.call_soon_threadsafe(self._serve, queue, loop)

    async def wait(self, host: str) -> None:
        """Wait until a dial to *host* may pass. Cancelled, its place goes to the next one."""
        loop = asyncio.get_running_loop()
        queue = self._queue(loop, host)
        if not queue.waiting and self._take(queue, loop) <= 0:
            return
        turn = loop.create_future()
        queue.waiting.append(turn)
        self._serve(queue, loop)
        try:
            await turn
        except BaseException:
            self._leave(queue, turn)
            raise

    def would_wait(self, host: str) -> bool:
        """Tell whether a dial to *host* would have to wait now."""
        loop = asyncio.get_running_loop()
        queue = self._queue(loop, host)
        with self._lock:
            return bool(queue.waiting) or queue.bucket.wait(loop.time()) > 0

    def __repr__(self) -> str:
        return f"DialGate(rate={self.rate:g}, burst={self.burst})"

    def _queue(self, loop: asyncio.AbstractEventLoop, host: str) -> _Queue:
        with self._lock:
            queues = self._queues.setdefault(loop, {})
            queue = queues.get(host)
            if queue is None:
                bucket = TokenBucket(self.rate, self.burst)
                shared = abs(loop.time() - time.monotonic()) < SAME_CLOCK
                queue = queues[host] = _Queue(self._shared.setdefault(host, bucket) if shared else bucket, shared)
            return queue

    def _take(self, queue: _Queue, loop: asyncio.AbstractEventLoop) -> float:
        with self._lock:
            now = loop.time()
            wait = queue.bucket.wait(now)
            if wait <= 0:
                queue.bucket.take(now)
            return wait

    def _serve(self, queue: _Queue, loop: asyncio.AbstractEventLoop) -> None:
        if queue.timer is not None:
            queue.timer.cancel()
            queue.timer = None
        while queue.waiting:
            if queue.waiting[0].done():
                queue.waiting.popleft()
                continue
            wait = self._take(queue, loop)
            if wait > 0:
                queue.timer = loop.call_later(wait, self._serve, queue, loop)
                return
            queue.waiting.popleft().set_result(None)

    def _forked(self) -> None:
        # Another thread may have held the lock at the moment of the fork, and nobody would ever give it back. Who
        # waits there waits in the parent.
        self._lock = threading.Lock()
        self._queues = WeakKeyDictionary()

    def _leave(self, queue: _Queue, turn: asyncio.Future[None]) -> None:
        if turn.done() and not turn.cancelled():
            # It was its turn in this very moment: the place is the next one's.
            self._pass_on(queue)
        if all(other.done() for other in queue.waiting) and queue.timer is not None:
            # A timer that is left would keep the loop for as long as there is the gate.
            queue.timer.cancel()
            queue.timer = None
            queue.waiting.clear()

    def _pass_on(self, queue: _Queue) -> None:
        while queue.waiting:
            if not (following := queue.waiting.popleft()).done():
                following.set_result(None)
                return


_gates: WeakSet[DialGate] = WeakSet()
_default = DialGate()


def default_gate() -> DialGate:
    """Return the gate that the cables of this process share."""
    return _default


def _after_fork() -> None:
    for gate in list(_gates):
        gate._forked()  # noqa: SLF001 - of this module


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
