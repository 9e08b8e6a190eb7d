"""The server's time, whatever unit its pings count in."""

from __future__ import annotations

import pytest

from cableway.wire.stamps import read_stamp


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        (1_790_000_003, 1_790_000_003.0),
        (1_790_000_003_127, 1_790_000_003.127),
        (1_790_000_003_127_000_000, 1_790_000_003.127),
        (1_790_000_003.5, 1_790_000_003.5),
        (0, None),
        (-5, None),
        (True, None),
        ("1790000003", None),
        (None, None),
        (10**400, None),
    ],
)
def test_a_ping_tells_the_time(message: object, seconds: float | None) -> None:
    """Seconds, milliseconds and nanoseconds are told apart by their size; what is no time tells none."""
    assert read_stamp(message) == (None if seconds is None else pytest.approx(seconds))
