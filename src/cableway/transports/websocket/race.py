"""Connects to the first address of a host that answers (RFC 8305, "happy eyeballs").

``loop.create_connection(happy_eyeballs_delay=...)`` does the same, but on Python 3.11 it loses the connected socket
when it is cancelled at the wrong moment.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Address = tuple[socket.AddressFamily, Any]

_NEXT: Final = 0.25
"""Seconds after which the next address is tried beside the ones before (RFC 8305 section 5)."""

_NO_NETWORK: Final = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
"""What a missing IPv6 ends with: it says less than what another address ends with."""


async def connect_socket(host: str, port: int) -> socket.socket:
    """Return a socket that is connected to *host*. Cancelled, it leaves none open.

    Raises:
        OSError: The name was not found (:exc:`socket.gaierror`), or no address of it was reached.
    """
    return await first_to_connect(await addresses_of(host, port))


async def first_to_connect(addresses: Sequence[Address]) -> socket.socket:
    """Return a socket that is connected to one of *addresses*, tried in turn and then side by side.

    Raises:
        OSError: What the most telling of the tries ended with.
    """
    waiting = list(addresses)
    running: set[asyncio.Task[socket.socket]] = set()
    losers: list[asyncio.Task[socket.socket]] = []
    errors: list[BaseException] = []
    try:
        while waiting or running:
            if waiting:
                task = asyncio.create_task(_connect(*waiting.pop(0)), name="cableway-connect")
                running.add(task)
                losers.append(task)
            limit = _NEXT if waiting else None
            done, running = await asyncio.wait(running, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if (error := task.exception()) is None:
                    losers.remove(task)
                    return task.result()
                errors.append(error)
    finally:
        _drop(losers)
    raise min(errors, key=lambda error: isinstance(error, OSError) and error.errno in _NO_NETWORK)


def _drop(tasks: Iterable[asyncio.Task[socket.socket]]) -> None:
    for task in tasks:
        if task.done() and not task.cancelled() and task.exception() is None:
            task.result().close()
        task.cancel()


async def _connect(family: socket.AddressFamily, address: Any) -> socket.socket:
    # Without the protocol, asyncio does not switch Nagle's algorithm off, which holds back small writes for 40 ms.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.settimeout(0)
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock


async def addresses_of(host: str, port: int) -> list[Address]:
    """Return the addresses of *host*, families by turns. Cancelling it changes nothing.

    Raises:
        OSError: The name was not found (:exc:`socket.gaierror`).
    """
    try:
        literal = ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        if "%" not in host:
            return [(socket.AF_INET if literal.version == 4 else socket.AF_INET6, (host, port))]
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    if not found:
        raise socket.gaierror(socket.EAI_NONAME, "the name has no address")
    families: dict[socket.AddressFamily, list[Address]] = {}
    for family, _, _, _, address in found:
        families.setdefault(family, []).append((family, address))
    turns = chain.from_iterable(zip_longest(*families.values()))
    return [address for address in turns if address is not None]
