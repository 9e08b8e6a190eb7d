"""All steps in their order, against the bundled gateway and against none."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from cableway import Cable, Connected, StaticToken
from cableway.auth.providers.function import CallableToken
from cableway.cli.doctor.examination import examine, record_for
from cableway.cli.doctor.findings import TRANSPORTS, Part, Step
from cableway.cli.doctor.means import Means
from cableway.cli.doctor.symptoms import Symptom
from cableway.cli.doctor.verdict import Outcome, judge
from cableway.gateway import Gateway
from cableway.server import mint_token
from tests.cli.doctor.house import examined, found, results, served, without_upgrades
from tests.transports.websocket.peers import ConnectProxy, Peer, eventually, serving

if TYPE_CHECKING:
    from cableway.cli.doctor.findings import Record

pytestmark = pytest.mark.looptime

SECRET = "a secret of at least thirty-two bytes"


async def test_a_gateway_that_has_all_three_works_by_all() -> None:
    """And nobody is left on it."""
    async with Gateway(public=True, poll=True, sse=True) as gateway:
        record = await examined(gateway.url)
        await asyncio.sleep(30)
        left = gateway.stats().connections

    assert all(record.works(part) for part in (Part.NETWORK, *TRANSPORTS))
    assert judge(record).outcome is Outcome.WORKS
    assert left == 0


async def test_a_gateway_that_has_one_alone_works_by_that() -> None:
    """The others are not offered, and that harms nobody."""
    async with Gateway(public=True) as gateway:
        record = await examined(gateway.url)

    assert [record.works(part) for part in TRANSPORTS] == [True, False, False]
    assert results(record, Part.POLLING) == ["not offered", *["not tried"] * 3]
    assert judge(record).outcome is Outcome.WORKS


async def test_where_upgrades_are_swallowed_long_polling_is_found() -> None:
    """The verdict says what the cable does by itself, and it does; and what the obstacle is."""
    async with (
        Gateway(public=True, poll=True) as gateway,
        serving(served(without_upgrades(gateway.port))) as port,
    ):
        record = await examined(f"ws://127.0.0.1:{port}/cable")
        connected: list[Connected] = []
        cable = Cable(f"ws://127.0.0.1:{port}/cable", proxy=None)
        cable.on(Connected, connected.append)
        async with cable:
            await eventually(lambda: bool(connected))

    verdict = judge(record)
    assert connected[0].transport == "long_polling"
    assert found(record, Part.WEBSOCKET, Step.UPGRADE).symptom is Symptom.UPGRADE_SWALLOWED
    assert verdict.outcome is Outcome.FALLS_BACK
    assert "long polling" in verdict.text


async def test_behind_a_proxy_that_makes_no_tunnels_plain_requests_are_tried_all_the_same() -> None:
    """Each fails by itself then, or passes."""
    async with serving(served(ConnectProxy(status="403 Forbidden"))) as port:
        record = await examined("ws://192.0.2.1/cable", proxy=f"http://127.0.0.1:{port}", timeout=1.0)

    assert found(record, Part.NETWORK, Step.TUNNEL).symptom is Symptom.PROXY_FORBIDS
    assert [results(record, part)[0] for part in TRANSPORTS] == ["not tried", "failed", "failed"]


async def test_a_token_is_fetched_once_and_goes_with_each_transport() -> None:
    """It is the first step; its value is nowhere in what was found."""
    token = mint_token({"user_id": 7}, secret=SECRET, life=90)
    asked: list[int] = []

    def source() -> str:
        asked.append(1)
        return token

    async with Gateway(jwt_secret=SECRET, enforce_jwt=True, poll=True, sse=True) as gateway:
        record = await examined(gateway.url, token=CallableToken(source))
        without = await examined(gateway.url)
        wrong = await examined(gateway.url, token=StaticToken(token + "x"))

    assert all(record.works(part) for part in TRANSPORTS)
    assert found(record, Part.NETWORK, Step.TOKEN).facts["life_left"] in {89, 90}
    assert len(asked) == 1
    assert judge(without).outcome is judge(wrong).outcome is Outcome.REFUSED
    assert token not in shown(record) + shown(wrong)


def shown(record: Record) -> str:
    """Return all that a person or a program could come to see."""
    return "".join(repr(finding) for finding in record)


async def test_without_a_token_nothing_is_dialled() -> None:
    """The source is what to look at."""

    def source() -> str:
        raise RuntimeError

    async with serving(Peer.read_request) as port:
        record = await examined(f"ws://127.0.0.1:{port}/cable", token=CallableToken(source), timeout=2.0)

    assert found(record, Part.NETWORK, Step.TOKEN).symptom is Symptom.NO_TOKEN
    assert results(record, Part.NETWORK)[1:] == ["not tried"] * 3
    assert not record.allows(Part.POLLING)


async def test_given_up_it_leaves_nothing_open() -> None:
    """Neither a line nor a task."""
    async with Gateway(public=True, poll=True, sse=True, ping_interval=60) as gateway:
        means = Means({"url": gateway.url, "proxy": None}, 30)
        running = asyncio.create_task(examine(means, record_for(means)))
        await eventually(lambda: gateway.stats().connections == 3)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        ours = ("cableway-doctor", "cableway-polling", "cableway-event-stream", "cableway-connect")
        tasks = [task for task in asyncio.all_tasks() if task.get_name().startswith(ours)]
        await asyncio.sleep(30)
        left = gateway.stats().connections

    assert tasks == []
    assert left == 0
