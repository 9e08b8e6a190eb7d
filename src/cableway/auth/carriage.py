"""How a token travels: in a header, in the query, or as a subprotocol. The same for each transport."""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, Final

from attrs import field, frozen

from cableway.address import with_params
from cableway.auth.token import Token
from cableway.errors import InvalidHeader, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

SUBPROTOCOL_PREFIX: Final = "anycable-token."
"""What AnyCable knows a token among the subprotocols by, whatever its parameter is called."""

_WORD: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""What names of headers and subprotocols are made of (RFC 9110 section 5.6.2)."""

_OWN: Final = frozenset({"host", "connection", "upgrade", "content-length", "transfer-encoding", "cookie", "origin"})


class Way(Enum):
    """The ways that a token can take."""

    HEADER = "header"
    QUERY = "query"
    SUBPROTOCOL = "subprotocol"


@frozen
class TokenCarriage:
    """How a token travels. Made by :func:`in_header`, :func:`in_query` and :func:`in_subprotocol`."""

    way: Way
    name: str = ""
    """Of the header or the parameter."""
    scheme: str = ""
    """What stands before the token in the header, such as ``Bearer``."""


@frozen
class Parts:
    """Those parts of a request in which a token can travel. May hold secrets."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(factory=dict, repr=False)
    subprotocols: tuple[str, ...] = field(default=(), repr=False)


def in_header(name: str = "x-jid", scheme: str = "") -> TokenCarriage:
    """Send the token in the header *name*, after the word *scheme* if one is given: ``in_header("Authorization",
    "Bearer")``.

    AnyCable's header is ``x-`` and the name of its parameter, which is ``jid`` unless the server is told otherwise.

    Raises:
        InvalidHeader: No header may be called so, or the handshake sets it itself.
    """  # noqa: D205 - the example belongs to the first sentence
    if not isinstance(name, str) or not _WORD.fullmatch(name):
        msg = "a token's header needs a name of letters, digits and hyphens"
        raise InvalidHeader(msg)
    if name.lower() in _OWN or name.lower().startswith("sec-websocket-"):
        msg = f"the header {name} has a meaning of its own and cannot carry a token"
        raise InvalidHeader(msg)
    if not isinstance(scheme, str) or (scheme and not _WORD.fullmatch(scheme)):
        msg = "the scheme before a token is one word, such as Bearer"
        raise InvalidHeader(msg)
    return TokenCarriage(Way.HEADER, name, scheme)


def in_query(name: str = "jid") -> TokenCarriage:
    """Send the token as the query parameter *name*. Addresses end up in logs of servers and proxies: prefer a header.

    Raises:
        UsageError: The name is empty or no string.
    """
    if not isinstance(name, str) or not name or not name.isprintable():
        msg = "a token's query parameter needs a name, such as jid"
        raise UsageError(msg)
    return TokenCarriage(Way.QUERY, name)


def in_subprotocol() -> TokenCarriage:
    """Offer the token as one more subprotocol, ``anycable-token.<token>``, after the real ones."""
    return TokenCarriage(Way.SUBPROTOCOL)


def carry(carriage: TokenCarriage, parts: Parts, token: Token | str) -> Parts:
    """Return *parts* with *token* in them. One that travels there already is replaced.

    Raises:
        UsageError: The token cannot travel at all, or not that way.
    """
    value = (token if isinstance(token, Token) else Token(token)).value
    if carriage.way is Way.QUERY:
        return Parts(with_params(parts.url, {carriage.name: value}), parts.headers, parts.subprotocols)
    if carriage.way is Way.HEADER:
        name = carriage.name
        others = {key: text for key, text in parts.headers.items() if key.lower() != name.lower()}
        return Parts(parts.url, {**others, name: f"{carriage.scheme} {value}".strip()}, parts.subprotocols)
    if not _WORD.fullmatch(value):
        msg = (
            "the token holds what a subprotocol cannot: only letters, digits and !#$%&'*+.^_`|~- may be in it. Send it "
            "in a header instead: in_header()"
        )
        raise UsageError(msg)
    real = tuple(offered for offered in parts.subprotocols if not offered.startswith(SUBPROTOCOL_PREFIX))
    return Parts(parts.url, parts.headers, (*real, SUBPROTOCOL_PREFIX + value))
