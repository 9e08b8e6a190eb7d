"""Which pages may connect.

A page of any site can reach a server on the visitor's own machine, so the default must not be "everybody": unlike
AnyCable, an empty list lets in only programs (which send no ``Origin``), pages of this machine, and pages of the very
host that is asked.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from attrs import frozen


@frozen
class OriginRule:
    """Decides by the ``Origin`` and ``Host`` of a request."""

    allowed: tuple[str, ...] = ()
    """``host[:port]`` in lower case; ``*`` and what must follow it."""
    any_origin: bool = False
    loopback_only: bool = True
    """Whether the server can be reached from its own machine alone."""

    def allows(self, origin: str | None, host: str) -> bool:
        """Tell whether a request with this ``Origin`` (``None``: it has none) to this ``Host`` may connect."""
        if self.any_origin:
            return True
        if self.allowed:
            # As AnyCable: with a list, a request without Origin is not on it.
            return any(_matches(_host_of(origin or ""), entry) for entry in self.allowed)
        if origin is None:
            return True
        source = _host_of(origin)
        if _is_loopback(source):
            return True
        # A name that an attacker points to 127.0.0.1 makes his page "the same host": where only this machine can reach
        # us, a host name from elsewhere is no proof of anything.
        return bool(source) and source == _with_port(host.lower(), origin) and not self.loopback_only

    def allows_silence(self, host: str) -> bool:
        """Tell the same of a plain request, no upgrade, without ``Origin``: of a program, or of a page of *host*.

        Browsers leave it out where a page asks its own host. So the name of the host has to prove what it would have
        said; see above for why that takes a look.
        """
        name = host.lower()
        return (
            self.any_origin
            or not self.loopback_only
            or _is_loopback(name)
            or any(_matches(name, entry) for entry in self.allowed)
        )


def origin_rule(allowed_origins: str, *, any_origin: bool, bound_to: str) -> OriginRule:
    """Build the rule from the option's text and the address the server listens on."""
    entries = tuple(entry for entry in (part.strip().lower() for part in allowed_origins.split(",")) if entry)
    return OriginRule(entries, any_origin or "*" in entries, _is_loopback(bound_to))


def _matches(host: str, entry: str) -> bool:
    return host.endswith(entry[1:]) if entry.startswith("*") else host == entry


def _host_of(origin: str) -> str:
    try:
        return urlsplit(origin.lower()).netloc.rpartition("@")[2]
    except ValueError:
        return ""


def _with_port(host: str, origin: str) -> str:
    # Browsers leave the default port out of Origin; some programs leave it in Host.
    default = {"http": ":80", "https": ":443"}.get(origin.lower().partition("://")[0], "")
    return host.removesuffix(default) if default and not host.endswith("]") else host


def _is_loopback(host: str) -> bool:
    name = host
    if host.startswith("["):
        name = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        name = host.partition(":")[0]
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
