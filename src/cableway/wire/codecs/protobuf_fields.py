"""Protocol Buffers without a library: fields read and written by a schema that is data.

Read as the official runtimes read proto3: unknown fields, and known ones of another wire type, are skipped; of a field
that comes twice the last one counts, and messages that come twice are merged. Written as they write it: whatever is
zero, false or empty is left out.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, Final, NoReturn

from attrs import Factory, field, frozen

from cableway.errors import MalformedFrame

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

LARGEST: Final = 2**63 - 1
"""Of an int64."""

_VARINT: Final = 0
_BYTES: Final = 2
_FIXED: Final = {1: 8, 5: 4}
"""Bytes of a value, by wire type; no field that is known here has one of these."""

_ALL_BITS: Final = 2**64 - 1
_LARGEST_TAG: Final = 2**32 - 1
_LONGEST_VARINT: Final = 10


class Kind(Enum):
    """What a field holds."""

    TEXT = "text"
    TEXTS = "texts"
    RAW = "bytes"
    PART = "a message"
    PARTS = "messages by name"
    WHOLE = "int64"
    FLAG = "bool"
    WORD = "enum"


_NUMBERS: Final = frozenset({Kind.WHOLE, Kind.FLAG, Kind.WORD})
_GATHERING: Final = frozenset({Kind.TEXTS, Kind.PART, Kind.PARTS})


@frozen
class Field:
    """One field of a message."""

    number: int
    name: str
    kind: Kind
    words: Sequence[str] = ()
    """Of an enum, by number."""
    part: Schema | None = None
    """Of a message; where there are many by name, of one with its name: see :func:`named`."""

    gathers: bool = field(init=False, default=Factory(lambda self: self.kind in _GATHERING, takes_self=True))
    """Whether all of them count where it comes several times, and not the last one alone."""

    @property
    def schema(self) -> Schema:
        """Of the message that the field holds."""
        assert self.part is not None, "a field of this kind is given its schema"  # noqa: S101 - schemas are data here
        return self.part


@frozen
class Schema:
    """The fields of a message, in the order of their numbers."""

    fields: Sequence[Field]
    by_tag: Mapping[int, Field] = field(
        init=False, default=Factory(lambda self: {_tag(one): one for one in self.fields}, takes_self=True)
    )
    """By number and wire type, as they are written."""
    gathering: Sequence[Field] = field(
        init=False, default=Factory(lambda self: [one for one in self.fields if one.gathers], takes_self=True)
    )
    """Those of which all count."""


def named(part: Schema) -> Schema:
    """Return the schema by which each message of many is written, with its name."""
    return Schema((Field(1, "key", Kind.TEXT), Field(2, "value", Kind.PART, part=part)))


def _tag(one: Field) -> int:
    return one.number << 3 | (_VARINT if one.kind in _NUMBERS else _BYTES)


# Writing -------------------------------------------------------------------------------------------------------------


def write(schema: Schema, mapping: Mapping[str, Any]) -> bytes:
    """Write what *mapping* has for the fields of *schema*; what the schema does not know is left out.

    Raises:
        LookupError: A word is none of its enum.
        TypeError: A value is of another kind than its field.
        ValueError: A number is beyond 64 bits, or text cannot be written as UTF-8.
    """
    return b"".join(
        piece for one in schema.fields if (value := mapping.get(one.name)) for piece in _written(one, value)
    )


def _written(one: Field, value: Any) -> Iterator[bytes]:
    match one.kind:
        case Kind.TEXT:
            yield _sized(one, value.encode())
        case Kind.TEXTS:
            yield from (_sized(one, text.encode()) for text in value)
        case Kind.RAW:
            yield _sized(one, value)
        case Kind.PART:
            yield _sized(one, write(one.schema, value))
        case Kind.PARTS:
            yield from (_sized(one, write(one.schema, {"key": key, "value": part})) for key, part in value.items())
        case Kind.WHOLE:
            yield _varint(_tag(one)) + _varint(_checked(value))
        case Kind.FLAG:
            yield _varint(_tag(one)) + b"\x01"
        case Kind.WORD:
            yield _varint(_tag(one)) + _varint(_number(one, value))


def _number(one: Field, word: str) -> int:
    if word in one.words:
        return one.words.index(word)
    raise LookupError(word)


def _checked(value: int) -> int:
    if not -LARGEST - 1 <= value <= LARGEST:
        msg = f"{value} is beyond 64 bits"
        raise ValueError(msg)
    return value & _ALL_BITS


def _sized(one: Field, raw: bytes) -> bytes:
    return _varint(_tag(one)) + _varint(len(raw)) + raw


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


# Reading -------------------------------------------------------------------------------------------------------------


def read(schema: Schema, raw: bytes) -> dict[str, Any]:
    """Read one message: each field that is there by its name.

    Raises:
        MalformedFrame: The bytes are no message, or text in it is not UTF-8.
    """
    return _read(schema, (raw,))


def _read(schema: Schema, pieces: Sequence[bytes]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    by_tag = schema.by_tag
    for piece in pieces:
        for tag, value in _raw_fields(piece):
            one = by_tag.get(tag)
            if one is None:
                continue
            if one.gathers:
                found.setdefault(one.name, []).append(value)
            else:
                found[one.name] = _read_one(one, value)
    for one in schema.gathering:
        if one.name in found:
            found[one.name] = _read_gathered(one, found[one.name])
    return found


def _read_one(one: Field, value: Any) -> Any:
    kind = one.kind
    if kind is Kind.TEXT:
        return _text(value)
    if kind is Kind.WHOLE:
        return value - 2**64 if value > LARGEST else value
    if kind is Kind.WORD:
        return _word(one, value)
    return value != 0 if kind is Kind.FLAG else value


def _read_gathered(one: Field, values: list[bytes]) -> Any:
    if one.kind is Kind.TEXTS:
        return [_text(value) for value in values]
    if one.kind is Kind.PART:
        return _read(one.schema, values)
    entries = (_read(one.schema, (piece,)) for piece in values)
    return {entry.get("key", ""): entry.get("value", {}) for entry in entries}


def _word(one: Field, value: int) -> str:
    number = value & 0xFFFFFFFF
    # Enums are open: a newer server may have words that are not known here.
    return one.words[number] if number < len(one.words) else f"{one.name} {number}"


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        rule = "not Protobuf: text that is not UTF-8"
        raise MalformedFrame(rule, len(raw)) from None


def _raw_fields(data: bytes) -> Iterator[tuple[int, Any]]:
    at, size = 0, len(data)
    while at < size:
        tag, at = _read_varint(data, at)
        if not 8 <= tag <= _LARGEST_TAG:
            _refuse("a field without a number", data)
        if tag & 7 == _VARINT:
            number, at = _read_varint(data, at)
            yield tag, number
        else:
            length, at = _read_varint(data, at) if tag & 7 == _BYTES else (_fixed(data, tag & 7), at)
            if length > size - at:
                _refuse("cut short", data)
            yield tag, data[at : at + length]
            at += length


def _fixed(data: bytes, wire_type: int) -> int:
    if wire_type not in _FIXED:
        # Groups are of proto2, and could nest without end.
        _refuse("a field of a type that proto3 has not", data)
    return _FIXED[wire_type]


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    if at < len(data) and data[at] < 0x80:
        return data[at], at + 1
    value = 0
    for index, byte in enumerate(data[at : at + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value & _ALL_BITS, at + index + 1
    rule = "not Protobuf: a number without an end"
    raise MalformedFrame(rule, len(data))


def _refuse(what: str, data: bytes) -> NoReturn:
    rule = f"not Protobuf: {what}"
    raise MalformedFrame(rule, len(data))
