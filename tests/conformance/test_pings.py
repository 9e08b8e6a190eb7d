"""Conformance: the server's beat, and what it makes of silence."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack

import pytest

from tests.conformance.conftest import PATIENT_KINDS
from tests.conformance.raw_client import RawClient, extended, stream
from tests.conformance.servers import public_server

HOUR = 3600


def now() -> float:
    """Tell the time of the loop, virtual or not."""
    return asyncio.get_running_loop().time()


@pytest.mark.parametrize("kind", PATIENT_KINDS)
async def test_a_client_may_choose_its_interval(kind: str) -> None:
    """The first ping comes within one and a half of it, the next ones regularly; whole seconds alone count."""
    async with public_server(kind, ping_interval=HOUR) as server, RawClient(f"{server.url}?pi=1") as client:
        await client.welcomed()
        begun = now()
        await client.expect_ping()
        first = now()
        await client.expect_ping()
        assert 0.4 < first - begun < 2
        assert now() - first == pytest.approx(1, abs=0.5)
        async with AsyncExitStack() as stack:
            odd = [RawClient(f"{server.url}?pi={wish}") for wish in ("0.5", "%201", "1_0", "soon", "")]
            for other in odd:
                await (await stack.enter_async_context(other)).welcomed()
            await client.expect_ping()
            await client.expect_ping()
            for other in odd:
                await other.command("ping")
                assert await other.frame(pings=True) == {"type": "pong"}


@pytest.mark.parametrize("kind", PATIENT_KINDS)
async def test_a_client_may_do_without_pings(kind: str) -> None:
    """Zero means none, while others get theirs."""
    async with public_server(kind) as server, RawClient(server.url) as other, RawClient(f"{server.url}?pi=0") as client:
        await other.welcomed()
        await client.welcomed()
        for _ in range(3):
            await other.expect_ping()
        await client.command("subscribe", identifier=stream("room"))
        assert (await client.frame(pings=True))["type"] == "confirm_subscription"


@pytest.mark.parametrize("kind", PATIENT_KINDS)
async def test_a_client_may_choose_the_unit_of_time(kind: str) -> None:
    """Seconds, unless it asks for milliseconds or nanoseconds; who asks twice gets the last."""
    units = {"": 1, "?ptp=s": 1, "?ptp=ms": 1e3, "?ptp=ns": 1e9, "?ptp=us": 1, "?ptp=ns&ptp=ms": 1e3}
    async with public_server(kind) as server, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(RawClient(server.url + query)) for query in units]
        for client, unit in zip(clients, units.values(), strict=True):
            await client.welcomed()
            assert await client.expect_ping() / unit == pytest.approx(time.time(), abs=60)


@pytest.mark.parametrize("kind", PATIENT_KINDS)
async def test_the_unit_of_time_is_an_option(kind: str) -> None:
    """A client's wish goes before it."""
    async with (
        public_server(kind, ping_timestamp_precision="ms") as server,
        RawClient(server.url) as client,
        RawClient(f"{server.url}?ptp=ns") as other,
    ):
        for pinging, unit in ((client, 1e3), (other, 1e9)):
            await pinging.welcomed()
            assert await pinging.expect_ping() / unit == pytest.approx(time.time(), abs=60)


@pytest.mark.parametrize("kind", PATIENT_KINDS)
async def test_who_does_not_answer_pings_is_told_to_come_back(kind: str) -> None:
    """Where answers are due: three are given, for each ping one, and then none."""
    async with public_server(kind, pong_timeout=1) as server, extended(f"{server.url}?pi=1&ptp=ns") as client:
        await client.welcomed()
        for _ in range(3):
            await client.expect_ping()
            await client.command("pong")
        await client.expect_ping()
        assert await client.frame() == {"type": "disconnect", "reason": "no_pong", "reconnect": True}
        assert await client.expect_close() == (1000, "No Pong")


@pytest.mark.parametrize("kind", PATIENT_KINDS)
async def test_whatever_a_client_says_is_an_answer(kind: str) -> None:
    """A command that nobody knows will do; a frame that says nothing will not."""
    async with public_server(kind, pong_timeout=1) as server, extended(f"{server.url}?pi=1") as client:
        await client.welcomed()
        for _ in range(3):
            await client.expect_ping()
            await client.command("dance")
        await client.expect_ping()
        await client.send("null")
        await client.expect(type="disconnect", reason="no_pong")


@pytest.mark.parametrize("kind", PATIENT_KINDS)
async def test_on_the_base_protocol_no_answer_is_due(kind: str) -> None:
    """Its clients know of none."""
    async with public_server(kind, pong_timeout=1) as server, RawClient(f"{server.url}?pi=1") as client:
        await client.welcomed()
        for _ in range(4):
            await client.expect_ping()
        await client.expect_silence()
