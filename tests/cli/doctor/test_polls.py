"""Polls that are answered, held, lost, or answered by another server."""

from __future__ import annotations

import pytest

from cableway.cli.doctor.findings import Part, Record, Result, Step
from cableway.cli.doctor.symptoms import Symptom
from cableway.gateway import Gateway
from tests.cli.doctor.house import examined, found, results
from tests.transports.polling.house import House, cut, serving, status

pytestmark = pytest.mark.looptime


async def polled(house: House) -> Record:
    """Examine long polling at *house*."""
    async with serving(house):
        return await examined(house.url, transports=(Part.POLLING,))


async def test_polls_are_timed_and_the_hold_is_measured() -> None:
    """Each of three questions goes in a poll of its own; the cookie of the balancer is named."""
    house = House(hold=3.0)
    record = await polled(house)

    assert results(record, Part.POLLING) == ["ok"] * 4
    opened = found(record, Part.POLLING, Step.OPEN)
    assert opened.facts["cookies"] == ["node"]
    assert "cookies kept: node" in opened.detail
    assert [visit.commands for visit in house.visits[1:4]] == [[{"command": "ping"}]] * 3
    assert found(record, Part.POLLING, Step.HOLD).facts["held"] == pytest.approx(3.0, abs=0.3)
    assert house.most_at_once == 1


async def test_a_poll_that_outlasts_the_step_is_held_well() -> None:
    """A client waits longer than the doctor does; AnyCable's interval is 15 s."""
    async with Gateway(public=True, poll=True) as gateway:
        record = await examined(gateway.url, transports=(Part.POLLING,))

    hold = found(record, Part.POLLING, Step.HOLD)
    assert (hold.result, hold.detail) == (Result.OK, "held for 5 s and more")


async def test_polls_that_are_not_held_are_worth_a_word() -> None:
    """They cost many requests."""
    record = await polled(House(hold=0.0))

    hold = found(record, Part.POLLING, Step.HOLD)
    assert (hold.result, hold.symptom) == (Result.NOTE, Symptom.NOT_HELD)


@pytest.mark.parametrize("good", [0, 1, 2])
async def test_a_balancer_that_is_not_sticky_is_found(good: int) -> None:
    """Also if the first polls reach the right server by luck."""
    house = House()
    house.faults.extend([None] * (1 + good))
    house.faults.append(status(401))

    poll = found(await polled(house), Part.POLLING, Step.POLL)

    assert (poll.result, poll.symptom) == (Result.FAILED, Symptom.SESSION_GONE)
    assert poll.detail.startswith("HTTP 401 Unauthorized from ")


async def test_a_held_poll_that_is_cut_is_told() -> None:
    """By a proxy that waits for less long than the server holds it."""
    house = House()
    house.faults.extend([None] * 4)
    house.faults.append(cut)

    record = await polled(house)

    assert results(record, Part.POLLING)[:3] == ["ok"] * 3
    hold = found(record, Part.POLLING, Step.HOLD)
    assert (hold.result, hold.symptom) == (Result.FAILED, Symptom.POLL_LOST)
