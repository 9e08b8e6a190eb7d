"""A look into a JWT, which anybody may have written."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cableway.auth.peek import Claims, read_claims

KEY = "k3y-demo-of-thirty-two-characters"


def minted(**claims: Any) -> str:
    """Mint a token."""
    return jwt.encode(claims, KEY, algorithm="HS256")


def forged(payload: bytes, header: bytes = b'{"alg":"HS256","typ":"JWT"}') -> str:
    """Write what looks like a token."""
    parts = [base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (header, payload, b"signature")]
    return ".".join(parts)


def test_it_reads_the_times() -> None:
    """Whatever else is in the token, and whether it is over or not yet valid."""
    assert read_claims(minted(exp=2000, iat=1000, nbf=10**10, ext="{}")) == Claims(2000.0, 1000.0, ext_missing=False)
    assert read_claims(minted(exp=1.5)).exp == 1.5


def test_it_tells_whether_ext_is_a_string() -> None:
    """AnyCable wants a string that holds JSON, not an object."""
    assert read_claims(minted()).ext_missing is True
    assert read_claims(minted(ext={"user": 1})).ext_missing is True
    assert read_claims(minted(ext="")).ext_missing is False


def test_the_signature_does_not_matter() -> None:
    """Not even an algorithm that we could not check."""
    for algorithm in ("HS256", "ES256", "EdDSA", "none", "unheard-of"):
        header = json.dumps({"alg": algorithm}).encode()
        assert read_claims(forged(b'{"exp":5}', header)).exp == 5.0


@pytest.mark.parametrize("exp", ['"5"', "true", "null", "[]", "-1", "1e400", "NaN", "1893456000000", "9" * 5000])
def test_a_time_that_is_none_is_unknown(exp: str) -> None:
    """The rest is read all the same."""
    claims = read_claims(forged(f'{{"exp":{exp},"iat":7,"ext":"{{}}"}}'.encode()))
    assert claims.exp is None
    # A number of thousands of digits spoils the whole for Python's reader.
    assert claims.iat in (7.0, None)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "opaque",
        "a.b.c",
        "..",
        "a.b.c.d.e",
        forged(b"[1]"),
        forged(b"5"),
        forged(b"{"),
        forged(b"\xff"),
        forged(b"[" * 100_000),
        forged(b"{}", b"[]"),
        forged(b"{}", b""),
        forged(b"{}", b'{"alg":"HS256","b64":false}'),
    ],
)
def test_junk_says_nothing(value: str) -> None:
    """And raises nothing."""
    assert read_claims(value) == Claims()


@given(st.one_of(st.text(), st.binary().map(forged), st.tuples(st.binary(), st.binary()).map(lambda two: forged(*two))))
def test_it_never_raises(value: str) -> None:
    """Whatever anybody writes."""
    assert isinstance(read_claims(value), Claims)


def test_an_opaque_token_loads_no_library() -> None:
    """Who has no JWTs does not wait for pyjwt."""
    program = (
        "import sys; from cableway.auth.peek import read_claims; read_claims('abc'); assert 'jwt' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)
