"""Durations as people write them."""

from __future__ import annotations

import click
import pytest

from cableway.cli.durations import duration, read_duration, write_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("15m", 900), ("1h", 3600), ("1h30m", 5400), ("7d", 604_800), ("1D2H3M4S", 93_784), ("0", 0)],
)
def test_durations_are_read(text: str, seconds: int) -> None:
    """Seconds, or units from large to small."""
    assert read_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "1x", "1.5h", "-1", "1m1h", "1 h", "٣"])
def test_what_is_none_is_none(text: str) -> None:
    """Nothing is guessed."""
    assert read_duration(text) is None


@pytest.mark.parametrize("text", ["0", "0s", "soon", "9999999999"])
def test_an_option_takes_at_least_a_second(text: str) -> None:
    """And at most a life; the text shows how to write it."""
    with pytest.raises(click.BadParameter, match="15m, 1h, 7d"):
        duration(text)
    assert duration("1s") == 1


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.9, "59 s"), (60, "1 min"), (3599, "59 min 59 s"), (7200, "2 h"), (93_784, "1 d 2 h")],
)
def test_durations_are_written_with_their_largest_units(seconds: float, text: str) -> None:
    """Two of them."""
    assert write_duration(seconds) == text
