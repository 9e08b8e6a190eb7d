"""Moments as people write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import click
import pytest

from cableway.cli.moments import moment, read_moment, read_past

NOW = datetime(2030, 1, 31, 12, 30, tzinfo=UTC)
EAST = timezone(timedelta(hours=2))


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("15m", 900), ("1h30m", 5400), ("7d", 604_800), ("0", 0)])
def test_a_duration_is_so_long_ago(text: str, seconds: int) -> None:
    """The server's clock counts then, so it stays a duration."""
    assert read_moment(text, NOW) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("2030-01-31T12:00Z", datetime(2030, 1, 31, 12, tzinfo=UTC)),
        ("2030-01-31 12:00:01+02:00", datetime(2030, 1, 31, 12, 0, 1, tzinfo=EAST)),
        ("@1893456000", datetime(2030, 1, 1, tzinfo=UTC)),
        ("@1.5", datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC)),
        ("12:00Z", datetime(2030, 1, 31, 12, tzinfo=UTC)),
        ("00:15+02:00", datetime(2030, 1, 31, 0, 15, tzinfo=EAST)),
    ],
)
def test_a_time_with_a_zone_is_that_time(text: str, when: datetime) -> None:
    """A time of day is that of today."""
    found = read_moment(text, NOW)

    assert isinstance(found, datetime)
    assert (found, found.tzinfo is not None) == (when, True)


def test_a_time_without_a_zone_is_that_of_this_machine() -> None:
    """As people read it off their clock."""
    found = read_moment("2030-01-31T12:00", NOW)
    today = read_moment("08:15", NOW.astimezone())

    assert found == datetime(2030, 1, 31, 12).astimezone()
    assert isinstance(today, datetime)
    assert (today.hour, today.minute, today.tzinfo is not None) == (8, 15, True)


@pytest.mark.parametrize(
    "text", ["", "soon", "-5m", "1.5h", "@", "@x", "@999999999999", "25:00", "2030-02-31", "99999999999d", "٣"]
)
def test_what_is_none_is_refused(text: str) -> None:
    """The text shows how to write it."""
    assert read_moment(text, NOW) is None
    with pytest.raises(click.BadParameter, match="2030-01-31T12:00Z"):
        moment(text)


def test_a_time_to_come_is_refused() -> None:
    """It tells how far off it is; this very second is not to come."""
    with pytest.raises(click.BadParameter, match="1 h 30 min in the future"):
        read_past("2030-01-31T14:00Z", NOW)
    with pytest.raises(click.BadParameter, match="in the future"):
        read_past("@2000000000", NOW)
    assert read_past("2030-01-31T12:30Z", NOW) == NOW
    assert read_past("5m", NOW) == timedelta(minutes=5)


def test_a_bare_unix_time_is_not_taken_for_a_duration() -> None:
    """That would ask for the last 60 years without a word."""
    with pytest.raises(click.BadParameter, match="@1893456000"):
        moment("1893456000")
