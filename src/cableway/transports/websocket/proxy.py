"""Proxies: how to get through one."""

from __future__ import annotations

import socket
from base64 import b64encode
from typing import TYPE_CHECKING, Any, Final, Literal, cast
from urllib.parse import unquote, urlsplit

from attrs import field, frozen

from cableway.errors import InvalidURL, MissingExtra, ProxyFailure
from cableway.redact import printable, redact_url
from cableway.transports.websocket.address import host_and_port
from cableway.transports.websocket.race import connect_socket

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cableway.transports.websocket.response import ResponseHead

Scheme = Literal["http", "https", "socks4", "socks4a", "socks5", "socks5h"]

_PORTS: Final = {"http": 80, "https": 443, "socks4": 1080, "socks4a": 1080, "socks5": 1080, "socks5h": 1080}

_ASKS_FOR_CREDENTIALS: Final = frozenset({401, 407})
"""Some proxies (tinyproxy) answer 401, which is a server's word, where credentials are wrong."""


_EXAMPLE: Final = "http://proxy.example.com:3128"

_NO_WAY: Final = "It may forbid this host or port, or not reach it"


@frozen
class ProxyAddress:
    """A proxy, taken apart."""

    scheme: Scheme
    host: str
    port: int
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    @property
    def is_socks(self) -> bool:
        """Whether it speaks SOCKS, not HTTP."""
        return self.scheme.startswith("socks")

    @property
    def at(self) -> str:
        """Name and port, for people."""
        return host_and_port(self.host, self.port)

    @property
    def authorization(self) -> str | None:
        """What an HTTP proxy is told of who we are (RFC 7617); ``None`` where the address names nobody."""
        if self.user is None:
            return None
        return f"Basic {b64encode(f'{self.user}:{self.password}'.encode()).decode()}"


def parse_proxy(address: str) -> ProxyAddress:
    """Return the parts of a proxy's *address*; without a scheme it is taken for an HTTP proxy.

    Raises:
        InvalidURL: It is no address of a proxy.
    """
    full = address if "://" in address else f"http://{address}"
    try:
        parts = urlsplit(full)
        port = parts.port
    except ValueError:
        raise InvalidURL(full, "the port of the proxy is not a number from 1 to 65535", _EXAMPLE) from None
    if parts.scheme not in _PORTS:
        raise InvalidURL(full, "a proxy is dialled by http, https, socks5, socks5h, socks4 or socks4a", _EXAMPLE)
    if not parts.hostname or parts.path not in {"", "/"} or parts.query or any(char.isspace() for char in full):
        raise InvalidURL(full, "a proxy has a host and a port, and no path", _EXAMPLE)
    user = None if parts.username is None else unquote(parts.username)
    password = unquote(parts.password or "") if user is not None else None
    scheme = cast("Scheme", parts.scheme)
    return ProxyAddress(scheme, parts.hostname, port or _PORTS[scheme], user, password)


def connect_request(proxy: ProxyAddress, host: str, port: int) -> bytes:
    """Return the request that asks an HTTP proxy for a tunnel to *host* (RFC 9110 section 9.3.6)."""
    target = host_and_port(host, port)
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}", "User-Agent: cableway"]
    if proxy.authorization is not None:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    return "\r\n".join([*lines, "", ""]).encode()


def explain_connect(url: str, proxy: ProxyAddress, head: ResponseHead | None) -> ProxyFailure:
    """Return why an HTTP proxy made no tunnel; *head* is ``None`` if it gave no answer in HTTP."""
    if head is None:
        hint = "Is this an HTTP proxy? Its address starts with http://, https:// or socks5://"
        return ProxyFailure(url, f"the proxy {proxy.at} gave no answer in HTTP", hint)
    if head.status in _ASKS_FOR_CREDENTIALS:
        return explain_credentials(url, proxy, head.status)
    what = f"the proxy {proxy.at} made no tunnel (HTTP {head.status})"
    return ProxyFailure(url, what, _NO_WAY, head.status, head.headers)


def explain_credentials(url: str, proxy: ProxyAddress, status: int) -> ProxyFailure:
    """Return what it means that an HTTP proxy answered with 407, or another *status* of its kind."""
    given = "does not accept the credentials given" if proxy.user is not None else "asks for credentials"
    what = f"the proxy {proxy.at} {given} (HTTP {status})"
    hint = "Put them into its address: http://user:password@proxy:3128"
    return ProxyFailure(url, what, hint, status)


def explain_no_passage(url: str, proxy: ProxyAddress, status: int, headers: Mapping[str, str]) -> ProxyFailure:
    """Return what it means that an HTTP proxy did not pass a request on, and says so."""
    what = f"the proxy {proxy.at} did not pass the request on (HTTP {status})"
    return ProxyFailure(url, what, _NO_WAY, status, headers)


async def connect_through_socks(
    url: str, proxy: ProxyAddress, host: str, port: int, *, timeout: float
) -> socket.socket:
    """Return a socket that is connected to *host* through a SOCKS proxy.

    With ``socks5h`` and ``socks4a`` the proxy looks the host name up, with ``socks5`` and ``socks4`` we do.

    Raises:
        MissingExtra: ``python-socks`` is not installed.
        ProxyFailure: The proxy was not reached, or made no way.
    """
    try:
        from python_socks import ProxyError, ProxyType
        from python_socks.async_.asyncio import Proxy
    except ImportError:
        feature = f"the SOCKS proxy {redact_url(f'{proxy.scheme}://{proxy.at}')}"
        raise MissingExtra(feature, "socks") from None
    kind = ProxyType.SOCKS5 if proxy.scheme.startswith("socks5") else ProxyType.SOCKS4
    rdns = proxy.scheme in {"socks5h", "socks4a"}
    through = Proxy(kind, proxy.host, proxy.port, proxy.user, proxy.password, rdns, forward=cast("Any", _Racing()))
    try:
        # The caller's limit counts; the library's own must not come first.
        return await through.connect(host, port, timeout=timeout + 60)
    except socket.gaierror as error:
        what = f"a host name was not found, that of the SOCKS proxy {proxy.at}"
        asked = what if rdns else f"{what}, or of {host}, which was looked up here"
        raise ProxyFailure(url, asked, "" if rdns else "With socks5h:// the proxy looks names up") from error
    except ConnectionRefusedError as error:
        what = f"the SOCKS proxy was not reached: {proxy.at} refused the connection"
        raise ProxyFailure(url, what, "Is it running, and is this its port?") from error
    except (ProxyError, OSError) as error:
        what = f"the SOCKS proxy {proxy.at} made no way to {host_and_port(host, port)}"
        raise ProxyFailure(url, f"{what}: {printable(str(error))}") from error


class _Racing:
    """The way to the SOCKS proxy itself: the library would try one of its addresses alone."""

    async def connect(self, dest_host: str, dest_port: int, timeout: float | None = None) -> socket.socket:  # noqa: ARG002
        return await connect_socket(dest_host, dest_port)
