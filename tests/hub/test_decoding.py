"""Skipping what was read before: only where it is certain to be the same."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cableway.errors import MalformedFrame
from cableway.hub import decoding
from cableway.hub.decoding import Decoder, learn_head
from cableway.wire.codecs import json as json_codec
from cableway.wire.codecs.json import JSONCodec
from cableway.wire.dialects.base import BaseDialect

IDENTIFIER = '{"channel":"A"}'
ESCAPED = json.dumps(IDENTIFIER).encode()
HEAD = b'{"identifier":%b,"message":' % ESCAPED


@pytest.fixture(params=["standard library", "orjson"])
def reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Read JSON in both ways."""
    fast = pytest.importorskip("orjson").loads if request.param == "orjson" else None
    monkeypatch.setattr(decoding, "fast_loads", fast)
    monkeypatch.setattr(json_codec, "fast_loads", fast)
    return str(request.param)


class Strays:
    """Collects what turned out to be something else."""

    def __init__(self) -> None:
        self.frames: list[tuple[bytes, MalformedFrame | None]] = []

    def __call__(self, frame: bytes, fault: MalformedFrame | None) -> None:
        self.frames.append((frame, fault))


def decode(*frames: bytes, codec: Any = None) -> tuple[list[Any], Strays]:
    """Read frames that begin with the head."""
    strays = Strays()
    decoder = Decoder(IDENTIFIER, codec or JSONCodec(), BaseDialect(), strays)
    return decoder.messages(list(frames), HEAD, 12.0), strays


@pytest.mark.parametrize(
    "frame",
    [
        HEAD + b"1}",
        HEAD + b'{"message":[1,"}"]}}',
        HEAD + b'1,"stream_id":"s","epoch":"e","offset":3}',
        b'{ "identifier" : %b,"message":1}' % ESCAPED,
    ],
)
def test_a_head_is_learned_from_a_plain_frame(frame: bytes) -> None:
    """The head ends where the message begins, spaces and what follows the message notwithstanding."""
    if frame.startswith(b"{ "):
        assert learn_head(frame, IDENTIFIER) == b'{ "identifier" : %b,"message":' % ESCAPED
    else:
        assert learn_head(frame, IDENTIFIER) == HEAD


@pytest.mark.parametrize(
    "frame",
    [
        b'{"message":1,"identifier":%b}' % ESCAPED,
        b'{"identifier":%b,"message" :1}' % ESCAPED,
        b'{"identifier":%b,"x":"","message":1}' % ESCAPED,
        b'{"x":"","identifier":%b,"message":1}' % ESCAPED,
        b'{"identifier":"other","identifier":%b,"message":1}' % ESCAPED,
        b'{"identifier":"other","message":1}',
        b'[{"identifier":%b,"message":1}]' % ESCAPED,
        b'{"a":{"identifier":%b,"message":1}}' % ESCAPED,
        b'\xef\xbb\xbf{"identifier":%b,"message":1}' % ESCAPED,
        b'{"identifier":"\xff","message":1}',
        b"",
    ],
)
def test_no_head_is_learned_from_other_frames(frame: bytes) -> None:
    """Anything before the message but the identifier, once, makes the head useless."""
    assert learn_head(frame, IDENTIFIER) is None or frame.startswith(b"\xef")


@pytest.mark.parametrize("value", [None, True, False, 0, "", [], {}, 1.5, "ünïcode 🚡", {"a": [1, {"b": None}]}, 2**53])
@pytest.mark.usefixtures("reader")
def test_any_value_is_a_message(value: Any) -> None:
    """Falsy ones too."""
    messages, strays = decode(HEAD + json.dumps(value).encode() + b"}")
    assert [message.data for message in messages] == [value]
    assert type(messages[0].data) is type(value)
    assert messages[0].received_at.timestamp() == 12.0
    assert strays.frames == []


@pytest.mark.usefixtures("reader")
def test_positions_are_read_where_they_are_told() -> None:
    """What follows the message makes the frame be read in full; odd positions are left out."""
    messages, _ = decode(
        HEAD + b'1,"stream_id":"s","epoch":"e","offset":3}',
        HEAD + b'2,"stream_id":4,"epoch":null,"offset":-1}',
        HEAD + b'3,"offset":true,"later":"field"}',
        HEAD + b" 4 }",
    )
    assert [(m.data, m.stream, m.epoch, m.offset) for m in messages] == [
        (1, "s", "e", 3),
        (2, None, None, None),
        (3, None, None, None),
        (4, None, None, None),
    ]


@pytest.mark.parametrize(
    "tail",
    [b'1,"type":"ping"}', b'1,"identifier":"other"}', b'1,"type":"confirm_subscription"}', b'1,"type":"later"}'],
)
@pytest.mark.usefixtures("reader")
def test_what_turns_out_to_be_something_else_is_handed_back(tail: bytes) -> None:
    """A frame of another kind, or of another subscription, is no message, and not lost."""
    messages, strays = decode(HEAD + b"0}", HEAD + tail, HEAD + b"2}")
    assert [message.data for message in messages] == [0, 2]
    assert strays.frames == [(HEAD + tail, None)]


@pytest.mark.parametrize(
    "tail",
    [
        b"1}}",
        b"1}x",
        b"1",
        b"",
        b"}",
        b",}",
        b"1,}",
        b"NaN}",
        b"-Infinity}",
        b"01}",
        b'"\xff"}',
        b"1} {}",
        b'1,"type":3}',
    ],
)
@pytest.mark.usefixtures("reader")
def test_malformed_frames_are_handed_back_with_their_fault(tail: bytes) -> None:
    """They stop nothing: the messages around them are read."""
    messages, strays = decode(HEAD + b"0}", HEAD + tail, HEAD + b"2}")
    assert [message.data for message in messages] == [0, 2]
    ((frame, fault),) = strays.frames
    assert frame == HEAD + tail
    assert isinstance(fault, MalformedFrame)


@pytest.mark.usefixtures("reader")
def test_depth_and_size_are_survived() -> None:
    """What is nested beyond reading is malformed; very many digits are read as far as the reader can, or malformed."""
    messages, strays = decode(HEAD + b"[" * 100_000 + b"]" * 100_000 + b"}", HEAD + b"9" * 100_000 + b"}", HEAD + b"1}")
    assert messages[-1].data == 1
    assert len(messages) + len(strays.frames) == 3
    assert all(fault is not None for _, fault in strays.frames)


def test_another_encoding_is_read_by_its_codec() -> None:
    """Heads and fast readers are JSON's; whatever else there will be is read in full."""

    class Shout:
        name = "shout"

        def encode(self, mapping: Any) -> bytes:
            raise NotImplementedError

        def decode(self, frame: bytes) -> dict[str, Any] | None:
            return None if frame == b"null" else {"identifier": IDENTIFIER, "message": frame.decode().upper()}

    messages, strays = decode(HEAD, b"a", b"null", codec=Shout())
    assert [message.data for message in messages] == [HEAD.decode().upper(), "A"]
    assert strays.frames == [(b"null", None)]
