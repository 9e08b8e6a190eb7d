"""Makes a token of what a source gave. Errors tell the rule, never what was given."""

from __future__ import annotations

import json
import math
from datetime import datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from attrs import field, frozen

from cableway.auth.token import LATEST, Token
from cableway.errors import UsageError
from cableway.errors.tokens import TokenUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

MISSING: Final = object()
"""What is found where nothing is."""

MOMENTS_FROM: Final = 1e9
"""A number from here on is a Unix time (of 2001 or later); one below is a life in seconds (of 31 years at most)."""

USUAL: Final = ("expires_in", "expires_at", "exp")
"""Where the end of a token usually stands, beside it."""


def as_token(label: str, given: object) -> Token:
    """Return what a source gave as a token.

    Raises:
        TokenUnavailable: It is none.
    """
    if isinstance(given, Token):
        return given
    if not isinstance(given, str):
        raise TokenUnavailable(label, f"it gave {type(given).__name__}, not a string or a Token")
    return made(label, given)


def made(label: str, value: str, **more: Any) -> Token:
    """Return ``Token(value, **more)``.

    Raises:
        TokenUnavailable: That is no token.
    """
    try:
        return Token(value, **more)
    except UsageError as error:
        raise TokenUnavailable(label, str(error)) from None


def read_json(text: bytes) -> Any:
    """Return the JSON value of *text*, or ``MISSING`` if it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return MISSING


@frozen
class Place:
    """Where something stands in an answer: a dotted path into its JSON, or ``header:Name``."""

    text: str
    header: str | None = None
    steps: tuple[str, ...] = ()

    @classmethod
    def of(cls, option: str, text: str) -> Place:
        """Read what a user wrote as *option*.

        Raises:
            UsageError: It names no place.
        """
        given = text if isinstance(text, str) else ""
        in_header = given.lower().startswith("header:")
        header = given.partition(":")[2].strip().lower() if in_header else None
        steps = () if in_header else tuple(given.split("."))
        if header == "" or not all(steps):
            msg = f'{option}= names no place: give a path into the JSON, such as "data.token", or "header:X-Token"'
            raise UsageError(msg)
        return cls(given, header, steps)

    def beside(self, name: str) -> Place:
        """Return the place of *name* in the same object."""
        return Place(name, steps=(*self.steps[:-1], name))

    def find(self, headers: Mapping[str, str], document: Any) -> Any:
        """Return what stands here; ``MISSING`` if nothing does. Names of *headers* are in lower case."""
        if self.header is not None:
            return headers.get(self.header, MISSING)
        found = document
        for step in self.steps:
            found = _member(found, step)
        return MISSING if found is None else found


def _member(value: Any, step: str) -> Any:
    if isinstance(value, dict):
        return value.get(step, MISSING)
    if isinstance(value, list) and step.isascii() and step.isdigit() and len(step) < 9 and int(step) < len(value):
        return value[int(step)]
    return MISSING


class EndKind(Enum):
    """What a value that tells a token's end means."""

    EITHER = "either"
    """A small number is a life, a large one a Unix time, other text a date."""
    LIFE = "life"
    MOMENT = "moment"


@frozen
class End:
    """When a token ends, as its source told it; each ``None`` where it did not."""

    life: float | None = None
    moment: float | None = field(default=None)

    def seconds(self, server_now: float | None) -> float | None:
        """Return the life from now on; *server_now* is the Unix time by the source's own clock, if it told that."""
        if self.life is not None or self.moment is None or server_now is None:
            return self.life
        return _between(server_now, self.moment)


def _between(server_now: float, moment: float) -> float:
    """Return the seconds from one to the other, less one if there are more: the times that servers tell are whole."""
    seconds = max(0.0, moment - server_now)
    return seconds - 1 if seconds > 1 else seconds


def read_end(value: Any, kind: EndKind = EndKind.EITHER) -> End | None:
    """Return the end that *value* tells, a number (also as text), an ISO 8601 date or one of HTTP; ``None`` if none."""
    number = _number(value)
    if number is None:
        moment = _date(value) if isinstance(value, str) and kind is not EndKind.LIFE else None
        return None if moment is None else End(moment=moment)
    if kind is EndKind.LIFE or (kind is EndKind.EITHER and number < MOMENTS_FROM):
        return End(life=max(0.0, number))
    return End(moment=number)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _date(text: str) -> float | None:
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            date = read(text)
            # Without a time zone it could be any of them.
            return None if date.utcoffset() is None else date.timestamp()
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
    return None


@frozen
class Layout:
    """Where the token and its end stand in an answer."""

    value: Place
    end: Place | None = None
    """``None``: wherever it usually stands beside the token, if it does."""
    kind: EndKind = EndKind.EITHER

    def read(self, label: str, headers: Mapping[str, str], document: Any) -> tuple[str, End]:
        """Return the token's value and its end.

        Raises:
            TokenUnavailable: The value, or an end whose place was given, is not there or makes no sense.
        """
        value = self.value.find(headers, document)
        if value is MISSING:
            raise TokenUnavailable(label, f"the answer has no {self.value.text!r}")
        if not isinstance(value, str):
            raise TokenUnavailable(label, f"{self.value.text!r} in the answer is {type(value).__name__}, not a string")
        return value, self._end(label, headers, document)

    def _end(self, label: str, headers: Mapping[str, str], document: Any) -> End:
        if self.end is None:
            return self._usual_end(document)
        told = self.end.find(headers, document)
        if told is MISSING:
            raise TokenUnavailable(label, f"the answer has no {self.end.text!r}, which was to tell the token's end")
        end = read_end(told, self.kind)
        if end is None:
            what = f"{self.end.text!r} in the answer tells no end: neither a number nor a date with a time zone"
            raise TokenUnavailable(label, what)
        return end

    def _usual_end(self, document: Any) -> End:
        if self.value.header is None:
            for name in USUAL:
                end = read_end(self.value.beside(name).find({}, document))
                # The place is a guess: what makes no sense there may be something else.
                if end is not None and (end.moment is None or 0 <= end.moment <= LATEST):
                    return end
        return End()
