"""Identifiers: the bytes by which a server knows a subscription."""

from __future__ import annotations

import json
import shutil
import subprocess
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cableway.errors import InvalidIdentifier
from cableway.wire.identifiers import (
    canonical_identifier,
    merge_params,
    raw_identifier,
    signed_stream_identifier,
    stream_identifier,
)

# What the JavaScript client writes for these parameters, checked with it.
VECTORS: list[tuple[dict[str, Any], str]] = [
    ({}, '{"channel":"C"}'),
    ({"room": 42}, '{"channel":"C","room":42}'),
    ({"a": 1, "z": None, "b": True}, '{"a":1,"b":true,"channel":"C","z":null}'),
    ({"10": 1, "9": 2}, '{"10":1,"9":2,"channel":"C"}'),
    ({"x": "ünï/\u2028\x7f<&>'"}, '{"channel":"C","x":"ünï/\u2028\x7f<&>\'"}'),
    ({"x": 'q"b\\s\n\t\r\b\f\x00\x1f'}, '{"channel":"C","x":"q\\"b\\\\s\\n\\t\\r\\b\\f\\u0000\\u001f"}'),
    # By UTF-16 units the astral character comes before the last of the basic plane, by code points after it.
    ({"\uffff": 1, "\U0001f6a1": 2}, '{"channel":"C","\U0001f6a1":2,"\uffff":1}'),
    ({"f": 1.0}, '{"channel":"C","f":1}'),
    ({"f": -0.0}, '{"channel":"C","f":0}'),
    ({"f": 0.1}, '{"channel":"C","f":0.1}'),
    ({"f": 1e21}, '{"channel":"C","f":1e+21}'),
    ({"f": 123456789012345680000.0}, '{"channel":"C","f":123456789012345680000}'),
    ({"f": 1e-6}, '{"channel":"C","f":0.000001}'),
    ({"f": 1.5e-7}, '{"channel":"C","f":1.5e-7}'),
    ({"f": 5e-324}, '{"channel":"C","f":5e-324}'),
    ({"f": 1.7976931348623157e308}, '{"channel":"C","f":1.7976931348623157e+308}'),
    ({"n": {"z": [1.0, {"b": 2, "a": "ü"}], "y": []}}, '{"channel":"C","n":{"z":[1,{"b":2,"a":"ü"}],"y":[]}}'),
]


@pytest.mark.parametrize(("params", "expected"), VECTORS, ids=repr)
def test_the_canonical_form(params: dict[str, Any], expected: str) -> None:
    """Sorted keys, no spaces, nothing escaped that need not be, numbers as JavaScript writes them."""
    assert canonical_identifier("C", params) == expected


NODE = shutil.which("node")
# The rule of the JavaScript client's stringify-params, applied to parameters as a JavaScript program would hold them.
SCRIPT = """
let text = ''
process.stdin.on('data', part => (text += part)).on('end', () => {
  const lines = JSON.parse(text).map(params =>
    '{' + Object.keys(params).sort().map(k => JSON.stringify(k) + ':' + JSON.stringify(params[k])).join(',') + '}')
  process.stdout.write(JSON.stringify(lines))
})
"""

# JavaScript puts keys that look like array places first, and __proto__ is no key there.
keys = st.text(max_size=6).filter(lambda key: key not in ("channel", "__proto__") and not key.isdigit())
numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53)
scalars = st.none() | st.booleans() | numbers | st.text(max_size=8)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3))


@pytest.mark.skipif(NODE is None, reason="node is not installed; the fixed vectors hold the form")
@settings(max_examples=15)
@given(st.lists(st.dictionaries(keys, values, max_size=5), min_size=30, max_size=60))
def test_javascript_writes_the_same_bytes(batch: list[dict[str, Any]]) -> None:
    """Whatever the parameters, both clients mean the same subscription."""
    assert NODE is not None
    whole = [{"channel": "C", **params} for params in batch]
    done = subprocess.run([NODE, "-e", SCRIPT], input=json.dumps(whole).encode(), capture_output=True, check=True)
    assert json.loads(done.stdout) == [canonical_identifier("C", params) for params in batch]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_keep_their_value(value: float) -> None:
    """However a number is written, it is the same number."""
    text = canonical_identifier("C", {"f": value})
    assert json.loads(text, parse_int=float)["f"] == value


