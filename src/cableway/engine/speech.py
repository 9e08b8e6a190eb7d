"""What a line speaks: the encoding and the dialect that go with a subprotocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from cableway.wire.codecs.choice import codec_for
from cableway.wire.dialects.base import BaseDialect
from cableway.wire.dialects.extended import ExtendedDialect

if TYPE_CHECKING:
    from cableway.wire.codecs.base import Codec
    from cableway.wire.subprotocols import Subprotocol


@frozen
class Speech:
    """How frames and commands are written on one line."""

    name: str
    """Of the subprotocol."""
    codec: Codec
    dialect: BaseDialect

    @classmethod
    def of(cls, subprotocol: Subprotocol) -> Speech:
        """Return what goes with *subprotocol*.

        Raises:
            MissingExtra: Its encoding needs a package that is not installed.
        """
        dialect = (ExtendedDialect if subprotocol.extended else BaseDialect)(subprotocol)
        return cls(subprotocol.name, codec_for(subprotocol), dialect)
