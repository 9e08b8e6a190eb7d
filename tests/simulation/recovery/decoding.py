"""What AnyCable makes of a frame of a client: Go's strict types, of which one wrong one makes the line a zombie."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from attrs import field, frozen

LARGEST_FRAME = 65536
"""Bytes; a larger one closes the line."""


class NotDecodable(AssertionError):
    """Go could not decode this, and would read no more of the line without saying so."""


@frozen
class Command:
    """A decoded frame. What was left out has Go's zero value."""

    name: str
    identifier: str
    data: Any = None
    since: int = 0
    streams: dict[str, tuple[str, int]] | None = None
    presence: dict[str, Any] | None = None
    fields: frozenset[str] = field(default=frozenset())
    """Names of all that was there."""

    @property
    def asks_for_history(self) -> bool:
        """Whether an answer about history will come."""
        return self.since != 0 or self.streams is not None


def decode(frame: bytes) -> Command:
    """Decode *frame*.

    Raises:
        NotDecodable: Go could not.
    """
    if len(frame) > LARGEST_FRAME:
        _refuse(frame, "too large")
    try:
        whole = json.loads(frame, parse_constant=lambda name: _refuse(frame, f"{name} is not JSON"))
    except (ValueError, RecursionError):
        _refuse(frame, "not JSON")
    if not isinstance(whole, dict):
        _refuse(frame, "no object")
    history = _typed(frame, whole, "history", dict) or {}
    presence = _typed(frame, whole, "presence", dict)
    if presence is not None:
        _typed(frame, presence, "id", str)
        _typed(frame, presence, "type", str)
    return Command(
        _typed(frame, whole, "command", str) or "",
        _typed(frame, whole, "identifier", str) or "",
        whole.get("data"),
        _integer(frame, history, "since", -(2**63), 2**63 - 1),
        _streams(frame, history),
        presence,
        frozenset(whole),
    )


def _streams(frame: bytes, history: dict[str, Any]) -> dict[str, tuple[str, int]] | None:
    given = _typed(frame, history, "streams", dict)
    if given is None:
        return None
    out = {}
    for name in given:
        position = _typed(frame, given, name, dict) or {}
        out[name] = (_typed(frame, position, "epoch", str) or "", _integer(frame, position, "offset", 0, 2**64 - 1))
    return out


def _typed(frame: bytes, whole: dict[str, Any], name: str, kind: type) -> Any:
    value = whole.get(name)
    if value is not None and not isinstance(value, kind):
        _refuse(frame, f"{name} is no {kind.__name__}")
    return value


def _integer(frame: bytes, whole: dict[str, Any], name: str, lowest: int, highest: int) -> int:
    value = whole.get(name, 0)
    if value is None:
        return 0
    # Go takes neither true nor 1.0 nor 1e3 for an integer; Python's parser makes bool and float of these.
    if type(value) is not int or not lowest <= value <= highest:
        _refuse(frame, f"{name} is no integer in range")
    return value


def _refuse(frame: bytes, why: str) -> NoReturn:
    msg = f"{why}: {frame[:300]!r}"
    raise NotDecodable(msg)
