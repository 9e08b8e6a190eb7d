"""``$pubsub``: streams that need no channel class, by plain name or by signed name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cableway.auth.signing import verify_stream
from cableway.gateway.channel import Channel
from cableway.wire.identifiers import PUBSUB_CHANNEL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cableway.types import JSONValue


def resolve_stream(params: Mapping[str, JSONValue], *, public: bool, secret: str | None) -> str | None:
    """Tell which stream the parameters of a subscription name, ``None`` where it must be refused.

    A signed name counts before a plain one. Without *secret* no signature is good: AnyCable would take one made with
    the empty key.
    """
    plain, signed = params.get("stream_name") or "", params.get("signed_stream_name") or ""
    if not isinstance(plain, str) or not isinstance(signed, str):
        return None
    if signed:
        return verify_stream(signed, secret) or None if secret else None
    return plain or None if public else None


def pubsub_channel(*, public: bool, secret: str | None) -> type[Channel]:
    """Build the channel class of ``$pubsub`` for a gateway with these settings."""

    class PubSub(Channel):
        name = PUBSUB_CHANNEL

        async def subscribed(self) -> None:
            stream = resolve_stream(self.params, public=public, secret=secret)
            if stream is None:
                self.reject()
            else:
                self.stream_from(stream)

    return PubSub
