"""The ledger finds what it is there to find."""

from __future__ import annotations

import pytest

from cableway import Message
from tests.interop.peers.ledger import Heard, Ledger, Resync


def live(number: int, epoch: str = "a", offset: int | None = None) -> Heard:
    """A message that came live."""
    return Heard(number, epoch, number if offset is None else offset, replayed=False)


def past(number: int, epoch: str = "a", offset: int | None = None) -> Heard:
    """A message that was given back."""
    return Heard(number, epoch, number if offset is None else offset, replayed=True)


@pytest.mark.parametrize(
    "entries",
    [
        [live(1), live(1)],
        [live(2), live(1)],
        [live(1, offset=2), live(2, offset=2)],
        [live(1), live(2, "b", 1), live(3, "a", 2)],
    ],
    ids=["doubled", "out of order", "one place twice", "an era that came back"],
)
def test_disorder_is_found(entries: list[Heard | Resync]) -> None:
    """Whatever is told of it."""
    with pytest.raises(AssertionError):
        Ledger(entries).check_order()


@pytest.mark.parametrize(
    "entries",
    [
        [live(1), live(3)],
        [Resync(), live(1), live(3)],
        [live(1), live(3), Resync(), live(4)],
        [live(1), past(3), live(4), Resync(), live(5)],
        [live(1), past(3)],
    ],
    ids=["not told", "told before", "told after", "told after a live message", "not told yet"],
)
def test_a_loss_without_a_word_is_found(entries: list[Heard | Resync]) -> None:
    """It must be told between the messages around it, or with the outcome of the recovery that brought the second."""
    with pytest.raises(AssertionError, match="nothing told"):
        Ledger(entries).losses([1, 2, 3, 4, 5])


@pytest.mark.parametrize(
    "entries",
    [
        [live(1), Resync(), live(3), live(4)],
        [live(1), past(3), past(4), Resync()],
        [live(1), past(3), Resync(), live(4)],
    ],
)
def test_a_loss_that_was_told_is_counted(entries: list[Heard | Resync]) -> None:
    """Run by run."""
    assert Ledger(entries).losses([1, 2, 3, 4, 5]) == [[2]]


def test_what_was_never_published_is_found() -> None:
    """What is neither accepted nor unsure comes from nowhere."""
    assert Ledger([live(1), live(2)]).losses([1], unsure=[2]) == []
    with pytest.raises(AssertionError, match="never published"):
        Ledger([live(1), live(2)]).losses([1])


def test_numbers_do_where_there_are_no_places() -> None:
    """On the base protocol a message that comes twice, or late, is found by its number."""

    def ledger(*numbers: int) -> Ledger:
        kept = Ledger()
        for number in numbers:
            kept.hear(Message(number, 0.0))
        return kept

    ledger(1, 2, 4).check_order()
    for numbers in ((1, 1), (2, 1)):
        with pytest.raises(AssertionError):
            ledger(*numbers).check_order()


def test_an_era_without_a_word_is_found() -> None:
    """The first one needs none."""
    assert Ledger([live(1), Resync(), live(2, "b", 1)]).check_eras() == 2
    with pytest.raises(AssertionError, match="begins an era"):
        Ledger([live(1), live(2, "b", 1)]).check_eras()
