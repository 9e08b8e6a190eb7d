"""JSON Web Tokens as AnyCable knows them: signed with one secret, the identifiers as text in the claim ``ext``.

Only HMAC algorithms exist here, so no token can choose another kind of key; a token that brings a key of its own is
refused. Nothing here reads a clock: the caller brings the time.
"""

from __future__ import annotations

import json
import math
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, NoReturn

from attrs import field, frozen

from cableway.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import jwt

    from cableway.types import JSONValue

ALGORITHMS: Final = ("HS256", "HS384", "HS512")
SHORTEST_SECRET: Final[Mapping[str, int]] = {"HS256": 32, "HS384": 48, "HS512": 64}
"""Bytes that a secret should have at least, by algorithm (RFC 7518 section 3.2)."""
LARGEST: Final = 8 * 1024
"""Characters of a token that is verified, at most."""
_KEYS_OF_ITS_OWN: Final = frozenset({"crit", "jku", "jwk", "x5c", "x5u"})


class Fault(Enum):
    """Why a token does not let its bearer in."""

    INVALID = "invalid"
    """Not signed with this secret, no JWT, or not good yet."""
    EXPIRED = "expired"
    WITHOUT_EXT = "without ext"
    """Good in itself, but its claim ``ext`` is absent, or no text."""


@frozen
class Refused:
    """A token that does not let its bearer in."""

    fault: Fault
    why: str
    """For people; holds nothing of the token."""


@frozen
class Verified:
    """A token that lets its bearer in."""

    identifiers: str = field(repr=False)
    """Its claim ``ext``, as it is."""
    claims: Mapping[str, JSONValue] = field(repr=False)


def check_secret(secret: object) -> str:
    """Return *secret*.

    Raises:
        UsageError: It is empty, or what a public key or certificate looks like: that would be no secret.
    """
    if not isinstance(secret, str) or not secret:
        msg = "the secret is empty: give the one that the server was started with"
        raise UsageError(msg)
    import jwt

    try:
        _jws().get_algorithm_by_name("HS256").prepare_key(secret)
    except (jwt.PyJWTError, ValueError):
        msg = "the secret looks like a key or certificate in a file format: give the plain secret of the server"
        raise UsageError(msg) from None
    return secret


def sign_claims(claims: Mapping[str, JSONValue], secret: str, algorithm: str = "HS256") -> str:
    """Return the token with these claims, in this order.

    Raises:
        UsageError: The secret cannot be used, or the algorithm is none of :data:`ALGORITHMS`.
        TypeError: A claim cannot be written as JSON.
        ValueError: Likewise.
    """
    if algorithm not in ALGORITHMS:
        msg = f"algorithm={algorithm!r} is not one of {', '.join(ALGORITHMS)}"
        raise UsageError(msg)
    payload = json.dumps(dict(claims), separators=(",", ":"), allow_nan=False).encode()
    return _jws().encode(payload, check_secret(secret), algorithm)


def verify_token(value: str, secret: str, now: float) -> Verified | Refused:
    """Tell whether *value* lets its bearer in at the Unix time *now*, by AnyCable's rules.

    ``exp`` and ``nbf`` count where they are, to the second and without any grace; other claims do not. A bad token is
    no error, whatever it is made of.

    Raises:
        UsageError: The secret cannot be used.
    """
    check_secret(secret)
    try:
        claims = _signed_claims(value, secret)
    except _BadToken as error:
        return Refused(Fault.INVALID, str(error))
    refused = _out_of_time(claims, now)
    if refused is not None:
        return refused
    identifiers = claims.get("ext")
    if not isinstance(identifiers, str):
        how = "no text" if "ext" in claims else "absent"
        return Refused(Fault.WITHOUT_EXT, f"the claim ext is {how}: it must hold the identifiers, as JSON in a string")
    return Verified(identifiers, claims)


class _BadToken(Exception):
    """The text tells why, and nothing of the token."""


def _signed_claims(value: str, secret: str) -> dict[str, Any]:
    import jwt

    if len(value) > LARGEST:
        msg = f"it is longer than {LARGEST} characters"
        raise _BadToken(msg)
    try:
        header = _jws().get_unverified_header(value)
        _check_header(header)
        payload = _jws().decode(value, secret, algorithms=list(ALGORITHMS))
    except jwt.InvalidSignatureError:
        msg = "its signature is not one of this secret"
        raise _BadToken(msg) from None
    except (jwt.PyJWTError, ValueError, RecursionError):
        msg = "it is no JSON Web Token"
        raise _BadToken(msg) from None
    return _read_claims(payload)


def _check_header(header: Mapping[str, Any]) -> None:
    if header.get("alg") not in ALGORITHMS:
        msg = f"its algorithm is not one of {', '.join(ALGORITHMS)}"
        raise _BadToken(msg)
    found = sorted(_KEYS_OF_ITS_OWN & header.keys())
    if found:
        msg = f"its header names what is not looked at here: {', '.join(found)}"
        raise _BadToken(msg)


def _read_claims(payload: bytes) -> dict[str, Any]:
    try:
        claims = json.loads(payload, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        claims = None
    if not isinstance(claims, dict):
        msg = "its claims are no JSON object"
        raise _BadToken(msg)
    return claims


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _out_of_time(claims: Mapping[str, Any], now: float) -> Refused | None:
    exp, nbf = (_whole_seconds(claims.get(name)) for name in ("exp", "nbf"))
    # A token that has ended has ended, whatever else is wrong with its times.
    if exp is not None and exp <= now:
        return Refused(Fault.EXPIRED, "it has expired")
    for name, moment in (("exp", exp), ("nbf", nbf)):
        if name in claims and moment is None:
            return Refused(Fault.INVALID, f"its claim {name} is no time in seconds")
    if nbf is not None and now < nbf:
        return Refused(Fault.INVALID, "it is not good yet: see its claim nbf")
    return None


def _whole_seconds(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return math.trunc(value)


_signer: jwt.PyJWS | None = None


def _jws() -> jwt.PyJWS:
    """Return a signer that knows :data:`ALGORITHMS` alone. It accepts short secrets, as AnyCable does."""
    global _signer  # noqa: PLW0603 - made once, and pyjwt is loaded only where a token is signed or verified
    if _signer is None:
        import jwt
        from jwt.algorithms import HMACAlgorithm

        class Hmac(HMACAlgorithm):
            # Who mints is told by us; a server that was started with a short secret must not be told for each client.
            def check_key_length(self, key: Any) -> str | None:  # noqa: ARG002 - pyjwt's signature
                return None

        signer = jwt.PyJWS(algorithms=[])
        hashes = (HMACAlgorithm.SHA256, HMACAlgorithm.SHA384, HMACAlgorithm.SHA512)
        for name, hashed in zip(ALGORITHMS, hashes, strict=True):
            signer.register_algorithm(name, Hmac(hashed))
        _signer = signer
    return _signer
