"""One open line, as the engine holds it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from attrs import field, frozen

from cableway.transports.ending import await_end
from cableway.transports.polling.courier import Courier

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cableway.transports.base import Sink
    from cableway.transports.http.posting import Poster
    from cableway.transports.polling.courier import Session
    from cableway.transports.polling.exchange import Exchange


FLUSH: Final = 0.5
"""Seconds for which a server may gather messages before it answers a poll (AnyCable's --poll_flush_interval)."""


@frozen
class Opened:
    """What the request that opened the line has brought."""

    session: Session
    subprotocol: str | None
    headers: Mapping[str, str] = field(repr=False)
    messages: list[bytes] = field(repr=False)


@frozen
class Buffers:
    """How much a line keeps."""

    write_limit: int
    """Bytes that the server has not taken, above which ``drain()`` waits."""
    read_limit: int
    """Bytes of messages above which a line that nobody reads is polled no more."""


class PollingConnection:
    """One open line by long polling; see :class:`~cableway.transports.base.Connection` for the contract.

    The server is not told of its end: the contract of long polling has no word for it, and the session lapses.
    """

    def __init__(self, poster: Poster, exchange: Exchange, sink: Sink, opened: Opened, buffers: Buffers) -> None:
        self._loop = asyncio.get_running_loop()
        self._exchange = exchange
        self._sink = sink
        self._opened = opened
        self._buffers = buffers
        self._paused = True
        self._deaf = False  # the owner said goodbye: nothing more is pushed
        self._unread = opened.messages
        self._unread_size = sum(map(len, opened.messages))
        self._resuming: asyncio.Handle | None = None
        self._drained = asyncio.Event()
        self._drained.set()
        self._gone = asyncio.Event()
        self._told = False
        self._error: BaseException | None = None
        self._courier = Courier(
            poster,
            exchange,
            opened.session,
            deliver=self._take,
            answered=self._answered,
            changed=self._changed,
        )
        self._task = self._loop.create_task(self._courier.run(), name="cableway-polling")
        self._task.add_done_callback(self._ended)

    def __repr__(self) -> str:
        state = "lost" if self._gone.is_set() else "closing" if self._deaf else "open"
        return f"<{type(self).__name__} {state}{' paused' if self._paused else ''}>"

    # What the line is

    @property
    def subprotocol(self) -> str | None:
        """What is spoken: what the server has named, or what it was asked for if it named nothing."""
        return self._opened.subprotocol

    @property
    def response_headers(self) -> Mapping[str, str]:
        """Headers of the response that opened the line; names in lower case."""
        return self._opened.headers

    @property
    def last_received(self) -> float:
        """The loop's time when a byte of an answer last came: one that brings no message is a sign of life, too."""
        return self._courier.last_received

    @property
    def server_time(self) -> float | None:
        """The server's Unix time of the last answer, if that brought no message and told the time."""
        return self._courier.server_time

    @property
    def command_latency(self) -> float:
        """Seconds that a command may have to wait before it goes.

        Also where polls are given up for commands: one that carries commands is not, and it may be held for as long.
        """
        return self._opened.session.hold

    @property
    def jammed(self) -> bool:
        """Whether commands wait for longer, or did until a moment ago: there are more than polls take along."""
        return self._exchange.outbox.is_late(self._loop.time(), self.command_latency + self._exchange.longest_pause)

    @property
    def written(self) -> int:
        """How many bytes of commands have gone in requests so far; what went twice counts twice."""
        return self._exchange.outbox.loaded

    @property
    def untaken(self) -> int:
        """Commands that the server has not taken, as far as is known."""
        return len(self._exchange.outbox)

    @property
    def message_latency(self) -> float:
        """Seconds that a message may wait for the next poll to fetch it."""
        return self._exchange.longest_pause + FLUSH

    # Sending

    def send(self, frame: bytes) -> None:
        """Keep one text message until the server has taken it. Does nothing once the line is gone or being closed."""
        if not self._gone.is_set() and not self._deaf:
            self._exchange.offer(frame, self._loop.time())
            self._changed()

    async def drain(self) -> None:
        """Wait until little enough is kept to send more, or the line is gone. Cancelling it loses nothing."""
        await self._drained.wait()

    def _changed(self) -> None:
        if self._exchange.outbox.size <= self._buffers.write_limit or self._gone.is_set():
            self._drained.set()
        else:
            self._drained.clear()
        self._courier.look()

    # Reading on and off

    def pause(self) -> None:
        """Stop reading. Polls go on, or the session would lapse, until too much is unread."""
        self._paused = True

    def resume(self) -> None:
        """Read on, from the next turn of the loop. May be called again."""
        self._paused = False
        if self._resuming is None:
            self._resuming = self._loop.call_soon(self._read_on)

    def _read_on(self) -> None:
        self._resuming = None
        self._push()
        if self._gone.is_set():
            self._tell_lost()

    def _take(self, messages: list[bytes]) -> None:
        if messages and not self._deaf:
            self._unread += messages
            self._unread_size += sum(map(len, messages))
            self._push()

    def _answered(self) -> None:
        # What is unread was not told yet: the answer counts with one that comes later.
        if not self._unread and not self._paused and self._resuming is None and not self._deaf:
            self._sink.frames([])

    def _push(self) -> None:
        if self._unread and not self._paused and self._resuming is None and not self._deaf:
            batch, self._unread, self._unread_size = self._unread, [], 0
            self._sink.frames(batch)
        self._exchange.read(stalled=self._unread_size > self._buffers.read_limit)
        self._changed()

    # Ending

    async def close(self, code: int = 1000, reason: str = "", timeout: float = 1.0) -> None:  # noqa: ARG002 - the seam
        """Have the server take what is left, for at most *timeout* seconds, and be gone. May be called again.

        Messages that still come are dropped. Cancelled, it drops the line at once.
        """
        self._fall_silent()
        self._exchange.close(self._loop.time())
        self._changed()
        await await_end(self._gone, timeout, self.abort)

    def abort(self) -> None:
        """Be gone at once, without a word. May be called again."""
        self._fall_silent()
        self._task.cancel()

    def _fall_silent(self) -> None:
        self._deaf = True
        self._unread, self._unread_size = [], 0

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._error = self._courier.error
        if not task.cancelled() and task.exception() is not None:
            self._error = task.exception()
        self._gone.set()
        self._changed()
        if not self._paused and self._resuming is None:
            self._tell_lost()

    def _tell_lost(self) -> None:
        if not self._told and not self._paused:
            self._told = True
            self._sink.lost(None, "", self._error)
