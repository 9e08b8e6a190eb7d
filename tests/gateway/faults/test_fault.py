"""A fault in the hands of who ordered it."""

from __future__ import annotations

import asyncio

import pytest

from cableway.errors import UsageError
from cableway.gateway import Fault, Faults, GatewayOptions
from cableway.gateway.faults.rules import OrderBook


def refusal(**options: int) -> tuple[Fault, OrderBook]:
    """Order one."""
    book = OrderBook()
    return Faults(book, GatewayOptions()).refuse(401, headers={"Set-Cookie": "hush"}, body="hush", **options), book


def test_a_block_ends_its_fault() -> None:
    """Whether it ends well or not; a second time does no harm."""
    fault, book = refusal()
    with fault as entered:
        assert entered is fault
        assert fault.active
    assert (book.orders, fault.active) == ([], False)
    fault.lift()
    other, _ = refusal()
    with pytest.raises(ZeroDivisionError), other:
        raise ZeroDivisionError
    assert not other.active


def test_a_fault_that_has_struck_often_enough_is_active_no_more() -> None:
    """Though it has not been lifted."""
    fault, book = refusal(times=1)
    (order,) = book.orders
    assert order.strikes(next(iter(order.scope)))
    assert not fault.active


def test_what_a_fault_sends_is_not_in_its_text() -> None:
    """Headers and bodies may hold what is secret."""
    fault, _ = refusal()
    assert repr(fault) == "<Fault refuse: Refuse(status=401), fired=0, active=True>"


async def test_an_async_block_ends_it_too() -> None:
    """So that it stands in one line with its gateway."""
    fault, _ = refusal()
    async with fault as entered:
        assert entered.active
    assert not fault.active


async def test_one_can_wait_until_it_has_happened() -> None:
    """Also for what has happened already, and without harm if one gives up."""
    fault, book = refusal()
    waiting = asyncio.create_task(fault.wait_fired(2))
    given_up = asyncio.create_task(fault.wait_fired())
    await asyncio.sleep(0)
    given_up.cancel()
    book.orders[0].fire()
    await fault.wait_fired()
    await asyncio.sleep(0)
    assert not waiting.done()
    book.orders[0].fire()
    async with asyncio.timeout(1):
        await waiting


async def test_nobody_waits_for_what_will_not_happen() -> None:
    """It was lifted, or ordered for fewer times."""
    fault, _ = refusal(times=2)
    with pytest.raises(UsageError, match="ordered for times=2"):
        await fault.wait_fired(3)
    waiting = asyncio.create_task(fault.wait_fired())
    await asyncio.sleep(0)
    fault.lift()
    with pytest.raises(UsageError, match="'refuse' was lifted after it had fired 0 times, not 1"):
        await waiting
