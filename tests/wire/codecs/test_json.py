"""JSON as the wire has it."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cableway.errors import MalformedFrame
from cableway.wire.codecs import json as codec_module
from cableway.wire.codecs.json import JSONCodec, dump_text, load, value_reader

scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    scalars | texts, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4)
)


@pytest.fixture(params=["standard library", "orjson"], autouse=True)
def reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Read JSON in both ways."""
    fast = pytest.importorskip("orjson").loads if request.param == "orjson" else None
    monkeypatch.setattr(codec_module, "fast_loads", fast)
    return str(request.param)


def both_ways() -> list[Any]:
    """Return the readers that there are."""
    try:
        from orjson import loads
    except ImportError:
        return [None]
    return [None, loads]


@given(st.dictionaries(texts, values, max_size=5))
def test_what_is_written_is_read(mapping: dict[str, Any]) -> None:
    """Whatever JSON can hold comes back as it was, on one line, by either reader."""
    frame = JSONCodec().encode(mapping)
    assert b"\n" not in frame
    assert frame == json.dumps(mapping, separators=(",", ":"), ensure_ascii=False).encode()
    for fast in both_ways():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(codec_module, "fast_loads", fast)
            assert JSONCodec().decode(frame) == mapping


@pytest.mark.parametrize(
    ("frame", "rule"),
    [
        (b"", "not JSON at byte 0"),
        (b"{", "not JSON at byte 1"),
        (b'{"a":1} x', "not JSON at byte 8"),
        (b'{"a":1}{"a":2}', "not JSON at byte 7"),
        (b'\xef\xbb\xbf{"a":1}', "not JSON at byte 0"),
        (b'{"a":"\xff"}', "not UTF-8"),
        (b'{"a":NaN}', "not JSON"),
        (b'{"a":Infinity}', "not JSON"),
        (b'{"a":-Infinity}', "not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[]", "a JSON list where an object was due"),
        (b"1", "a JSON int where an object was due"),
        (b'"text"', "a JSON str where an object was due"),
        (b"true", "a JSON bool where an object was due"),
    ],
    ids=lambda item: repr(item)[:30],
)
def test_what_is_no_frame_is_named_but_not_quoted(frame: bytes, rule: str) -> None:
    """The text tells the rule and the size, and nothing of the user's data."""
    with pytest.raises(MalformedFrame) as raised:
        JSONCodec().decode(frame)
    assert raised.value.rule == rule
    assert raised.value.size == len(frame)
    assert raised.value.__cause__ is None


def test_a_null_frame_says_nothing() -> None:
    """It is no fault either."""
    assert JSONCodec().decode(b"null") is None
    assert JSONCodec().decode(b" null\n") is None


@pytest.mark.parametrize(
    ("frame", "value"),
    [
        (b'{"a":1,"a":2}', {"a": 2}),
        (b'{"a":"\\ud800"}', {"a": "\ud800"}),
        (b'{"a":1e999}', {"a": float("inf")}),
        (b' {"a" : -0} ', {"a": 0}),
        (b'{"a":%b}' % (b"[" * 300 + b"]" * 300), None),
        ('{"ü":"🚡\u2028"}'.encode(), {"ü": "🚡\u2028"}),
    ],
    ids=lambda item: repr(item)[:30],
)
def test_both_readers_accept_the_same(frame: bytes, value: Any) -> None:
    """What the fast reader refuses is read again by the other one."""
    decoded = JSONCodec().decode(frame)
    assert decoded is not None
    assert value is None or decoded == value


def test_numbers_beyond_reading(reader: str) -> None:
    """Four thousand digits and more are refused by the standard library; nothing hangs or raises anything else."""
    if reader == "standard library":
        with pytest.raises(MalformedFrame, match=r"not JSON$"):
            load(b"9" * 100_000)
    else:
        with suppress(MalformedFrame):
            assert load(b"9" * 100_000) == float("inf")


@pytest.mark.parametrize("value", [float("nan"), [float("inf")], object(), {1, 2}, {"a": b""}])
def test_what_cannot_be_written_raises(value: Any) -> None:
    """Neither NaN nor objects are JSON."""
    with pytest.raises((TypeError, ValueError)):
        dump_text(value)


def test_the_value_reader_stops_where_the_value_ends() -> None:
    """It reads one value in the middle of a text, without skipping spaces, and refuses what JSON does not know."""
    read = value_reader()
    assert read('xx{"a":1}}', 2) == ({"a": 1}, 9)
    assert read("12,3", 0) == (12, 2)
    for text in (" 1", "NaN", "-Infinity", ""):
        with pytest.raises(ValueError, match=r"Expecting value|is not JSON"):
            read(text, 0)
