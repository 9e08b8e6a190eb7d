"""A server that gives tokens over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import field, frozen

from cableway.auth.providers.discretion import discreet
from cableway.auth.providers.function import asked, checked_function
from cableway.auth.providers.reading import EndKind, Layout, Place
from cableway.auth.providers.request import Body, Endpoint, checked_cookies, checked_headers, form_body, json_body
from cableway.auth.providers.response import LARGEST_ANSWER, Answer, check_answer, too_large
from cableway.errors import UsageError
from cableway.errors.tokens import TokenUnavailable
from cableway.redact import printable, redact_text
from cableway.types import HeaderSource, JSONValue, MaybeAwaitable, Seconds, to_seconds

if TYPE_CHECKING:
    import ssl as ssl_module
    from collections.abc import Callable

    import httpx2

    from cableway.auth.token import Token

FormData: TypeAlias = Mapping[str, str] | str | bytes
"""What ``data=`` takes: the fields of a form, or a body as it is."""


class EndpointToken:
    """Asks a server for each token, with one HTTP request.

    ::

        EndpointToken("https://example.com/cable/token", headers={"Authorization": "Bearer ..."})
        EndpointToken(
            "https://id.example.com/oauth/token",
            data={"grant_type": "refresh_token", "refresh_token": "..."},
            value="access_token",
            life="expires_in",
        )

    Each of *value*, *expires*, *life* and *expires_at* names a place in the answer: a dotted path into its JSON, such
    as ``"data.token"`` or ``"tokens.0.value"``, or ``"header:X-Token"``. With none of the last three, the end is looked
    for beside the token, as ``expires_in``, ``expires_at`` or ``exp``; then in the token itself, if that is a JWT. The
    life is reckoned by the server's own clock (its ``Date`` header), so that a wrong clock here does no harm.

    Cookies that the server sets are sent back in later calls. Redirects are not followed. The environment's proxies are
    used, but not for loopback addresses.

    Args:
        url: Whom to ask. ``https``; or ``http`` on loopback, or anywhere with *allow_insecure*.
        method: How to ask.
        headers: To be sent along, or a plain or async function that gives them anew for each request.
        json: The body, as JSON; or a function that gives it.
        data: The body as a form, or as it is; or a function that gives it.
        value: Where the token stands.
        expires: Where its end stands: a number below 10⁹ is its life in seconds, one above a Unix time; text is a
            number, or a date as of ISO 8601 with a time zone.
        life: Where its life in seconds stands, whatever its size.
        expires_at: Where its end stands, as Unix seconds or as a date.
        cookies: To begin with; the server may change them.
        timeout: Limit for each request, from first to last, your functions included.
        ssl: TLS settings of your own; by default the certificate is checked against the usual authorities.
        allow_insecure: Fetch over plain ``http`` from other machines: anybody on the way may read the token.

    Raises:
        InvalidURL: The address cannot be used, or is not safe enough.
        InvalidHeader: A fixed header or cookie cannot go on the wire.
        UsageError: Another argument makes no sense.
    """

    renewable: bool = True

    def __init__(
        self,
        url: str,
        *,
        method: str = "POST",
        headers: HeaderSource | None = None,
        json: JSONValue | Callable[[], MaybeAwaitable[JSONValue]] = None,
        data: FormData | Callable[[], MaybeAwaitable[FormData]] | None = None,
        value: str = "token",
        expires: str | None = None,
        life: str | None = None,
        expires_at: str | None = None,
        cookies: Mapping[str, str] | None = None,
        timeout: Seconds = 10.0,
        ssl: ssl_module.SSLContext | None = None,
        allow_insecure: bool = False,
    ) -> None:
        endpoint = Endpoint.of(url, method, allow_insecure=allow_insecure)
        self.label: str = endpoint.shown
        self._question = _Question(endpoint, _headers_of(headers), _body_of(json, data))
        self._layout = Layout(Place.of("value", value), *_end_of(expires, life, expires_at))
        self._timeout = _positive("timeout", timeout)
        self._session = _Session(endpoint, checked_cookies(cookies or {}), ssl)

    def __repr__(self) -> str:
        return f"EndpointToken({self.label!r})"

    async def fetch(self) -> Token:
        """Ask the server. Cancelled, it leaves no socket open.

        Raises:
            TokenUnavailable: It did not give one in time; ``status`` tells its HTTP status, where it answered, and
                ``retry_after`` how long it wants to be left alone.
            Unauthorized: A function of yours has raised this.
        """
        try:
            async with asyncio.timeout(self._timeout):
                headers, body = await self._question.ask(self.label)
                answer = await self._session.send(self.label, headers, body)
        except TimeoutError:
            raise TokenUnavailable(self.label, f"no whole answer within {self._timeout:g} s") from None
        return answer.token(self.label, self._layout)


HeaderFunction: TypeAlias = "Callable[[], MaybeAwaitable[Mapping[str, str]]]"
BodyFunction: TypeAlias = "Callable[[], MaybeAwaitable[Any]]"


@frozen
class _BodySource:
    """A body, or a function that gives what is written as one."""

    write: Callable[[Any], Body]
    fixed: Body | None = field(default=None, repr=False)
    function: BodyFunction | None = None

    @classmethod
    def of(cls, option: str, given: Any, write: Callable[[Any], Body]) -> _BodySource:
        if callable(given):
            return cls(write, function=checked_function(f"{option}=", given))
        return cls(write, fixed=write(given))


@frozen
class _Question:
    """What is asked: what is fixed of it, and the user's functions for the rest."""

    endpoint: Endpoint
    headers: dict[str, str] | HeaderFunction = field(repr=False)
    body: _BodySource = field(repr=False)

    async def ask(self, label: str) -> tuple[dict[str, str], bytes]:
        """Return the headers and the body of one request."""
        given: Any = self.headers
        if callable(given):
            given = await asked(label, given, "the headers function")
        body = self.body.fixed
        if self.body.function is not None:
            body = _taken(
                label, self.body.write, await asked(label, self.body.function, "the function that gives the body")
            )
        body = body or Body()
        return {**self.endpoint.headers, **body.headers, **_taken(label, checked_headers, given)}, body.content


