"""Durations at the public edge."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from cableway.types import to_limit, to_seconds


@pytest.mark.parametrize(("given", "seconds"), [(0, 0.0), (2, 2.0), (0.5, 0.5), (timedelta(minutes=1.5), 90.0)])
def test_seconds_and_timedeltas_are_durations(given: float | timedelta, seconds: float) -> None:
    """Both forms give seconds as a float."""
    result = to_seconds(given, "timeout")

    assert result == seconds
    assert isinstance(result, float)


@pytest.mark.parametrize("given", [-1, float("inf"), float("nan"), timedelta(seconds=-1), "soon", None])
def test_what_is_no_duration_is_named(given: Any) -> None:
    """The error names the argument, the value and the rule."""
    with pytest.raises(ValueError, match=r"open_timeout=.* give seconds >= 0 or a timedelta"):
        to_seconds(given, "open_timeout")


def test_no_limit_stays_no_limit() -> None:
    """None means for ever, anything else is a duration."""
    assert to_limit(None, "timeout") is None
    assert to_limit(3, "timeout") == 3.0
    with pytest.raises(ValueError, match="timeout=-3"):
        to_limit(-3, "timeout")
