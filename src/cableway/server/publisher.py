"""Publishing over HTTP, to Cableway's gateway and to AnyCable alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit, urlunsplit

from attrs import field, frozen

from cableway.address import check_url
from cableway.auth.signing import broadcast_key
from cableway.errors import InvalidPayload, InvalidURL, PublishFailed, UsageError
from cableway.types import Seconds, to_seconds
from cableway.wire.codecs.json import dump_text

if TYPE_CHECKING:
    import ssl as ssl_module
    from collections.abc import Iterable, Mapping
    from types import TracebackType

    import httpx2

    from cableway.types import JSONValue

BROADCAST_PATH = "/_broadcast"

_HINTS = {
    401: "the key or secret is missing or wrong: give secret= (the server's own) or key= (its broadcast key)",
    403: "the server forbids it: is this the right port for publications?",
    404: "nothing takes publications there: give the address of the server, or the full one of its broadcast path",
    405: "nothing takes publications there: give the address of the server, or the full one of its broadcast path",
    413: "the publication is too large for the server, or for a proxy before it",
    422: "the server could not read the publication",
    501: "the server's broker could not take it, or this is no Action Cable server: check the address, then try again",
}


class Publisher:
    """Publishes from a back end, over one kept connection.

    ::

        async with Publisher("wss://example.com/cable", secret=secret) as publisher:
            await publisher.publish("room/7", {"text": "hi"})

    Args:
        url: Where the server is; see :func:`broadcast_url` for what may be given.
        secret: The server's one secret, from which the broadcast key is derived.
        key: The broadcast key itself, in place of the secret. With neither, none is sent: right for public servers.
        timeout: Limit for each request.
        ssl: TLS settings of your own; by default the certificate is checked against the usual authorities.

    Raises:
        InvalidURL: The address cannot be used.
        UsageError: Both a secret and a key are given, or one is empty.
    """

    def __init__(
        self,
        url: str,
        *,
        secret: str | None = None,
        key: str | None = None,
        timeout: Seconds = 5.0,
        ssl: ssl_module.SSLContext | None = None,
    ) -> None:
        self._target = _target(url, secret, key, timeout, ssl)
        self._client: httpx2.AsyncClient | None = None

    def __repr__(self) -> str:
        return f"Publisher({self._target.url!r})"

    async def publish(self, stream: str, data: JSONValue, *, exclude: str | None = None) -> None:
        """Publish *data*, any JSON value, to all who listen to *stream*.

        Returns when the server took it, which says nothing of who got it. On AnyCable ``None`` arrives as the text
        ``"null"``, and integers beyond 2**53 lose digits.

        Args:
            stream: The name of the stream.
            data: Any JSON value.
            exclude: The session id of the one client that shall not get it.

        Raises:
            InvalidPayload: *data* cannot be written as JSON, or the stream has no name.
            PublishFailed: The server did not take it; its text and ``retryable`` tell what can be done.
        """
        await self._post(_publication(stream, data, exclude))

    async def publish_batch(self, publications: Iterable[tuple[str, JSONValue]]) -> None:
        """Publish pairs of stream and data at once, in this order; for errors see :meth:`publish`."""
        batch = [_publication(stream, data, None) for stream, data in publications]
        if batch:
            await self._post(batch)

    async def disconnect(self, identifier: str | Mapping[str, JSONValue], *, reconnect: bool = False) -> None:
        """End the sessions of the client with these identifiers; for errors see :meth:`publish`.

        AnyCable 1.6.16 ends one session a call, Cableway's gateway ends all.

        Args:
            identifier: The connection's identifiers. A str is sent as it is, and must equal the server's text byte for
                byte; a mapping is written compactly, as Rails writes it.
            reconnect: Whether the client is told to come back.
        """
        text = identifier if isinstance(identifier, str) else _json(dict(identifier))
        await self._post({"command": "disconnect", "payload": {"identifier": text, "reconnect": reconnect}})

    async def aclose(self) -> None:
        """Close the connection. The next call opens a new one."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _post(self, body: JSONValue) -> None:
        import httpx2

        if self._client is None:
            self._client = httpx2.AsyncClient(**self._target.client_options())
        try:
            response = await self._client.post(self._target.url, content=_json(body))
        except httpx2.HTTPError as error:
            raise _unreachable(self._target.url, error) from error
        _check(self._target.url, response)