@given(st.dictionaries(st.text(max_size=5).filter(lambda key: key != "channel"), values, max_size=5))
def test_order_does_not_matter_and_nothing_is_changed(params: dict[str, Any]) -> None:
    """The same parameters in another order are the same subscription; the caller's data stays as it is."""
    before = json.dumps(params)
    backwards = dict(reversed(params.items()))
    text = canonical_identifier("C", params)
    assert text == canonical_identifier("C", MappingProxyType(backwards))
    # JavaScript has one kind of number: 1e16 is written as a whole one.
    assert json.loads(text, parse_int=float) == json.loads(json.dumps({"channel": "C", **params}), parse_int=float)
    assert json.dumps(params) == before


class Colour(StrEnum):
    """A string with a name."""

    RED = "red"


class Metres(float):
    """A number with a unit, that shows itself in a way of its own."""

    def __repr__(self) -> str:
        return f"{float(self)} m"


def test_relatives_of_strings_and_numbers_are_written_as_such() -> None:
    """Enums of strings, subclasses of float, tuples."""
    params = {"c": Colour.RED, "m": Metres(2.5), "t": (1, 2)}
    assert canonical_identifier("C", params) == '{"c":"red","channel":"C","m":2.5,"t":[1,2]}'


SELF: list[Any] = []
SELF.append(SELF)


@pytest.mark.parametrize(
    ("channel", "params", "text"),
    [
        ("", None, "channel='' is not a channel name: give a non-empty string such as 'ChatChannel'"),
        (" \t", None, r"channel=' \\t' is not a channel name: give a non-empty string such as 'ChatChannel'"),
        (None, None, "channel=None is not a channel name"),
        (7, None, "channel=7 is not a channel name"),
        ("C", {1: 2}, "the parameter name 1 is not a string: JSON objects have only string keys"),
        ("C", {"channel": "D"}, "params must not hold the key 'channel': the channel's name is the first argument"),
        ("C", ["room"], "the parameters of 'C' are a list: give a mapping such as {'room': 42}"),
        ("C", "room", "the parameters of 'C' are a str: give a mapping"),
        ("C", {"x": float("nan")}, "the parameters of 'C' cannot be written as JSON"),
        ("C", {"x": [float("inf")]}, "the parameters of 'C' cannot be written as JSON"),
        ("C", {"x": b"bytes"}, "cannot be written as JSON .Object of type bytes"),
        ("C", {"x": {1: 2}}, "cannot be written as JSON .the key 1 is not a string"),
        ("C", {"x": {"y": {3}}}, "use strings, numbers, lists, dicts"),
        ("C", {"x": SELF}, "the parameters of 'C' cannot be written as JSON"),
        ("C", {"x": "\ud800"}, "the parameters of 'C' cannot be written as JSON"),
        ("C\ud800", None, "cannot be written as JSON"),
    ],
)
def test_what_makes_no_identifier_is_refused(channel: Any, params: Any, text: str) -> None:
    """The text names the value, the rule and the way out."""
    with pytest.raises(InvalidIdentifier, match=text):
        canonical_identifier(channel, params)


def test_raw_identifiers_are_taken_as_they_are() -> None:
    """Byte for byte, in whatever form a server wants them."""
    for text in ('{"room":1, "channel":"C"}', "anything", " ", "ü\u2028🚡"):
        assert raw_identifier(text) == text


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ("", "identifier='' is not an identifier: give the exact string that the server expects"),
        (None, "identifier=None is not an identifier"),
        ({"channel": "C"}, "is not an identifier"),
        ("\udc00", "the identifier holds a lone surrogate, which UTF-8 cannot write"),
    ],
)
def test_what_is_no_raw_identifier_is_refused(wrong: Any, text: str) -> None:
    """A string, not empty, that can be sent."""
    with pytest.raises(InvalidIdentifier, match=text):
        raw_identifier(wrong)


def test_streams() -> None:
    """Public and signed streams are parameters of AnyCable's own channel."""
    assert stream_identifier("a/b") == '{"channel":"$pubsub","stream_name":"a/b"}'
    assert signed_stream_identifier("x--y") == '{"channel":"$pubsub","signed_stream_name":"x--y"}'
    for make in (stream_identifier, signed_stream_identifier):
        for wrong in ("", None, 3):
            with pytest.raises(InvalidIdentifier, match="a stream needs a name: give a non-empty string"):
                make(wrong)  # type: ignore[arg-type]


def test_parameters_are_given_once() -> None:
    """Mapping and keywords make one set."""
    given = {"room": 1}

    assert merge_params(given, {"limit": 2}) == {"room": 1, "limit": 2}
    assert merge_params(None, {}) == {}
    assert given == {"room": 1}
    with pytest.raises(InvalidIdentifier, match="'room' is given twice"):
        merge_params(given, {"room": 2})
