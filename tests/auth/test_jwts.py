"""Tokens are judged by one secret, three algorithms and the time; what they say of themselves does not change that."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from typing import Any

import pytest

from cableway.auth.jwts import ALGORITHMS, LARGEST, Fault, Refused, Verified, check_secret, sign_claims, verify_token
from cableway.errors import UsageError

SECRET = "canary-of-the-secret-which-nobody-may-see"
NOW = 1_800_000_000
WHO = '{"user_id":7}'


def judged(claims: dict[str, Any], now: float = NOW, algorithm: str = "HS256") -> Verified | Refused:
    """Sign and verify."""
    return verify_token(sign_claims(claims, SECRET, algorithm), SECRET, now)


def fault(verdict: Verified | Refused) -> Fault | None:
    """Tell what is wrong."""
    return verdict.fault if isinstance(verdict, Refused) else None


def part(value: Any) -> str:
    """Write a part of a token."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def resigned(header: dict[str, Any], claims: Any) -> str:
    """Sign any header and any bytes."""
    import hashlib
    import hmac

    text = f"{part(header)}.{part(claims)}"
    return f"{text}.{part(hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).digest())}"


def test_a_token_is_what_anycable_reads_and_writes() -> None:
    """To the byte, for a secret as short as one may be there."""
    token = sign_claims({"ext": WHO, "exp": 4102444800}, "k3y-demo")
    assert token == (
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHQiOiJ7XCJ1c2VyX2lkXCI6N30iLCJleHAiOjQxMDI0NDQ4MDB9."
        "loGG6y0VcOolENgwkCOVnjSMy_-XsawZn1tyFVu3FuA"
    )
    assert verify_token(token, "k3y-demo", NOW) == Verified(WHO, {"ext": WHO, "exp": 4102444800})


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_each_algorithm_verifies_what_it_signed(algorithm: str) -> None:
    """And only with the same secret."""
    token = sign_claims({"ext": WHO}, SECRET, algorithm)
    assert isinstance(verify_token(token, SECRET, NOW), Verified)
    assert fault(verify_token(token, SECRET + "x", NOW)) is Fault.INVALID


@pytest.mark.parametrize(
    ("exp", "now", "good"),
    [(NOW, NOW - 1, True), (NOW, NOW - 0.001, True), (NOW, NOW, False), (NOW + 0.9, NOW, False), (NOW, NOW + 1, False)],
)
def test_it_ends_with_its_whole_second(exp: float, now: float, good: bool) -> None:  # noqa: FBT001 - a case
    """Without any grace."""
    assert fault(judged({"ext": WHO, "exp": exp}, now)) is (None if good else Fault.EXPIRED)


@pytest.mark.parametrize(
    ("nbf", "good"), [(NOW, True), (NOW + 0.9, True), (NOW + 1, False), ("1", False), (None, False)]
)
def test_it_begins_with_its_whole_second(nbf: Any, good: bool) -> None:  # noqa: FBT001 - a case
    """Before that it is wrong, and not ended."""
    assert fault(judged({"ext": WHO, "nbf": nbf})) is (None if good else Fault.INVALID)


@pytest.mark.parametrize("exp", [True, None, "4102444800", [], {}])
def test_an_end_is_a_number(exp: Any) -> None:
    """Anything else makes no token."""
    assert fault(judged({"ext": WHO, "exp": exp})) is Fault.INVALID


@pytest.mark.parametrize("number", [b"1e400", b"NaN", b"Infinity", b"-Infinity"])
def test_an_end_that_is_no_number_of_seconds(number: bytes) -> None:
    """Infinity is no time, and no JSON."""
    token = resigned({"alg": "HS256"}, b'{"ext":"x","exp":' + number + b"}")
    assert fault(verify_token(token, SECRET, NOW)) is Fault.INVALID


@pytest.mark.parametrize("claims", [{}, {"ext": None}, {"ext": 7}, {"ext": {"user_id": 7}}])
def test_ext_is_text(claims: dict[str, Any]) -> None:
    """The text tells what is there instead, and not what it says."""
    verdict = judged(claims)
    assert isinstance(verdict, Refused)
    assert verdict.fault is Fault.WITHOUT_EXT
    assert ("no text" if claims else "absent") in verdict.why


