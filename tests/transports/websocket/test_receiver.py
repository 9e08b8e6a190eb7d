"""From bytes to messages: the same messages, and the same end, as the websockets library alone."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

import pytest
from attrs import Factory, define
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from cableway.transports.websocket.receiver import Receiver
from tests.transports.websocket.peers import close_frame, frame

if TYPE_CHECKING:
    from collections.abc import Iterable

LIMIT = 300


def open_protocol(*, limit: int = LIMIT, deflate: bool = False) -> ClientProtocol:
    """A client's protocol after the handshake."""
    protocol = ClientProtocol(parse_uri("ws://127.0.0.1/cable"), state=State.OPEN, max_size=limit)
    if deflate:
        protocol.extensions = [PerMessageDeflate(False, False, 15, 15)]
    return protocol


def receiver(*, limit: int = LIMIT, deflate: bool = False, binary: bool = False) -> Receiver:
    """What is tested."""
    return Receiver(open_protocol(limit=limit, deflate=deflate), limit, binary=binary)


def pieces(data: bytes, size: int) -> Iterable[bytes]:
    """*data*, cut."""
    return (data[start : start + size] for start in range(0, len(data), size))


def feed(subject: Receiver, data: bytes, size: int = 1 << 30) -> list[bytes]:
    """The messages that come of *data*, read in pieces of *size*."""
    return [message for piece in pieces(data, size) for message in subject.feed(memoryview(piece))]


def sent(protocol: ClientProtocol) -> list[tuple[int, bytes]]:
    """The frames that the protocol wants to write, unmasked."""
    frames = []
    for data in protocol.data_to_send():
        mask, payload = data[2:6], data[6:]
        frames.append((data[0] & 15, bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))))
    return frames


@define
class Alone:
    """The library without us: the yardstick."""

    protocol: ClientProtocol
    messages: list[bytes] = Factory(list)
    bad_text: bool = False
    _parts: list[Frame] = Factory(list)

    def feed(self, data: bytes) -> None:
        self.protocol.receive_data(data)
        for event in self.protocol.events_received():
            if isinstance(event, Frame) and event.opcode in {Opcode.TEXT, Opcode.BINARY, Opcode.CONT}:
                self._collect(event)

    def _collect(self, event: Frame) -> None:
        self._parts.append(event)
        if not event.fin or self.bad_text:
            return
        message = b"".join(bytes(part.data) for part in self._parts)
        text, self._parts = self._parts[0].opcode is Opcode.TEXT, []
        try:
            if text:
                message.decode()
            self.messages.append(message)
        except UnicodeDecodeError:
            self.bad_text = True


payloads = st.one_of(
    st.text(max_size=40).map(str.encode), st.binary(max_size=20), st.integers(100, LIMIT + 20).map(lambda n: b"x" * n)
)
plain = st.text(max_size=40).map(lambda text: frame(text.encode()))
odd = st.one_of(
    st.builds(
        frame,
        payloads,
        st.sampled_from([0, 1, 1, 2, 3, 8, 9, 9, 10, 11]),
        fin=st.booleans(),
        rsv1=st.sampled_from([False, False, False, True]),
    ),
    st.builds(close_frame, st.sampled_from([1000, 1001, 1005, 1006, 3000, 999, 0]), st.binary(max_size=4)),
    payloads.map(lambda payload: frame(payload, fin=False) + frame(b"tick", 9) + frame(payload[:9], 0)),
    plain.map(lambda whole: frame(b"begun", fin=False) + whole),
    st.just(b"\x81\x83mask\x00\x00\x00"),
    st.binary(min_size=1, max_size=12),
)
plain_binary = payloads.map(lambda payload: frame(payload, 2))
streams = st.lists(st.one_of(plain, plain, plain_binary, st.just(frame(b"tick", 9)), odd), max_size=12).map(b"".join)


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(
    data=streams,
    cuts=st.lists(st.integers(1, 40), min_size=1, max_size=30),
    deflate=st.booleans(),
    binary=st.booleans(),
)
def test_any_stream_cut_anywhere_reads_as_with_the_library_alone(
    data: bytes, cuts: list[int], *, deflate: bool, binary: bool
) -> None:
    """Messages, answers and the end do not depend on the fast path, nor on where reads end."""
    alone, subject = Alone(open_protocol(deflate=deflate)), receiver(deflate=deflate, binary=binary)
    messages: list[bytes] = []
    at = 0
    while at < len(data):
        piece = data[at : at + cuts[at % len(cuts)]]
        at += len(piece)
        alone.feed(piece)
        messages += subject.feed(memoryview(piece))

    assert messages == alone.messages
    assert_same_end(alone, subject)


