"""The first address of a host that answers."""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import Any

import pytest

from cableway.transports.websocket import race
from cableway.transports.websocket.race import connect_socket, first_to_connect

ADDRESSES = [(socket.AF_INET, ("127.0.0.1", port)) for port in (1, 2, 3)]


class Attempts:
    """Stands for the network: what becomes of each address, after how long."""

    def __init__(self, *outcomes: tuple[float, int | None]) -> None:
        self.outcomes = {address[1]: outcome for address, outcome in zip(ADDRESSES, outcomes, strict=False)}
        self.started: list[tuple[int, float]] = []
        self.sockets: dict[int, socket.socket] = {}

    async def __call__(self, family: socket.AddressFamily, address: Any) -> socket.socket:
        self.started.append((address[1], asyncio.get_running_loop().time()))
        seconds, number = self.outcomes[address]
        await asyncio.sleep(seconds)
        if number is not None:
            raise OSError(number, "no")
        self.sockets[address[1]] = socket.socket()
        return self.sockets[address[1]]


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Attempts:
    """The network, replaced."""
    found = Attempts(*request.param)
    monkeypatch.setattr(race, "_connect", found)
    return found


@pytest.mark.looptime
@pytest.mark.parametrize("attempts", [[(60, None), (1, None), (0, None)]], indirect=True)
async def test_the_next_address_is_tried_beside_one_that_is_slow(attempts: Attempts) -> None:
    """After a quarter of a second; the first to connect wins, and the others are dropped."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    sock = await first_to_connect(ADDRESSES)

    assert sock is attempts.sockets[3]
    assert [(port, round(at - started, 2)) for port, at in attempts.started] == [(1, 0), (2, 0.25), (3, 0.5)]
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == 1
    sock.close()


@pytest.mark.looptime
@pytest.mark.parametrize("attempts", [[(0, errno.ENETUNREACH), (0, errno.ECONNREFUSED)]], indirect=True)
async def test_the_next_address_is_tried_at_once_after_a_failure(attempts: Attempts) -> None:
    """And if all fail, the error that says most is told: not the missing network of one family."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    with pytest.raises(ConnectionRefusedError):
        await first_to_connect(ADDRESSES[:2])

    assert loop.time() - started < 0.1
    assert len(attempts.started) == 2


@pytest.mark.looptime
@pytest.mark.parametrize("attempts", [[(0.3, None), (0.05, None)]], indirect=True)
async def test_two_that_connect_at_once_leave_one_socket(attempts: Attempts) -> None:
    """The one that is not needed is closed."""
    sock = await first_to_connect(ADDRESSES[:2])
    await asyncio.sleep(1)

    assert [other.fileno() >= 0 for other in attempts.sockets.values()].count(True) == 1
    sock.close()


async def test_families_are_tried_by_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host with many IPv6 addresses is soon tried by IPv4."""
    six = [(socket.AF_INET6, 1, 6, "", (f"::{n}", 80, 0, 0)) for n in (1, 2, 3)]
    four = [(socket.AF_INET, 1, 6, "", ("127.0.0.1", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: [*six, *four])

    assert [address[0] for _, address in await race.addresses_of("host.example", 80)] == [
        "::1",
        "127.0.0.1",
        "::2",
        "::3",
    ]


async def test_a_name_without_addresses_is_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some resolvers say it so."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: [])
    with pytest.raises(socket.gaierror):
        await connect_socket("host.example", 80)


@pytest.mark.parametrize(("host", "family"), [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)])
async def test_an_address_needs_no_look_up(monkeypatch: pytest.MonkeyPatch, host: str, family: int) -> None:
    """So that it works where there is no resolver."""
    monkeypatch.delattr(socket, "getaddrinfo")

    assert await race.addresses_of(host, 80) == [(family, (host, 80))]


async def test_small_writes_are_not_held_back() -> None:
    """A command is not to wait until the one before it was acknowledged (Nagle's algorithm)."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        loop = asyncio.get_running_loop()
        sock = await connect_socket(*listener.getsockname())
        transport, _ = await loop.create_connection(asyncio.Protocol, sock=sock)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        transport.abort()
        await asyncio.sleep(0)
