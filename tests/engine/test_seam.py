"""What two lines bring of one subscription: what both bring counts once, and nothing is lost."""

from __future__ import annotations

import random

import pytest

from cableway.engine.seam import Arrival, Place, Seam
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
    seam.from_old(None, b"1", 0.0)
    seam.from_new(None, arrival(1))
    seam.from_new(None, arrival(2))
    seam.from_old(None, b"2", 0.0)
    assert left(seam) == []
    assert seam.size == 0


def test_what_only_the_new_one_brings_is_left_in_order() -> None:
    """It is ahead of the old one, which had some to itself before."""
    seam = Seam()
    seam.from_old(None, b"0", 0.0)
    for number in (1, 2, 3):
        seam.from_new(None, arrival(number))
    seam.from_old(None, b"1", 0.0)
    assert left(seam) == [2, 3]
    assert seam.size == 3


def test_equal_messages_are_counted() -> None:
    """Three on the one line and one on the other are two more, and those the last."""
    seam = Seam()
    for number in (7, 7, 8, 7):
        seam.from_new(None, arrival(number))
    seam.from_old(None, b"7", 0.0)
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
            seam.from_old(None, str(heard[-1]).encode(), 0.0)
        else:
            seam.from_new(None, arrival(new.pop(0)))
    assert [*heard, *left(seam)] == expected


def placed(offset: int, stream: str = "s") -> tuple[Place, Arrival]:
    """Return a message with its place."""
    place = (stream, "e", offset)
    return place, (Data("chat", offset, *place), b"%d" % offset, 0.0)


def test_messages_with_places_are_the_same_by_these() -> None:
    """Whatever their frames are; what the old line brings first is not held at all."""
    seam = Seam()
    for offset in (3, 4, 5):
        seam.from_new(*placed(offset))
    seam.from_old(("s", "e", 3), b"other bytes", 0.0)
    assert (left(seam), seam.size) == ([4, 5], 2)
    seam.from_old(("s", "e", 6), b"", 0.0)
    assert (left(seam), seam.size) == ([], 0)
    seam.from_new(*placed(6))
    seam.from_new(*placed(7))
    assert left(seam) == [7]


def test_each_stream_and_epoch_has_its_own_places() -> None:
    """How far the one has come says nothing about the other."""
    seam = Seam()
    seam.from_old(("s", "e", 9), b"", 0.0)
    seam.from_old(("t", "d", 9), b"", 0.0)
    seam.from_new(*placed(1, "t"))
    assert left(seam) == [1]


def test_what_has_a_place_and_what_has_none_stay_in_their_order() -> None:
    """As the new line brought them."""
    seam = Seam()
    seam.from_new(*placed(1))
    seam.from_new(None, arrival(20))
    seam.from_new(*placed(2))
    seam.from_new(None, arrival(30))
    seam.from_old(None, b"20", 0.0)
    assert left(seam) == [1, 2, 30]


def test_what_the_old_line_was_the_first_to_bring_may_come_late() -> None:
    """That of the last moment, as often as it is due, and what has a place is told apart elsewhere."""
    seam = Seam()
    seam.from_old(None, b"1", 1.0)
    seam.from_old(None, b"2", 5.0)
    seam.from_old(None, b"2", 6.0)
    seam.from_old(None, b"3", 7.0)
    seam.from_old(("s", "e", 1), b"4", 7.0)
    seam.from_new(None, arrival(2))
    seam.from_new(None, arrival(3))
    assert seam.late(4.0) == {b"2": 1}
    assert seam.late(6.0) == {}
    assert seam.late(0.0) == {b"1": 1, b"2": 1}
