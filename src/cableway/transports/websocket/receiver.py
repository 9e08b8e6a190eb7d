"""From bytes to messages, without I/O: the splitter for plain frames, the websockets library for all others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import define, field
from websockets.exceptions import PayloadTooBig
from websockets.frames import CloseCode, Frame, Opcode

from cableway.errors import MalformedFrame
from cableway.redact import printable
from cableway.transports.websocket.splitter import PLAIN_BINARY, cut_plain, header_size, payload_size

if TYPE_CHECKING:
    from websockets.client import ClientProtocol

_OPCODES: Final = frozenset(Opcode)
_DATA: Final = frozenset({Opcode.TEXT, Opcode.BINARY, Opcode.CONT})
_MASK_BIT: Final = 0x80
_WHOLE_CLOSE: Final = 0x88
_LONGEST_CONTROL: Final = 125


@define
class Receiver:
    """Takes what the network gives and returns whole messages.

    The library's parser is fed whole frames only, so that it never holds half of one when the next plain frame is to
    be cut out. A frame that must fail (masked, unknown opcode, too large) is fed as far as it came: its header is
    enough for the library to fail the line with the right code, and its payload is never collected.
    """

    protocol: ClientProtocol
    """The library's side; the caller writes its ``data_to_send()`` after each :meth:`feed`."""
    limit: int
    """Largest message, in bytes."""
    binary: bool = False
    """Whether plain messages are binary; whatever comes as text is UTF-8 all the same."""
    close: tuple[int, str] | None = field(init=False, default=None)
    """Code and reason of the close frame that came, if one came."""
    failure: MalformedFrame | None = field(init=False, default=None)
    """Why the line was failed from our side, if it was."""
    progressed: bool = field(init=False, default=False)
    """Whether the last :meth:`feed` made a frame whole."""
    _held: bytearray = field(init=False, factory=bytearray)
    _wanted: int = field(init=False, default=0)
    _fragments: bytearray = field(init=False, factory=bytearray)
    _opcode: Opcode = field(init=False, default=Opcode.TEXT)

    @property
    def finished(self) -> bool:
        """Whether nothing more can come: all further bytes are dropped."""
        return self.close is not None or self.failure is not None

    @property
    def partial(self) -> bool:
        """Whether part of a frame has come."""
        return bool(self._held)

    def feed(self, received: bytes | memoryview) -> list[bytes]:
        """Take what was read and return the messages that became whole, in order."""
        self.progressed = False
        if self.finished:
            return []
        if self._held:
            self._held += received
            if len(self._held) < self._wanted:
                return []
            data = bytes(self._held)
            self._held.clear()
        else:
            data = bytes(received)
        batch = self._split(data)
        self.progressed = len(self._held) < len(data)
        return batch

    def _split(self, data: bytes) -> list[bytes]:
        batch: list[bytes] = []
        at = 0
        while at < len(data) and not self.finished:
            if self.protocol.current_size is None:
                known = len(batch)
                if self.binary:
                    at = cut_plain(data, at, self.limit, batch, PLAIN_BINARY)
                else:
                    at = cut_plain(data, at, self.limit, batch)
                    self._refuse_invalid_text(batch, known)
            if at < len(data) and not self.finished:
                at = self._one_frame(data, at, batch)
        return batch

    def _one_frame(self, data: bytes, at: int, batch: list[bytes]) -> int:
        """Pass the frame at *at* to the library, or hold it until it is whole; return what comes after it."""
        there = len(data) - at
        if there < 2:
            return self._hold(data, at, 2)
        first, second = data[at], data[at + 1]
        if second & _MASK_BIT or first & 0x0F not in _OPCODES:
            return self._pass_on(data, at, len(data), batch)
        head = header_size(second)
        if there < head:
            return self._hold(data, at, head)
        length = payload_size(data, at)
        if length > self.limit - (self.protocol.current_size or 0):
            return self._pass_on(data, at, len(data), batch)
        if there < head + length:
            return self._hold(data, at, head + length)
        end = at + head + length
        if first == _WHOLE_CLOSE:
            self._note_close(data[at + head : end])
        return self._pass_on(data, at, end, batch)

    def _hold(self, data: bytes, at: int, wanted: int) -> int:
        self._held += memoryview(data)[at:]
        self._wanted = wanted
        return len(data)

    def _note_close(self, payload: bytes) -> None:
        # AnyCable sends 1006, which must never be on the wire (RFC 6455 section 7.4.1): the library takes it for a
        # protocol error, people for an ordinary loss. So read it here, whatever the library makes of it.
        if not payload:
            self.close = (CloseCode.NO_STATUS_RCVD, "")
        elif 2 <= len(payload) <= _LONGEST_CONTROL:
            self.close = (int.from_bytes(payload[:2], "big"), payload[2:].decode("utf-8", "replace"))

    def _pass_on(self, data: bytes, at: int, end: int, batch: list[bytes]) -> int:
        self.protocol.receive_data(data[at:end])
        for event in self.protocol.events_received():
            if isinstance(event, Frame) and event.opcode in _DATA:
                self._collect(event, batch)
        if self.protocol.parser_exc is not None and not self.finished:
            self.failure = self._explain(self.protocol.parser_exc)
        return end

    def _collect(self, frame: Frame, batch: list[bytes]) -> None:
        if frame.opcode is not Opcode.CONT:
            self._opcode = frame.opcode
        if not frame.fin:
            self._fragments += frame.data
            return
        message = bytes(frame.data)
        if frame.opcode is Opcode.CONT:
            message = bytes(self._fragments) + message
            self._fragments = bytearray()
        batch.append(message)
        if self._opcode is Opcode.TEXT:
            self._refuse_invalid_text(batch, len(batch) - 1)

    def _refuse_invalid_text(self, batch: list[bytes], start: int) -> None:
        """Fail the line at the first text from *start* on that is no UTF-8 (RFC 6455 section 8.1)."""
        # One check for the whole run: a sequence cut short by a frame's end stays invalid before a line feed.
        if start == len(batch) or _is_text(b"\n".join(batch[start:])):
            return
        bad = next(index for index in range(start, len(batch)) if not _is_text(batch[index]))
        self.failure = MalformedFrame("text that is not UTF-8", len(batch[bad]))
        del batch[bad:]
        self.protocol.fail(CloseCode.INVALID_DATA, "invalid UTF-8")

    def _explain(self, error: Exception) -> MalformedFrame:
        if not isinstance(error, PayloadTooBig):
            return MalformedFrame(printable(str(error)) or type(error).__name__)
        size = (error.size or 0) + (error.current_size or 0)
        rule = f"larger than max_message_size={self.limit}; raise it if the server is to send such messages"
        return MalformedFrame(rule, size)


def _is_text(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
