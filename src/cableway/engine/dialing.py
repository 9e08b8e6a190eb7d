"""Puts together what one dial needs, asking the user's functions anew each time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from attrs import frozen

from cableway.address import check_url, origin_of, with_params
from cableway.errors import CableError, InvalidHeader, SourceFailed, UsageError
from cableway.runtime import resolve
from cableway.transports.base import DialRequest

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping
    from random import Random

    from cableway.types import HeaderSource, MaybeAwaitable, ParamSource

T = TypeVar("T")


@frozen
class Dialing:
    """How to dial: fixed for a cable."""

    url: str | Sequence[str] | Callable[[], MaybeAwaitable[str]]
    headers: HeaderSource | None
    params: ParamSource | None
    origin: str | None
    ssl: ssl.SSLContext | None
    proxy: str | bool | None
    subprotocols: Sequence[str]
    timeout: float


def check_dialing(dialing: Dialing) -> None:
    """Refuse what could never be dialled, before anything is.

    Raises:
        InvalidURL: An address cannot be dialled.
        InvalidHeader: A fixed header or parameter is not a mapping of strings.
        UsageError: No address is given.
    """
    if not callable(dialing.url):
        for url in _listed(dialing.url):
            check_url(url)
    for name, source in (("headers", dialing.headers), ("params", dialing.params)):
        if source is not None and not callable(source):
            _check_strings(name, source)


def _listed(url: str | Sequence[str]) -> Sequence[str]:
    urls: Sequence[str] = [url] if isinstance(url, str) or not isinstance(url, Sequence) else url
    if not urls:
        msg = "url=[] names no address: give at least one"
        raise UsageError(msg)
    return urls


def _check_strings(name: str, mapping: Mapping[str, str]) -> dict[str, str]:
    try:
        pairs = dict(mapping)
    except (TypeError, ValueError):
        msg = f"{name} must be a mapping of strings, or a function that gives one; got {type(mapping).__name__}"
        raise InvalidHeader(msg) from None
    for key, value in pairs.items():
        if not isinstance(key, str) or not isinstance(value, str):
            # The value may be a secret: only its type is told.
            msg = f"{name}[{key!r}] is {type(value).__name__}: names and values are strings"
            raise InvalidHeader(msg)
    return pairs


class Dialer:
    """Makes a request for each dial. Several addresses are taken in turn, from a random order."""

    def __init__(self, dialing: Dialing, random: Random) -> None:
        check_dialing(dialing)
        self._dialing = dialing
        self._urls = [] if callable(dialing.url) else list(_listed(dialing.url))
        random.shuffle(self._urls)
        self._turn = 0
        self._last_url = self._urls[0] if self._urls else ""

    @property
    def address(self) -> str:
        """Where the last request went, or the next one goes. May hold secrets."""
        return self._last_url

    def failed(self) -> None:
        """The last request came to nothing: another address is next."""
        self._turn += 1

    async def request(self) -> DialRequest:
        """Put the next request together. Cancelling it has no effect but that.

        Raises:
            SourceFailed: A function that was asked has failed.
            InvalidURL: The ``url`` function gave something that cannot be dialled.
            InvalidHeader: The ``headers`` or ``params`` function gave something else than strings.
        """
        dialing = self._dialing
        if callable(dialing.url):
            url = check_url(await self._ask("url", dialing.url))
        else:
            url = self._urls[self._turn % len(self._urls)]
        self._last_url = url
        headers = await self._pairs("headers", dialing.headers)
        params = await self._pairs("params", dialing.params)
        return DialRequest(
            url=with_params(url, params),
            subprotocols=dialing.subprotocols,
            headers=headers,
            origin=dialing.origin or origin_of(url),
            ssl=dialing.ssl,
            proxy=dialing.proxy,
            timeout=dialing.timeout,
        )

    async def _pairs(self, name: str, source: HeaderSource | ParamSource | None) -> dict[str, str]:
        if source is None:
            return {}
        return _check_strings(name, await self._ask(name, source) if callable(source) else source)

    async def _ask(self, name: str, source: Callable[[], MaybeAwaitable[T]]) -> T:
        try:
            return await resolve(source())
        except CableError:
            raise
        except Exception as error:
            raise SourceFailed(self._last_url, name, error) from error
