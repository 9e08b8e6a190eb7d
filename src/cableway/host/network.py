"""Finding out that the network changed: which way leads out, and who tells that it may be another one now."""

from __future__ import annotations

import errno
import socket
import sys
from contextlib import suppress
from ipaddress import IPv6Address
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

# Link, address and route changes, for IPv4 and IPv6 (linux/rtnetlink.h, the RTMGRP_ bits).
_GROUPS = 0x1 | 0x10 | 0x40 | 0x100 | 0x400

# Addresses that documentation reserves (RFC 5737, RFC 3849): nobody is asked, only the host's own routes.
_OUTSIDE_IPV4 = ("192.0.2.1", 9)
_OUTSIDE_IPV6 = ("2001:db8::1", 9)

# These say something about the process or the host, nothing about its network.
_SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

# More messages than this at once are left for the next reading: a router's routes may change faster than we read.
_READS = 1000


@frozen
class WayOut:
    """The addresses from which this host reaches the rest of the world; ``None``: that way it does not."""

    ipv4: str | None = None
    ipv6: str | None = None


def way_out() -> WayOut:
    """Ask the host's routes for the way out. Nothing is sent.

    Raises:
        OSError: There were no file descriptors or no memory left to ask with, which tells nothing about the network.
    """
    return WayOut(_source(socket.AF_INET, _OUTSIDE_IPV4), _source(socket.AF_INET6, _OUTSIDE_IPV6))


def _source(family: socket.AddressFamily, target: tuple[str, int]) -> str | None:
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.settimeout(0)
            # For a datagram socket that is a look at the routing table.
            probe.connect(target)
            return str(probe.getsockname()[0])
    except OSError as error:
        if error.errno in _SHORTAGES:
            raise
        return None


def is_ours(address: str) -> bool:
    """Return whether this host still has *address*."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError as error:
        return error.errno in _SHORTAGES
    return True


def moved(before: WayOut, after: WayOut, is_ours: Callable[[str], bool] = is_ours) -> bool:
    """Return whether lines that went out *before* may have lost their way, or found one.

    A host that takes a new temporary IPv6 address (RFC 8981, once a day) has not moved: its older connections live on
    for as long as it keeps the address they were made from.
    """
    if before.ipv4 != after.ipv4:
        return True
    if before.ipv6 is None or after.ipv6 is None:
        return before.ipv6 != after.ipv6
    return before.ipv6 != after.ipv6 and not (_subnet(before.ipv6) == _subnet(after.ipv6) and is_ours(before.ipv6))


def _subnet(address: str) -> int:
    return int(IPv6Address(address)) >> 64


def netlink_socket() -> socket.socket | None:
    """Return a socket that becomes readable when links, addresses or routes change.

    ``None`` where there is none: not on Linux, or in a sandbox that does not let us have it.
    """
    if sys.platform != "linux":
        return None
    try:
        sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    except OSError:
        return None
    try:
        sock.bind((0, _GROUPS))
    except OSError:
        sock.close()
        return None
    return sock


def empty(sock: socket.socket) -> None:
    """Read what a netlink socket has to say, and forget it: that something changed is all that counts."""
    # An overrun of its buffer (ENOBUFS) is an OSError too, and means the same.
    with suppress(OSError):
        for _ in range(_READS):
            sock.recv(65536)
