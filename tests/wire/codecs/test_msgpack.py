"""MessagePack as the wire has it."""

from __future__ import annotations

from typing import Any

import ormsgpack
import pytest

from cableway.errors import MalformedFrame
from cableway.wire.codecs.msgpack import MsgpackCodec, pack, unpack

codec = MsgpackCodec()


def nested(levels: int) -> Any:
    """Put a list into a list, and so on."""
    value: Any = 0
    for _ in range(levels):
        value = [value]
    return value


def test_a_map_is_written_as_any_library_reads_it() -> None:
    """Byte by byte as the specification has it."""
    raw = b"\x83\xa7command\xa9subscribe\xaaidentifier\xa1I\xa1n\xcd\x01\x00"
    assert codec.encode({"command": "subscribe", "identifier": "I", "n": 256}) == raw
    assert codec.decode(raw) == {"command": "subscribe", "identifier": "I", "n": 256}


def test_nil_says_nothing() -> None:
    """As null in JSON."""
    assert codec.decode(b"\xc0") is None


def test_byte_strings_are_read_as_text_wherever_they_stand() -> None:
    """A server's library may write its text so."""
    raw = ormsgpack.packb({"identifier": b"I", "message": {"a": [b"\xc3\xa4", {"b": b"x"}], "c": b""}, "reason": "r"})
    assert codec.decode(raw) == {"identifier": "I", "message": {"a": ["ä", {"b": "x"}], "c": ""}, "reason": "r"}
    assert unpack(ormsgpack.packb(b"text")) == "text"


@pytest.mark.parametrize(
    ("frame", "rule"),
    [
        (b"", "not MessagePack"),
        (b"\xc1", "not MessagePack"),
        (b"\x81\xa1a", "not MessagePack"),
        (b"\x81\x01\x02", "not MessagePack"),
        (b"\x81\xa1a\xd4\x05x", "not MessagePack"),
        (b"\x81\xa1a\xd6\xff\x00\x00\x00\x00", "not MessagePack"),
        (b"\x81\xa1a\xa1\xff", "not MessagePack"),
        (b"\xdf\xff\xff\xff\xff", "not MessagePack"),
        (b"\xdd\xff\xff\xff\xff" * 1000, "not MessagePack"),
        (b"\x91" * 100_000, "not MessagePack"),
        (b'{"type":"welcome"}', "more than one MessagePack value"),
        (b"\x80\x80", "more than one MessagePack value"),
        (b"\x80\xc1", "more than one MessagePack value"),
        (b"\x81\xa1a\x01\x00", "more than one MessagePack value"),
        (b"\x81\xa1a\xc4\x01\xff", "a byte string that is not UTF-8"),
        (b"\x81\xa1a\x91\xc4\x01\xff", "a byte string that is not UTF-8"),
        (b"\xc4\x01\xff", "a byte string that is not UTF-8"),
        (b"\x81\xa1a\xcb\x7f\xf8\0\0\0\0\0\0", "a number that JSON has not"),
        (b"\x81\xa1a\x91\xca\xff\x80\0\0", "a number that JSON has not"),
        (b"\x90", "a list where a map was due"),
        (b"\x01", "a int where a map was due"),
        (b"\xa1a", "a str where a map was due"),
        (b"\xc3", "a bool where a map was due"),
    ],
    ids=lambda item: repr(item)[:24],
)
def test_what_is_no_map_of_json_values_is_malformed(frame: bytes, rule: str) -> None:
    """Whatever is wrong with it, and it is told without quoting the frame."""
    with pytest.raises(MalformedFrame) as caught:
        codec.decode(frame)
    assert (caught.value.rule, caught.value.size) == (rule, len(frame))


def test_depth_has_an_end() -> None:
    """What the reader cannot hold is malformed; what the writer cannot is an error of the one who wrote it."""
    assert codec.decode(b"\x81\xa1a" + b"\x91" * 900 + b"\xc0") is not None
    assert unpack(pack(nested(255))) == nested(255)
    for levels in (256, 900):
        with pytest.raises(TypeError):
            pack(nested(levels))


def test_what_json_has_and_this_has_not_is_written_as_near_as_may_be() -> None:
    """Large integers become floats, as they do in JavaScript, and half a character the sign for that."""
    value = {"\ud83d": [2**64, -(2**63) - 1, 2**63, (1, 2)], "text": "a\ud83db", "whole": "\ud83d\udea1"}
    assert unpack(pack(value)) == {"�": [2.0**64, -(2.0**63), 2**63, [1, 2]], "text": "a�b", "whole": "🚡"}  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [10**400, object(), {1, 2}, {1: 2}])
def test_what_cannot_be_written_raises(value: Any) -> None:
    """As from the writer of JSON."""
    with pytest.raises(TypeError):
        pack(value)
    with pytest.raises(TypeError):
        codec.encode({"message": value})
