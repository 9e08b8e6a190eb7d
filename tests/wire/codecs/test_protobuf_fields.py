"""Fields of Protocol Buffers, read and written by a schema."""

from __future__ import annotations

from typing import Any

import pytest

from cableway.errors import MalformedFrame
from cableway.wire.codecs.protobuf_fields import LARGEST, Field, Kind, Schema, named, read, write

PART = Schema((Field(1, "n", Kind.WHOLE), Field(2, "s", Kind.TEXT)))
SCHEMA = Schema(
    (
        Field(1, "word", Kind.WORD, words=("", "one", "two")),
        Field(2, "text", Kind.TEXT),
        Field(3, "texts", Kind.TEXTS),
        Field(4, "raw", Kind.RAW),
        Field(5, "whole", Kind.WHOLE),
        Field(6, "flag", Kind.FLAG),
        Field(7, "part", Kind.PART, part=PART),
        Field(16, "parts", Kind.PARTS, part=named(PART)),
    )
)


@pytest.mark.parametrize(
    ("mapping", "raw"),
    [
        ({}, b""),
        ({"word": "two"}, b"\x08\x02"),
        ({"text": "ä"}, b"\x12\x02\xc3\xa4"),
        ({"texts": ["a", "", "b"]}, b"\x1a\x01a\x1a\x00\x1a\x01b"),
        ({"raw": b"\xff\x00"}, b"\x22\x02\xff\x00"),
        ({"whole": 300}, b"\x28\xac\x02"),
        ({"whole": LARGEST}, b"\x28" + b"\xff" * 8 + b"\x7f"),
        ({"whole": -1}, b"\x28" + b"\xff" * 9 + b"\x01"),
        ({"flag": True}, b"\x30\x01"),
        ({"part": {"n": 1, "s": "x"}}, b"\x3a\x05\x08\x01\x12\x01x"),
        ({"parts": {"k": {"n": 1}}}, b"\x82\x01\x07\x0a\x01k\x12\x02\x08\x01"),
        ({"text": "x" * 200}, b"\x12\xc8\x01" + b"x" * 200),
    ],
    ids=repr,
)
def test_each_kind_has_its_bytes(mapping: dict[str, Any], raw: bytes) -> None:
    """As the encoding is specified, both ways."""
    assert write(SCHEMA, mapping) == raw
    assert read(SCHEMA, raw) == mapping


def test_nothing_is_left_out_but_what_says_nothing() -> None:
    """Zero, false and the empty ones are not written, nor what the schema does not know."""
    empty: dict[str, Any] = {"word": "", "text": "", "texts": [], "raw": b"", "whole": 0, "flag": False, "part": {}}
    assert write(SCHEMA, {**empty, "parts": {}, "other": 1, "type": None}) == b""


def test_what_is_written_though_it_says_nothing_is_read() -> None:
    """Other writers may do so."""
    raw = b"\x08\x00\x12\x00\x28\x00\x30\x00\x3a\x00\x82\x01\x00"
    nothing = {"word": "", "text": "", "whole": 0, "flag": False, "part": {}, "parts": {"": {}}}
    assert read(SCHEMA, raw) == nothing


def test_the_last_one_counts_and_messages_are_merged() -> None:
    """So that two encodings put together are one."""
    raw = (
        b"\x12\x01a\x3a\x02\x08\x01\x12\x01b\x3a\x03\x12\x01x\x82\x01\x03\x0a\x01k\x82\x01\x07\x0a\x01k\x12\x02\x08\x01"
    )
    assert read(SCHEMA, raw) == {"text": "b", "part": {"n": 1, "s": "x"}, "parts": {"k": {"n": 1}}}


@pytest.mark.parametrize("unknown", [b"\x78\x01", b"\x79" + b"x" * 8, b"\x7a\x02hi", b"\x7d" + b"x" * 4, b"\x10\x05"])
def test_what_is_not_known_is_skipped(unknown: bytes) -> None:
    """Fields of any type that a newer server may have, and known ones of another type."""
    assert read(SCHEMA, unknown + b"\x12\x01a" + unknown) == {"text": "a"}


def test_words_that_are_not_known_keep_their_number() -> None:
    """A newer server may have more of them."""
    assert read(SCHEMA, b"\x08\x09") == {"word": "word 9"}
    assert read(SCHEMA, b"\x08" + b"\xff" * 9 + b"\x01") == {"word": f"word {2**32 - 1}"}


def test_numbers_may_be_longer_than_they_need_be() -> None:
    """Up to ten bytes; what is beyond 64 bits of them does not count."""
    assert read(SCHEMA, b"\x28\x81\x80\x00") == {"whole": 1}
    assert read(SCHEMA, b"\x28" + b"\xff" * 9 + b"\x7f") == {"whole": -1}
    assert read(SCHEMA, b"\x30\x80\x80\x00\x30\x82\x00") == {"flag": True}


@pytest.mark.parametrize(
    ("raw", "rule"),
    [
        (b"\x08", "a number without an end"),
        (b"\x08" + b"\x80" * 10 + b"\x01", "a number without an end"),
        (b"\x80", "a number without an end"),
        (b"\x00\x01", "a field without a number"),
        (b"\x02\x00", "a field without a number"),
        (b"\xff\xff\xff\xff\xff\x01\x00", "a field without a number"),
        (b"\x12\x02a", "cut short"),
        (b"\x12" + b"\xff" * 9 + b"\x01", "cut short"),
        (b"\x12", "a number without an end"),
        (b"\x79xxx", "cut short"),
        (b"\x3a\x02\x12\x05", "cut short"),
        (b"\x13\x14", "a field of a type that proto3 has not"),
        (b"\x0e\x00", "a field of a type that proto3 has not"),
        (b"\x0f\x00", "a field of a type that proto3 has not"),
        (b"\x12\x01\xff", "text that is not UTF-8"),
        (b"\x82\x01\x03\x0a\x01\xff", "text that is not UTF-8"),
    ],
    ids=lambda item: repr(item)[:24],
)
def test_what_is_no_message_is_malformed(raw: bytes, rule: str) -> None:
    """In the frame itself, and in the messages within."""
    with pytest.raises(MalformedFrame) as caught:
        read(SCHEMA, raw)
    assert caught.value.rule == f"not Protobuf: {rule}"


def test_pieces_of_one_message_do_not_make_up_for_each_other() -> None:
    """Each is whole by itself before they are merged."""
    with pytest.raises(MalformedFrame):
        read(SCHEMA, b"\x3a\x02\x12\x01\x3a\x01x")


@pytest.mark.parametrize(
    ("mapping", "error"),
    [
        ({"word": "three"}, LookupError),
        ({"whole": 2**63}, ValueError),
        ({"whole": -(2**63) - 1}, ValueError),
        ({"text": "\ud800"}, ValueError),
    ],
)
def test_what_cannot_be_written_raises(mapping: dict[str, Any], error: type[Exception]) -> None:
    """Rather than say something else."""
    with pytest.raises(error):
        write(SCHEMA, mapping)
