"""Policies that a running client takes from a server: read strictly, bounded, numbers only.

A document looks like this; every part but the version may be left out::

    {
      "version": 1,
      "serial": 7,
      "backoff": {"minimum": 0.2, "maximum": 30, "factor": 2, "jitter": 0.5},
      "monitor": {"missed_beats": 2, "grace": 3},
      "dial_gate": {"rate": 10, "burst": 20}
    }

It can make clients gentler or brisker within bounds that no server could misuse: it cannot name another server, carry
code or text, make a crowd dial in step or without a pause, or silence a client for good. What is not understood is left
alone and told.

Each document stands alone: a part that it leaves out is again what the client was made with, whatever the document
before it said.
"""

from __future__ import annotations

import hmac
import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from cableway.errors import BadPolicy
from cableway.policies.backoff import ExponentialBackoff
from cableway.redact import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

LARGEST = 16 * 1024
"""Bytes of a document: numbers need no more."""

SIGNATURE_HEADER = "X-Cableway-Signature"
"""The header of a document's signature."""

VERSION = 1

LARGEST_SERIAL = 2**53 - 1
"""Beyond it, programs that read numbers as floating point lose digits."""

MOST_SIGNATURES = 4
"""Signatures that are looked at: two while a secret is changed."""

MOST_UNKNOWN = 10
"""Names that are told of those not understood."""

BOUNDS: dict[str, dict[str, tuple[float, float]]] = {
    # A factor of 1 would never slow down, a jitter of 0 would bring a crowd back in step.
    "backoff": {"minimum": (0.05, 60), "maximum": (1, 3600), "factor": (1.1, 10), "jitter": (0.1, 1)},
    # One beat and no grace would take a healthy line for dead at each ping that comes late.
    "monitor": {"missed_beats": (1.5, 20), "grace": (0, 60)},
    "dial_gate": {"rate": (0.1, 1000), "burst": (1, 1000)},
}
"""What each number may be, from and to."""

_WHOLE = {"dial_gate.burst"}


@frozen
class Policy:
    """A document that was read and found in bounds. Two are equal if they set the same."""

    backoff: ExponentialBackoff | None = None
    """``None``: the client's own."""
    monitor: Mapping[str, float] = field(factory=dict)
    """Numbers for the monitor by their names; those that are missing are the client's own."""
    dial_gate: tuple[float, int] | None = None
    """Dials a second, and how many at once; ``None``: the client's own."""
    serial: int | None = field(default=None, eq=False)
    """Its number, if it has one: a client never goes back to a lower one."""
    unknown: tuple[str, ...] = field(default=(), eq=False)
    """Names that were not understood; the first few, made printable."""


def sign_policy(body: bytes, secret: str) -> str:
    """Return the signature of a document: the hex HMAC-SHA256 of its bytes, with the UTF-8 bytes of *secret* as key."""
    return hmac.new(secret.encode(), body, sha256).hexdigest()


def is_signed(body: bytes, secret: str, signature: str) -> bool:
    """Tell whether *signature* is that of *body*, in a time that tells nothing else.

    Several may be given with commas between them, of which one must be right: so a secret can be changed without a
    moment at which some clients accept none.
    """
    right = sign_policy(body, secret).encode()
    given = signature.split(",", MOST_SIGNATURES)[:MOST_SIGNATURES]
    return any(hmac.compare_digest(right, one.strip().lower().encode("utf-8", "replace")) for one in given)


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
    version = document.get("version")
    if isinstance(version, bool) or version != VERSION:
        msg = f"the policy is of version {_shown(version)}, this client reads {VERSION}"
        raise BadPolicy(msg)
    return _policy(document)


def check_serial(policy: Policy, last: Policy | None) -> None:
    """Make sure that *policy* is not older than the *last* one that was taken.

    Whoever can answer in the server's place could otherwise bring back a document that was rightly signed long ago. A
    document without a serial is older than any that has one; the same serial again is no step back.

    Raises:
        BadPolicy: It is.
    """
    if last is None or last.serial is None:
        return
    if policy.serial is None or policy.serial < last.serial:
        what = "no serial" if policy.serial is None else f"serial {policy.serial}"
        msg = f"the policy has {what}, after one with serial {last.serial}: raise it with each change"
        raise BadPolicy(msg)


def _policy(document: dict[str, Any]) -> Policy:
    unknown = [name for name in document if name not in BOUNDS and name not in {"version", "serial"}]
    numbers = {part: _numbers(part, document[part], unknown) for part in BOUNDS if part in document}
    gate = numbers.get("dial_gate")
    return Policy(
        backoff=_backoff(numbers["backoff"]) if "backoff" in numbers else None,
        monitor=numbers.get("monitor", {}),
        dial_gate=None if gate is None else (gate.get("rate", 10.0), int(gate.get("burst", 20))),
        serial=_serial(document["serial"]) if "serial" in document else None,
        unknown=tuple(printable(name, 40) for name in unknown[:MOST_UNKNOWN]),
    )


def _serial(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LARGEST_SERIAL:
        msg = f"serial must be a whole number from 0 to {LARGEST_SERIAL}"
        raise BadPolicy(msg)
    return value


def _numbers(part: str, values: object, unknown: list[str]) -> dict[str, float]:
    if not isinstance(values, dict):
        msg = f"{part} is not a JSON object"
        raise BadPolicy(msg)
    out: dict[str, float] = {}
    for name, value in values.items():
        if name in BOUNDS[part]:
            out[name] = _number(f"{part}.{name}", value, *BOUNDS[part][name])
        else:
            unknown.append(f"{part}.{name}")
    return out


def _number(name: str, value: object, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        msg = f"{name} is {_shown(value)}, and must be a number from {low:g} to {high:g}"
        raise BadPolicy(msg)
    if name in _WHOLE and value != int(value):
        msg = f"{name} is {_shown(value)}, and must be a whole number"
        raise BadPolicy(msg)
    return float(value)


def _shown(value: object) -> str:
    """Return a server's value as it may stand in a text."""
    return printable(repr(value), 40)


def _backoff(numbers: dict[str, Any]) -> ExponentialBackoff:
    try:
        return ExponentialBackoff(**numbers)
    except ValueError as error:
        msg = f"backoff: {error}"
        raise BadPolicy(msg) from None
