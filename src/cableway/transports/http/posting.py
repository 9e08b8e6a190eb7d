"""Requests over httpx2, and what became of them."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Final

from cableway.auth.providers.discretion import discreet
from cableway.transports.captive import SIGN_IN_DUE, find_portal, is_page
from cableway.transports.websocket.response import LONGEST_BODY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping
    from contextlib import AbstractAsyncContextManager
    from http.cookiejar import CookieJar

    import httpx2

    from cableway.errors import CaptivePortal
    from cableway.transports.http.way import Way
    from cableway.transports.websocket.proxy import ProxyAddress

PAGE_WAIT: Final = 1.0
"""Seconds for a page to come: it only helps to explain."""

STALL: Final = 10.0
"""Seconds in which the next part of a request must be written."""

_OWN: Final = {"accept-encoding": "identity", "user-agent": "cableway"}

_TYPE: Final = {"content-type": "text/plain; charset=utf-8"}
"""That which browsers send with such a body: what stands on the way has seen it before."""


class Unsent(Exception):
    """The request did not reach the server; ``__cause__`` tells why."""


class Broken(Exception):
    """The request was sent, at least in part, and no whole answer came; ``__cause__`` tells why, if anything does."""

    received: bytes = b""
    """What came in place of an answer."""


class Answer:
    """A response whose head has come."""

    def __init__(self, response: httpx2.Response) -> None:
        self.status: int = response.status_code
        self.headers: dict[str, str] = {name.lower(): value for name, value in response.headers.items()}
        """Names in lower case."""
        self._chunks = response.aiter_raw()
        self._looked_at: deque[bytes] = deque()

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
        if self._looked_at:
            return self._looked_at.popleft()
        with discreet(), _told():
            return await anext(self._chunks, None)

    async def portal(self, url: str) -> CaptivePortal | None:
        """Return what to raise if this came from a captive portal; the body can still be read if not.

        Raises:
            Broken: It was cut before that could be told.
        """
        if self.taken and "content-type" not in self.headers:
            # Some portals do not say that they send a page: how it starts does.
            chunk = await self.chunk()
            self._looked_at.extend([] if chunk is None else [chunk])
        if self.status == SIGN_IN_DUE or is_page(self.headers, b"".join(self._looked_at)):
            await self._read_page()
        return find_portal(url, self.status, self.headers, b"".join(self._looked_at))

    async def _read_page(self) -> None:
        """Read the first few kilobytes, or what of them comes within a second: they may name the portal."""
        size, unread = 0, list(self._looked_at)
        self._looked_at.clear()
        with suppress(TimeoutError, Broken):
            async with asyncio.timeout(PAGE_WAIT):
                while size < LONGEST_BODY and (chunk := await self.chunk()) is not None:
                    unread.append(chunk)
                    size += len(chunk)
        self._looked_at.extend(unread)


class Poster:
    """Sends the requests of one line, over a connection that is kept, with the cookies that the server sets."""

    def __init__(self, way: Way, cookies: CookieJar, *, crowd: bool = False) -> None:
        import httpx2

        from cableway.transports.http.streams import Carriage

        # Each request of a crowd stays for as long as the line does.
        self._carriage = Carriage(way.route, connections=None if crowd else 10)
        self._way = way
        self._client = httpx2.AsyncClient(
            cookies=cookies, transport=self._carriage, trust_env=False, follow_redirects=False
        )

    @property
    def passed_on_by(self) -> ProxyAddress | None:
        """The proxy that takes the requests, and answers for the server, where one does."""
        return self._way.route.proxy if self._way.route.forwarded else None

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
            timeout=httpx2.Timeout(answer_within, connect=None, write=STALL),
            extensions={"target": target},
        )
        if given:
            request.headers["cookie"] = merged_cookies(given, request.headers.get("cookie", ""))
        try:
            with discreet(), _told():
                response = await self._client.send(request, stream=True)
        except Broken as broken:
            latest = self._carriage.network.latest
            broken.received = (latest and latest.start) or b""
            raise
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
    import httpcore2
    import httpx2

    from cableway.transports.http.streams import NotReached

    try:
        yield
    except NotReached as carrier:
        raise Unsent from carrier.error
    except httpcore2.PoolTimeout as error:
        raise Unsent from error
    except (
        httpcore2.TimeoutException,
        httpcore2.NetworkError,
        httpcore2.ProtocolError,
        httpx2.HTTPError,
        httpx2.StreamError,
        OSError,
    ) as error:
        raise Broken from error
