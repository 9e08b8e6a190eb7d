"""The way to the server, which all transports share: proxy, name, TCP, tunnel, TLS.

Each step is done by what a WebSocket does it with, so that it shows what that will see.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from typing import TYPE_CHECKING, Any, Final

from attrs import define, evolve, field, frozen

from cableway.cli.doctor.certificate import certificate_of, presented, remaining
from cableway.cli.doctor.findings import Part, Step
from cableway.cli.doctor.symptoms import Symptom
from cableway.cli.doctor.trial import Shown, Trial
from cableway.cli.doctor.way import proxy_for, reached, route_for
from cableway.errors import CableError
from cableway.redact import printable
from cableway.transports.websocket.address import host_and_port, parse_address
from cableway.transports.websocket.failures import explain_network, explain_proxy
from cableway.transports.websocket.proxy import parse_proxy
from cableway.transports.websocket.race import addresses_of, first_to_connect
from cableway.transports.websocket.tls import default_context

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cableway.cli.doctor.findings import Record
    from cableway.errors import ConnectError
    from cableway.transports.base import DialRequest
    from cableway.transports.websocket.proxy import ProxyAddress
    from cableway.transports.websocket.reach import Route

    Address = tuple[socket.AddressFamily, Any]

MOST_ADDRESSES: Final = 8
"""How many of a host's addresses are tried."""

STRAGGLERS: Final = 2.0
"""Seconds for which the other addresses are waited for once one has answered."""

SOON: Final = 14 * 86_400.0
"""Seconds before its end from which on a certificate is worth a word."""

