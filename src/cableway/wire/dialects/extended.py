"""The extended protocol ``actioncable-v1-ext-json``: AnyCable's own, with sessions to restore, a past, and presence.

It reads as leniently as the base protocol and writes more strictly: each field has the type that a Go program decodes,
and what is not set is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cableway.errors import MalformedFrame
from cableway.wire.commands import AskPresence, Beat, Command, History, Join, Leave, Subscribe, Whisper
from cableway.wire.dialects.base import BaseDialect, read_identifier
from cableway.wire.frames import ConfirmHistory, Frame, PresenceChange, PresenceInfo, RejectHistory, Welcome
from cableway.wire.positions import Member
from cableway.wire.subprotocols import EXTENDED_JSON

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cableway.wire.positions import HistoryQuery
    from cableway.wire.subprotocols import Subprotocol

EXTENDED_SUBPROTOCOL = "actioncable-v1-ext-json"

_OF_PRESENCE = (Join, Leave, AskPresence)


class ExtendedDialect(BaseDialect):
    """Mappings of the extended protocol to frames, and commands to mappings."""

    extended = True

    def __init__(self, subprotocol: Subprotocol = EXTENDED_JSON) -> None:
        super().__init__(subprotocol)

    def parse(self, mapping: Mapping[str, Any]) -> Frame:
        """Tell what a server's mapping means; see :meth:`BaseDialect.parse`."""
        kind = mapping.get("type")
        reader = _READERS.get(kind) if isinstance(kind, str) else None
        return super().parse(mapping) if reader is None else reader(mapping)

    def compose(self, command: Command) -> dict[str, Any]:
        """Write a command as the mapping that servers read; of a subscribe only what there are words for.

        Raises:
            NotSupported: There are none for this command.
        """
        if isinstance(command, Subscribe):
            return _subscribe(command, presence=self.presence)
        wordless = not self.presence and isinstance(command, _OF_PRESENCE)
        writer = None if wordless else _WRITERS.get(type(command))
        return super().compose(command) if writer is None else writer(command)


def _subscribe(command: Subscribe, *, presence: bool) -> dict[str, Any]:
    whole: dict[str, Any] = {"command": "subscribe", "identifier": command.identifier}
    if command.history is not None:
        whole["history"] = _query(command.history)
    if command.member is not None and presence:
        whole["presence"] = _member(command.member)
    return whole


def _query(query: HistoryQuery) -> dict[str, Any]:
    whole: dict[str, Any] = {}
    if query.since is not None:
        whole["since"] = query.since
    if query.streams:
        whole["streams"] = {
            stream: {"epoch": position.epoch, "offset": position.offset} for stream, position in query.streams.items()
        }
    return whole


def _member(member: Member) -> dict[str, Any]:
    return {"id": member.id} if member.info is None else {"id": member.id, "info": member.info}


_WRITERS: dict[type[Command], Callable[[Any], dict[str, Any]]] = {
    Beat: lambda _: {"command": "pong"},
    History: lambda command: {
        "command": "history",
        "identifier": command.identifier,
        "history": _query(command.query),
    },
    Whisper: lambda command: {"command": "whisper", "identifier": command.identifier, "data": command.data},
    Join: lambda command: {
        "command": "join",
        "identifier": command.identifier,
        "presence": _member(command.member),
    },
    Leave: lambda command: {"command": "leave", "identifier": command.identifier},
    AskPresence: lambda command: {"command": "presence", "identifier": command.identifier},
}


def _welcome(mapping: Mapping[str, Any]) -> Welcome:
    sid, restored, ids = mapping.get("sid"), mapping.get("restored"), mapping.get("restored_ids")
    # Left out, the list is empty: a session without subscriptions was restored.
    known = tuple(one for one in ids if isinstance(one, str)) if isinstance(ids, list) else ()
    return Welcome(sid if isinstance(sid, str) and sid else None, restored is True, known if restored is True else ())


def _presence(mapping: Mapping[str, Any]) -> PresenceChange | PresenceInfo:
    identifier, message = read_identifier(mapping), mapping.get("message")
    if not isinstance(message, dict):
        rule = "presence without a message"
        raise MalformedFrame(rule)
    kind = message.get("type")
    if kind in ("join", "leave"):
        return PresenceChange(identifier, kind, _read_member(message))
    if kind not in ("info", "error"):
        rule = "presence of an unknown kind"
        raise MalformedFrame(rule)
    total, records = message.get("total"), message.get("records")
    members = tuple(_read_member(one) for one in records) if isinstance(records, list) else ()
    if type(total) is not int or total < 0:
        total = len(members)
    return PresenceInfo(identifier, total, members, kind == "error")


def _read_member(mapping: object) -> Member:
    who = mapping.get("id") if isinstance(mapping, dict) else None
    if not isinstance(who, str):
        rule = "presence of somebody without an id"
        raise MalformedFrame(rule)
    try:
        return Member(who, mapping.get("info") if isinstance(mapping, dict) else None)
    except UnicodeEncodeError:
        rule = "presence of an id that holds a lone surrogate"
        raise MalformedFrame(rule) from None


_READERS: dict[str, Callable[[Mapping[str, Any]], Frame]] = {
    "welcome": _welcome,
    "confirm_history": lambda mapping: ConfirmHistory(read_identifier(mapping)),
    "reject_history": lambda mapping: RejectHistory(read_identifier(mapping)),
    "presence": _presence,
}
