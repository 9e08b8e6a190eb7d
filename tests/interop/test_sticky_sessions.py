"""Two gateways behind an nginx that knows by a cookie where a client has been; sessions of polls are on one of them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, contextmanager, suppress
from itertools import count
from typing import TYPE_CHECKING

import pytest
from attrs import Factory, define

from cableway import Cable, Disconnected, ExponentialBackoff, Recovery
from tests.interop.peers import anycable as anycable_peer
from tests.interop.peers import nginx as nginx_peer
from tests.interop.peers.ledger import Ledger
from tests.interop.peers.waiting import in_thread, together, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.interop.peers.anycable import AnyCable
    from tests.interop.peers.nginx import Nginx

STREAM = "sticky"
SHORT = "--poll_interval=1"
"""No line ends before its last poll is answered."""
CLIENTS = 4
"""Those who come without a cookie are served in turn: so many are on both."""


@pytest.fixture
def gateways(tmp_path: Path) -> Iterator[list[AnyCable]]:
    """Two of them, each with sessions and a history of its own."""
    running = contextmanager(anycable_peer.gateway_running)
    with running(tmp_path, "--poll", SHORT) as one, running(tmp_path, "--poll", SHORT) as two:
        yield [one, two]


@pytest.fixture
def nginx(gateways: list[AnyCable], tmp_path: Path) -> Iterator[Nginx]:
    """The balancer. It lets no WebSocket pass: all poll."""
    one, two = gateways
    yield from nginx_peer.running(tmp_path, one.port, two.port, how=nginx_peer.WRONG)


@define
class Client:
    """One that polls."""

    name: str
    nginx: Nginx
    ledger: Ledger = Factory(Ledger)
    dropped: list[Disconnected] = Factory(list)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Listen during the block."""
        soon = ExponentialBackoff(minimum=0.05, maximum=0.5)
        cable = Cable(self.nginx.url, backoff=soon, params={"client": self.name})
        async with cable, self.ledger.kept(cable, STREAM):
            cable.on(Disconnected, self.dropped.append)
            yield

    @property
    def numbers(self) -> list[int]:
        """What it heard."""
        return [entry.number for entry in self.ledger.heard]

    def polls(self) -> list[str]:
        """Tell who answered each of its polls, in order, but for those that nobody could."""
        mine = [one for one in self.nginx.passed() if one.path == f"/lp?client={self.name}"]
        return [one.by for one in mine if one.status < 500]

    async def hears(self, count: int = 10) -> None:
        """Wait until it hears so many more."""
        before = len(self.numbers)
        await until(lambda: len(self.numbers) >= before + count, f"client {self.name} hears more")


@asynccontextmanager
async def published(gateways: list[AnyCable]) -> AsyncIterator[list[int]]:
    """Publish numbers to each gateway that runs, as a back end does which knows them both; the list has them all."""
    sent: list[int] = []
    ended = asyncio.Event()

    async def go_on() -> None:
        for number in count(1):
            sent.append(number)
            for gateway in gateways:
                with suppress(OSError):
                    await in_thread(gateway.publish, STREAM, number)
            if ended.is_set():
                return
            await asyncio.sleep(0.02)

    publishing = asyncio.create_task(go_on())
    try:
        yield sent
    finally:
        ended.set()
        await publishing


async def test_polls_stay_on_one_gateway_and_move_when_it_dies(gateways: list[AnyCable], nginx: Nginx) -> None:
    """By kill -9: its clients are on the other one with what they were subscribed to; those there notice nothing."""
    clients = [Client(str(number), nginx) for number in range(CLIENTS)]

    async def all_hear(count: int = 10) -> None:
        await asyncio.gather(*(client.hears(count) for client in clients))

    async with together(*(client.listening() for client in clients)), published(gateways) as sent:
        await all_hear(30)
        before = {client.name: client.polls() for client in clients}
        assert all(len(polls) > 2 and len(set(polls)) == 1 for polls in before.values()), before
        homes = {name: polls[0] for name, polls in before.items()}
        assert len(set(homes.values())) == len(gateways), homes

        dying = next(gateway for gateway in gateways if homes["0"].endswith(f":{gateway.port}"))
        moved = [client for client in clients if homes[client.name] == homes["0"]]
        stayed = [client for client in clients if client not in moved]
        await in_thread(dying.server.kill)
        await all_hear()

        # Where they are now they stay, whoever comes back.
        await in_thread(dying.start)
        polls = {client.name: len(client.polls()) for client in clients}
        await all_hear(30)
        refuge = homes[stayed[0].name]
        assert {by for client in clients for by in client.polls()[polls[client.name] :]} == {refuge}
    for client in clients:
        client.ledger.check_order()
        client.ledger.losses(sent)
    for client in moved:
        # The other one has a history of its own: what it does not know of nobody can tell.
        assert [event.recovery for event in client.ledger.recoveries] == [Recovery.UNKNOWN]
        assert len(client.dropped) == 1
    for client in stayed:
        assert (client.dropped, client.ledger.events) == ([], [])
        assert client.numbers == sent[client.numbers[0] - 1 : client.numbers[-1]]
