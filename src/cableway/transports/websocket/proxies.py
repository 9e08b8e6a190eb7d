"""Which proxy is used: the one given, or the environment's. One rule for all transports."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import sys
from typing import TYPE_CHECKING, Final
from urllib.request import getproxies, getproxies_environment, proxy_bypass

from cableway.transports.websocket.address import host_and_port
from cableway.transports.websocket.proxy import parse_proxy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cableway.transports.websocket.proxy import ProxyAddress

# RFC 6455 section 4.1 prefers SOCKS, then what is meant for HTTPS, since both only pass bytes on.
_FOR_SECURE: Final = ("wss", "socks", "https", "all")
_FOR_PLAIN: Final = ("ws", "socks", "https", "http", "all")
_FOR_REQUESTS: Final = ("ws", "socks", "http", "https", "all")
"""Plain requests are what ``http_proxy`` is meant for."""

_PORT: Final = re.compile(r"(?:\[([^\]]+)\]|([^:\[\]]+))(?::([0-9]+))?")
"""A host and perhaps a port, an IPv6 address in brackets."""


async def choose_proxy(
    proxy: str | bool | None,  # noqa: FBT001 - as users give it
    host: str,
    port: int,
    *,
    secure: bool,
    tunnelled: bool = True,
) -> ProxyAddress | None:
    """Return the proxy on the way to *host*: the one given, the environment's for ``True``, none for ``None``.

    *tunnelled* is whether the proxy will only pass bytes on, as it must for a WebSocket, and for TLS.

    Raises:
        InvalidURL: What was given, or what the environment says, is no address of a proxy.
    """
    if isinstance(proxy, str):
        return parse_proxy(proxy)
    if not proxy:
        return None
    kinds = _FOR_SECURE if secure else _FOR_PLAIN if tunnelled else _FOR_REQUESTS
    if sys.platform in {"darwin", "win32"}:
        # There, the settings of the system are asked, which may look names up.
        found = await asyncio.to_thread(environment_proxy, host, port, kinds)
    else:
        found = environment_proxy(host, port, kinds)
    return None if found is None else parse_proxy(found)


def environment_proxy(host: str, port: int, kinds: tuple[str, ...]) -> str | None:
    """Return what the first variable says of those named *kinds* with ``_proxy`` behind, in small letters or capitals.

    ``no_proxy`` is honoured, and this machine is never reached by a proxy. Where no variable of the kind is set, macOS
    and Windows are asked for their settings.
    """
    if _is_this_machine(host):
        return None
    proxies = getproxies_environment()
    if proxies:
        bypassed = is_bypassed(host, port, proxies.get("no", ""))
    else:
        proxies = getproxies()
        bypassed = bool(proxies) and bool(proxy_bypass(host_and_port(host, port)))
    kind = next((kind for kind in kinds if proxies.get(kind)), None)
    return None if kind is None or bypassed else _address(kind, proxies)


def _address(kind: str, proxies: Mapping[str, str]) -> str:
    found = proxies[kind]
    # The settings of macOS give a SOCKS proxy as http://.
    return f"socks5h://{found.removeprefix('http://')}" if kind == "socks" and "socks" not in found else found


def is_bypassed(host: str, port: int, no_proxy: str) -> bool:
    """Tell whether *no_proxy* names *host*.

    It is a list with commas or blanks of ``*`` (all), names (their subdomains count, with ``.`` or ``*.`` in front or
    not), addresses, and networks such as ``10.0.0.0/8``; a name or an address may have a port behind it.
    """
    name = host.rstrip(".").lower()
    return any(_names(entry.lower(), name, port) for entry in re.split(r"[\s,]+", no_proxy) if entry)


def _names(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    address = _ip(host)
    if address is not None and _holds(entry, address):
        return True
    parts = _PORT.fullmatch(entry)
    if parts is None or (parts[3] and int(parts[3]) != port):
        return False
    named = (parts[1] or parts[2]).removeprefix("*").strip(".")
    if address is not None:
        return _ip(named) == address
    return bool(named) and (host == named or host.endswith(f".{named}"))


def _holds(network: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    try:
        return address in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_this_machine(host: str) -> bool:
    name, address = host.rstrip(".").lower(), _ip(host)
    return address.is_loopback if address is not None else name == "localhost" or name.endswith(".localhost")
