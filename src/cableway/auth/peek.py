"""What a token says of itself, if it is a JWT. Nothing is verified: that is the server's part."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from cableway.auth.token import LATEST


@frozen
class Claims:
    """What a client may want to know of a JWT. Nobody has vouched for it."""

    exp: float | None = None
    """When it ends, in Unix seconds by the issuer's clock; ``None`` if it does not say so."""
    iat: float | None = None
    """When it was issued, likewise."""
    ext_missing: bool | None = None
    """Whether the claim ``ext`` is no string: AnyCable then closes with a bare 1011. ``None`` if this is no JWT."""


def read_claims(value: str) -> Claims:
    """Return what *value* says of itself; nothing at all where it is no JWT, or makes no sense. Never raises."""
    # Most opaque tokens are known by that alone, and pyjwt is not loaded for them.
    if value.count(".") != 2:
        return Claims()
    import jwt

    try:
        claims: dict[str, Any] = jwt.decode(value, options={"verify_signature": False})
    except Exception:  # noqa: BLE001 - anybody can write anything there, and what comes of it has no end
        return Claims()
    return Claims(_moment(claims.get("exp")), _moment(claims.get("iat")), not isinstance(claims.get("ext"), str))


def _moment(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= LATEST else None
