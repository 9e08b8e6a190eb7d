"""From bytes to messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cableway.transports.polling.lines import LineSplitter, LineTooLong


def split(*chunks: bytes, limit: int = 100) -> list[bytes]:
    """Cut *chunks* as they come in, to their end."""
    splitter = LineSplitter(limit)
    return [message for chunk in chunks for message in splitter.feed(chunk)] + splitter.end()


@given(st.lists(st.binary(min_size=1, max_size=20)), st.data())
def test_messages_come_whole_however_they_are_cut(raw: list[bytes], data: st.DataObject) -> None:
    """In order, and none twice."""
    messages = [one.replace(b"\n", b"x").strip(b" \t\r") or b"y" for one in raw]
    body = b"".join(message + b"\n" for message in messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=5)))
    chunks = [body[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    assert split(*chunks) == messages


def test_a_message_is_given_as_soon_as_its_line_ends() -> None:
    """Not only when the next one comes."""
    splitter = LineSplitter(100)
    assert splitter.feed(b'{"a":1}\n{"b"') == [b'{"a":1}']
    assert splitter.feed(b":2}\n") == [b'{"b":2}']
    assert splitter.end() == []


def test_other_line_ends_and_empty_lines_are_borne() -> None:
    """As is a last line without an end."""
    assert split(b"one\r\n\r\n\n  \ntwo\nthree") == [b"one", b"two", b"three"]


@pytest.mark.parametrize("chunks", [[b"x" * 101], [b"x" * 60, b"x" * 41], [b"x" * 101 + b"\n"], [b"a\n" + b"x" * 101]])
def test_a_line_that_does_not_end_is_given_up(chunks: list[bytes]) -> None:
    """Before it has filled the memory."""
    with pytest.raises(LineTooLong):
        split(*chunks)


def test_as_long_as_allowed_is_allowed() -> None:
    """Line ends do not count."""
    assert split(b"x" * 100 + b"\n" + b"y" * 100) == [b"x" * 100, b"y" * 100]