def publish(
    url: str,
    stream: str,
    data: JSONValue,
    *,
    secret: str | None = None,
    key: str | None = None,
    timeout: Seconds = 5.0,
    ssl: ssl_module.SSLContext | None = None,
) -> None:
    """Publish once, for code without asyncio; see :class:`Publisher` for the arguments and errors."""
    import httpx2

    target = _target(url, secret, key, timeout, ssl)
    body = _json(_publication(stream, data, None))
    try:
        with httpx2.Client(**target.client_options()) as client:
            response = client.post(target.url, content=body)
    except httpx2.HTTPError as error:
        raise _unreachable(target.url, error) from error
    _check(target.url, response)


def broadcast_url(url: str) -> str:
    """Tell where publications for the server at *url* are posted.

    - ``ws`` and ``wss`` become ``http`` and ``https``.
    - No path, or one that ends in ``/cable``: that end becomes ``/_broadcast`` (``wss://example.com/cable`` and
      ``https://example.com`` are both ``https://example.com/_broadcast``).
    - Any other path of a ``ws`` address: its last part becomes ``_broadcast``.
    - Any other path of an ``http`` address is taken as it stands.
    - Query and fragment are left out: they belong to the client's line, and may hold its token.

    Raises:
        InvalidURL: It cannot be dialled, or holds a user or password.
    """
    parts = urlsplit(check_url(url))
    if "@" in parts.netloc:
        raise InvalidURL(url, "it holds a user or password, and publications are authorised by secret= or key=")
    dialled = parts.scheme.lower()
    scheme = {"ws": "http", "wss": "https"}.get(dialled, dialled)
    path = parts.path.rstrip("/")
    if not path or path.endswith("/cable") or dialled in {"ws", "wss"}:
        path = path.rpartition("/")[0] + BROADCAST_PATH
    return urlunsplit((scheme, parts.netloc, path, "", ""))


@frozen
class _Target:
    """Where to post, and with what."""

    url: str
    headers: dict[str, str] = field(repr=False)
    timeout: float
    ssl: ssl_module.SSLContext | None

    def client_options(self) -> dict[str, Any]:
        tls = True if self.ssl is None else self.ssl
        return {"headers": self.headers, "timeout": self.timeout, "verify": tls, "follow_redirects": False}


def _target(
    url: str, secret: str | None, key: str | None, timeout: Seconds, ssl: ssl_module.SSLContext | None
) -> _Target:
    if secret is not None and key is not None:
        msg = "secret= and key= are two ways to say the same: give one of them"
        raise UsageError(msg)
    if key is not None and not (key.isascii() and key.isprintable() and key.strip()):
        msg = "key= is empty, or holds characters that a header cannot carry"
        raise UsageError(msg)
    bearer = key if secret is None else broadcast_key(secret)
    headers = {"Content-Type": "application/json"}
    if bearer is not None:
        headers["Authorization"] = f"Bearer {bearer}"
    return _Target(broadcast_url(url), headers, to_seconds(timeout, "timeout"), ssl)


def _publication(stream: str, data: JSONValue, exclude: str | None) -> dict[str, JSONValue]:
    if not isinstance(stream, str) or not stream:
        msg = f"stream={stream!r} is no stream: give a non-empty string"
        raise InvalidPayload(msg)
    # Data is JSON within JSON: what is published as bare text, servers would try to read as JSON.
    publication: dict[str, JSONValue] = {"stream": stream, "data": _json(data)}
    if exclude is not None:
        publication["meta"] = {"exclude_socket": exclude}
    return publication


def _json(value: JSONValue) -> str:
    try:
        text = dump_text(value)
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        msg = f"the data cannot be written as JSON ({error}): use strings, numbers, lists, dicts"
        raise InvalidPayload(msg) from error
    return text


def _unreachable(url: str, error: httpx2.HTTPError) -> PublishFailed:
    return PublishFailed(
        url, f"the server did not answer ({type(error).__name__}); is it running, and is this its port?"
    )


def _check(url: str, response: httpx2.Response) -> None:
    status = response.status_code
    # 201 and nothing else: a web page that happens to live there answers 200.
    if status == 201:
        return
    hint = _HINTS.get(status)
    if hint is None:
        hint = "the server is in trouble; try again" if status >= 500 else "that is no server that takes publications"
    raise PublishFailed(url, f"HTTP {status}: {hint}", status=status, retryable=status >= 500 or status == 429)
