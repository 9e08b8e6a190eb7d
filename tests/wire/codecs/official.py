"""AnyCable's Protobuf schema in the hands of the official runtime, built from names, numbers and types alone."""

from __future__ import annotations

from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE = "action_cable"

TYPES = "no_type welcome disconnect ping confirm_subscription reject_subscription confirm_history reject_history"
COMMANDS = "unknown_command subscribe unsubscribe message history pong whisper"

# As published with AnyCable's own client. Written out here once more, on purpose: not taken from what is tested.
MESSAGES = {
    "StreamHistoryRequest": [("epoch", 2, "string"), ("offset", 3, "int64")],
    "Message": [
        ("type", 1, "Type"),
        ("command", 2, "Command"),
        ("identifier", 3, "string"),
        ("data", 4, "string"),
        ("message", 5, "bytes"),
        ("reason", 6, "string"),
        ("reconnect", 7, "bool"),
        ("history", 8, "HistoryRequest"),
    ],
    "Reply": [
        ("type", 1, "Type"),
        ("identifier", 2, "string"),
        ("message", 3, "bytes"),
        ("reason", 4, "string"),
        ("reconnect", 5, "bool"),
        ("stream_id", 6, "string"),
        ("epoch", 7, "string"),
        ("offset", 8, "int64"),
        ("sid", 9, "string"),
        ("restored", 10, "bool"),
        ("restored_ids", 11, "strings"),
    ],
}

_Proto = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "string": _Proto.TYPE_STRING,
    "strings": _Proto.TYPE_STRING,
    "bytes": _Proto.TYPE_BYTES,
    "int64": _Proto.TYPE_INT64,
    "bool": _Proto.TYPE_BOOL,
    "Type": _Proto.TYPE_ENUM,
    "Command": _Proto.TYPE_ENUM,
}


@cache
def message_class(name: str) -> Any:
    """Return the official class of the message *name*."""
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"{PACKAGE}.{name}"))


@cache
def _pool() -> descriptor_pool.DescriptorPool:
    file = descriptor_pb2.FileDescriptorProto(name="message.proto", package=PACKAGE, syntax="proto3")
    for name, words in (("Type", TYPES), ("Command", COMMANDS)):
        kind = file.enum_type.add(name=name)
        for number, word in enumerate(words.split()):
            kind.value.add(name=word, number=number)
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for field in fields:
            _add(message, *field)
    _add_history(file)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def _add(message: Any, name: str, number: int, kind: str) -> Any:
    field = message.field.add(name=name, number=number, type=_SCALARS.get(kind, _Proto.TYPE_MESSAGE))
    field.label = _Proto.LABEL_REPEATED if kind == "strings" else _Proto.LABEL_OPTIONAL
    if kind[0].isupper():
        field.type_name = f".{PACKAGE}.{kind}"
    return field


def _add_history(file: Any) -> None:
    history = file.message_type.add(name="HistoryRequest")
    _add(history, "since", 1, "int64")
    entry = history.nested_type.add(name="StreamsEntry")
    entry.options.map_entry = True
    _add(entry, "key", 1, "string")
    _add(entry, "value", 2, "StreamHistoryRequest")
    _add(history, "streams", 2, "HistoryRequest.StreamsEntry").label = _Proto.LABEL_REPEATED