def _taken(label: str, check: Callable[[Any], Any], given: Any) -> Any:
    try:
        return check(given)
    except UsageError as error:
        raise TokenUnavailable(label, str(error)) from None


class _Session:
    """Sends requests, and keeps cookies from one to the next. It holds no socket in between, and no event loop."""

    def __init__(self, endpoint: Endpoint, cookies: dict[str, str], ssl: ssl_module.SSLContext | None) -> None:
        self._endpoint = endpoint
        self._seeds = cookies
        self._cookies: httpx2.Cookies | None = None
        self._ssl = ssl

    async def send(self, label: str, headers: dict[str, str], content: bytes) -> Answer:
        import httpx2

        try:
            with discreet():
                return await self._send(label, headers, content)
        except TokenUnavailable:
            raise
        except httpx2.ConnectError as error:
            # What the system says of a connection that was never made: nothing was sent, nothing was received.
            raise TokenUnavailable(label, f"no connection: {printable(redact_text(str(error)))}") from None
        except Exception as error:  # noqa: BLE001 - whatever a library raises on what a server sends; it may quote that
            raise TokenUnavailable(label, f"the request failed with {type(error).__name__}") from None

    async def _send(self, label: str, headers: dict[str, str], content: bytes) -> Answer:
        import httpx2

        endpoint = self._endpoint
        # What is compressed could not be judged, and between two renewals no line is worth keeping.
        sent = {**headers, "accept-encoding": "identity", "connection": "close"}
        asked: dict[str, Any] = {"headers": sent, "content": content, "extensions": {"target": endpoint.target}}
        async with (
            httpx2.AsyncClient(**self._options()) as client,
            client.stream(endpoint.method, endpoint.url, **asked) as response,
        ):
            self._keep(client.cookies, response.cookies)
            lower = {name.lower(): value for name, value in response.headers.items()}
            check_answer(label, response.status_code, lower)
            return Answer(lower, await _body(label, response))

    def _options(self) -> dict[str, Any]:
        import httpx2

        if self._cookies is None:
            self._cookies = httpx2.Cookies(self._seeds)
        if self._ssl is None:
            # Reading the usual authorities takes a while: once is enough. Without TLS there is nothing to check.
            self._ssl = httpx2.create_ssl_context(self._endpoint.url.startswith("https:"))
        # The limit is for the whole; for each step alone, a server could spin it out for ever.
        return {
            "verify": self._ssl,
            "cookies": self._cookies,
            "timeout": None,
            "follow_redirects": False,
            "trust_env": not self._endpoint.near,
        }

    def _keep(self, cookies: httpx2.Cookies, fresh: httpx2.Cookies) -> None:
        for name in {cookie.name for cookie in fresh.jar} & self._seeds.keys():
            # The server's own takes the place of the one that we began with.
            cookies.delete(name, domain="", path="/")
            del self._seeds[name]
        self._cookies = cookies


async def _body(label: str, response: httpx2.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > LARGEST_ANSWER:
            raise too_large(label)
    return bytes(body)


def _headers_of(given: HeaderSource | None) -> dict[str, str] | HeaderFunction:
    return checked_function("headers=", given) if callable(given) else checked_headers(given or {})


def _body_of(json: Any, data: Any) -> _BodySource:
    if json is not None and data is not None:
        msg = "json= and data= are two bodies for one request: give one of them"
        raise UsageError(msg)
    if json is not None:
        return _BodySource.of("json", json, json_body)
    return _BodySource.of("data", data if data is not None else b"", form_body)


def _end_of(expires: str | None, life: str | None, expires_at: str | None) -> tuple[Place | None, EndKind]:
    options = (("expires", expires, EndKind.EITHER), ("life", life, EndKind.LIFE))
    given = [option for option in (*options, ("expires_at", expires_at, EndKind.MOMENT)) if option[1] is not None]
    if len(given) > 1:
        msg = f"{given[0][0]}= and {given[1][0]}= both tell the token's end: give one of them"
        raise UsageError(msg)
    for name, text, kind in given:
        return Place.of(name, text or ""), kind
    return None, EndKind.EITHER


def _positive(name: str, value: Seconds) -> float:
    seconds = to_seconds(value, name)
    if seconds == 0:
        msg = f"{name}={value!r} leaves no time at all: give more than 0 s"
        raise UsageError(msg)
    return seconds
