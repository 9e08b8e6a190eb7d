"""Streams that need no channel class: AnyCable's own by plain or signed name, Turbo's and CableReady's by signed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from cableway.auth.signing import verify_stream
from cableway.gateway.channel import Channel
from cableway.wire.identifiers import PUBSUB_CHANNEL, SIGNED_CHANNELS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cableway.gateway.options import GatewayOptions
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


@frozen
class SignedRights:
    """What the clients of signed streams may do; those of plain ones may do both."""

    whisper: bool = False
    presence: bool = True


def stream_channels(options: GatewayOptions) -> Iterator[type[Channel]]:
    """Build the channel classes that a gateway with these options has by itself."""
    rights = SignedRights(options.streams_whisper, options.streams_presence)
    public = options.public or options.public_streams
    yield pubsub_channel(public=public, secret=options.pubsub_secret, rights=rights)
    if options.turbo_streams:
        yield signed_channel("turbo", options.turbo_streams_secret or options.pubsub_secret)
    if options.cable_ready:
        yield signed_channel("cable_ready", options.cable_ready_secret or options.pubsub_secret)


def pubsub_channel(*, public: bool, secret: str | None, rights: SignedRights | None = None) -> type[Channel]:
    """Build the channel class of ``$pubsub`` for a gateway with these settings."""
    signed = rights or SignedRights()

    class PubSub(Channel):
        name = PUBSUB_CHANNEL

        async def subscribed(self) -> None:
            stream = resolve_stream(self.params, public=public, secret=secret)
            if stream is None:
                self.reject()
                return
            self.stream_from(stream)
            plain = not self.params.get("signed_stream_name")
            if plain or signed.whisper:
                self.allow_whispers(stream)
            if plain or signed.presence:
                self.allow_presence(stream)

    return PubSub


def signed_channel(kind: str, secret: str | None) -> type[Channel]:
    """Build the channel class of Turbo's or CableReady's streams: signed ones alone, neither whispers nor presence."""
    channel, parameter = SIGNED_CHANNELS[kind]

    class Signed(Channel):
        name = channel

        async def subscribed(self) -> None:
            stream = resolve_stream({"signed_stream_name": self.params.get(parameter)}, public=False, secret=secret)
            if stream is None:
                self.reject()
            else:
                self.stream_from(stream)

    return Signed
