"""The figures of a cable, gathered from where they are kept."""

from __future__ import annotations

import asyncio

import pytest

from cableway import LTE
from cableway.engine.figures import figures
from tests.scripted import background, connected, line, refusal, settle

A, B = "ws://user:sesame@a.example/cable", "ws://b.example/cable?token=sesame"


@pytest.mark.looptime
async def test_each_address_has_its_health() -> None:
    """Under its name without secrets; none where a function gives the address."""
    made = line(url=[A, B], shuffle=False)
    opening = background(made.cable.open())
    await made.transport.refuse(refusal())
    await made.welcome()
    await opening
    gathered = figures(made.cable._engine)
    assert gathered == made.cable.stats()
    assert list(gathered.endpoints.values()) == [1, 0]
    assert "sesame" not in repr(gathered)
    assert gathered.dials == 2
    await made.cable.close()
    assert figures(line(url=lambda: A).cable._engine).endpoints == {}


@pytest.mark.looptime
async def test_what_is_counted_on_a_line_is_counted_on_that_line() -> None:
    """While there is none, its figures are zero; those of the cable go on."""
    async with connected() as made:
        made.server.send("no json")
        made.server.message('{"channel":"Nobody"}', 1)
        await settle()
        assert (made.cable.stats().malformed, made.cable.stats().undelivered) == (1, 1)
        made.cable.pause()
        await settle()
        assert (made.cable.stats().malformed, made.cable.stats().undelivered) == (0, 1)


@pytest.mark.looptime
async def test_the_energy_is_reckoned_where_a_radio_is_given() -> None:
    """It grows while the line is used, and is unknown without a radio."""
    async with connected(radio=LTE) as made:
        before = made.cable.stats().energy
        await asyncio.sleep(60)
        made.server.send({"type": "ping"})
        await settle()
        after = made.cable.stats().energy
        assert before is not None
        assert after is not None
        assert after != before
    async with connected() as made:
        assert made.cable.stats().energy is None
