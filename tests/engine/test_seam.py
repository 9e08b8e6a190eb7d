"""What two lines bring of one subscription: what both bring counts once, and nothing is lost."""

from __future__ import annotations

import random

import pytest

from cableway.engine.seam import Arrival, Seam
from cableway.wire.frames import Data


def arrival(number: int) -> Arrival:
    """Return a message of its own."""
    raw = str(number).encode()
    return Data("chat", number), raw, 0.0


def left(seam: Seam) -> list[object]:
    """Tell what only the new line has brought."""
    return [data.message for data, _, _ in seam.left()]


def test_what_both_bring_is_not_left() -> None:
    """Whichever is first."""
    seam = Seam()
    seam.from_old(b"1")
    seam.from_new(arrival(1))
    seam.from_new(arrival(2))
    seam.from_old(b"2")
    assert left(seam) == []
    assert seam.size == 0


def test_what_only_the_new_one_brings_is_left_in_order() -> None:
    """It is ahead of the old one, which had some to itself before."""
    seam = Seam()
    seam.from_old(b"0")
    for number in (1, 2, 3):
        seam.from_new(arrival(number))
    seam.from_old(b"1")
    assert left(seam) == [2, 3]
    assert seam.size == 3


def test_equal_messages_are_counted() -> None:
    """Three on the one line and one on the other are two more, and those the last."""
    seam = Seam()
    for number in (7, 7, 8, 7):
        seam.from_new(arrival(number))
    seam.from_old(b"7")
    assert left(seam) == [7, 8, 7]


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_lost_or_doubled_however_the_lines_interleave(seed: int) -> None:
    """The old line brings 0 to m, the new one 5 to n: all of them come, in order if the old one is heard first."""
    chance = random.Random(seed)
    old, new = list(range(chance.randint(5, 20))), list(range(5, chance.randint(5, 20)))
    expected = list(range(max(len(old), 5, new[-1] + 1 if new else 0)))
    seam, heard = Seam(), list[object]()
    while old or new:
        if old and (not new or chance.random() < 0.5):
            heard.append(old.pop(0))
            seam.from_old(str(heard[-1]).encode())
        else:
            seam.from_new(arrival(new.pop(0)))
    assert [*heard, *left(seam)] == expected
