"""The encoding that goes with a subprotocol. One that needs an optional dependency is imported when it is chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cableway.wire.codecs.json import JSONCodec
from cableway.wire.subprotocols import JSON

if TYPE_CHECKING:
    from cableway.wire.codecs.base import Codec
    from cableway.wire.subprotocols import Subprotocol


def encoding_available(encoding: str) -> bool:
    """Tell whether *encoding* can be used here."""
    return encoding == JSON


def codec_for(subprotocol: Subprotocol, *, server: bool = False) -> Codec:
    """Return the codec of *subprotocol*, for a client or for a server."""
    del subprotocol, server
    return JSONCodec()