def assert_same_end(alone: Alone, subject: Receiver) -> None:
    """Both have answered the same, and ended the same way or not at all."""
    if alone.bad_text:
        assert subject.failure is not None
        assert subject.failure.rule == "text that is not UTF-8"
        return
    assert sent(subject.protocol) == sent(alone.protocol)
    assert subject.finished == (alone.protocol.state is State.CLOSING)
    received = alone.protocol.close_rcvd
    if received is not None:
        assert subject.close == (received.code, received.reason)
    elif subject.close is None:
        assert (subject.failure is None) == (alone.protocol.parser_exc is None)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50, 1000])
def test_fragments_with_a_ping_in_between_make_one_message(size: int) -> None:
    """A message in pieces arrives whole, and the ping is answered."""
    subject = receiver()
    data = frame(b"before") + frame(b"he", fin=False) + frame(b"?", 9) + frame(b"ll", 0, fin=False) + frame(b"o", 0)

    assert feed(subject, data + frame(b"after"), size) == [b"before", b"hello", b"after"]
    assert sent(subject.protocol) == [(Opcode.PONG, b"?")]


def test_binary_messages_are_passed_on_unread() -> None:
    """AnyCable does not look at the opcode: bytes that are no text are the codec's business."""
    subject = receiver()

    assert feed(subject, frame(b"\xff\xfe", 2) + frame(b"\xff", 2, fin=False) + frame(b"{}", 0)) == [
        b"\xff\xfe",
        b"\xff{}",
    ]
    assert not subject.finished


def test_on_a_binary_line_text_is_still_text() -> None:
    """Plain frames of bytes are cut out unread, and what a server sends as text has to be UTF-8."""
    subject = receiver(binary=True)

    assert feed(subject, frame(b"\xff", 2) * 3 + frame("ä".encode()) + frame(b"\xfe", 2)) == [
        *[b"\xff"] * 3,
        "ä".encode(),
        b"\xfe",
    ]
    assert feed(subject, frame(b"\xc3") + frame(b"late", 2)) == []
    assert subject.failure is not None


@pytest.mark.parametrize("size", [1, 64, 1 << 20])
def test_a_frame_over_the_limit_fails_the_line_at_its_header(size: int) -> None:
    """The payload is not collected: the header alone ends the line, with 1009."""
    subject = receiver(limit=1000)

    messages = feed(subject, frame(b"fine") + frame(b"x" * 1001)[:4], size)

    assert messages == [b"fine"]
    assert subject.failure is not None
    assert "max_message_size=1000" in str(subject.failure)
    assert subject.failure.size == 1001
    assert sent(subject.protocol)[0][1][:2] == struct.pack("!H", 1009)
    assert feed(subject, frame(b"late")) == []


def test_fragments_over_the_limit_fail_the_line() -> None:
    """The sum counts, not the single frame."""
    subject = receiver(limit=1000)

    feed(subject, frame(b"x" * 600, fin=False) + frame(b"y" * 401, 0, fin=False)[:4])

    assert subject.failure is not None
    assert subject.failure.size == 1001
    assert sent(subject.protocol)[0][1][:2] == struct.pack("!H", 1009)


def test_endless_empty_fragments_take_no_memory() -> None:
    """A message that goes on for ever without content is not collected piece by piece."""
    subject = receiver()
    feed(subject, frame(b"", fin=False))
    feed(subject, frame(b"", 0, fin=False) * 5000)

    assert len(subject._fragments) == 0
    assert feed(subject, frame(b"end", 0)) == [b"end"]


