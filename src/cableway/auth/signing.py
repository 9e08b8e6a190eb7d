"""What is made from the one secret that a back end shares with its server: the broadcast key, and signed stream names.

The formulas are AnyCable's, so names signed here open there and the other way round.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json

from cableway.errors import UsageError

_BROADCAST_PHRASE = "broadcast-cable"
_API_PHRASE = "api-cable"


def broadcast_key(secret: str) -> str:
    """Derive the key by which publications are authorised (``Authorization: Bearer ...``) from *secret*.

    Raises:
        UsageError: The secret is empty.
    """
    return _digest(_checked(secret), _BROADCAST_PHRASE)


def api_key(secret: str) -> str:
    """Derive the key by which calls of the API are authorised (``Authorization: Bearer ...``) from *secret*.

    Raises:
        UsageError: The secret is empty.
    """
    return _digest(_checked(secret), _API_PHRASE)


def sign_stream(name: str, secret: str) -> str:
    """Sign the stream *name*: whoever holds the result may subscribe to that stream.

    Raises:
        UsageError: The name or the secret is empty or no string.
    """
    if not isinstance(name, str) or not name:
        msg = "a stream needs a name: give a non-empty string"
        raise UsageError(msg)
    payload = base64.b64encode(json.dumps(name, ensure_ascii=False).encode()).decode()
    return f"{payload}--{_digest(_checked(secret), payload)}"


def verify_stream(signed_name: str, secret: str) -> str | None:
    """Return the stream's name, or ``None`` where the signature is not one of *secret* or no name was signed.

    The comparison takes the same time wherever the two differ.

    Raises:
        UsageError: The secret is empty: anybody could sign with that.
    """
    parts = signed_name.split("--")
    _checked(secret)
    if len(parts) != 2:
        return None
    payload, signature = parts
    if not hmac.compare_digest(_digest(secret, payload).encode(), signature.encode("utf-8", "surrogatepass")):
        return None
    return _signed_text(payload)


def _signed_text(payload: str) -> str | None:
    try:
        value = json.loads(base64.b64decode(payload, validate=True))
    except (binascii.Error, ValueError):
        return None
    # Rails signs an object when a purpose or an expiry is given: that is not a name, and AnyCable refuses it, too.
    return value if isinstance(value, str) else None


def _checked(secret: str) -> str:
    if not isinstance(secret, str) or not secret:
        msg = "the secret is empty: give the one that the server was started with"
        raise UsageError(msg)
    return secret


def _digest(secret: str, text: str) -> str:
    return hmac.new(secret.encode(), text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
