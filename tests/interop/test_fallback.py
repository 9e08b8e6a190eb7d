"""Real obstacles to WebSockets: a proxy in front of the server, one on the way, and a network that swallows them.

A counter runs all the time. With ``CABLEWAY_SOAK_SCALE=1`` (``make soak``) the nginx changes its mind three times, and
each line before that has the time to prove good.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from tests.interop.peers import anycable as anycable_peer
from tests.interop.peers import nginx as nginx_peer
from tests.interop.peers import tinyproxy as tinyproxy_peer
from tests.interop.peers.crossing import WEBSOCKET, Obstacle, climbing, crossing, there_and_back
from tests.interop.peers.namespace import own_network, packets_dropped
from tests.interop.peers.swallower import Swallower
from tests.interop.peers.waiting import in_thread

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.interop.peers.anycable import AnyCable
    from tests.interop.peers.nginx import Nginx
    from tests.interop.peers.tinyproxy import Tinyproxy

SCALE = float(os.environ.get("CABLEWAY_SOAK_SCALE", "0.1"))
CYCLES = max(1, round(3 * SCALE))
STAY = 35.0 if SCALE >= 1 else 0.0
"""Seconds on each line; one that lasts for half a minute is good."""

UPGRADE = "upgrade: websocket"

POLLS, STREAMS = "long_polling", "event_stream"

POLLING = ["--poll", "--poll_interval=1"]
"""No line ends before its last poll is answered."""


@pytest.fixture(params=[("gateway", POLLS), ("anycable", STREAMS)], ids=["gateway", "anycable"])
def behind(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[AnyCable, str]]:
    """A gateway that has all transports, or an AnyCable, whose open edition has no polls; and what is left of them."""
    kind, left = request.param
    start = anycable_peer.gateway_running if kind == "gateway" else anycable_peer.running
    for server in start(tmp_path, *(POLLING if left == POLLS else []), "--sse", "--history_limit=20000"):
        yield server, left


@pytest.fixture
def nginx(behind: tuple[AnyCable, str], tmp_path: Path) -> Iterator[Nginx]:
    """An nginx in front of the server that has not been told of WebSockets."""
    yield from nginx_peer.running(tmp_path, behind[0].port, how=nginx_peer.WRONG)


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Tinyproxy]:
    """A proxy that lets nobody through to the port of the gateway, but for plain requests."""
    yield from tinyproxy_peer.running(tmp_path)


@pytest.mark.soak
@pytest.mark.timeout(400)
async def test_an_nginx_that_knows_no_upgrade(behind: tuple[AnyCable, str], nginx: Nginx) -> None:
    """Plain requests pass; once it has been told of WebSockets, they do; and when that is undone, it begins anew."""
    server, left = behind
    async with crossing(server, nginx.url) as scene:
        for _ in range(CYCLES):
            await scene.carried_by(left)
            await asyncio.sleep(STAY)
            await in_thread(nginx.reload, nginx_peer.RIGHT)
            await scene.carried_by(WEBSOCKET)
            await asyncio.sleep(STAY)
            await in_thread(nginx.restart, nginx_peer.WRONG)
        await scene.carried_by(left)
        await scene.arrive()
    for traveller in scene.hurried:
        assert "HTTP 400" in str(traveller.dropped[0].error)
        assert traveller.carried == [left, *[WEBSOCKET, left] * CYCLES]


async def test_a_proxy_without_tunnels(behind: tuple[AnyCable, str], proxy: Tinyproxy) -> None:
    """Plain requests pass to any port; once tunnels to that of the server are allowed, WebSockets do."""
    server, left = behind
    obstacle = Obstacle("HTTP 403", left, lambda: in_thread(proxy.allow, server.port))
    await there_and_back(server, server.url, obstacle, proxy=proxy.url)


async def test_upgrades_that_are_swallowed(behind: tuple[AnyCable, str]) -> None:
    """Whoever takes an upgrade and never answers costs a few seconds, and not for ever."""
    server, left = behind
    async with Swallower(server.port) as between:

        async def lift() -> None:
            between.swallows = False

        obstacle = Obstacle("not answered within 4 s", left, lift)
        await there_and_back(server, between.url, obstacle, transports=climbing(1.5))
    assert between.swallowed


@pytest.fixture
def lonely() -> Iterator[None]:
    """This test, and all that it starts, in a network of its own."""
    with own_network():
        yield


async def test_upgrades_whose_packets_are_dropped(lonely: None, behind: tuple[AnyCable, str]) -> None:
    """The TCP line comes up; the upgrade is sent again and again and never arrives; plain requests do."""
    server, left = behind
    with packets_dropped(UPGRADE) as dropping:
        obstacle = Obstacle("not answered within 4 s", left, lambda: in_thread(dropping.stop))
        await there_and_back(server, server.url, obstacle, transports=climbing(1.5))
    assert dropping.dropped
