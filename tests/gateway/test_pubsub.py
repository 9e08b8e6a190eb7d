"""``$pubsub``: which stream a subscription names."""

from __future__ import annotations

from typing import Any

import pytest

from cableway.auth.signing import sign_stream
from cableway.gateway import Gateway
from cableway.gateway.pubsub import resolve_stream
from tests.conformance.raw_client import RawClient, identifier, stream

SECRET = "k3y-demo"
SIGNED = sign_stream("room/7", SECRET)


@pytest.mark.parametrize(
    ("params", "public", "secret", "resolved"),
    [
        ({"stream_name": "a"}, True, None, "a"),
        ({"stream_name": "a", "extra": 1}, True, None, "a"),
        ({"stream_name": "a"}, False, SECRET, None),
        ({"signed_stream_name": SIGNED}, False, SECRET, "room/7"),
        ({"signed_stream_name": SIGNED}, True, None, None),
        ({"signed_stream_name": SIGNED}, True, "other", None),
        ({"signed_stream_name": SIGNED + "x"}, True, SECRET, None),
        ({"signed_stream_name": SIGNED, "stream_name": "a"}, True, SECRET, "room/7"),
        ({"signed_stream_name": "bad", "stream_name": "a"}, True, SECRET, None),
        ({}, True, SECRET, None),
        ({"stream_name": ""}, True, SECRET, None),
        ({"stream_name": 7}, True, SECRET, None),
        ({"stream_name": None, "signed_stream_name": SIGNED}, True, SECRET, "room/7"),
        ({"signed_stream_name": sign_stream("a", SECRET)}, True, "", None),
    ],
)
def test_a_stream_is_found_or_refused(
    params: dict[str, Any], *, public: bool, secret: str | None, resolved: str | None
) -> None:
    """A signed name counts first; a plain one only where that is allowed; without a secret no signature is good."""
    assert resolve_stream(params, public=public, secret=secret) == resolved


async def test_a_signed_stream_is_confirmed_and_a_forged_one_rejected() -> None:
    """With a secret set, the signature decides."""
    async with Gateway(secret=SECRET) as gateway, RawClient(gateway.url) as client:
        await client.welcomed()
        target = await client.subscribe(identifier("$pubsub", signed_stream_name=SIGNED))
        await gateway.broadcast("room/7", "hi")
        await client.expect_message(target, "hi")
        for refused in (identifier("$pubsub", signed_stream_name=SIGNED[:-1] + "0"), stream("room/7")):
            await client.command("subscribe", identifier=refused)
            await client.expect(type="reject_subscription", identifier=refused)
