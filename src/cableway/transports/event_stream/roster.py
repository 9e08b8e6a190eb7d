"""Which subscription is in which request, and which events of a request count. Does no I/O.

Rule 1: what is subscribed to in one go shares a request, as far as it fits.
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
from cableway.wire.codecs.json import JSONCodec

if TYPE_CHECKING:
    from collections.abc import Iterable

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
    left: set[str] = field(factory=set)
    answered: bool = False
    """Whether its question was."""

    @property
    def body(self) -> bytes:
        """What to send."""
        return b"".join(command + b"\n" for command in self.commands.values())

    @property
    def over(self) -> bool:
        """Whether nobody wants it any more."""
        return self.answered or self.left >= self.commands.keys()

    def passes(self, event: ServerEvent) -> bool:
        """Tell whether *event* counts."""
        if event.kind in _SESSION:
            return False
        if self.question:
            return self._answers(event)
        return not self.left or _identifier(event.data) not in self.left

    def _answers(self, event: ServerEvent) -> bool:
        if event.kind in _ANSWERS:
            self.answered = True
            return True
        return not event.kind and not self.answered and "offset" in _mapping(event.data)


@define
class Roster:
    """All bunches of one line."""

    limit: int
    """Bytes of a request."""
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
                self._add(identifier, frame)
            case "unsubscribe":
                return self._leave(identifier)
            case "history":
                question = {"command": "subscribe", "identifier": identifier, "history": command.get("history")}
                self._pending.append(Bunch({identifier: _write(question)}, question=True))
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

    def _add(self, identifier: str, frame: bytes) -> None:
        bunch = self._open
        if bunch is None or identifier in bunch.commands or len(bunch.body) + len(frame) + 1 > self.limit:
            bunch = self._open = Bunch({})
            self._pending.append(bunch)
        bunch.commands[identifier] = frame

    def _leave(self, identifier: str) -> list[Bunch]:
        for bunch in (*self.bunches, *self._pending):
            if identifier in bunch.commands:
                bunch.left.add(identifier)
        return [bunch for bunch in self.bunches if bunch.over]


def passed(bunch: Bunch | None, events: Iterable[ServerEvent]) -> list[bytes]:
    """Return the frames that count of *events*; ``None`` stands for the request that opened the line."""
    return [event.data for event in events if bunch is None or bunch.passes(event)]


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
