"""Whom faults strike, without a loop."""

from __future__ import annotations

from random import Random

import pytest

from cableway.gateway.faults.effects import Asked, Cut, Delay, Refuse, Silence, Swallow
from cableway.gateway.faults.rules import Budget, Cadence, Order, OrderBook

BROKEN = Refuse(503, (), b"")


def order(effect: object, *asked: Asked, name: str = "fault", **cadence: int) -> Order:
    """Make an order, for upgrades unless told otherwise."""
    return Order(name, effect, frozenset(asked or {Asked.UPGRADE}), Cadence(**cadence))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cadence", "struck"),
    [
        (Cadence(), [1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (Cadence(every=3), [3, 6, 9]),
        (Cadence(times=2), [1, 2]),
        (Cadence(every=4, times=1), [4]),
        (Cadence(every=10), []),
    ],
)
def test_each_nth_is_struck_and_so_many_at_most(cadence: Cadence, struck: list[int]) -> None:
    """Counted from the order on, the first one being 1."""
    assert [number for number in range(1, 10) if cadence.strikes()] == struck
    assert cadence.over == (cadence.times is not None)


@pytest.mark.parametrize(
    ("left", "sizes", "parts"),
    [
        (10, [4, 4, 4], [None, None, 2]),
        (8, [4, 4], [None, 4]),
        (0, [4], [0]),
        (3, [100], [3]),
        (8, [4], [None]),
    ],
)
def test_a_budget_ends_at_its_byte(left: int, sizes: list[int], parts: list[int | None]) -> None:
    """In the middle of a frame, or with its last byte; never after another one."""
    budget = Budget(left)
    assert [budget.take(size) for size in sizes] == parts


@pytest.mark.parametrize("seed", range(5))
def test_a_budget_lets_exactly_its_bytes_through(seed: int) -> None:
    """Whatever the frames."""
    random = Random(seed)
    left, sent, part = random.randrange(5000), 0, None
    budget = Budget(left)
    while part is None:
        size = random.randrange(1, 400)
        part = budget.take(size)
        sent += size if part is None else part
    assert sent == left


def test_who_is_not_meant_is_not_counted() -> None:
    """A fault of each second upgrade does not care for polls in between."""
    fault = order(BROKEN, every=2)
    assert not fault.strikes(Asked.UPGRADE)
    assert not fault.strikes(Asked.POLL)
    assert fault.strikes(Asked.UPGRADE)


def test_the_last_order_is_asked_first_and_the_others_do_not_count_then() -> None:
    """As an inner block stands before an outer one."""
    book, outer, inner = OrderBook(), order(BROKEN, every=2), order(Swallow(), times=1)
    book.add(outer)
    book.add(inner)
    assert [book.judge(Asked.UPGRADE).order for _ in range(3)] == [inner, None, outer]
    assert outer.cadence.seen == 2


def test_delays_add_up_but_for_those_behind_what_ends_the_request() -> None:
    """They were ordered before it, so they are not asked."""
    book = OrderBook()
    early, broken, late = order(Delay(1)), order(BROKEN, every=2), order(Delay(2))
    for one in (early, broken, late):
        book.add(one)
    first, second = book.judge(Asked.UPGRADE), book.judge(Asked.UPGRADE)
    assert (first.delays, first.order) == (((late, 2), (early, 1)), None)
    assert (second.delays, second.order) == (((late, 2),), broken)


def test_lines_suffer_from_all_that_strikes_them_and_requests_from_none_of_it() -> None:
    """A silence and a cut are no answer to a request."""
    book = OrderBook()
    cut, silence, stream = order(Cut(1.0, None)), order(Silence(0), every=2), order(Cut(1.0, None), Asked.STREAM)
    for one in (cut, silence, stream, order(BROKEN, Asked.POLL)):
        book.add(one)
    assert [book.strikes_line(Asked.UPGRADE) for _ in range(2)] == [[cut], [cut, silence]]
    assert book.judge(Asked.UPGRADE).order is None


def test_an_order_that_is_lifted_strikes_nobody() -> None:
    """And those that depend on it are let go, once, and those alone."""
    book, fault, gone = OrderBook(), order(BROKEN), list[str]()
    book.add(fault)
    fault.hold(lambda: gone.append("held"))
    fault.release(fault.hold(lambda: gone.append("released")))
    with fault.held(lambda: gone.append("over")):
        pass
    book.lift(fault)
    book.lift(fault)
    assert (gone, fault.active, fault.strikes(Asked.UPGRADE)) == (["held"], False, False)
    assert book.judge(Asked.UPGRADE).order is None


def test_a_stop_lets_go_and_lifts_nothing() -> None:
    """The fault goes on with the next start."""
    fault, gone = order(Swallow()), list[str]()
    fault.hold(lambda: gone.append("held"))
    fault.let_go()
    assert (gone, fault.active) == (["held"], True)


def test_what_happened_is_counted_by_name_and_outlives_the_order() -> None:
    """One that was lifted may still happen to those whom it had struck."""
    book = OrderBook()
    one, other, never = order(BROKEN, name="refuse"), order(BROKEN, name="refuse"), order(Swallow(), name="swallow")
    for fault in (one, other, never):
        book.add(fault)
    one.fire()
    book.lift(one)
    one.fire()
    other.fire()
    assert (one.fired, other.fired, dict(book.total)) == (2, 1, {"refuse": 3})


def test_who_watches_is_told_of_each_time_and_of_the_end() -> None:
    """Not before and not after."""
    fault, told = order(BROKEN), list[int]()
    fault.fire()
    with fault.watched(lambda: told.append(fault.fired)):
        fault.fire()
        fault.lift()
    fault.fire()
    assert told == [2, 2]


def test_new_orders_are_told() -> None:
    """Lines that are up may suffer from them."""
    book, told = OrderBook(), list[Order]()
    book.listeners.append(told.append)
    fault = order(Silence(0))
    book.add(fault)
    assert told == [fault]
