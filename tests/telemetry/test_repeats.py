"""Of many dials that fail some are told."""

from __future__ import annotations

from cableway.errors import HostUnreachable, LineClosed
from cableway.events import RetryScheduled
from cableway.telemetry.repeats import EACH, REASONS, Repeats

LOST = LineClosed(1006)


def told(repeats: Repeats, error: Exception, *attempts: int) -> list[int]:
    """Give those of *attempts* that are news."""
    return [number for number in attempts if repeats.is_news(RetryScheduled(1, number, error))]  # type: ignore[arg-type]


def test_the_first_are_told_each_and_then_as_their_number_doubles() -> None:
    """Two hundred dials are an hour."""
    assert told(Repeats(), LOST, *range(2, 201)) == [*range(2, EACH + 1), 16, 32, 64, 128]


def test_another_reason_is_told_at_once() -> None:
    """And once: two that take turns, as on a chain of transports, are no news each time."""
    repeats, other = Repeats(), HostUnreachable("ws://h/", "refused")
    told(repeats, LOST, *range(2, 20))
    assert [told(repeats, error, number) for number, error in ((20, other), (21, LOST), (22, other))] == [[20], [], []]


def test_the_next_outage_is_told_from_its_start() -> None:
    """Also where it begins with many dials behind it."""
    repeats = Repeats()
    assert told(repeats, LOST, 20, 21) == [20]
    repeats.over()
    assert told(repeats, LOST, 22, 23) == [22]


def test_reasons_that_never_repeat_are_no_flood() -> None:
    """Nor do they fill the memory."""
    repeats = Repeats()
    numbers = [number for number in range(100, 300) if told(repeats, LineClosed(number), number)]
    assert len(numbers) == REASONS + 1
