"""Requests over httpx2, and what became of them. The only place that knows that library."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final

from cableway.auth.providers.discretion import discreet
from cableway.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping
    from contextlib import AbstractAsyncContextManager
    from http.cookiejar import CookieJar

    import httpx2

    from cableway.transports.http.way import Way

STALL: Final = 10.0
"""Seconds in which the next part of a request must be written."""

_OWN: Final = {"accept-encoding": "identity", "user-agent": "cableway"}

_TYPE: Final = {"content-type": "text/plain; charset=utf-8"}
"""That which browsers send with such a body: what stands on the way has seen it before."""


class Unsent(Exception):
    """The request did not reach the server; ``__cause__`` tells why."""


class Broken(Exception):
    """The request was sent, at least in part, and no whole answer came; ``__cause__`` tells why, if anything does."""


class Answer:
    """A response whose head has come."""

    def __init__(self, response: httpx2.Response) -> None:
        self.status: int = response.status_code
        self.headers: dict[str, str] = {name.lower(): value for name, value in response.headers.items()}
        """Names in lower case."""
        self._chunks = response.aiter_raw()

    @property
    def taken(self) -> bool:
        """Whether the server took the request."""
        return 200 <= self.status < 300

    @property
    def readable(self) -> bool:
        """Whether the body came as it was asked for. A few compressed bytes can be a gigabyte."""
        return self.headers.get("content-encoding", "").strip().lower() in {"", "identity"}

    async def chunk(self) -> bytes | None:
        """Return what came next of the body; ``None`` at its end.

        Raises:
            Broken: It ended before it was whole.
        """
        with discreet(), _told():
            return await anext(self._chunks, None)


class Poster:
    """Sends the requests of one line, over a connection that is kept, with the cookies that the server sets."""

    def __init__(self, way: Way, cookies: CookieJar, *, crowd: bool = False) -> None:
        import httpx2

        near = way.address.near
        options: dict[str, Any] = {"trust_env": way.proxy is True and not near, "follow_redirects": False}
        if isinstance(way.proxy, str):
            options["proxy"] = way.proxy
        if crowd:
            # Each request of a crowd stays for as long as the line does.
            options["limits"] = httpx2.Limits(max_connections=None, max_keepalive_connections=20)
        self._way = way
        try:
            self._client = httpx2.AsyncClient(cookies=cookies, verify=way.ssl or False, **options)
        except (ImportError, ValueError):
            # Such texts may quote the address of the proxy, with its password.
            msg = (
                "plain requests go through HTTP proxies alone, and the one that is set is of another kind: proxy=None?"
            )
            raise UsageError(msg) from None

    def post(
        self, body: bytes, headers: Mapping[str, str], answer_within: float | None
    ) -> AbstractAsyncContextManager[Answer]:
        """Send a request and give the answer once its head has come. Cancelled, it drops the connection.

        Raises:
            Unsent: It did not reach the server.
            Broken: What became of it is not known.
        """
        return self._ask("POST", self._way.address.target, body, {**_TYPE, **headers}, answer_within)

    def get(
        self, query: str, headers: Mapping[str, str], answer_within: float | None
    ) -> AbstractAsyncContextManager[Answer]:
        """Send a request that has no body, *query* standing before what the address asks for; else as :meth:`post`."""
        path, _, rest = self._way.address.target.partition(b"?")
        target = b"?".join((path, b"&".join(filter(None, (query.encode(), rest)))))
        return self._ask("GET", target, None, headers, answer_within)

    @asynccontextmanager
    async def _ask(
        self, method: str, target: bytes, body: bytes | None, headers: Mapping[str, str], answer_within: float | None
    ) -> AsyncIterator[Answer]:
        import httpx2

        sent = {**self._way.headers, **_OWN, **headers}
        given = sent.pop("cookie", "")
        request = self._client.build_request(
            method,
            self._way.address.bare,
            content=body,
            headers=sent,
            timeout=httpx2.Timeout(answer_within, connect=self._way.connect_timeout, write=STALL),
            extensions={"target": target},
        )
        if given:
            request.headers["cookie"] = merged_cookies(given, request.headers.get("cookie", ""))
        with discreet(), _told():
            response = await self._client.send(request, stream=True)
        try:
            yield Answer(response)
        finally:
            with discreet():
                await response.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        with discreet():
            await self._client.aclose()


def merged_cookies(given: str, kept: str) -> str:
    """Return the cookies that the user gave, and those that the server has set; of one name, the server's own."""
    own = [pair.strip() for pair in kept.split(";") if pair.strip()]
    names = {pair.partition("=")[0] for pair in own}
    theirs = [pair.strip() for pair in given.split(";")]
    return "; ".join([*(pair for pair in theirs if pair and pair.partition("=")[0] not in names), *own])


@contextmanager
def _told() -> Iterator[None]:
    import httpx2

    try:
        yield
    except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError) as error:
        raise Unsent from error
    except (httpx2.HTTPError, httpx2.StreamError, OSError) as error:
        raise Broken from error
