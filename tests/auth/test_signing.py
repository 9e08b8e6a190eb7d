"""Keys and signatures made from the one secret."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

import pytest

from cableway.auth.signing import broadcast_key, sign_stream, verify_stream
from cableway.errors import UsageError

SECRET = "k3y-demo"
SIGNED = "InJvb20vNyI=--c4aa6cc03abdf9a0fdf65125b53a77978bf42be42059fce86e35305a059bdc94"


def signed(payload: bytes, secret: str = SECRET) -> str:
    """Sign any bytes, name or not."""
    text = base64.b64encode(payload).decode()
    return f"{text}--{hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()}"


def test_the_broadcast_key_is_anycables() -> None:
    """The vector was made with AnyCable's formula."""
    assert broadcast_key(SECRET) == "646b34d1bd2d26f251b2ad84990d1ad949bd8db16271997e282e8c2fd16c0963"


def test_a_signed_name_is_anycables() -> None:
    """The vector was made with AnyCable's formula."""
    assert sign_stream("room/7", SECRET) == SIGNED
    assert verify_stream(SIGNED, SECRET) == "room/7"


@pytest.mark.parametrize("name", ["room/7", "café", "a--b", "👋", '"quoted"'])
def test_what_is_signed_is_verified(name: str) -> None:
    """Any name comes back whole."""
    assert verify_stream(sign_stream(name, SECRET), SECRET) == name


def test_both_ways_to_write_a_name_verify() -> None:
    """Escaped or not, the signature covers the text that was signed."""
    assert verify_stream(signed(json.dumps("café").encode()), SECRET) == "café"
    assert verify_stream(signed(json.dumps("café", ensure_ascii=False).encode()), SECRET) == "café"


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "room/7",
        SIGNED[:-1],
        SIGNED[:-1] + "5",
        SIGNED.upper(),
        SIGNED + "--x",
        "x" + SIGNED,
        sign_stream("room/7", "another"),
        "InJvb20vNyI=--é",
        "InJvb20vNyI=--\ud800",
    ],
)
def test_what_is_not_signed_with_the_secret_is_nothing(bad: str) -> None:
    """No part of the value is trusted."""
    assert verify_stream(bad, SECRET) is None


@pytest.mark.parametrize("payload", [b'{"_rails":{"message":"x","exp":null}}', b"7", b"no json", b"\xff"])
def test_a_good_signature_on_what_is_no_name_is_nothing(payload: bytes) -> None:
    """Rails signs an object where a purpose or an expiry is given; that is no name."""
    assert verify_stream(signed(payload), SECRET) is None


def test_a_good_signature_on_what_is_no_base64_is_nothing() -> None:
    """The signature covers the text as it stands, the text must still be read."""
    digest = hmac.new(SECRET.encode(), b"%%%", hashlib.sha256).hexdigest()
    assert verify_stream(f"%%%--{digest}", SECRET) is None


def test_an_empty_secret_is_refused() -> None:
    """Anybody could sign with it."""
    with pytest.raises(UsageError, match="the secret is empty"):
        broadcast_key("")
    with pytest.raises(UsageError, match="the secret is empty"):
        sign_stream("a", "")
    with pytest.raises(UsageError, match="the secret is empty"):
        verify_stream(signed(b'"a"', ""), "")


def test_a_stream_without_name_is_refused() -> None:
    """Nothing could be published to it."""
    with pytest.raises(UsageError, match="needs a name"):
        sign_stream("", SECRET)
