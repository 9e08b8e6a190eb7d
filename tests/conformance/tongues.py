"""The encodings as other libraries have them: nothing of what is tested has a part in it."""

from __future__ import annotations

import json
from typing import Any, Protocol

import ormsgpack

from tests.wire.codecs.official import message_class


class Tongue(Protocol):
    """How one client writes and reads."""

    def encode(self, mapping: dict[str, Any]) -> str | bytes:
        """Write a command."""
        ...

    def decode(self, raw: str | bytes) -> dict[str, Any]:
        """Read a frame."""
        ...


class Json:
    """Text, by the standard library."""

    def encode(self, mapping: dict[str, Any]) -> str:
        """Write a command."""
        return json.dumps(mapping)

    def decode(self, raw: str | bytes) -> dict[str, Any]:
        """Read a frame, which is text."""
        assert isinstance(raw, str)
        mapping: dict[str, Any] = json.loads(raw)
        return mapping


class Msgpack:
    """By ormsgpack itself."""

    def encode(self, mapping: dict[str, Any]) -> bytes:
        """Write a command."""
        return ormsgpack.packb(mapping)

    def decode(self, raw: str | bytes) -> dict[str, Any]:
        """Read a frame, which is binary."""
        assert isinstance(raw, bytes)
        mapping: dict[str, Any] = ormsgpack.unpackb(raw)
        return mapping


class Protobuf:
    """By the official runtime."""

    def __init__(self, *, extended: bool) -> None:
        self._message = message_class("Message")
        self._from_server = message_class("Reply" if extended else "Message")

    def encode(self, mapping: dict[str, Any]) -> bytes:
        """Write a command."""
        return bytes(self._message(**mapping).SerializeToString())

    def decode(self, raw: str | bytes) -> dict[str, Any]:
        """Read a frame, which is binary."""
        assert isinstance(raw, bytes)
        read = self._from_server.FromString(raw)
        whole = {field.name: value for field, value in read.ListFields()}
        if "type" in whole:
            whole["type"] = read.DESCRIPTOR.fields_by_name["type"].enum_type.values_by_number[read.type].name
        if "message" in whole:
            whole["message"] = ormsgpack.unpackb(whole["message"])
        return {name: list(value) if name == "restored_ids" else value for name, value in whole.items()}


def tongue_of(subprotocol: str | None) -> Tongue:
    """Return what goes with a subprotocol; none is JSON."""
    encoding = (subprotocol or "json").rpartition("-")[2]
    if encoding == "protobuf":
        return Protobuf(extended="-ext-" in (subprotocol or ""))
    return Msgpack() if encoding == "msgpack" else Json()
