"""The base protocol ``actioncable-v1-json``: what Rails and AnyCable both speak.

Read leniently, written strictly: unknown fields are left alone, an unknown type is :class:`Unknown`, and a field of a
wrong type makes the frame malformed only where nothing sensible can be made of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cableway.errors import MalformedFrame, NotSupported
from cableway.wire.commands import Command, Perform, Probe, Subscribe, Unsubscribe
from cableway.wire.frames import Confirm, Data, Disconnect, Frame, Ping, Pong, Reject, ServerError, Unknown, Welcome
from cableway.wire.subprotocols import BASE_JSON

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cableway.wire.subprotocols import Subprotocol

SUBPROTOCOL = "actioncable-v1-json"
UNSUPPORTED = "actioncable-unsupported"
"""Offered beside the real name, so that a server without it can still complete the handshake and say so."""


class BaseDialect:
    """Mappings of the base protocol to frames, and commands to mappings."""

    extended = False
    """Whether it has a past, whispers, and sessions to restore."""

    def __init__(self, subprotocol: Subprotocol = BASE_JSON) -> None:
        """Be what *subprotocol* has: an encoding may lack words for some of it."""
        self.name: str = subprotocol.name
        self.presence: bool = subprotocol.presence
        """Whether it tells who is present."""
        self.probes: bool = subprotocol.probes
        """Whether a client can ask for a sign of life."""

    def parse(self, mapping: Mapping[str, Any]) -> Frame:
        """Tell what a server's mapping means.

        Raises:
            MalformedFrame: It is neither a typed frame nor a message of a subscription.
        """
        kind = mapping.get("type")
        if kind is None:
            return _data(mapping)
        if not isinstance(kind, str):
            rule = "type is not a string"
            raise MalformedFrame(rule)
        reader = _READERS.get(kind)
        if reader is not None:
            return reader(mapping)
        return Unknown(kind)

    def compose(self, command: Command) -> dict[str, Any]:
        """Write a command as the mapping that servers read; of a subscribe only what this protocol has.

        Raises:
            NotSupported: This protocol has no such command.
        """
        match command:
            case Subscribe(identifier):
                return {"command": "subscribe", "identifier": identifier}
            case Unsubscribe(identifier):
                return {"command": "unsubscribe", "identifier": identifier}
            case Perform(identifier, data):
                return {"command": "message", "identifier": identifier, "data": data}
            case Probe() if self.probes:
                return {"command": "ping"}
            case _:
                raise NotSupported(type(command).__name__, self.name)


def read_identifier(mapping: Mapping[str, Any]) -> str:
    """Return the identifier that a frame names.

    Raises:
        MalformedFrame: There is none, or it could not be sent back.
    """
    identifier = mapping.get("identifier")
    if not isinstance(identifier, str):
        rule = "identifier is missing or not a string"
        raise MalformedFrame(rule)
    try:
        identifier.encode()
    except UnicodeEncodeError:
        # JSON can escape half a character. Such an identifier is never ours, and could not be sent back.
        rule = "identifier holds a lone surrogate"
        raise MalformedFrame(rule) from None
    return identifier


def _data(mapping: Mapping[str, Any]) -> Data:
    if "message" not in mapping:
        rule = "neither type nor message"
        raise MalformedFrame(rule)
    stream, epoch, offset = mapping.get("stream_id"), mapping.get("epoch"), mapping.get("offset")
    return Data(
        read_identifier(mapping),
        mapping["message"],
        stream if isinstance(stream, str) else None,
        epoch if isinstance(epoch, str) else None,
        offset if type(offset) is int and offset >= 0 else None,
    )


def _welcome(mapping: Mapping[str, Any]) -> Welcome:
    sid = mapping.get("sid")
    return Welcome(sid if isinstance(sid, str) and sid else None)


def _disconnect(mapping: Mapping[str, Any]) -> Disconnect:
    reason = mapping.get("reason")
    # Only the boolean false keeps us away: Rails leaves the field out where it means "come back", and a string is junk.
    again = mapping.get("reconnect") is not False
    return Disconnect(reason if isinstance(reason, str) else None, again, _retry_after(mapping.get("retry_after_ms")))


def _retry_after(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        return None
    return value / 1000


def _reject(mapping: Mapping[str, Any]) -> Reject:
    identifier = mapping.get("identifier")
    return Reject(identifier if isinstance(identifier, str) else None)


_READERS: dict[str, Callable[[Mapping[str, Any]], Frame]] = {
    "welcome": _welcome,
    "ping": lambda mapping: Ping(mapping.get("message")),
    "pong": lambda _: Pong(),
    "confirm_subscription": lambda mapping: Confirm(read_identifier(mapping)),
    "reject_subscription": _reject,
    "disconnect": _disconnect,
    "error": ServerError,
}
