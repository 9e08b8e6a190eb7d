"""Which subscription is in which request, and which events of a request count. Does no I/O.

Rule 1: what is subscribed to in one go shares a request (``POST``), as far as it fits. Where addresses are to say it
(``GET``), each subscription has a request of its own; one that no address can say is posted alone.
Rule 2: a request is refused as a whole. It is made anew in two halves then, until the one that the server does not want
stands alone: that one is rejected.
Rule 3: a subscription that was left is heard no more, and a request whose subscriptions all were is given up.
Rule 4: a question about the past is a request of its own. Only what has a place in a stream counts of it, since all
else comes by the subscription's own request, too.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field

from cableway.errors import MalformedFrame
from cableway.transports.event_stream.envelope import Envelope
from cableway.transports.event_stream.query import Query, query_of
from cableway.wire.codecs.json import JSONCodec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cableway.transports.event_stream.events import ServerEvent

_SESSION: Final = frozenset({"welcome", "ping"})
"""What each request says of itself; the one that opened the line says it for all."""

_ANSWERS: Final = frozenset({"confirm_history", "reject_history"})


@define(eq=False)
class Bunch:
    """The subscriptions of one request."""

    commands: dict[str, bytes]
    """By their identifiers."""
    question: bool = False
    """Whether it is only about the past."""
    query: Query | None = None
    """How an address says it, where one is to."""
    left: set[str] = field(factory=set)
    answered: bool = False
    """Whether its question was."""
    _envelope: Envelope | None = field(default=None, init=False)

    @property
    def body(self) -> bytes:
        """What to send."""
        return b"".join(command + b"\n" for command in self.commands.values())

    @property
    def over(self) -> bool:
        """Whether nobody wants it any more."""
        return self.answered or self.left >= self.commands.keys()

    def frame(self, event: ServerEvent) -> bytes | None:
        """Return the frame of *event*, if it counts."""
        if event.kind in _SESSION:
            return None
        frame = event.data if event.kind else self._whole(event)
        if self.question:
            return frame if self._answers(event.kind, frame) else None
        return frame if not self.left or _identifier(frame) not in self.left else None

    def _whole(self, event: ServerEvent) -> bytes:
        if len(self.commands) > 1:
            # Nothing would tell whose it is.
            return event.data
        if self._envelope is None:
            self._envelope = Envelope(next(iter(self.commands)), bare=self.query is not None)
        return self._envelope.frame(event)

    def _answers(self, kind: str, frame: bytes) -> bool:
        if kind in _ANSWERS:
            self.answered = True
            return True
        return not kind and not self.answered and "offset" in _mapping(frame)


@define
class Roster:
    """All bunches of one line."""

    limit: int
    """Bytes of a request."""
    gets: bool = False
    """Whether addresses are to say what is asked, as far as they can."""
    bunches: list[Bunch] = field(factory=list, init=False)
    """Those whose requests are in flight."""
    _pending: list[Bunch] = field(factory=list, init=False)
    _open: Bunch | None = field(default=None, init=False)

    def take(self, frame: bytes) -> list[Bunch]:
        """Take a command of the client's; return the bunches to give up. What an event stream cannot say is dropped."""
        command = _mapping(frame)
        identifier = str(command.get("identifier", ""))
        match command.get("command"):
            case "subscribe":
                self._add(identifier, command, frame)
            case "unsubscribe":
                return self._leave(identifier)
            case "history":
                question = {"command": "subscribe", "identifier": identifier, "history": command.get("history")}
                self._pending.append(Bunch({identifier: _write(question)}, question=True, query=self._query(question)))
        return []

    def due(self) -> list[Bunch]:
        """Return the requests to make now."""
        due, self._pending, self._open = [bunch for bunch in self._pending if not bunch.over], [], None
        self.bunches += due
        return due

    def refused(self, bunch: Bunch) -> list[bytes]:
        """The server did not want one of these; return the frames that say so, once it is known which."""
        self.done(bunch)
        wanted = {name: command for name, command in bunch.commands.items() if name not in bunch.left}
        if bunch.question:
            return [_write({"type": "reject_history", "identifier": name}) for name in wanted]
        if len(wanted) == 1:
            return [_write({"type": "reject_subscription", "identifier": name}) for name in wanted]
        names = list(wanted)
        for half in (names[: len(names) // 2], names[len(names) // 2 :]):
            if half:
                self._pending.append(Bunch({name: wanted[name] for name in half}))
        return []

    def done(self, bunch: Bunch) -> None:
        """The request of *bunch* has ended."""
        if bunch in self.bunches:
            self.bunches.remove(bunch)

    def _add(self, identifier: str, command: Mapping[str, Any], frame: bytes) -> None:
        if self.gets:
            self._pending.append(Bunch({identifier: frame}, query=self._query(command)))
            return
        bunch = self._open
        if bunch is None or identifier in bunch.commands or len(bunch.body) + len(frame) + 1 > self.limit:
            bunch = self._open = Bunch({})
            self._pending.append(bunch)
        bunch.commands[identifier] = frame

    def _query(self, command: Mapping[str, Any]) -> Query | None:
        return query_of(command) if self.gets else None

    def _leave(self, identifier: str) -> list[Bunch]:
        for bunch in (*self.bunches, *self._pending):
            if identifier in bunch.commands:
                bunch.left.add(identifier)
        return [bunch for bunch in self.bunches if bunch.over]


def passed(bunch: Bunch | None, events: Iterable[ServerEvent]) -> list[bytes]:
    """Return the frames that count of *events*; ``None`` stands for the request that opened the line."""
    if bunch is None:
        return [event.data for event in events]
    return [frame for event in events if (frame := bunch.frame(event)) is not None]


def _mapping(frame: bytes) -> dict[str, Any]:
    try:
        return JSONCodec().decode(frame) or {}
    except MalformedFrame:
        return {}


def _identifier(frame: bytes) -> str | None:
    identifier = _mapping(frame).get("identifier")
    return identifier if isinstance(identifier, str) else None


def _write(mapping: dict[str, Any]) -> bytes:
    return json.dumps(mapping, separators=(",", ":"), ensure_ascii=False).encode()
