"""Tokens and signed names made by hand, so that no library's idea of them can hide a mistake of ours."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

from tests.conformance.servers import SECRET

WHO = '{"user_id":7}'
HOUR = 3600


def token(
    *,
    secret: str = SECRET,
    algorithm: str = "HS256",
    header: dict[str, Any] | None = None,
    **claims: Any,
) -> str:
    """Make a token with exactly these claims; ``header`` adds to the usual one."""
    head = _part({"alg": algorithm, "typ": "JWT", **(header or {})})
    signed = f"{head}.{_part(claims)}"
    hashed = {"HS384": hashlib.sha384, "HS512": hashlib.sha512}.get(algorithm, hashlib.sha256)
    signature = b"" if algorithm == "none" else hmac.new(secret.encode(), signed.encode(), hashed).digest()
    return f"{signed}.{_encoded(signature)}"


def good(**more: Any) -> str:
    """Make a token that lets in."""
    return token(**{"ext": WHO, "exp": in_an_hour(), **more})


def in_an_hour() -> int:
    """Tell the time in an hour."""
    return int(time.time()) + HOUR


def signed(name: object, *, secret: str = SECRET) -> str:
    """Sign the name of a stream, or anything else."""
    return with_signature(base64.b64encode(json.dumps(name).encode()).decode(), secret=secret)


def with_signature(packed: str, *, secret: str = SECRET) -> str:
    """Sign what is packed already."""
    return f"{packed}--{hmac.new(secret.encode(), packed.encode(), hashlib.sha256).hexdigest()}"


def _part(value: Any) -> str:
    return _encoded(json.dumps(value, separators=(",", ":")).encode())


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
