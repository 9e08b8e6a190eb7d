"""Whatever a server sends becomes a line of JSON, or a text that people can read."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cableway.cli.messages import EARLIER, as_lines, envelope, for_people, json_text, visible, writer
from cableway.wire.message import Message

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def message(data: Any, **more: Any) -> Message[Any]:
    """Make a message that came at the beginning of time."""
    return Message(data, 0.0, **more)


@given(VALUES)
def test_any_value_becomes_one_line_that_reads_back(value: Any) -> None:
    """One line a message, whatever is in it: half characters and infinities, too."""
    line = json_text(value)

    assert "\n" not in line
    line.encode()
    read = json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert read == (value if not _holds_infinity(value) else read)


def _holds_infinity(value: Any) -> bool:
    if isinstance(value, float):
        return math.isinf(value)
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(_holds_infinity(item) for item in items)


def test_an_infinity_stays_larger_than_any_double() -> None:
    """A server may write 1e999, for which Python's JSON has no word."""
    read = json.loads(json_text({"a": [math.inf, -math.inf]}))

    assert read["a"][0] > 1.7e308
    assert read["a"][1] < -1.7e308


def test_lines_carry_the_data_alone() -> None:
    """What a program reads is what the server sent, falsy values included."""
    lines = as_lines([message({"text": "hé"}), message(None), message(0), message("")], whole=False)

    assert lines.decode() == '{"text":"hé"}\nnull\n0\n""\n'


def test_an_envelope_tells_what_is_known() -> None:
    """Time always, and whether it is of the past; stream and place where the server tells them."""
    known = {"stream": "s", "epoch": "e", "offset": 3}
    about = {"data": 1, "received_at": "1970-01-01T00:00:00+00:00"}
    past = message(1, **known)
    past.replayed = True

    assert envelope(message(1)) == {**about, "replayed": False}
    assert envelope(past) == {**about, "replayed": True, **known}
    assert json.loads(as_lines([message(1)], whole=True))["data"] == 1


def test_people_see_time_and_data_in_colours() -> None:
    """A short message takes one line, a long one is spread out."""
    write = for_people(60)

    short = write([message({"text": "hi"})]).decode()
    long = write([message({"text": "x" * 50, "more": 1})]).decode()

    assert short.count("\n") == 1
    assert "\x1b[" in short
    assert long.count("\n") == 4


def test_a_message_cannot_drive_the_terminal() -> None:
    """Control characters and those that turn the reading direction are written out."""
    assert visible("a\x1b[31mb\x9bc\u202ed") == "a\\u001b[31mb\\u009bc\\u202ed"
    assert b"\x9b" not in for_people(80)([message("\x9b")])


def test_people_see_what_is_of_the_past() -> None:
    """When it was published is not known, and when it came says nothing."""
    past = message("old")
    past.replayed = True

    shown = for_people(80)([past, message("new")]).decode().splitlines()

    assert EARLIER in shown[0]
    assert ":" not in shown[0]
    assert "00:00" in shown[1]
    assert len(EARLIER) == len("00:00:00")


@pytest.mark.parametrize(
    ("as_json", "envelope", "line"), [(True, False, "1\n"), (False, False, "1\n"), (False, True, '{"data":1,')]
)
def test_what_a_program_reads_is_json(*, as_json: bool, envelope: bool, line: str) -> None:
    """Asked for or not; an envelope is JSON on a terminal, too."""
    assert writer(as_json=as_json, envelope=envelope)([message(1)]).decode().startswith(line)


def test_what_a_person_reads_is_coloured(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal, unless JSON was asked for."""
    monkeypatch.setattr("cableway.cli.messages.wants_json", lambda *, asked: asked)

    assert b"\x1b[" in writer(as_json=False, envelope=False)([message(1)])
    assert writer(as_json=True, envelope=False)([message(1)]) == b"1\n"