@pytest.mark.parametrize("name", ["crit", "jku", "jwk", "x5c", "x5u"])
@pytest.mark.parametrize("value", [["exp"], "https://evil.example/keys", {"kty": "oct", "k": "AAAA"}, None])
def test_a_key_of_its_own_is_refused(name: str, value: Any) -> None:
    """Though its signature is right."""
    token = resigned({"alg": "HS256", "typ": "JWT", name: value}, {"ext": WHO})
    assert fault(verify_token(token, SECRET, NOW)) is Fault.INVALID
    assert isinstance(verify_token(resigned({"alg": "HS256", "kid": "7"}, {"ext": WHO}), SECRET, NOW), Verified)


@pytest.mark.parametrize("alg", ["none", "None", "", "RS256", "ES256", "EdDSA", "hs256", None, 7, ["HS256"]])
def test_no_other_algorithm_counts(alg: Any) -> None:
    """With its right signature, with none, and where the secret is a public key for another algorithm."""
    for token in (resigned({"alg": alg}, {"ext": WHO}), f"{part({'alg': alg})}.{part({'ext': WHO})}."):
        assert fault(verify_token(token, SECRET, NOW)) is Fault.INVALID


@pytest.mark.parametrize(
    "value",
    [
        "",
        "..",
        "a.b.c",
        "e30.e30.e30",
        "\x00",
        "é.é.é",
        "\udc80.x.y",
        part({"alg": "HS256"}) + "." + part(b"[" * 100_000) + ".x",
        part(b"[" * 1000) + ".e30.x",
        resigned({"alg": "HS256"}, b"[1]"),
        resigned({"alg": "HS256"}, b"no json"),
        resigned({"alg": "HS256"}, b"\xff"),
        resigned({"alg": "HS256"}, b'{"ext":' + b"[" * 2000 + b"]" * 2000 + b"}"),
    ],
    ids=str,
)
def test_junk_is_no_error(value: str) -> None:
    """Whatever a client sends, it is refused, and nothing of it is shown."""
    verdict = verify_token(value, SECRET, NOW)
    assert isinstance(verdict, Refused)
    assert verdict.fault is not Fault.EXPIRED


def test_what_is_too_long_is_not_read() -> None:
    """Up to the limit it is."""
    token = sign_claims({"ext": "x" * 5900}, SECRET)
    room = (LARGEST - len(token)) * 3 // 4
    assert isinstance(verify_token(sign_claims({"ext": "x" * (5900 + room)}, SECRET), SECRET, NOW), Verified)
    verdict = verify_token(sign_claims({"ext": "x" * (5910 + room)}, SECRET), SECRET, NOW)
    assert verdict == Refused(Fault.INVALID, "it is longer than 8192 characters")


@pytest.mark.parametrize("secret", ["", None, 7, "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"])
def test_a_secret_that_is_none_is_refused(secret: Any) -> None:
    """An empty one, and a public key: everybody knows that. It is not repeated."""
    for call in (
        lambda: check_secret(secret),
        lambda: sign_claims({"ext": WHO}, secret),
        lambda: verify_token("a.b.c", secret, NOW),
    ):
        with pytest.raises(UsageError, match="the secret") as caught:
            call()
        assert "AAAA" not in str(caught.value)


@pytest.mark.parametrize("algorithm", ["none", "RS256", ""])
def test_nothing_is_signed_with_another_algorithm(algorithm: str) -> None:
    """The text names those that there are."""
    with pytest.raises(UsageError, match="HS256, HS384, HS512"):
        sign_claims({"ext": WHO}, SECRET, algorithm)


def test_nothing_is_shown() -> None:
    """Neither the identifiers nor the claims, by what was verified; nor anything of a token by what was refused."""
    verified = judged({"ext": '{"canary":1}', "more": "canary"})
    assert isinstance(verified, Verified)
    assert "canary" not in repr(verified)
    refused = verify_token(sign_claims({"ext": "canary"}, "canary"), SECRET, NOW)
    assert "canary" not in repr(refused)


def test_pyjwt_is_loaded_only_where_it_is_used() -> None:
    """Who brings no token does not wait for it."""
    program = "import sys, cableway.auth.jwts, cableway.auth.minting; sys.exit('jwt' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
