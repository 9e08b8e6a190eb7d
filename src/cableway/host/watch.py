"""One watch over the host for all cables of an event loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol
from weakref import WeakValueDictionary

from attrs import frozen

from cableway.host.clocks import Clocks, SleepDetector
from cableway.host.network import WayOut, empty, moved, netlink_socket, way_out

if TYPE_CHECKING:
    import socket

LOOK_EVERY = 5.0
"""Seconds between looks at the clocks and at the way out."""

SETTLE_AFTER = 0.5
"""Seconds that a burst of network changes is given to come to rest."""


@frozen
class HostChange:
    """What happened to the host.

    With ``slept == 0`` and ``network`` false only the wall clock jumped, on a host without a clock that nobody sets:
    it slept, or somebody set the clock. That is reason to probe a line, not to drop it.
    """

    slept: float = 0.0
    """Seconds that the host slept: lines are likely dead, though they look open. 0: it did not, as far as is known."""
    network: bool = False
    """Whether the way out has changed: another network, one that is gone, one that is back."""


Listener = Callable[[HostChange], None]
"""Hears of changes. It is called by the event loop: it must not block."""


class Watch(Protocol):
    """What a cable needs of a watch; tests bring their own."""

    def listen(self, listener: Listener) -> None:
        """Tell *listener* of each change from now on."""

    def ignore(self, listener: Listener) -> None:
        """Tell *listener* no more."""


WatchFactory = Callable[[asyncio.AbstractEventLoop], Watch]
"""Gives the watch of an event loop, as :func:`host_watch` does."""


def host_watch(loop: asyncio.AbstractEventLoop) -> HostWatch:
    """Return the one watch of *loop*, for as long as somebody keeps it or listens to it.

    After a fork there is another one: a child must leave its parent's alone.
    """
    key = (os.getpid(), loop)
    watch = _watches.get(key)
    if watch is None:
        watch = _watches[key] = HostWatch(loop)
    return watch


class HostWatch:
    """Tells its listeners that the host slept or that its network changed.

    Where netlink (Linux) tells of changes, they are known within a second; elsewhere, and where netlink is silent, at
    the next look. Only a change of the way out is told: interfaces come and go that no line of ours uses. Without
    listeners it holds nothing: no timer, no socket. To be used in the thread of *loop* only.

    Example::

        watch = host_watch(asyncio.get_running_loop())
        watch.listen(lambda change: print("slept", change.slept, "seconds"))
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        clocks: Clocks | None = None,
        way: Callable[[], WayOut] = way_out,
        netlink: Callable[[], socket.socket | None] = netlink_socket,
    ) -> None:
        self._loop = loop
        self._pid = os.getpid()
        self._clocks = clocks or Clocks()
        self._way = way
        self._netlink = netlink
        self._listeners: list[Listener] = []
        self._detector = SleepDetector(self._clocks)
        self._known: WayOut | None = None
        self._socket: socket.socket | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._settling: asyncio.TimerHandle | None = None

    def listen(self, listener: Listener) -> None:
        """Tell *listener* of each change from now on; once, however often it is given.

        What it raises goes to the loop's exception handler and stops no other listener.

        Raises:
            RuntimeError: The loop is closed.
        """
        if not self._listeners:
            self._start()
        if listener not in self._listeners:
            self._listeners.append(listener)

    def ignore(self, listener: Listener) -> None:
        """Tell *listener* no more, not even of what is being told right now. Whom it does not know it ignores anyway.

        Safe to call after the loop was closed, and in a forked child.
        """
        if listener in self._listeners:
            self._listeners.remove(listener)
            if not self._listeners:
                self._stop()

    def _start(self) -> None:
        self._detector = SleepDetector(self._clocks)
        self._known = None
        self._has_moved()
        # Before the socket: a closed loop refuses it, and then there is nothing to clear away.
        self._timer = self._loop.call_later(LOOK_EVERY, self._look)
        self._socket = self._netlink()
        if self._socket is not None:
            self._attend(self._socket)

    def _stop(self) -> None:
        for timer in (self._timer, self._settling):
            if timer is not None:
                timer.cancel()
        self._timer = self._settling = None
        if self._socket is not None:
            # A forked child shares the selector with its parent, which is to hear of changes still.
            if self._pid == os.getpid():
                self._loop.remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def _attend(self, sock: socket.socket) -> None:
        try:
            self._loop.add_reader(sock, self._stirred, sock)
        except (NotImplementedError, OSError):
            # Not every loop has readers, and selectors have limits: then the looks must do.
            sock.close()
            self._socket = None

    def _look(self) -> None:
        self._timer = self._loop.call_later(LOOK_EVERY, self._look)
        # While a burst goes on, the way out is what happens to be there at the moment.
        self._judge(network=self._settling is None and self._has_moved())

    def _stirred(self, sock: socket.socket) -> None:
        # Not to be woken by each of a thousand changes.
        self._loop.remove_reader(sock)
        self._settling = self._loop.call_later(SETTLE_AFTER, self._settled, sock)
        # A host that wakes stirs its network first: the clocks tell of sleep sooner than the next look would.
        self._judge(network=False)

    def _settled(self, sock: socket.socket) -> None:
        self._settling = None
        # Before the comparison, so that what changes after it stirs again.
        empty(sock)
        self._attend(sock)
        self._judge(network=self._has_moved())

    def _has_moved(self) -> bool:
        with suppress(OSError):
            before, self._known = self._known, self._way()
            return before is not None and moved(before, self._known)
        # Nothing could be learned, by want of file descriptors or memory: the next look tries again.
        return False

    def _judge(self, *, network: bool) -> None:
        waking = self._detector.look()
        if network or waking.slept or waking.jumped:
            self._tell(HostChange(waking.slept, network))

    def _tell(self, change: HostChange) -> None:
        for listener in list(self._listeners):
            if listener in self._listeners:
                self._call(listener, change)

    def _call(self, listener: Listener, change: HostChange) -> None:
        try:
            listener(change)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - one listener's fault is not to cost another its line
            context = {"message": "A listener of the host watch failed", "exception": error}
            self._loop.call_exception_handler(context)


# Weak: a watch knows its loop, so a strong hold on it would keep the loop for ever.
_watches: WeakValueDictionary[tuple[int, asyncio.AbstractEventLoop], HostWatch] = WeakValueDictionary()
