"""A token, and when it ends. Whatever shows it shows only that."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Final

from attrs import field, frozen

from cableway.errors import UsageError
from cableway.types import Seconds  # noqa: TC001 - attrs reads the converter's annotations

LARGEST: Final = 128 * 1024
"""Characters of a token, at most."""

LATEST: Final = 253_402_300_799
"""The last second that a calendar knows (the year 9999), in Unix time: what is beyond is no time in seconds."""

_FITS: Final = re.compile(r"[\x20-\x7e]+")
"""What every HTTP header carries unchanged (RFC 9110 section 5.5)."""


def _checked_value(value: str) -> str:
    if not isinstance(value, str):
        msg = f"a token is a string; got {type(value).__name__}"
        raise UsageError(msg)
    if not value:
        msg = "the token is empty"
        raise UsageError(msg)
    if len(value) > LARGEST:
        msg = f"the token is {len(value)} characters long and the limit is {LARGEST}: is it the right value?"
        raise UsageError(msg)
    if not _FITS.fullmatch(value) or value != value.strip():
        msg = (
            "the token holds what a header cannot carry: a line break, another control character, one beyond ASCII, or "
            "a space at an end. Was it read with its line end? Then strip it"
        )
        raise UsageError(msg)
    return value


def _unix_seconds(moment: datetime | float | None) -> float | None:
    if moment is None:
        return None
    if isinstance(moment, datetime):
        if moment.utcoffset() is None:
            msg = "expires_at is a datetime without a time zone: give one that has it, such as datetime.now(UTC)"
            raise UsageError(msg)
        return moment.timestamp()
    if isinstance(moment, bool) or not isinstance(moment, int | float):
        msg = f"expires_at is {type(moment).__name__}: give a datetime with a time zone, Unix seconds, or None"
        raise UsageError(msg)
    if not 0 <= moment <= LATEST:
        msg = "expires_at is no Unix time in seconds: it must lie between 0 and the year 9999. Is it in milliseconds?"
        raise UsageError(msg)
    return float(moment)


def _life(seconds: Seconds | None) -> float | None:
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float | timedelta):
        msg = f"life is {type(seconds).__name__}: give seconds, a timedelta, or None"
        raise UsageError(msg)
    if isinstance(seconds, timedelta):
        seconds = seconds.total_seconds()
    if not 0 <= seconds <= LATEST:
        msg = "life is no number of seconds: it must be 0 or more, and finite"
        raise UsageError(msg)
    return float(seconds)


@frozen
class Token:
    """What a server knows you by, and when it stops to.

    ::

        Token("eyJhbGciOi...")
        Token("eyJhbGciOi...", expires_at=datetime.now(UTC) + timedelta(minutes=5))

    Two tokens are equal when their values are, whatever was said of their ends. Neither ``repr`` nor ``str`` shows the
    value.

    Args:
        value: The token itself: up to 128 Ki characters of printable ASCII, no space at an end.
        expires_at: When it ends: a datetime with a time zone, or Unix seconds. ``None`` if that is not known; the
            ``exp`` claim of a JWT is then used.
        life: How long it is good from the moment its source gave it: seconds, or a timedelta. Where it is known it goes
            before all else, for it asks no clock what time it is.

    Raises:
        UsageError: The value cannot be sent, or the others are no times. The text names the rule, never the value.
    """

    value: str = field(converter=_checked_value, repr=False)
    """The token as it is sent. A secret: never print it."""
    expires_unix: float | None = field(default=None, converter=_unix_seconds, alias="expires_at", eq=False)
    """When it ends, in Unix seconds; ``None`` if that was not told."""
    life: float | None = field(default=None, converter=_life, kw_only=True, eq=False)
    """Seconds it is good for from the moment it was given; ``None`` if that was not told."""

    @property
    def expires_at(self) -> datetime | None:
        """When it ends, as a datetime in UTC; ``None`` if that was not told."""
        return None if self.expires_unix is None else datetime.fromtimestamp(math.floor(self.expires_unix), UTC)

    def __repr__(self) -> str:
        moment = self.expires_at
        end = "" if moment is None else f", expires {moment:%Y-%m-%d %H:%M:%S}Z"
        return f"Token(…{end}{'' if self.life is None else f', life {self.life:g} s'})"

    def __str__(self) -> str:
        return repr(self)
