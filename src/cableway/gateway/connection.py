"""Who is at the other end: the request that opened a session, and the decision to let it in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from attrs import field, frozen

from cableway.wire.codecs.json import dump_text
from cableway.wire.expulsions import Expulsion, closed_remotely

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cableway.types import JSONValue


@frozen
class Request:
    """The HTTP request that opened a session. Its text shows no secrets."""

    sid: str = field(repr=False)
    """The session's id: drawn at random, or the request's ``X-Request-ID``."""
    url: str = field(repr=False)
    """The whole address that was asked for, its query included."""
    host: str
    path: str
    query: Mapping[str, str] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    """Names in any case: ``headers["x-api-token"]``."""
    cookies: Mapping[str, str] = field(repr=False)
    remote: str | None = None
    """The address of the peer: a proxy's, where there is one."""


def last_of(query: Mapping[str, str], name: str) -> str:
    """Return the value of *name*, the last where it is given more than once; empty where it is not.

    So AnyCable reads what a session is to be like (``sid``, ``pi``, ``ptp``). Of tokens, and of what an event stream
    asks for, it takes the first.
    """
    return dict(query.items()).get(name, "")


class Outlet(Protocol):
    """What a connection needs of its session and gateway."""

    async def publish(self, stream: str, data: JSONValue, *, to_others: bool = False) -> None:
        """Publish to all listeners of *stream*, or to all but this session."""

    def expel(self, expulsion: Expulsion) -> None:
        """End the session."""


class Connection:
    """One client's session, shared by all its channels. Subclass it to decide who is let in.

    ::

        class TokenConnection(Connection):
            async def connect(self):
                user = await users.find(self.request.query.get("token"))
                if user is None:
                    self.reject()
                else:
                    self.identifiers["user_id"] = user.id

    With a ``jwt_secret`` (or ``secret``) the gateway looks for a token first. Who has a good one is let in by that
    alone: :meth:`connect` is not called, and :attr:`identifiers` and :attr:`claims` are those of the token.

    Free attributes are yours. An exception in :meth:`connect` turns the client away without a word (close code 1011),
    and the client will try again.
    """

    def __init__(self, request: Request, outlet: Outlet) -> None:
        self.request = request
        self.identifiers: dict[str, JSONValue] = {"sid": request.sid}
        """Who the client is; by exactly these it can be disconnected remotely. Set by :meth:`connect`, or by the
        client's token; else the session's id. Empty where the ``ext`` of a token is no JSON object: see then
        ``claims["ext"]``."""
        self.claims: Mapping[str, JSONValue] | None = None
        """What the client's token claims, verified; ``None`` if it was not let in by one."""
        self.rejected: bool = False
        """Whether :meth:`reject` was called."""
        self._outlet = outlet

    async def connect(self) -> None:
        """Decide whether to let the client in; the default does. Called once, before anything else."""

    async def disconnected(self) -> None:
        """Learn that the session is over. Called once, last, if the client was let in, be it by its token."""

    def reject(self) -> None:
        """Turn the client away, for good: it gets ``disconnect unauthorized``. Only within :meth:`connect`."""
        self.rejected = True

    async def broadcast(self, stream: str, data: JSONValue, *, to_others: bool = False) -> None:
        """Publish *data*, any JSON value, to all listeners of *stream*; with *to_others* not to this session."""
        await self._outlet.publish(stream, data, to_others=to_others)

    def disconnect(self, *, reconnect: bool = True) -> None:
        """End this session, its reason ``remote``; *reconnect* tells the client whether to come back."""
        self._outlet.expel(closed_remotely(reconnect=reconnect))


class TokensOnly(Connection):
    """Lets in nobody: for gateways where a token, or nothing, does."""

    async def connect(self) -> None:
        """Turn the client away."""
        self.reject()


def read_cookies(header: str) -> dict[str, str]:
    """Read a ``Cookie`` header, values whole, spaces and all; the first of a name wins."""
    cookies: dict[str, str] = {}
    for pair in header.split(";"):
        name, equals, value = pair.strip().partition("=")
        quoted = len(value) > 1 and value[0] == value[-1] == '"'
        if name and equals:
            cookies.setdefault(name, value[1:-1] if quoted else value)
    return cookies


def identifiers_text(identifiers: Mapping[str, JSONValue]) -> str:
    """Write identifiers as the text by which a remote disconnect finds them: compact JSON, keys in given order."""
    return dump_text(dict(identifiers))
