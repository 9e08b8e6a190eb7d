"""The encoding that goes with a subprotocol. One that needs an optional dependency is imported when it is chosen."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from cableway.errors import MissingExtra
from cableway.wire.codecs.json import JSONCodec
from cableway.wire.subprotocols import JSON, MSGPACK

if TYPE_CHECKING:
    from cableway.wire.codecs.base import Codec
    from cableway.wire.subprotocols import Subprotocol


def encoding_available(encoding: str) -> bool:
    """Tell whether *encoding* can be used here."""
    # Messages in Protobuf carry MessagePack inside.
    return encoding == JSON or find_spec("ormsgpack") is not None


def check_available(subprotocol: Subprotocol) -> None:
    """Make sure that *subprotocol* can be used here.

    Raises:
        MissingExtra: Its encoding needs a package that is not installed.
    """
    if not encoding_available(subprotocol.encoding):
        feature = f"the protocol {subprotocol.name!r}"
        raise MissingExtra(feature, subprotocol.encoding)


def codec_for(subprotocol: Subprotocol, *, server: bool = False) -> Codec:
    """Return the codec of *subprotocol*, for a client or for a server.

    Raises:
        MissingExtra: It needs a package that is not installed.
    """
    check_available(subprotocol)
    if subprotocol.encoding == JSON:
        return JSONCodec()
    if subprotocol.encoding == MSGPACK:
        from cableway.wire.codecs.msgpack import MsgpackCodec

        return MsgpackCodec()
    from cableway.wire.codecs.protobuf import ProtobufCodec

    return ProtobufCodec(extended=subprotocol.extended, server=server)
