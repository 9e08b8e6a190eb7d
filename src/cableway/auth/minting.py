"""Mints the tokens by which AnyCable, and Cableway's gateway, know a client."""

from __future__ import annotations

import json
import time
import warnings
from typing import TYPE_CHECKING

from cableway.auth.jwts import SHORTEST_SECRET, sign_claims
from cableway.errors import UsageError
from cableway.types import Seconds, to_seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cableway.types import JSONValue

HOUR = 3600.0


def mint_token(
    identifiers: Mapping[str, JSONValue] | str,
    *,
    secret: str,
    life: Seconds = HOUR,
    algorithm: str = "HS256",
    now: float | None = None,
) -> str:
    """Mint a token that tells a server who its bearer is, for as long as *life*.

    ::

        mint_token({"user_id": 7}, secret=os.environ["ANYCABLE_SECRET"], life=timedelta(minutes=15))

    It is a JWT with the claims ``ext`` (the identifiers), ``exp`` and ``iat``. Its times are whole seconds, so it is
    good for up to a second less than *life*; never for longer.

    Args:
        identifiers: Who the bearer is. A mapping is written as compact JSON; text is taken as it is. A server ends all
            sessions of a user by exactly this text.
        secret: The ``jwt_secret`` of the server, or else its ``secret``. It should be random, and for HS256 at least 32
            bytes long (RFC 7518 section 3.2): a shorter one can be found out from a single token. It works all the
            same, with a Python warning.
        life: How long it is good: seconds or a timedelta, at least one second.
        algorithm: HS256, HS384 or HS512.
        now: The time to count from, in Unix seconds; by default the clock's.

    Raises:
        UsageError: The secret is empty or a key file's content, the life is none, the algorithm is another, or there
            are no identifiers.
    """
    claims = claims_of(identifiers_text(identifiers), life, time.time() if now is None else now)
    token = sign_claims(claims, secret, algorithm)
    shortest, size = SHORTEST_SECRET[algorithm], len(secret.encode("utf-8", "surrogatepass"))
    if size < shortest:
        msg = (
            f"the secret has {size} bytes: take {shortest} random ones at least for {algorithm} (RFC 7518 section 3.2)"
        )
        warnings.warn(msg, stacklevel=2)
    return token


def identifiers_text(identifiers: Mapping[str, JSONValue] | str) -> str:
    """Return the text by which a server knows a session.

    Raises:
        UsageError: There is none, or it cannot be written as JSON.
    """
    if isinstance(identifiers, str):
        if identifiers:
            return identifiers
        msg = "the identifiers are empty: say who the bearer is, as in {'user_id': 7}"
        raise UsageError(msg)
    try:
        return json.dumps(dict(identifiers), separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        msg = f"the identifiers cannot be written as a JSON object: {error}"
        raise UsageError(msg) from None


def claims_of(identifiers: str, life: Seconds, now: float) -> dict[str, JSONValue]:
    """Return the claims of a token that begins *now*.

    Raises:
        UsageError: It would not live for a second.
    """
    try:
        seconds = to_seconds(life, "life")
    except (TypeError, ValueError) as error:
        raise UsageError(str(error)) from None
    if seconds < 1:
        msg = f"life={seconds:g} s is too short: the times in a token are whole seconds, so give 1 or more"
        raise UsageError(msg)
    return {"ext": identifiers, "exp": int(now + seconds), "iat": int(now)}
