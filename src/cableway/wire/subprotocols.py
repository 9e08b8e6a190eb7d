"""The names under which client and server agree on a dialect and an encoding.

``actioncable-v1-json``, ``actioncable-v1-ext-json`` and so on: after the last hyphen comes the encoding, and ``ext``
before it means AnyCable's extended protocol.
"""

from __future__ import annotations

from typing import Final

from attrs import frozen

JSON: Final = "json"
MSGPACK: Final = "msgpack"
PROTOBUF: Final = "protobuf"
ENCODINGS: Final = (JSON, MSGPACK, PROTOBUF)


@frozen
class Subprotocol:
    """A dialect and an encoding."""

    extended: bool
    encoding: str

    @property
    def name(self) -> str:
        """As it is offered and selected."""
        return f"actioncable-v1-{'ext-' if self.extended else ''}{self.encoding}"

    @property
    def binary(self) -> bool:
        """Whether frames travel as binary messages."""
        return self.encoding != JSON

    @property
    def presence(self) -> bool:
        """Whether it tells who is present: the schema of Protobuf has no words for it."""
        return self.extended and self.encoding != PROTOBUF

    @property
    def probes(self) -> bool:
        """Whether a client can ask for a sign of life in it: the schema of Protobuf has no word for that."""
        return self.encoding != PROTOBUF


BASE_JSON: Final = Subprotocol(extended=False, encoding=JSON)
EXTENDED_JSON: Final = Subprotocol(extended=True, encoding=JSON)

ALL: Final = tuple(Subprotocol(extended, encoding) for encoding in ENCODINGS for extended in (False, True))
"""All that are known here, the base one first in each encoding, as AnyCable lists them."""

_BY_NAME = {one.name: one for one in ALL}


def subprotocol(name: str | None) -> Subprotocol | None:
    """Tell what *name* means; none selected is the base protocol in JSON, and ``None`` one that is not known here."""
    return BASE_JSON if name is None else _BY_NAME.get(name)
