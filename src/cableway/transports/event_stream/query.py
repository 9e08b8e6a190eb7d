"""A subscription as the address of a ``GET``, where an address can say it. Does no I/O.

Rule 1: the address says the same as the command would, or nothing: the server makes the same question of both, so what
is recovered is the same.
Rule 2: the id of the last event is one place in one stream (``offset/epoch/stream``). A question about two cannot be
asked so; nor can one about a stream whose name a header may not carry as it is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST: Final = 4000
"""Bytes of a query or an id: many servers and proxies take no more than 8 KiB of address, or of headers."""

_WORDS: Final = frozenset({"command", "identifier", "history"})

# What is trimmed, cut or recoded on the way would name another stream.
_CARRIED: Final = re.compile(r"[!-~](?:[ -~]*[!-~])?")


@frozen
class Query:
    """What is put into the request."""

    text: str = field(repr=False)
    """Of the address. May hold a signed name, which lets in whoever knows it."""
    last_event_id: str = field(default="", repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """What goes beside the address."""
        return {"last-event-id": self.last_event_id} if self.last_event_id else {}


def query_of(command: Mapping[str, Any]) -> Query | None:
    """Return how an address says *command*, which subscribes; ``None`` if it cannot."""
    identifier = command.get("identifier")
    past = command.get("history") or {}
    if not isinstance(identifier, str) or not identifier or not command.keys() <= _WORDS:
        return None
    last = _event_id(past.get("streams") or {})
    since = past.get("since")
    if last is None or not past.keys() <= {"since", "streams"} or (since is not None and type(since) is not int):
        return None
    text = f"identifier={quote(identifier, safe='')}" + ("" if since is None else f"&history_since={since}")
    return Query(text, last) if max(len(text), len(last)) <= LONGEST else None


def _event_id(streams: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Return the id of the last event that was seen, empty if none was; ``None`` if there is none that says it."""
    if not streams:
        return ""
    if len(streams) > 1:
        return None
    ((stream, place),) = streams.items()
    epoch = str(place["epoch"])
    last = f"{place['offset']}/{epoch}/{stream}"
    return last if epoch and "/" not in epoch and stream and _CARRIED.fullmatch(last) else None
