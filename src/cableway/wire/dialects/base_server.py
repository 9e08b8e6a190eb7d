"""The base protocol ``actioncable-v1-json`` from the server's side: commands read, frames written.

Read as AnyCable reads: a missing or ``null`` field is an empty one, unknown fields are left alone, and a field of a
wrong type makes the whole frame malformed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import frozen

from cableway.errors import MalformedFrame, NotSupported
from cableway.wire.commands import Command, Perform, Probe, Subscribe, Unsubscribe
from cableway.wire.dialects.base import SUBPROTOCOL
from cableway.wire.frames import (
    Confirm,
    Data,
    Disconnect,
    HistoryAnswer,
    Ping,
    Pong,
    PresenceNews,
    Reject,
    Welcome,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


@frozen
class UnknownCommand:
    """A command of a name that this version does not know."""

    name: str


@frozen
class UnreadableCommand:
    """A known command that lacks what it needs to be carried out."""

    name: str
    rule: str


ReceivedCommand: TypeAlias = Command | UnknownCommand | UnreadableCommand
"""What a client may say."""

ServerFrame: TypeAlias = Welcome | Ping | Pong | Confirm | Reject | Disconnect | Data
"""What a server of the base protocol may say."""


class BaseServerDialect:
    """Mappings of the base protocol to commands, and frames to mappings."""

    name = SUBPROTOCOL

    def parse(self, mapping: Mapping[str, Any]) -> ReceivedCommand:
        """Tell what a client's mapping means. A subscribe without identifier has the empty one.

        Raises:
            MalformedFrame: ``command`` or ``identifier`` is there and not a string that UTF-8 can write.
        """
        command = _text(mapping, "command")
        identifier = _text(mapping, "identifier")
        match command:
            case "subscribe":
                return Subscribe(identifier)
            case "unsubscribe":
                return Unsubscribe(identifier)
            case "message":
                data = mapping.get("data")
                if isinstance(data, str):
                    return Perform(identifier, data)
                return UnreadableCommand(command, "data is not a string")
            case "ping":
                return Probe()
            case _:
                return UnknownCommand(command)

    def compose(self, frame: ServerFrame | HistoryAnswer | PresenceNews) -> dict[str, Any]:
        """Write a frame as the mapping that clients read, empty fields left out.

        Raises:
            NotSupported: This protocol has no such frame.
        """
        match frame:
            case Welcome(sid):
                return {"type": "welcome", "sid": sid} if sid else {"type": "welcome"}
            case Ping() | Pong():
                return {"type": "ping", "message": frame.message} if isinstance(frame, Ping) else {"type": "pong"}
            case Confirm(identifier):
                return {"type": "confirm_subscription", "identifier": identifier}
            case Reject(identifier):
                typed = {"type": "reject_subscription"}
                return {**typed, "identifier": identifier} if identifier else typed
            case Disconnect():
                return _disconnect(frame)
            case Data():
                return _data(frame)
            case _:
                raise NotSupported(type(frame).__name__, self.name)


class RailsServerDialect(BaseServerDialect):
    """The base protocol as Rails reads it: what it does not know, it writes into its log."""

    def parse(self, mapping: Mapping[str, Any]) -> ReceivedCommand:
        """Tell what a client's mapping means; see :meth:`BaseServerDialect.parse`."""
        match super().parse(mapping):
            case Probe():
                return UnknownCommand("ping")
            case Subscribe(""):
                return UnreadableCommand("subscribe", "there is no identifier")
            case command:
                return command


def data_frame(identifier_json: bytes, message_json: bytes, *, kind: bytes = b"", place: bytes = b"") -> bytes:
    """Write a data frame from pieces that are JSON already, so that one message to many is encoded once.

    Args:
        identifier_json: The identifier.
        message_json: The message.
        kind: What stands first: empty, or ``"type":"presence",``.
        place: What stands last: empty, or the place in the stream, a comma first.
    """
    return b'{%b"identifier":%b,"message":%b%b}' % (kind, identifier_json, message_json, place)


def _text(mapping: Mapping[str, Any], name: str) -> str:
    value = mapping.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        rule = f"{name} is not a string"
        raise MalformedFrame(rule)
    try:
        value.encode()
    except UnicodeEncodeError:
        # JSON can escape half a character. An identifier is echoed, and UTF-8 cannot write that.
        rule = f"{name} holds a lone surrogate"
        raise MalformedFrame(rule) from None
    return value


def _disconnect(frame: Disconnect) -> dict[str, Any]:
    # Always all three, unlike other frames: clients differ in what they make of a missing ``reconnect``.
    mapping: dict[str, Any] = {"type": "disconnect", "reason": frame.reason or "", "reconnect": frame.reconnect}
    if frame.retry_after is not None:
        # An addition of ours: other clients read the three, and leave this one alone.
        mapping["retry_after_ms"] = math.ceil(frame.retry_after * 1000)
    return mapping


def _data(frame: Data) -> dict[str, Any]:
    mapping: dict[str, Any] = {"identifier": frame.identifier, "message": frame.message}
    position = {"stream_id": frame.stream, "epoch": frame.epoch, "offset": frame.offset}
    return mapping | {name: value for name, value in position.items() if value}
