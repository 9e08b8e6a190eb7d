"""The fleet's gateway is a process that can be killed, and comes back where it was."""

from __future__ import annotations

import asyncio

import pytest

from cableway import Cable, CableError
from cableway.cli.exits import Failure
from cableway.cli.fleet import process
from cableway.cli.fleet.process import GatewayProcess


async def test_it_comes_back_at_the_same_address_after_a_kill() -> None:
    """Killed, it refuses; started again, it answers where it did; stopped, it is gone."""
    gateway = GatewayProcess()
    try:
        await gateway.start()
        first = gateway.url
        await gateway.kill()
        with pytest.raises(CableError):
            await Cable(first, open_timeout=0.2).open()

        await gateway.start()

        assert gateway.url == first
        async with Cable(gateway.url) as cable:
            await cable.subscribe("FleetChannel")
    finally:
        await gateway.stop()
    with pytest.raises(CableError):
        await Cable(first, open_timeout=0.2).open()


async def test_one_that_does_not_start_is_told_with_its_reason() -> None:
    """The last line of what it said reaches the user."""
    first, second = GatewayProcess(), GatewayProcess()
    try:
        await first.start()
        second._port = first._port
        with pytest.raises(Failure, match="cannot listen"):
            await second.start()
    finally:
        await first.stop()
        await second.stop()


async def test_one_that_does_not_stop_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo ends, whatever its gateway does."""
    monkeypatch.setattr(process, "STOP_SECONDS", 0.0)
    gateway = GatewayProcess()
    await gateway.start()

    async with asyncio.timeout(10):
        await gateway.stop()

    assert gateway._process is not None
    assert gateway._process.returncode is not None
