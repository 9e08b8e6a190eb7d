"""Durations as people write them: ``90``, ``15m``, ``1h30m``, ``7d``."""

from __future__ import annotations

import re

import click

UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
LONGEST = 100 * 365 * 86_400
_PARTS = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", re.IGNORECASE)


def read_duration(text: str) -> int | None:
    """Return the seconds that *text* means, or ``None`` if it means none."""
    if text.isascii() and text.isdigit():
        return int(text)
    found = _PARTS.fullmatch(text)
    if found is None or not text:
        return None
    return sum(int(number) * size for number, size in zip(found.groups(), UNITS.values(), strict=True) if number)


def write_duration(seconds: float) -> str:
    """Write *seconds* with its two largest units: ``2 d 3 h``, ``4 min 10 s``."""
    left, parts = int(seconds), list[str]()
    for unit, size in UNITS.items():
        number, left = divmod(left, size)
        if number or (unit == "s" and not parts):
            parts.append(f"{number} {'min' if unit == 'm' else unit}")
    return " ".join(parts[:2])


def duration(text: str) -> int:
    """Read a duration of at least a second, as the type of an option.

    Raises:
        click.BadParameter: It is none.
    """
    seconds = read_duration(text)
    if not seconds or seconds > LONGEST:
        msg = "write seconds, or such as 15m, 1h, 7d; at least a second"
        raise click.BadParameter(msg)
    return seconds