def test_a_small_frame_that_inflates_beyond_the_limit_fails_the_line() -> None:
    """Decompression stops at the limit (a few kilobytes on the wire may be many megabytes of text)."""
    squeeze = zlib.compressobj(wbits=-15)
    bomb = squeeze.compress(b"x" * 8_000_000) + squeeze.flush(zlib.Z_SYNC_FLUSH)
    subject = receiver(limit=100_000, deflate=True)

    assert feed(subject, frame(bomb[:-4], rsv1=True), 4096) == []
    assert subject.failure is not None
    assert sent(subject.protocol)[0][1][:2] == struct.pack("!H", 1009)


def test_compressed_and_plain_messages_keep_their_order() -> None:
    """A server may compress some messages and not others."""
    server = PerMessageDeflate(False, False, 15, 15)
    data = b""
    for index in range(20):
        text = b"message %d" % index
        data += Frame(Opcode.TEXT, text).serialize(mask=False, extensions=[server] if index % 3 else [])

    assert feed(receiver(deflate=True), data, 11) == [b"message %d" % index for index in range(20)]


@pytest.mark.parametrize("at", [0, 1, 2])
def test_text_that_is_not_utf8_fails_the_line(at: int) -> None:
    """What came before is delivered, then the line is failed with 1007."""
    subject = receiver()
    texts = ["häh".encode(), "ü€😀".encode(), b"end"]
    texts[at] = b"\xc3"

    assert feed(subject, b"".join(map(frame, texts))) == texts[:at]
    assert subject.failure is not None
    assert sent(subject.protocol)[0][1][:2] == struct.pack("!H", 1007)


def test_a_character_may_be_split_over_fragments_but_not_over_messages() -> None:
    """UTF-8 is judged by the message."""
    euro = "€".encode()

    assert feed(receiver(), frame(euro[:1], fin=False) + frame(euro[1:], 0)) == [euro]
    assert feed(receiver(), frame(euro[:1]) + frame(euro[1:])) == []


@pytest.mark.parametrize(
    ("data", "close"),
    [
        (close_frame(1000, b"bye"), (1000, "bye")),
        (close_frame(1006, b"Command Failed"), (1006, "Command Failed")),
        (close_frame(999), (999, "")),
        (close_frame(1011, b"caf\xe9"), (1011, "caf�")),
        (frame(b"", 8), (1005, "")),
    ],
    ids=["ordinary", "1006", "invalid-code", "invalid-reason", "empty"],
)
@pytest.mark.parametrize("size", [1, 1000])
def test_a_close_frame_is_read_whatever_it_says(data: bytes, close: tuple[int, str], size: int) -> None:
    """Codes that must not be sent are sent all the same, and end the line in an ordinary way."""
    subject = receiver()

    assert feed(subject, frame(b"last") + data + frame(b"too late"), size) == [b"last"]
    assert subject.close == close
    assert subject.failure is None


@pytest.mark.parametrize(
    "data",
    [
        frame(b"x", 8),
        frame(b"x" * 126, 9),
        b"\x83\x00",
        b"\x81\x80",
        frame(b"x", 0),
        frame(b"x", rsv1=True),
        frame(b"begun", fin=False) + frame(b"another"),
    ],
    ids=["close-of-one-byte", "long-ping", "opcode", "mask", "no-beginning", "extension-bit", "no-end"],
)
def test_what_is_no_websocket_frame_fails_the_line(data: bytes) -> None:
    """The reason is told, and the server hears 1002."""
    subject = receiver()

    assert feed(subject, frame(b"fine") + data) == [b"fine"]
    assert subject.failure is not None
    assert subject.close is None
    assert sent(subject.protocol)[0][1][:2] == struct.pack("!H", 1002)


def test_a_big_message_in_small_pieces_is_not_copied_again_and_again() -> None:
    """While a frame is not whole, its bytes are only appended."""
    subject = receiver(limit=1 << 20)
    data = frame(b"x" * (1 << 20))
    for piece in pieces(data[:-1], 1000):
        assert subject.feed(memoryview(piece)) == []

    assert subject._wanted == len(data)
    assert subject.feed(data[-1:]) == [data[10:]]
    assert not subject._held
