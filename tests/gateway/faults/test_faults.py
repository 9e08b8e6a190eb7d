"""Orders for faults: what may be asked for, and what is said of what may not."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from cableway.errors import UsageError
from cableway.gateway import Fault, Faults, GatewayOptions
from cableway.gateway.faults.effects import Asked, Cut, Delay, LosePoll, Refuse, Silence
from cableway.gateway.faults.rules import OrderBook

if TYPE_CHECKING:
    from collections.abc import Callable

ALL = {Asked.UPGRADE, Asked.OPENING, Asked.POLL, Asked.STREAM}
PORTAL = (("Content-Type", "text/html; charset=utf-8"), ("Location", "http://portal.example/"))


def desk(**options: Any) -> tuple[Faults, OrderBook]:
    """Make a desk for orders, of a gateway that serves everything unless told otherwise."""
    book = OrderBook()
    return Faults(book, GatewayOptions(**{"poll": True, "sse": True, **options})), book


@pytest.mark.parametrize(
    ("order", "name", "scope"),
    [
        (lambda faults: faults.refuse(), "refuse", {Asked.UPGRADE}),
        (lambda faults: faults.refuse(on="polling"), "refuse", {Asked.OPENING, Asked.POLL}),
        (lambda faults: faults.refuse(on="all", openings_only=True), "refuse", ALL - {Asked.POLL}),
        (lambda faults: faults.captive_portal(), "captive_portal", ALL),
        (lambda faults: faults.withdraw("polling", "events"), "withdraw", ALL - {Asked.UPGRADE}),
        (lambda faults: faults.swallow(on=["websocket", "events"]), "swallow", {Asked.UPGRADE, Asked.STREAM}),
        (lambda faults: faults.delay(1), "delay", ALL),
        (lambda faults: faults.silence(), "silence", {Asked.UPGRADE}),
        (lambda faults: faults.cut(after=1, on="all"), "cut", {Asked.UPGRADE, Asked.STREAM}),
        (lambda faults: faults.drop_polls(), "drop_polls", {Asked.POLL}),
        (lambda faults: faults.answer_late(), "answer_late", {Asked.POLL}),
    ],
)
def test_each_order_says_whom_it_means(order: Callable[[Faults], Fault], name: str, scope: set[Asked]) -> None:
    """By its name, the transports, and whether polls of sessions are left alone."""
    faults, book = desk()
    fault = order(faults)
    assert (fault.name, book.orders[0].scope) == (name, scope)
    assert (fault.active, fault.fired) == (True, 0)
    assert [one.name for one in faults.active] == [name]


def test_all_means_all_that_is_served() -> None:
    """What is not served is no mistake then."""
    faults, book = desk(poll=False, sse=False)
    faults.swallow(on="all")
    assert book.orders[0].scope == {Asked.UPGRADE}


@pytest.mark.parametrize(
    ("order", "effect"),
    [
        (
            lambda faults: faults.refuse(429, headers={"X-A": "b"}, body=b"{", retry_after=2),
            Refuse(429, (("X-A", "b"), ("Retry-After", "2")), b"{"),
        ),
        (
            lambda faults: faults.refuse(426, body="no"),
            Refuse(426, (("Content-Type", "text/plain; charset=utf-8"),), b"no"),
        ),
        (
            lambda faults: faults.refuse(200, headers={"content-type": "text/html"}, body="<p>"),
            Refuse(200, (("content-type", "text/html"),), b"<p>"),
        ),
        (lambda faults: faults.captive_portal(location="http://portal.example/"), Refuse(302, PORTAL, b"")),
        (lambda faults: faults.delay(timedelta(seconds=2)), Delay(2.0)),
        (lambda faults: faults.silence(3), Silence(3.0)),
        (lambda faults: faults.cut(after=1.5, after_bytes=7), Cut(1.5, 7)),
        (lambda faults: faults.drop_polls(moment="answered"), LosePoll("answered")),
    ],
)
def test_each_order_says_what_is_done(order: Callable[[Faults], Fault], effect: object) -> None:
    """In plain values; durations are seconds, headers those that were given."""
    faults, book = desk()
    order(faults)
    assert book.orders[0].effect == effect


def test_the_cadence_is_that_of_the_order() -> None:
    """Polls are dropped each third unless told otherwise; all else strikes each one."""
    faults, book = desk()
    faults.drop_polls()
    faults.answer_late(4, times=2)
    faults.refuse()
    faults.cut(after=1, every=2, times=3)
    assert [(one.cadence.every, one.cadence.times) for one in book.orders] == [(3, None), (4, 2), (1, None), (2, 3)]


@pytest.mark.parametrize(
    ("order", "said"),
    [
        (lambda faults: faults.refuse(101), "status=101 does not end a request"),
        (lambda faults: faults.refuse(on="smoke"), "'smoke' is no transport: give some of 'websocket', 'polling'"),
        (lambda faults: faults.refuse(on=[]), "no transport is named"),
        (lambda faults: faults.withdraw(), "no transport is named"),
        (lambda faults: faults.refuse(on="polling"), "does not serve 'polling', .* set poll=True"),
        (lambda faults: faults.withdraw("events"), "set sse=True"),
        (lambda faults: faults.drop_polls(), "set poll=True"),
        (lambda faults: faults.refuse(headers={"A b": ""}), "the header 'A b' cannot be sent"),
        (lambda faults: faults.refuse(headers={"A": "b\r\nC: d"}), "the header 'A' cannot be sent"),
        (lambda faults: faults.refuse(retry_after=-1), "retry_after=-1 is not a duration"),
        (lambda faults: faults.refuse(every=0), "every=0 strikes nobody"),
        (lambda faults: faults.refuse(times=0), "times=0 strikes nobody"),
        (lambda faults: faults.delay(float("nan")), "seconds=nan is not a duration"),
        (lambda faults: faults.silence("soon"), "after='soon' is not a duration"),
        (lambda faults: faults.cut(), "neither after= nor after_bytes="),
        (lambda faults: faults.cut(after_bytes=-1), "after_bytes=-1 is negative"),
    ],
)
def test_what_makes_no_sense_is_told(order: Callable[[Faults], Fault], said: str) -> None:
    """The value, the rule, and the way out; and nothing is in force."""
    faults, book = desk(poll=False, sse=False)
    with pytest.raises(UsageError, match=said):
        order(faults)
    assert book.orders == []


def test_a_line_is_what_polling_does_not_have() -> None:
    """The error says what there is in its place."""
    faults, _ = desk()
    with pytest.raises(UsageError, match=r"long polling has no line .* drop_polls"):
        faults.cut(after=1, on="polling")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="moment='never' is none: give one of 'arrived', 'taken', 'answered'"):
        faults.drop_polls(moment="never")  # type: ignore[arg-type]


def test_healing_lifts_all_and_forgets_no_count() -> None:
    """A test may look afterwards."""
    faults, book = desk()
    fault, other = faults.refuse(), faults.swallow()
    book.orders[0].fire()
    faults.heal()
    assert (fault.active, other.active, faults.active, faults.fired) == (False, False, (), {"refuse": 1})
