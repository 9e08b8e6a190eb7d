"""Moments of the past as people write them: so long ago (``15m``), or a time (``2030-01-31T12:00Z``, ``12:00``)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta

import click

from cableway.cli.durations import LONGEST, read_duration, write_duration

LIKE_UNIX_TIME = 1_000_000_000
"""Seconds from which on a bare number is rather a Unix time than a duration: that would be 31 years."""
HOW_TO = (
    "write how long ago, as in 90 (seconds), 15m, 1h30m, 7d; or a time, as in 2030-01-31T12:00Z, 12:00, @1893456000 "
    "(without a zone it is that of this machine)"
)
_UNIX = re.compile(r"@(\d{1,12}(?:\.\d{1,9})?)", re.ASCII)


def read_moment(text: str, now: datetime) -> datetime | timedelta | None:
    """Return what *text* means: a timedelta for so long ago, or an aware datetime; ``None`` if it means none.

    A time of day is that of the day of *now*, which is aware.
    """
    seconds = read_duration(text)
    if seconds is not None:
        return timedelta(seconds=seconds) if seconds <= LONGEST else None
    unix = _UNIX.fullmatch(text)
    try:
        return datetime.fromtimestamp(float(unix[1]), UTC) if unix else _read_time(text, now)
    except (ValueError, OverflowError, OSError):
        return None


def _read_time(text: str, now: datetime) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        hour = time.fromisoformat(text)
        day = now if hour.tzinfo is None else now.astimezone(hour.tzinfo)
        found = datetime.combine(day.date(), hour)
    return found if found.tzinfo is not None else found.astimezone()


def moment(text: str) -> datetime | timedelta:
    """Read a moment of the past, as the type of an option; see :func:`read_past`."""
    return read_past(text, datetime.now(UTC).astimezone())


def read_past(text: str, now: datetime) -> datetime | timedelta:
    """Read a moment of the past, as :func:`read_moment` does.

    Raises:
        click.BadParameter: It is none, or one to come; the text says how to write it.
    """
    found = read_moment(text, now)
    if text.isascii() and text.isdigit() and len(text) < 12 and int(text) >= LIKE_UNIX_TIME:
        msg = f"{text} seconds are more than 31 years: for a Unix time write @{text}"
        raise click.BadParameter(msg)
    if found is None:
        raise click.BadParameter(HOW_TO)
    if isinstance(found, datetime) and found > now:
        ahead = write_duration((found - now).total_seconds())
        msg = f"that is {ahead} in the future, and nothing was published then yet; for another day, write its date too"
        raise click.BadParameter(msg)
    return found
