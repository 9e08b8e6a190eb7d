"""The extended protocol from the server's side: commands read as a Go program decodes them, frames written as one does.

AnyCable reads these commands on the base protocol, too. A field of a wrong type makes the whole frame malformed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from cableway.errors import MalformedFrame
from cableway.wire.commands import AskPresence, Beat, History, Join, Leave, Subscribe, Whisper
from cableway.wire.dialects.base_server import (
    BaseServerDialect,
    ReceivedCommand,
    ServerFrame,
    UnknownCommand,
    UnreadableCommand,
)
from cableway.wire.frames import ConfirmHistory, HistoryAnswer, PresenceChange, PresenceInfo, RejectHistory, Welcome
from cableway.wire.positions import HistoryQuery, Member, Position

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ExtendedFrame: TypeAlias = ServerFrame | HistoryAnswer | PresenceChange | PresenceInfo
"""What a server of the extended protocol may say."""


NO_STREAM = ""
"""No subscription listens to a stream of this name: nothing is told of it, and that is confirmed."""

NEVER = HistoryQuery({NO_STREAM: Position("", 0)})
"""What a time below 0 asks for; of a subscribe it asks nothing."""


class ExtendedServerDialect(BaseServerDialect):
    """Mappings of the extended protocol to commands, and frames to mappings.

    Args:
        since_may_be_false: Whether ``"since":false`` asks for no past, and is not malformed as in Go. AnyCable's own
            client sends it with the positions of streams, once it was told ``historyTimestamp: false``.
    """

    def __init__(self, *, since_may_be_false: bool = False) -> None:
        self._since_may_be_false = since_may_be_false

    def parse(self, mapping: Mapping[str, Any]) -> ReceivedCommand:
        """Tell what a client's mapping means.

        Raises:
            MalformedFrame: A field that is known has a type that it never has.
        """
        # Go decodes the whole frame first, whatever its command makes of the fields.
        query = _query(mapping.get("history"), since_may_be_false=self._since_may_be_false)
        member = _member(mapping.get("presence"))
        command = super().parse(mapping)
        if isinstance(command, Subscribe):
            return Subscribe(command.identifier, None if query is NEVER else query, member)
        if not isinstance(command, UnknownCommand):
            return command
        reader = _READERS.get(command.name)
        identifier = mapping.get("identifier") or ""
        return command if reader is None else reader(identifier, mapping, query, member)

    def compose(self, frame: ExtendedFrame) -> dict[str, Any]:
        """Write a frame as the mapping that clients read, empty fields left out."""
        match frame:
            case Welcome(sid, restored, ids) if restored:
                whole: dict[str, Any] = {"type": "welcome", "sid": sid, "restored": True}
                return {**whole, "restored_ids": list(ids)} if ids else whole
            case ConfirmHistory(identifier):
                return {"type": "confirm_history", "identifier": identifier}
            case RejectHistory(identifier):
                return {"type": "reject_history", "identifier": identifier}
            case PresenceChange(identifier, kind, member):
                return {"type": "presence", "identifier": identifier, "message": presence_change(kind, member)}
            case PresenceInfo():
                return {"type": "presence", "identifier": frame.identifier, "message": presence_info(frame)}
            case _:
                return super().compose(frame)


def presence_change(kind: str, member: Member) -> dict[str, Any]:
    """Write the message that tells of somebody who came or went."""
    whole: dict[str, Any] = {"type": kind}
    if member.info is not None:
        whole["info"] = member.info
    return {**whole, "id": member.id}


def presence_info(info: PresenceInfo) -> dict[str, Any]:
    """Write the message that tells who is there."""
    whole: dict[str, Any] = {"type": "error" if info.failed else "info", "total": info.total}
    if info.members:
        whole["records"] = [
            {"id": one.id} if one.info is None else {"info": one.info, "id": one.id} for one in info.members
        ]
    return whole


def _history(identifier: str, _mapping: Mapping[str, Any], query: HistoryQuery | None, _: object) -> ReceivedCommand:
    if query is None:
        return UnreadableCommand("history", "it asks for nothing")
    return History(identifier, query)


def _join(identifier: str, _mapping: Mapping[str, Any], _: object, member: Member | None) -> ReceivedCommand:
    return UnreadableCommand("join", "nobody is named") if member is None else Join(identifier, member)


_READERS: dict[str, Callable[[str, Mapping[str, Any], HistoryQuery | None, Member | None], ReceivedCommand]] = {
    "pong": lambda *_: Beat(),
    "history": _history,
    "whisper": lambda identifier, mapping, *_: Whisper(identifier, mapping.get("data")),
    "join": _join,
    "leave": lambda identifier, *_: Leave(identifier),
    "presence": lambda identifier, *_: AskPresence(identifier),
}


def _object(value: object, name: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        rule = f"{name} is not an object"
        raise MalformedFrame(rule)
    return value


def _query(value: object, *, since_may_be_false: bool) -> HistoryQuery | None:
    asked = _object(value, "history")
    since, places = asked.get("since"), asked.get("streams")
    if since is None or (since is False and since_may_be_false):
        since = 0
    if type(since) is not int:
        rule = "since is not a whole number"
        raise MalformedFrame(rule)
    if not since and places is None:
        return None
    streams = {name: _position(place) for name, place in _object(places, "streams").items()}
    if since < 0 and places is None:
        return NEVER
    # AnyCable knows no such time, and finds no such stream, but takes it for a question.
    since = max(since, 0)
    if not (since or streams):
        streams = {NO_STREAM: Position("", 0)}
    try:
        return HistoryQuery(streams, since or None)
    except (ValueError, TypeError) as error:
        rule = "history is out of range"
        raise MalformedFrame(rule) from error


def _position(value: object) -> Position:
    place = _object(value, "a position")
    epoch, offset = place.get("epoch"), place.get("offset")
    try:
        return Position("" if epoch is None else epoch, 0 if offset is None else offset)
    except (ValueError, TypeError) as error:
        rule = "a position has an epoch that is no string, or an offset that is no whole number"
        raise MalformedFrame(rule) from error


def _member(value: object) -> Member | None:
    if value is None:
        return None
    given = _object(value, "presence")
    who = given.get("id")
    if not isinstance(who, str | None) or not isinstance(given.get("type"), str | None):
        rule = "the id or the type of a presence is not a string"
        raise MalformedFrame(rule)
    try:
        return Member(who or "", given.get("info"))
    except UnicodeEncodeError:
        rule = "the id of a presence holds a lone surrogate"
        raise MalformedFrame(rule) from None
