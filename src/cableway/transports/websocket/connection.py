"""One open line: the protocol that the event loop calls, and the connection that the engine holds."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING, Final

from websockets.exceptions import ProtocolError
from websockets.protocol import State

from cableway.errors import UsageError
from cableway.transports.ending import await_end
from cableway.transports.websocket.pacing import ReadSize, receive_buffer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cableway.transports.base import Sink
    from cableway.transports.websocket.receiver import Receiver

_LINGER: Final = 1.0
"""Seconds that a server has to end the line after the last word was said."""

_LONGEST_FRAME: Final = 30.0
"""Seconds for which the parts of one frame are signs of life. While it trickles in, nothing else gets through."""

_LONGEST_REASON: Final = 123
"""A close frame holds at most 125 bytes, two of which are the code (RFC 6455 section 5.5)."""


class WebSocketConnection(asyncio.BufferedProtocol):
    """One open WebSocket line; see :class:`~cableway.transports.base.Connection` for the contract.

    It is built on a transport that is already through the opening handshake and paused. Once :meth:`close` or
    :meth:`abort` was called, no more messages are pushed. A line that is lost before the first :meth:`resume` says so
    then.
    """

    def __init__(
        self, transport: asyncio.Transport, receiver: Receiver, sink: Sink, *, headers: Mapping[str, str], early: bytes
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._receiver = receiver
        self._protocol = receiver.protocol
        self._sink = sink
        self._headers = headers
        self._early = early  # came in the same read as the response, and waits for the first resume()
        self._last_received = self._frame_began = self._loop.time()
        self._read_size = ReadSize()
        self._reads_repeatedly = type(self._loop).__module__.partition(".")[0] == "uvloop"
        self._handed_on = 0
        self._paused = True
        self._resumed_once = False
        self._resuming: asyncio.Handle | None = None
        self._deaf = False  # the owner said goodbye: nothing more is pushed
        self._drained = asyncio.Event()
        self._drained.set()
        self._gone = asyncio.Event()
        self._error: Exception | None = None
        self._told = False
        self._linger: asyncio.TimerHandle | None = None
        transport.set_protocol(self)

    def __repr__(self) -> str:
        state = "lost" if self._gone.is_set() else self._protocol.state.name.lower()
        return f"<{type(self).__name__} {state}{' paused' if self._paused else ''}>"

    # What the line is ------------------------------------------------------------------------------------------------

    @property
    def subprotocol(self) -> str | None:
        """The name the server selected, ``None`` if it selected none."""
        return self._protocol.subprotocol

    @property
    def response_headers(self) -> Mapping[str, str]:
        """Headers of the response that opened the line; names in lower case."""
        return self._headers

    @property
    def last_received(self) -> float:
        """The loop's time when a byte last came; those of a frame that takes longer than 30 s do not count."""
        return self._last_received

    # Sending ---------------------------------------------------------------------------------------------------------

    @property
    def local_address(self) -> str | None:
        """The address of this machine that the line comes from; ``None`` where nobody knows."""
        name = self._transport.get_extra_info("sockname")
        return str(name[0]) if isinstance(name, tuple) else None

    def send(self, frame: bytes) -> None:
        """Write one message, text or not as the subprotocol has it.

        Buffers; never blocks. Does nothing once the line is gone or being closed.
        """
        if self._protocol.state is State.OPEN and not self._transport.is_closing():
            send = self._protocol.send_binary if self._receiver.binary else self._protocol.send_text
            send(frame)
            self._write_out()

    @property
    def written(self) -> int:
        """How many bytes the operating system has taken so far."""
        return self._handed_on - self._transport.get_write_buffer_size()

    async def drain(self) -> None:
        """Wait until the buffer is low enough to send more, or the line is gone. Cancelling it loses nothing."""
        await self._drained.wait()

    # Reading on and off ----------------------------------------------------------------------------------------------

    def pause(self) -> None:
        """Stop reading. May be called again; one batch may still follow."""
        if not self._paused and not self._deaf:
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on, from the next turn of the loop. May be called again."""
        self._paused = False
        self._resumed_once = True
        if self._resuming is None:
            self._resuming = self._loop.call_soon(self._read_on)

    def _read_on(self) -> None:
        self._resuming = None
        if self._early and not self._paused:
            early, self._early = self._early, b""
            self._take(early)
        if self._paused:
            return
        if self._gone.is_set():
            self._tell_lost()
        else:
            self._transport.resume_reading()

    # Ending ----------------------------------------------------------------------------------------------------------

    async def close(self, code: int = 1000, reason: str = "", timeout: float = 1.0) -> None:
        """Say goodbye, wait at most *timeout* seconds for the answer, and be gone. May be called again.

        A *reason* of more than 123 bytes is cut. Messages that still come are dropped. Cancelled, it drops the line at
        once.

        Raises:
            UsageError: The *code* must not be sent (RFC 6455 section 7.4); the line stays open.
        """
        self._say_goodbye(code, reason)
        self._fall_silent()
        self._transport.resume_reading()
        await await_end(self._gone, timeout, self.abort)

    def abort(self) -> None:
        """Be gone at once, without a word. May be called again."""
        self._fall_silent()
        self._transport.abort()

    def _say_goodbye(self, code: int, reason: str) -> None:
        if self._protocol.state is not State.OPEN:
            return
        short = reason.encode("utf-8", "replace")[:_LONGEST_REASON].decode("utf-8", "ignore")
        try:
            self._protocol.send_close(code, short)
        except ProtocolError:
            msg = f"code={code} is no code for a close frame: use 1000, 1001, or 3000 to 4999"
            raise UsageError(msg) from None
        self._write_out()

    def _fall_silent(self) -> None:
        self._deaf = True
        self._early = b""

    def _tell_lost(self) -> None:
        if self._told:
            return
        self._told = True
        code, reason = self._receiver.close or (None, "")
        error = None if self._receiver.close else self._receiver.failure or self._error
        self._sink.lost(code, reason, error)

    # Called by the event loop ----------------------------------------------------------------------------------------

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - the loop's idea of a size is not ours
        """Lend the loop the buffer to read into."""
        return receive_buffer(self._read_size.size)

    def buffer_updated(self, nbytes: int) -> None:
        """Take what the loop has read."""
        now = self._loop.time()
        if not self._receiver.partial:
            self._frame_began = now
        if now - self._frame_began <= _LONGEST_FRAME:
            self._last_received = now
        started = perf_counter()
        self._take(receive_buffer(nbytes))
        self._read_size.record(nbytes, perf_counter() - started)
        if self._reads_repeatedly and not self._paused:
            # uvloop reads up to 32 times in a row before anyone else has a turn.
            self._transport.pause_reading()
            self.resume()

    def _take(self, received: bytes | memoryview) -> None:
        batch = self._receiver.feed(received)
        if self._receiver.progressed:
            self._last_received = self._frame_began = self._loop.time()
        self._write_out()
        if self._receiver.finished and self._linger is None:
            self._linger = self._loop.call_later(_LINGER, self._transport.abort)
        if batch and not self._deaf:
            self._sink.frames(batch)

    def _write_out(self) -> None:
        for data in self._protocol.data_to_send():
            if not self._transport.is_closing():
                self._handed_on += len(data)
                self._transport.write(data)

    def eof_received(self) -> bool:
        """Let the transport close: a WebSocket that is half open serves nobody."""
        return False

    def pause_writing(self) -> None:
        """Learn that the write buffer is full."""
        self._drained.clear()

    def resume_writing(self) -> None:
        """Learn that the write buffer is low again."""
        self._drained.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Learn that the line is gone."""
        self._error = exc
        self._gone.set()
        self._drained.set()
        if self._linger is not None:
            self._linger.cancel()
        if self._resumed_once and self._resuming is None and not self._early:
            self._tell_lost()
