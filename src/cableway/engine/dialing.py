"""Puts together what one dial needs, asking the user's functions anew each time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from attrs import field, frozen

from cableway.address import check_url, origin_of, with_params
from cableway.errors import ConnectError, InvalidHeader, SourceFailed, Unauthorized, UnsupportedProtocol, UsageError
from cableway.policies.endpoints import Endpoints
from cableway.runtime import resolve
from cableway.transports.base import DialRequest

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping
    from random import Random

    from cableway.engine.negotiation import Negotiation
    from cableway.transports.base import Connection
    from cableway.types import HeaderSource, MaybeAwaitable, ParamSource
    from cableway.wire.subprotocols import Subprotocol

T = TypeVar("T")
R = TypeVar("R")

UNKNOWN_ADDRESS = "(the address that the url function gives)"
"""What to show before that function was asked."""


@frozen
class Dialing:
    """How to dial: fixed for a cable. What may hold secrets is not shown."""

    url: str | Sequence[str] | Callable[[], MaybeAwaitable[str]] = field(repr=False)
    shuffle: bool
    headers: HeaderSource | None = field(repr=False)
    params: ParamSource | None = field(repr=False)
    origin: str | None
    ssl: ssl.SSLContext | None
    proxy: str | bool | None = field(repr=False)
    timeout: float
    """Seconds for each step of a dial, the user's functions included."""


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
    """Makes a request for each dial. Of several addresses a healthy one is taken."""

    def __init__(self, dialing: Dialing, random: Random) -> None:
        check_dialing(dialing)
        self._dialing = dialing
        self.endpoints: Endpoints | None = None
        """The addresses and their health; ``None`` where a function gives the address."""
        self._address = UNKNOWN_ADDRESS
        if not callable(dialing.url):
            self.endpoints = Endpoints(_listed(dialing.url), random, shuffle=dialing.shuffle)
            self._address = self.endpoints.current

    @property
    def address(self) -> str:
        """Where the present dial goes, or the last one went. May hold secrets."""
        return self._address

    def turn(self, now: float) -> str:
        """Choose the address of the next dial, as far as that is known before a function is asked; return it."""
        if self.endpoints is not None:
            self._address = self.endpoints.pick(now)
        return self._address

    async def locate(self) -> str:
        """Return the address to dial. Cancelling it has no effect but that.

        Raises:
            SourceFailed: The function that gives it has failed, took too long, or gave something that is no use.
            Unauthorized: That function has raised this, to say that dialling on is no use.
        """
        if callable(self._dialing.url):
            self._address = await self._ask("url", self._dialing.url, check_url)
        return self._address

    async def request(self, offer: Sequence[str], more: Mapping[str, str] | None = None) -> DialRequest:
        """Put the request together, offering *offer*, with *more* query parameters. Cancelling it changes nothing.

        Raises:
            SourceFailed: A function that was asked has failed, took too long, or gave something that is no use.
            Unauthorized: A function that was asked has raised this, to say that dialling on is no use.
        """
        dialing, url = self._dialing, self._address
        headers = await self._pairs("headers", dialing.headers)
        params = {**(more or {}), **await self._pairs("params", dialing.params)}
        return DialRequest(
            url=with_params(url, params),
            subprotocols=tuple(offer),
            headers=headers,
            origin=dialing.origin or origin_of(url),
            ssl=dialing.ssl,
            proxy=dialing.proxy,
            timeout=dialing.timeout,
        )

    async def _pairs(self, name: str, source: HeaderSource | ParamSource | None) -> dict[str, str]:
        if source is None:
            return {}
        if not callable(source):
            return dict(source)
        return await self._ask(name, source, lambda pairs: _check_strings(name, pairs))

    async def _ask(self, name: str, source: Callable[[], MaybeAwaitable[T]], check: Callable[[T], R]) -> R:
        try:
            async with asyncio.timeout(self._dialing.timeout):
                return check(await resolve(source()))
        except Unauthorized:
            raise
        except Exception as error:
            raise SourceFailed(self._address, name, error) from error


def check_protocol(connection: Connection, address: str, negotiation: Negotiation) -> Subprotocol:
    """Return what is spoken on the line. One on which nothing was agreed that was offered is dropped.

    Raises:
        UnsupportedProtocol: Client and server have no protocol in common.
    """
    agreed = negotiation.agreed(connection.subprotocol)
    if agreed is None:
        connection.abort()
        raise UnsupportedProtocol(address, connection.subprotocol, negotiation.offer, negotiation.hint)
    return agreed


def dial_failure(address: str, error: BaseException) -> ConnectError:
    """Return what to call an error that a transport should not have raised."""
    failure = ConnectError(address, f"the transport failed with {type(error).__name__}")
    failure.__cause__ = error
    return failure
