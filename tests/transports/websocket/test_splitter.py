"""The fast cut of plain frames."""

from __future__ import annotations

import pytest

from cableway.transports.websocket.splitter import PLAIN_BINARY, cut_plain, header_size, payload_size
from tests.transports.websocket.peers import frame


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 70_000])
def test_whole_frames_of_all_lengths_are_cut(size: int) -> None:
    """Each of the three forms of the length is understood."""
    payload = b"x" * size
    data = frame(payload) + frame(b"next")
    batch: list[bytes] = []

    at = cut_plain(data, 0, 100_000, batch)

    assert batch == [payload, b"next"]
    assert at == len(data)


@pytest.mark.parametrize("size", [3, 200, 70_000])
def test_a_frame_that_is_not_whole_is_left(size: int) -> None:
    """However much of the last frame is missing, the cut stops at its start."""
    first, second = frame(b"first"), frame(b"x" * size)
    for there in [*range(min(16, len(second))), len(second) - 1]:
        batch: list[bytes] = []

        at = cut_plain(first + second[:there], 0, 100_000, batch)

        assert batch == [b"first"]
        assert at == len(first)


@pytest.mark.parametrize(
    "other",
    [
        frame(b"binary", 2),
        frame(b"", 9),
        frame(b"part", fin=False),
        frame(b"deflated", rsv1=True),
        b"\x81\x83mask\x00\x00\x00",
        b"\x81\xfe\x00\x03mask\x00\x00\x00",
        frame(b"x" * 11),
    ],
    ids=["binary", "ping", "fragment", "compressed", "masked", "masked-long", "too-large"],
)
def test_other_frames_are_left(other: bytes) -> None:
    """What is not plain is not touched."""
    data = frame(b"first") + other
    batch: list[bytes] = []

    at = cut_plain(data, 0, 10, batch)

    assert batch == [b"first"]
    assert at == len(frame(b"first"))


def test_where_messages_are_binary_text_is_left() -> None:
    """A line has one kind of plain frames."""
    data = frame(b"\xff", 2) + frame(b"x" * 300, 2) + frame(b"text") + frame(b"after", 2)
    batch: list[bytes] = []

    at = cut_plain(data, 0, 1000, batch, PLAIN_BINARY)

    assert batch == [b"\xff", b"x" * 300]
    assert data[at:] == frame(b"text") + frame(b"after", 2)


@pytest.mark.parametrize(("size", "header"), [(0, 2), (125, 2), (126, 4), (65535, 4), (65536, 10)])
def test_header_and_payload_are_measured(size: int, header: int) -> None:
    """The sizes say how far a frame reaches."""
    data = b"ab" + frame(b"x" * size)

    assert header_size(data[3]) == header
    assert payload_size(data, 2) == size
