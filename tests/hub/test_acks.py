"""Cumulative acknowledgements, also where eras change and numbers begin again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cableway.hub.acks import MOST_RUNS, Acks, lowest
from cableway.wire.positions import Position


def at(offset: int, epoch: str = "e") -> Position:
    """Return a position."""
    return Position(epoch, offset)


def handed(*positions: Position, stream: str = "a") -> Acks:
    """Return the acknowledgements of a handle to which these were delivered."""
    acks = Acks()
    for position in positions:
        acks.delivered(stream, position)
    return acks


def test_one_speaks_for_all_before_it() -> None:
    """It is to be saved; those before it are done, and the same one again is nothing new."""
    acks = handed(at(1), at(2), at(3), at(4))

    assert acks.ack("a", at(3)) == {"a": at(3)}
    assert [acks.ack("a", at(offset)) for offset in (1, 2, 3)] == [{}, {}, {}]
    assert acks.ack("a", at(4)) == {"a": at(4)}
    assert acks.ack("a", at(4)) == {}


def test_streams_are_acknowledged_by_themselves() -> None:
    """An acknowledgement says nothing of other streams."""
    acks = handed(at(1), at(2))
    acks.delivered("b", at(9))

    assert acks.ack("b", at(9)) == {"b": at(9)}
    assert acks.ack("a", at(2)) == {"a": at(2)}


@pytest.mark.parametrize(("stream", "position"), [("b", at(1)), ("a", at(3)), ("a", at(0)), ("a", at(1, "f"))])
def test_what_was_not_delivered_is_nothing(stream: str, position: Position) -> None:
    """It must not move the place of what was."""
    acks = handed(at(1), at(2))

    assert acks.ack(stream, position) == {}
    assert acks.ack("a", at(1)) == {"a": at(1)}


def test_holes_are_passed() -> None:
    """A message that never came, such as an own echo, stops nothing."""
    acks = handed(at(1), at(5), at(9))

    assert acks.ack("a", at(5)) == {"a": at(5)}
    assert acks.ack("a", at(9)) == {"a": at(9)}


def test_a_new_era_ends_the_old_one() -> None:
    """Its first acknowledgement speaks for all of the old era; one of the old era that comes late is nothing."""
    acks = handed(at(7), at(8), at(1, "f"), at(2, "f"))
    assert acks.ack("a", at(7)) == {"a": at(7)}
    assert acks.ack("a", at(1, "f")) == {"a": at(1, "f")}

    assert acks.ack("a", at(8)) == {}
    assert acks.ack("a", at(2, "f")) == {"a": at(2, "f")}


def test_numbers_may_begin_again() -> None:
    """Within one era: 1 comes after 8 then, since it was delivered after it."""
    acks = handed(at(7), at(8), at(1), at(2))

    assert acks.ack("a", at(1)) == {"a": at(1)}
    assert acks.ack("a", at(8)) == {}
    assert acks.ack("a", at(2)) == {"a": at(2)}


def test_in_doubt_the_earlier_one_is_meant() -> None:
    """Two open messages have one position: rather one more repeated than one lost."""
    acks = handed(at(1), at(2), at(1), at(2))

    assert [acks.ack("a", at(1)), acks.ack("a", at(2))] == [{"a": at(1)}, {"a": at(2)}]
    assert [acks.ack("a", at(1)), acks.ack("a", at(2))] == [{"a": at(1)}, {"a": at(2)}]
    assert acks.ack("a", at(2)) == {}


def test_it_does_not_grow_with_what_is_not_acknowledged() -> None:
    """A million open messages in a row are one entry; eras without end are given up, the oldest first."""
    acks = Acks()
    for offset in range(1000):
        acks.delivered("a", at(offset))
    assert len(acks._open["a"]) == 1
    for era in range(MOST_RUNS):
        acks.delivered("a", at(1, f"era {era}"))

    assert len(acks._open["a"]) == MOST_RUNS
    assert acks.ack("a", at(5)) == {}
    assert acks.ack("a", at(1, "era 0")) == {"a": at(1, "era 0")}


runs = st.lists(st.tuples(st.sampled_from("ef"), st.integers(0, 4), st.integers(1, 4)), min_size=1, max_size=6)


@given(runs=runs, data=st.data())
def test_it_does_what_a_list_of_all_deliveries_does(runs: list[tuple[str, int, int]], data: st.DataObject) -> None:
    """The first open delivery with that position ends all before it, whatever eras and numbers do."""
    acks, deliveries, done = Acks(), list[Position](), 0
    for epoch, first, length in runs:
        for offset in range(first, first + length):
            if deliveries and deliveries[-1].epoch == epoch and deliveries[-1].offset < offset - 1:
                break  # A hole, of which this plain model knows nothing.
            deliveries.append(at(offset, epoch))
            acks.delivered("a", deliveries[-1])
        position = data.draw(st.sampled_from([*deliveries, at(99)]))
        found = next((place for place in range(done, len(deliveries)) if deliveries[place] == position), None)
        done = done if found is None else found + 1

        assert acks.ack("a", position) == ({} if found is None else {"a": position})


@pytest.mark.parametrize(
    ("positions", "expected"),
    [
        ([at(5)], at(5)),
        ([at(5), at(3), at(4)], at(3)),
        ([], None),
        ([at(5), None], None),
        ([at(5), at(3, "f")], None),
        ([at(5, "f"), at(3, "f")], at(3, "f")),
    ],
)
def test_the_slowest_handle_counts(positions: list[Position | None], expected: Position | None) -> None:
    """What all have done with is done; where that cannot be said, what was saved before stays."""
    assert lowest(positions) == expected
