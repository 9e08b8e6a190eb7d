"""Protocol Buffers as AnyCable has them: its schema, and what of a mapping goes where.

On the base protocol both sides write ``Message``; on the extended one the server writes ``Reply``. The schema has no
words for presence and for signs of life that a client asks for, and drops every field that it does not know. What is
published travels as MessagePack inside; ``data`` is text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cableway.errors import MalformedFrame, NotSupported
from cableway.wire.codecs.json import dump_text, load
from cableway.wire.codecs.msgpack import pack, unpack
from cableway.wire.codecs.protobuf_fields import Field, Kind, Schema, named, read, write
from cableway.wire.subprotocols import PROTOBUF, Subprotocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cableway.types import JSONValue

TYPES: Final = (
    "",
    "welcome",
    "disconnect",
    "ping",
    "confirm_subscription",
    "reject_subscription",
    "confirm_history",
    "reject_history",
)
COMMANDS: Final = ("", "subscribe", "unsubscribe", "message", "history", "pong", "whisper")

PLACE: Final = Schema((Field(2, "epoch", Kind.TEXT), Field(3, "offset", Kind.WHOLE)))
HISTORY: Final = Schema((Field(1, "since", Kind.WHOLE), Field(2, "streams", Kind.PARTS, part=named(PLACE))))

MESSAGE: Final = Schema(
    (
        Field(1, "type", Kind.WORD, words=TYPES),
        Field(2, "command", Kind.WORD, words=COMMANDS),
        Field(3, "identifier", Kind.TEXT),
        Field(4, "data", Kind.TEXT),
        Field(5, "message", Kind.RAW),
        Field(6, "reason", Kind.TEXT),
        Field(7, "reconnect", Kind.FLAG),
        Field(8, "history", Kind.PART, part=HISTORY),
    )
)
REPLY: Final = Schema(
    (
        Field(1, "type", Kind.WORD, words=TYPES),
        Field(2, "identifier", Kind.TEXT),
        Field(3, "message", Kind.RAW),
        Field(4, "reason", Kind.TEXT),
        Field(5, "reconnect", Kind.FLAG),
        Field(6, "stream_id", Kind.TEXT),
        Field(7, "epoch", Kind.TEXT),
        Field(8, "offset", Kind.WHOLE),
        Field(9, "sid", Kind.TEXT),
        Field(10, "restored", Kind.FLAG),
        Field(11, "restored_ids", Kind.TEXTS),
    )
)


class ProtobufCodec:
    """One message a frame."""

    def __init__(self, *, extended: bool, server: bool = False) -> None:
        """Choose the messages.

        Args:
            extended: Whether servers write ``Reply``.
            server: Whether this is a server's end.
        """
        from_server = REPLY if extended else MESSAGE
        self.name: str = Subprotocol(extended, PROTOBUF).name
        self._server = server
        self._writes, self._reads = (from_server, MESSAGE) if server else (MESSAGE, from_server)

    def encode(self, mapping: Mapping[str, Any]) -> bytes:
        """Write *mapping*, as far as the schema has fields for it.

        Raises:
            NotSupported: The schema has no word for this type or command.
            TypeError: The message cannot be written; see :func:`~cableway.wire.codecs.msgpack.pack`.
            ValueError: A number is beyond 64 bits, or text cannot be written as UTF-8.
        """
        whole = dict(mapping)
        if "message" in whole:
            whole["message"] = pack(whole["message"])
        if whole.get("command") == "whisper":
            whole["data"] = _whisper_text(whole.get("data"))
        try:
            return write(self._writes, whole)
        except LookupError as error:
            what = f"{error.args[0]!r}"
            raise NotSupported(what, self.name, "MessagePack and JSON have a word for it") from None

    def decode(self, frame: bytes) -> dict[str, Any] | None:
        """Read one frame.

        Raises:
            MalformedFrame: The frame is no message of the schema, or what is published in it is not MessagePack.
        """
        mapping = read(self._reads, frame)
        packed = mapping.pop("message", b"")
        if packed:
            mapping["message"] = unpack(packed)
        if self._server:
            _complete_command(mapping)
        elif mapping.get("type") == "disconnect":
            # False is left out on the wire, and a mapping that says nothing means the contrary.
            mapping.setdefault("reconnect", False)
        return mapping


def _whisper_text(data: JSONValue) -> str:
    # Text goes as it is, as from AnyCable's own client, unless it would be read as something else then.
    if isinstance(data, str) and data and not _is_json(data):
        return data
    return dump_text(data)


def _complete_command(mapping: dict[str, Any]) -> None:
    match mapping.get("command"):
        case "message":
            mapping.setdefault("data", "")
        case "whisper":
            text = mapping.get("data", "")
            mapping["data"] = load(text.encode()) if _is_json(text) else text or None


def _is_json(text: str) -> bool:
    try:
        load(text.encode())
    except (MalformedFrame, UnicodeEncodeError):
        return False
    return True
