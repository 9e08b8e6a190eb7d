"""AnyCable's own client on the extended protocol, cut time and again while two hundred messages a second come."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.interop.peers import anycable as anycable_peer
from tests.interop.peers.counting import Counter
from tests.interop.peers.node import EXTENDED, javascript
from tests.interop.peers.rough import RoughRelay
from tests.interop.peers.waiting import in_thread

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.interop.peers.anycable import AnyCable

pytestmark = pytest.mark.usefixtures("node")
STREAM = "load"
CUTS = 6


@pytest.fixture(params=[anycable_peer.gateway_running, anycable_peer.running], ids=["gateway", "anycable"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnyCable]:
    """A server that remembers more than is published."""
    yield from request.param(tmp_path, "--history_limit=20000")


@pytest.mark.parametrize("restores", [True, False], ids=["restored", "subscribed again"])
async def test_nothing_is_missed(server: AnyCable, *, restores: bool) -> None:
    """Whether its session is given back or it subscribes again, and asks by position: it has every message.

    A few come twice to it, and late, by either server: what comes live between the welcome and the client's question is
    told again with the answer, and this client does not compare.
    """
    counter = Counter(server, [STREAM], rate=200)
    options = json.dumps({"disableSessionRecovery": not restores})
    async with RoughRelay(server.port, 1) as relay, javascript("anycable", relay.url, EXTENDED, options) as client:
        client.stream(STREAM, STREAM)
        await client.heard("subscribed")
        counter.start()
        for _ in range(CUTS):
            await client.heard("received")
            await relay.reset()
            assert (await client.heard("up", reconnected=True))["restored"] is restores
            # Cut before the answer, it would ask after the newest message that it has, and miss those before.
            await client.heard("info", type="history_received")
        await counter.stop()
        await in_thread(server.publish, STREAM, "the end")
        await client.heard("received", data="the end")
    published = [int(value) for value in counter.published[STREAM]]
    heard = [told["data"] for told in client.told("received")][:-1]
    assert sorted(set(heard)) == published