_NO_FAMILY: Final = frozenset({errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
"""What a machine without IPv6 says to such an address."""

_FAMILIES: Final = {socket.AF_INET: "IPv4", socket.AF_INET6: "IPv6"}


async def survey(request: DialRequest, record: Record) -> None:
    """Try the way to the server step by step, up to the first that fails."""
    trial = Trial(record, Part.NETWORK, request.url, request.timeout)
    found = _Found()
    if not await trial.step(Step.PROXY, _proxy(request, found)):
        return
    record.proxied = found.proxy is not None
    uri = parse_address(request.url)
    target = Target(request.url, (found.proxy or uri).host, (found.proxy or uri).port, proxied=record.proxied)
    late = f"no answer came for the name {printable(target.host, 80)}"
    if not await trial.step(Step.NAME, _name(target, found), late=late):
        return
    within = request.timeout + STRAGGLERS
    if not await trial.step(Step.TCP, _tcp(target, found.addresses, request.timeout), limit=within):
        return
    plain = route_for(request, found.proxy)
    if found.proxy is not None and not await trial.step(Step.TUNNEL, _tunnel(plain), late="no tunnel was made"):
        return
    if uri.secure:
        context = request.ssl or await default_context()
        await _secure(trial, evolve(plain, tls=context))


@define
class _Found:
    """What one step finds for those after it."""

    proxy: ProxyAddress | None = None
    addresses: Sequence[Address] = ()


@frozen
class Target:
    """What is connected to: the server, or the proxy."""

    url: str = field(repr=False)
    host: str
    port: int
    proxied: bool = False

    def explained(self, error: OSError) -> ConnectError:
        """Return *error* in the words of the transports."""
        explain = explain_proxy if self.proxied else explain_network
        told: ConnectError = explain(self.url, error, at=host_and_port(self.host, self.port), secure=False)
        told.__cause__ = error
        return told


# The proxy


async def _proxy(request: DialRequest, found: _Found) -> Shown:
    proxy = await proxy_for(request)
    found.proxy = proxy
    if proxy is None:
        unasked = "none is set" if request.proxy is True else "none is wanted"
        return Shown(f"{unasked}: the way is direct", {"proxy": None})
    origin = source_of(proxy) if request.proxy is True else "--proxy"
    return Shown(
        f"{proxy.scheme}://{proxy.at}, from {origin}", {"proxy": f"{proxy.scheme}://{proxy.at}", "from": origin}
    )


def source_of(proxy: ProxyAddress) -> str:
    """Name the environment variable that names *proxy*."""
    for name, value in sorted(os.environ.items()):
        if not name.lower().endswith("_proxy") or name.lower() == "no_proxy" or not value:
            continue
        try:
            same = parse_proxy(value)
        except CableError:
            continue
        if (same.host, same.port) == (proxy.host, proxy.port):
            return name
    return "the settings of this system"


# The name and the port


async def _name(target: Target, found: _Found) -> Shown:
    host = target.host
    try:
        found.addresses = addresses = (await addresses_of(host, target.port))[:MOST_ADDRESSES]
    except OSError as error:
        raise target.explained(error) from error
    names = [str(address[0]) for _, address in addresses]
    families = sorted({_family(family) for family, _ in addresses})
    literal = names == [host]
    told = f"{names[0]} is an address" if literal else f"{', '.join(names)} ({' and '.join(families)})"
    return Shown(told, {"host": host, "addresses": names, "families": families})


async def _tcp(target: Target, addresses: Sequence[Address], timeout: float) -> Shown:
    """Try all addresses beside each other: it is of use to know that one of them does not answer."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    tries = {asyncio.ensure_future(_connect(one, timeout)): one for one in addresses}
    waiting, ends = set(tries), dict[Any, float | OSError]()
    try:
        while waiting and (limit := _patience(ends, began + timeout - loop.time())) > 0:
            done, waiting = await asyncio.wait(waiting, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                break
            ends |= {tries[one]: one.result() for one in done}
    finally:
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    ends |= {tries[one]: _unanswered() for one in waiting}
    return _told_of_tcp(target, [(one, ends[one]) for one in addresses])


def _patience(ends: dict[Any, float | OSError], left: float) -> float:
    answered = any(isinstance(end, float) for end in ends.values())
    return min(left, STRAGGLERS) if answered else left


async def _connect(address: Address, timeout: float) -> float | OSError:
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        async with asyncio.timeout(timeout):
            (await first_to_connect([address])).close()
    except TimeoutError:
        return _unanswered()
    except OSError as error:
        return error
    return loop.time() - began


def _unanswered() -> OSError:
    return TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))


def _told_of_tcp(target: Target, ends: Sequence[tuple[Address, float | OSError]]) -> Shown:
    answered = {one: end for one, end in ends if isinstance(end, float)}
    failed = {one: end for one, end in ends if isinstance(end, OSError)}
    if not answered:
        # What the first one says counts, unless it is only that there is no IPv6 here.
        raise target.explained(min(failed.values(), key=lambda error: error.errno in _NO_FAMILY))
    told = [f"{address[0]} answers" for _, address in answered]
    told += [f"{address[0]} does not ({_reason(error)})" for (_, address), error in failed.items()]
    facts = [
        {"address": str(address[0]), "family": _family(family), "ok": isinstance(end, float), **_timed(end)}
        for (family, address), end in ends
    ]
    dead = any(isinstance(error, TimeoutError) for error in failed.values())
    note = Symptom.DEAD_ADDRESS if dead else None
    return Shown("; ".join(told), {"tries": facts}, note, seconds=min(answered.values()))


def _timed(end: float | OSError) -> dict[str, Any]:
    return {"error": _reason(end)} if isinstance(end, OSError) else {"seconds": round(end, 6)}


def _reason(error: OSError) -> str:
    return os.strerror(error.errno or 0).lower()


def _family(family: socket.AddressFamily) -> str:
    return _FAMILIES.get(family, family.name)


# The tunnel and TLS


async def _tunnel(route: Route) -> Shown:
    (await reached(route)).abort()
    return Shown(f"to {route.at}")


async def _secure(trial: Trial, route: Route) -> None:
    ok = await trial.step(Step.TLS, _tls(route), late="the TLS handshake did not end")
    failure = trial.record.failure(Part.NETWORK)
    if ok or failure is None:
        return
    shown = await presented(route, trial.timeout)
    if shown is not None:
        detail = f"{failure.detail}; {shown.told}"
        trial.record.add(evolve(failure, detail=detail, facts={**failure.facts, **shown.facts}))


async def _tls(route: Route) -> Shown:
    line = await reached(route)
    try:
        secure = line.get_extra_info("ssl_object")
        certificate = certificate_of(secure.getpeercert())
        version = str(secure.version())
    finally:
        line.abort()
    left = remaining(certificate)
    note = Symptom.ENDS_SOON if left is not None and left < SOON else None
    return Shown(f"{version}; {certificate.told}", {"version": version, **certificate.facts}, note)
