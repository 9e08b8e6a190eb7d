"""Where texts go: status and errors to stderr, a line each, and what kind of thing stdout is."""

from __future__ import annotations

import contextlib
import os
import sys

LONGEST_LINE = 2000


def say(text: str) -> None:
    """Write *text* to stderr as one line. A stderr that nobody reads any more is no reason to fail."""
    with contextlib.suppress(OSError, ValueError):
        print(one_line(text), file=sys.stderr, flush=True)  # noqa: T201 - this is the place to print


def one_line(text: str) -> str:
    """Return *text* without line breaks and without what could change the terminal, cut to a bearable length."""
    line = "".join(char if char.isprintable() else " " for char in text[:LONGEST_LINE])
    return line if len(text) <= LONGEST_LINE else f"{line}…"


def say_error(text: str) -> None:
    """Write the line that explains a failure."""
    say(f"error: {text}")


def wants_json(*, asked: bool) -> bool:
    """Tell whether stdout gets JSON lines: asked for, or read by a program."""
    return asked or not shows_colours()


def shows_colours() -> bool:
    """Tell whether stdout is a terminal that can do more than print lines."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
