"""The model of the broker keeps AnyCable's rules to the letter."""

from __future__ import annotations

from tests.simulation.recovery.broker import Broker, Stored


def broker(limit: int = 3, ttl: int = 10) -> Broker:
    """Make one of epoch e1."""
    return Broker("e1", limit, ttl)


def numbers(entries: list[Stored] | None) -> list[int] | None:
    """Tell which publications *entries* are."""
    return None if entries is None else [entry.number for entry in entries]


def test_offsets_count_from_one_in_each_stream() -> None:
    """Each stream counts by itself."""
    model = broker()

    assert [model.add("a", 1, 100), model.add("b", 1, 100), model.add("a", 2, 100)] == [1, 1, 2]


def test_the_answer_begins_after_the_position() -> None:
    """From the last position there is nothing to tell, which is an answer."""
    model = broker()
    for number in (1, 2, 3):
        model.add("a", number, 100)

    assert numbers(model.after("a", "e1", 1)) == [2, 3]
    assert numbers(model.after("a", "e1", 3)) == []


def test_what_cannot_be_told_is_refused() -> None:
    """Another epoch, an unknown stream, a position past the end, and one that the limit has overrun."""
    model = broker()
    for number in range(1, 6):
        model.add("a", number, 100)

    assert model.after("a", "e2", 4) is None
    assert model.after("b", "e1", 1) is None
    assert model.after("a", "e1", 6) is None
    assert model.after("a", "e1", 1) is None
    # Nothing would be missing after 2, and it is refused all the same.
    assert model.after("a", "e1", 2) is None
    assert numbers(model.after("a", "e1", 3)) == [4, 5]


def test_a_client_that_has_all_is_refused_once_all_expired() -> None:
    """A whole second after its time to live an entry is gone; with the last of them any position is refused."""
    model = broker(ttl=10)
    model.add("a", 1, 100)

    model.expire(110)
    assert numbers(model.after("a", "e1", 1)) == []
    model.expire(111)
    assert model.after("a", "e1", 1) is None
    assert model.add("a", 2, 112) == 2
    assert model.after("a", "e1", 1) is None


def test_an_idle_stream_begins_again_in_the_same_epoch() -> None:
    """Ten times the time to live after its last message a stream is forgotten, its offset with it."""
    model = broker(ttl=10)
    model.add("a", 1, 100)

    model.expire(200)
    assert model.add("a", 2, 200) == 2
    model.expire(301)
    assert model.add("a", 3, 301) == 1


def test_a_time_is_taken_in_whole_seconds_and_inclusive() -> None:
    """Everything of that second comes; of an unknown stream nothing does, and that is no refusal."""
    model = broker()
    model.add("a", 1, 99)
    model.add("a", 2, 100)
    model.add("a", 3, 100)

    assert numbers(model.since("a", 100)) == [2, 3]
    assert numbers(model.since("b", 100)) == []
