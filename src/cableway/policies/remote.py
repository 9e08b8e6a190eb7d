"""Policies that a running client takes from a server: read strictly, bounded, numbers only.

A document looks like this; every part may be left out::

    {
      "version": 1,
      "backoff": {"minimum": 0.2, "maximum": 30, "factor": 2, "jitter": 0.5},
      "monitor": {"missed_beats": 2, "grace": 3},
      "dial_gate": {"rate": 10, "burst": 20}
    }

It can make clients gentler or brisker within bounds that no server could misuse: it cannot name another server, carry
code or text, or silence a client for good. What is not understood is left alone and told.
"""

from __future__ import annotations

import hmac
import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from cableway.policies.backoff import ExponentialBackoff

if TYPE_CHECKING:
    from collections.abc import Mapping

LARGEST = 16 * 1024
"""Bytes of a document: numbers need no more."""

VERSION = 1

BOUNDS: dict[str, dict[str, tuple[float, float]]] = {
    "backoff": {"minimum": (0.05, 60), "maximum": (1, 3600), "factor": (1, 10), "jitter": (0, 1)},
    "monitor": {"missed_beats": (1, 20), "grace": (0, 60)},
    "dial_gate": {"rate": (0.1, 1000), "burst": (1, 1000)},
}
"""What each number may be, from and to."""


class BadPolicy(ValueError):
    """A document that is not taken; the one before it stays in force."""


@frozen
class Policy:
    """A document that was read and found in bounds."""

    backoff: ExponentialBackoff | None = None
    monitor: Mapping[str, float] = field(factory=dict)
    dial_gate: tuple[float, int] | None = None
    """Dials a second, and how many at once."""
    unknown: tuple[str, ...] = ()
    """Names that were not understood."""


def sign_policy(body: bytes, secret: str) -> str:
    """Return the signature of a document: the hex HMAC-SHA256 of its bytes."""
    return hmac.new(secret.encode(), body, sha256).hexdigest()


def is_signed(body: bytes, secret: str, signature: str) -> bool:
    """Tell whether *signature* is that of *body*, in a time that tells nothing else."""
    return hmac.compare_digest(sign_policy(body, secret).encode(), signature.strip().encode("utf-8", "replace"))


def read_policy(body: bytes) -> Policy:
    """Read a document.

    Raises:
        BadPolicy: It is too large, no JSON object, of another version, or a number in it is out of its bounds.
    """
    if len(body) > LARGEST:
        msg = f"the policy is {len(body)} bytes, the limit is {LARGEST}"
        raise BadPolicy(msg)
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        msg = "the policy is not JSON"
        raise BadPolicy(msg) from None
    if not isinstance(document, dict):
        msg = "the policy is not a JSON object"
        raise BadPolicy(msg)
    if document.get("version") != VERSION:
        msg = f"the policy is of version {document.get('version')!r}, this client reads {VERSION}"
        raise BadPolicy(msg)
    return _policy(document)


def _policy(document: dict[str, Any]) -> Policy:
    unknown = [name for name in document if name not in BOUNDS and name != "version"]
    numbers = {part: _numbers(part, document[part], unknown) for part in BOUNDS if part in document}
    gate = numbers.get("dial_gate")
    return Policy(
        backoff=_backoff(numbers["backoff"]) if "backoff" in numbers else None,
        monitor=numbers.get("monitor", {}),
        dial_gate=None if gate is None else (gate.get("rate", 10.0), int(gate.get("burst", 20))),
        unknown=tuple(unknown),
    )


def _numbers(part: str, values: object, unknown: list[str]) -> dict[str, float]:
    if not isinstance(values, dict):
        msg = f"{part} is not a JSON object"
        raise BadPolicy(msg)
    out: dict[str, float] = {}
    for name, value in values.items():
        if name not in BOUNDS[part]:
            unknown.append(f"{part}.{name}")
            continue
        low, high = BOUNDS[part][name]
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            msg = f"{part}.{name} must be a number from {low:g} to {high:g}"
            raise BadPolicy(msg)
        out[name] = float(value)
    return out


def _backoff(numbers: dict[str, float]) -> ExponentialBackoff:
    try:
        return ExponentialBackoff(**numbers)
    except ValueError as error:
        raise BadPolicy(str(error)) from None
