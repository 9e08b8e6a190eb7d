"""What may be chosen for a subscription, and what is said about the rest."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from cableway.hub.options import DEFAULT_BYTES, DEFAULT_MESSAGES, LatestBy, SubscriptionOptions, latest_by


def test_defaults() -> None:
    """Ten thousand messages or sixteen mebibytes, the oldest go first, five seconds for an answer."""
    options = SubscriptionOptions()
    assert (options.overflow, options.max_messages, options.max_bytes) == ("drop_oldest", 10_000, 16 * 1024 * 1024)
    assert (options.retry_rejected, options.confirm_timeout) == (False, 5.0)
    assert (options.max_messages, options.max_bytes) == (DEFAULT_MESSAGES, DEFAULT_BYTES)


def test_durations_and_policies_of_all_kinds() -> None:
    """A timedelta is a duration, and latest_by makes a policy."""
    policy = latest_by(lambda message: message.data)
    options = SubscriptionOptions(overflow=policy, confirm_timeout=timedelta(milliseconds=1500))
    assert SubscriptionOptions(whisper_every=timedelta(milliseconds=500)).whisper_every == 0.5
    assert options.confirm_timeout == 1.5
    assert isinstance(options.overflow, LatestBy)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"overflow": "drop"}, "overflow='drop' is not a policy: choose one of drop_oldest, drop_newest, error"),
        ({"overflow": None}, "overflow=None is not a policy"),
        ({"max_messages": 0}, "max_messages=0 is not a size: give a whole number of at least 1"),
        ({"max_messages": 1.5}, "max_messages=1.5 is not a size"),
        ({"max_messages": True}, "max_messages=True is not a size"),
        ({"max_bytes": -1}, "max_bytes=-1 is not a size"),
        ({"confirm_timeout": 0}, "confirm_timeout=0 leaves the server no time to answer: give more than 0 seconds"),
        ({"whisper_every": -1}, "whisper_every=-1 is not a duration"),
        ({"confirm_timeout": -1}, "confirm_timeout=-1 is not a duration"),
        ({"confirm_timeout": float("nan")}, "confirm_timeout=nan is not a duration"),
    ],
    ids=str,
)
def test_what_cannot_be_is_named(wrong: dict[str, Any], text: str) -> None:
    """The text names the option, its value, and what to give instead."""
    with pytest.raises(ValueError, match="^" + text.replace("(", r"\(").replace(".", r"\.")):
        SubscriptionOptions(**wrong)
