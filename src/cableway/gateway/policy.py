"""The policy that a gateway hands to running clients: checked when it is set, served with an ETag and a signature."""

from __future__ import annotations

import json
import logging
from hashlib import sha256
from typing import TYPE_CHECKING

from aiohttp import hdrs, web
from attrs import field, frozen

from cableway.errors import BadPolicy, UsageError
from cableway.policies.remote import check_serial, read_policy, sign_policy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cableway.policies.remote import Policy
    from cableway.types import JSONValue

SIGNATURE = "X-Cableway-Signature"
"""The header with the hex HMAC-SHA256 of the body."""

log: logging.Logger = logging.getLogger("cableway.gateway")


@frozen
class PolicyDocument:
    """What is served: the bytes, and what is said about them."""

    body: bytes
    policy: Policy
    etag: str
    signature: str | None = field(default=None, repr=False)

    def answer(self, request: web.Request) -> web.Response:
        """Answer with the document, or 304 where the client has it."""
        headers: dict[str, str] = {hdrs.ETAG: f'"{self.etag}"', hdrs.CACHE_CONTROL: "no-cache"}
        if self.signature is not None:
            headers[SIGNATURE] = self.signature
        known = request.if_none_match or ()
        if any(tag.value in {self.etag, "*"} for tag in known):
            return web.Response(status=304, headers=headers)
        return web.Response(body=self.body, content_type="application/json", headers=headers)


def policy_document(
    document: Mapping[str, JSONValue], *, secret: str | None = None, last: PolicyDocument | None = None
) -> PolicyDocument:
    """Make *document* ready to be served after the *last* one, signed with *secret* where there is one.

    Raises:
        UsageError: No client would take it; the text tells why.
    """
    try:
        body = json.dumps(dict(document), separators=(",", ":"), sort_keys=True).encode()
        policy = read_policy(body)
        check_serial(policy, last.policy if last else None)
    except (BadPolicy, TypeError, ValueError, RecursionError) as error:
        msg = f"no client would take this policy: {error}; see cableway.policies.remote for what one looks like"
        raise UsageError(msg) from error
    if policy.unknown:
        log.warning("the policy names what this version does not know: %s", ", ".join(policy.unknown))
    signature = sign_policy(body, secret) if secret else None
    return PolicyDocument(body, policy, sha256(body).hexdigest()[:32], signature)
