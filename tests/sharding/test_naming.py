"""Names, parameters and topics of what is subscribed to."""

from __future__ import annotations

from typing import Any

import pytest

from cableway import UsageError
from cableway.sharding.naming import Topics, checked_topic


@pytest.mark.parametrize(
    ("given", "function", "expected"),
    [
        (None, None, "identifier"),
        ("", None, "identifier"),
        ("own", None, "own"),
        ("own", "derived", "own"),
        (None, "derived", "derived"),
        ("", "derived", "derived"),
        (None, "", "identifier"),
    ],
)
def test_the_first_usable_topic_counts(given: str | None, function: str | None, expected: str) -> None:
    """One given counts before the function's, and that before the identifier; empty ones do not count."""
    topics = Topics(None if function is None else lambda channel, params: function)

    assert topics.of(given, "Chat", {}, "identifier") == expected


def test_the_function_is_given_channel_and_parameters() -> None:
    """It decides by what the server is asked for."""
    topics = Topics(lambda channel, params: f"{channel}/{params['room']}")

    assert topics.of(None, "Chat", {"room": 7}, "identifier") == "Chat/7"


@pytest.mark.parametrize("topic", [7, b"match", ["match"]])
def test_a_topic_is_text(topic: Any) -> None:
    """Whatever else is given is named."""
    with pytest.raises(UsageError, match="is not a topic"):
        checked_topic(topic)
