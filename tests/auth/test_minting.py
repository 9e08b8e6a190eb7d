"""A back end mints what its server lets in."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import Any

import jwt
import pytest

from cableway.auth.jwts import Verified, verify_token
from cableway.auth.minting import claims_of, identifiers_text
from cableway.errors import UsageError
from cableway.server import mint_token

SECRET = "canary-of-the-secret-which-nobody-may-see"


def test_a_mapping_is_written_as_the_identifiers() -> None:
    """Compact, in its order, as text in ``ext``; times as whole seconds."""
    token = mint_token({"user_id": 7, "name": "Zoë"}, secret=SECRET, life=60, now=1000.9)
    assert jwt.decode(token, options={"verify_signature": False}) == {
        "ext": '{"user_id":7,"name":"Zoë"}',
        "exp": 1060,
        "iat": 1000,
    }
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT"}


def test_text_is_taken_as_it_is() -> None:
    """To the space: it is what a session is found by."""
    verdict = verify_token(mint_token('{ "user_id" : 7 }', secret=SECRET), SECRET, time.time())
    assert isinstance(verdict, Verified)
    assert verdict.identifiers == '{ "user_id" : 7 }'


def test_it_lives_for_an_hour_unless_told() -> None:
    """Or for seconds, or a timedelta; never for longer than that."""
    assert claims_of("x", timedelta(minutes=15), 1000.5)["exp"] == 1900
    before = time.time()
    claims = jwt.decode(mint_token({"a": 1}, secret=SECRET), options={"verify_signature": False})
    assert before + 3599 < claims["exp"] <= time.time() + 3600


@pytest.mark.parametrize(("algorithm", "size"), [("HS256", 32), ("HS384", 48), ("HS512", 64)])
def test_a_short_secret_is_warned_of(algorithm: str, size: int) -> None:
    """It works; the warning tells how long one should be, at the line that minted, and not the secret."""
    mint_token({"a": 1}, secret="x" * size, algorithm=algorithm)
    with pytest.warns(UserWarning, match=f"take {size} random ones") as told:
        token = mint_token({"a": 1}, secret="canary", algorithm=algorithm)
    assert isinstance(verify_token(token, "canary", time.time()), Verified)
    assert told[0].filename == __file__
    assert "canary" not in str(told[0].message)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"secret": ""}, "the secret is empty"),
        ({"life": 0.9}, "too short"),
        ({"life": -1}, "life=-1"),
        ({"life": float("inf")}, "life=inf"),
        ({"life": "1h"}, "1h"),
        ({"algorithm": "none"}, "algorithm='none'"),
        ({"identifiers": ""}, "identifiers are empty"),
        ({"identifiers": {"a": float("nan")}}, "cannot be written"),
        ({"identifiers": {"a": object()}}, "cannot be written"),
    ],
)
def test_what_makes_no_token_is_refused(given: dict[str, Any], text: str) -> None:
    """With the rule."""
    options = {"identifiers": {"user_id": 7}, "secret": SECRET, **given}
    with pytest.raises(UsageError, match=text) as caught:
        mint_token(options.pop("identifiers"), **options)
    assert "canary" not in str(caught.value)


def test_identifiers_are_compact() -> None:
    """As Rails writes them."""
    assert identifiers_text({"a": [1, 2]}) == json.dumps({"a": [1, 2]}, separators=(",", ":"))
