"""Who a client is by its token: AnyCable's rules for finding it in a request, and for what comes of it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from attrs import field, frozen

from cableway.auth.carriage import SUBPROTOCOL_PREFIX
from cableway.auth.jwts import SHORTEST_SECRET, Fault, Refused, Verified, check_secret, verify_token
from cableway.errors import UsageError
from cableway.wire.expulsions import TOKEN_EXPIRED, UNAUTHORIZED, Expulsion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cableway.gateway.connection import Request
    from cableway.gateway.options import GatewayOptions
    from cableway.types import JSONValue

_PARAM: Final = re.compile(r"[A-Za-z0-9_.~-]+")


@frozen
class TurnedAway:
    """What becomes of a client whose token does not let it in."""

    expulsion: Expulsion | None
    """What it is told; ``None``: nothing, its line is closed with 1011."""
    why: str
    """For the log; holds nothing of the token."""


@frozen
class TokenRule:
    """Decides about clients by their tokens."""

    param: str
    secret: str | None = field(default=None, repr=False)
    enforced: bool = False

    def judge(self, request: Request, now: float) -> Verified | TurnedAway | None:
        """Tell who the client is, or that it is turned away; ``None`` leaves it to what else there is.

        The token counts at the Unix time *now*; nobody looks at it again while the session lasts, as in AnyCable.
        """
        if self.secret is None:
            return None
        token = find_token(request, self.param)
        if token is None:
            return TurnedAway(UNAUTHORIZED, "it has no token, and enforce_jwt is set") if self.enforced else None
        match verify_token(token, self.secret, now):
            case Verified() as verified:
                return verified
            case Refused(Fault.EXPIRED, why):
                return TurnedAway(TOKEN_EXPIRED, why)
            case Refused(Fault.WITHOUT_EXT, why):
                return TurnedAway(None, why)
            case Refused(_, why):
                return TurnedAway(UNAUTHORIZED, why)


def token_rule(options: GatewayOptions) -> TokenRule:
    """Build the rule from the options.

    Raises:
        UsageError: The options do not fit each other.
    """
    secret = options.token_secret
    if secret is not None:
        check_secret(secret)
    for name in ("enforce_jwt", "token_path"):
        if getattr(options, name) and secret is None:
            msg = f"{name} needs a secret that tokens are signed with: give jwt_secret, or secret"
            raise UsageError(msg)
    if not _PARAM.fullmatch(options.jwt_param):
        msg = f"jwt_param={options.jwt_param!r} cannot name a header: use letters, digits and dashes"
        raise UsageError(msg)
    return TokenRule(options.jwt_param, secret, options.enforce_jwt)


def is_weak(options: GatewayOptions) -> bool:
    """Tell whether tokens matter here, and are signed with a secret that one of them could give away."""
    secret = options.token_secret
    counts = options.jwt_secret or options.enforce_jwt or options.token_path
    return bool(secret and counts) and len((secret or "").encode("utf-8", "surrogatepass")) < SHORTEST_SECRET["HS256"]


def find_token(request: Request, param: str) -> str | None:
    """Return the token of *request*: that of the header, else of a subprotocol, else of the query."""
    return (
        request.headers.get(f"x-{param}")
        or _offered(request.headers.get("Sec-WebSocket-Protocol", ""))
        or request.query.get(param)
        or None
    )


def _offered(offer: str) -> str | None:
    names = (name.strip() for name in offer.split(","))
    return next((name.removeprefix(SUBPROTOCOL_PREFIX) for name in names if name.startswith(SUBPROTOCOL_PREFIX)), None)


def read_identifiers(text: str) -> dict[str, JSONValue]:
    """Read the identifiers that a token gave as text; nothing where they are no JSON object."""
    try:
        found: Mapping[str, JSONValue] | None = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return dict(found) if isinstance(found, dict) else {}
