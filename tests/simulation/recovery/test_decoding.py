"""What the model takes for decodable is what Go decodes."""

from __future__ import annotations

import pytest

from tests.simulation.recovery.decoding import NotDecodable, decode


def test_a_whole_command_is_taken() -> None:
    """All that a client may say about the past arrives."""
    command = decode(
        b'{"command":"subscribe","identifier":"I","history":{"since":7,"streams":{"a":{"epoch":"e","offset":3}}},'
        b'"presence":{"id":"ann","info":{"x":1}}}'
    )

    assert (command.name, command.identifier, command.since) == ("subscribe", "I", 7)
    assert command.streams == {"a": ("e", 3)}
    assert command.presence == {"id": "ann", "info": {"x": 1}}


@pytest.mark.parametrize("history", [b"{}", b"null", b'{"since":0}', b'{"streams":null}'])
def test_nothing_asked_is_seen_as_that(history: bytes) -> None:
    """Go's zero values ask for nothing."""
    assert not decode(b'{"command":"history","identifier":"I","history":%s}' % history).asks_for_history


def test_no_streams_at_all_is_a_question() -> None:
    """An empty mapping is not the same as none: it is answered."""
    assert decode(b'{"command":"history","identifier":"I","history":{"streams":{}}}').asks_for_history


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"[]",
        b"nonsense",
        b'{"command":1}',
        b'{"command":"subscribe","identifier":{"channel":"A"}}',
        b'{"command":"history","history":[]}',
        b'{"command":"history","history":{"since":false}}',
        b'{"command":"history","history":{"since":1.0}}',
        b'{"command":"history","history":{"since":1e3}}',
        b'{"command":"history","history":{"since":"1"}}',
        b'{"command":"history","history":{"since":9223372036854775808}}',
        b'{"command":"history","history":{"streams":[]}}',
        b'{"command":"history","history":{"streams":{"a":7}}}',
        b'{"command":"history","history":{"streams":{"a":{"epoch":1,"offset":1}}}}',
        b'{"command":"history","history":{"streams":{"a":{"epoch":"e","offset":-1}}}}',
        b'{"command":"history","history":{"streams":{"a":{"epoch":"e","offset":true}}}}',
        b'{"command":"join","presence":{"id":7}}',
        b'{"command":"whisper","data":NaN}',
        b'{"command":"message","data":"%s"}' % (b"x" * 65536),
    ],
)
def test_what_go_cannot_decode_is_refused(frame: bytes) -> None:
    """One wrong type, and a real server would read no more of the line."""
    with pytest.raises(NotDecodable):
        decode(frame)
