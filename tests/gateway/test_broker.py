"""What was published and is kept: AnyCable's memory broker to the letter, its surprises included."""

from __future__ import annotations

from random import Random

import pytest

from cableway.gateway import GatewayOptions
from cableway.gateway.broker import Kept, MemoryBroker, OutOfReach
from cableway.wire.positions import HistoryQuery, Position

NOW = 1_790_000_000
LIFE = 300


def broker(*, limit: int = 100, life: float = LIFE) -> MemoryBroker:
    """Keep so and so many messages, for so and so long."""
    return MemoryBroker("q8Zd", limit=limit, life=life)


def filled(last: int, *, limit: int = 100, at: float = NOW) -> MemoryBroker:
    """Keep the messages up to offset *last* of one stream."""
    kept = broker(limit=limit)
    for number in range(1, last + 1):
        kept.add("room", b"%d" % number, at)
    return kept


def at(offset: int, epoch: str = "q8Zd") -> Position:
    """Name a place."""
    return Position(epoch, offset)


def offsets(found: list[Kept]) -> list[int]:
    """Tell which messages these are."""
    return [kept.position.offset for kept in found]


def reaches(kept: MemoryBroker, position: Position, stream: str = "room") -> bool:
    """Tell whether the past can be told from *position* on."""
    try:
        kept.after(stream, position)
    except OutOfReach:
        return False
    return True


# Keeping -------------------------------------------------------------------------------------------------------------


def test_each_stream_counts_for_itself_from_one() -> None:
    """In the broker's era; the text and the whole second of a message are kept as they are."""
    kept = broker()
    assert [kept.add(name, b"1", NOW) for name in ("a", "b", "a")] == [at(1), at(1), at(2)]
    kept.add("a", b'{"t": "\xc3\xa4"}', NOW + 7.99)
    assert kept.after("a", at(2)) == [Kept("a", at(3), NOW + 7, b'{"t": "\xc3\xa4"}')]


def test_a_full_stream_loses_its_oldest() -> None:
    """The limit is that of each stream; offsets go on."""
    kept = filled(5, limit=3)
    kept.add("other", b"1", NOW)
    assert offsets(kept.since("room", 0)) == [3, 4, 5]
    assert kept.add("room", b"6", NOW) == at(6)
    assert offsets(kept.since("room", 0)) == [4, 5, 6]
    assert offsets(kept.since("other", 0)) == [1]


def test_where_none_may_be_kept_none_is() -> None:
    """Messages still have their places, and nothing can be asked for."""
    kept = filled(2, limit=0)
    assert kept.add("room", b"3", NOW) == at(3)
    assert kept.since("room", 0) == []
    assert not any(reaches(kept, at(offset)) for offset in range(4))


def test_messages_grow_too_old_one_by_one() -> None:
    """Whole seconds count: one is dropped in the first second that is more than its life later."""
    kept = broker()
    for second in (0, 0.999, 1, 2.5):
        kept.add("room", b"1", NOW + second)
    kept.expire(NOW + LIFE + 0.999)
    assert offsets(kept.since("room", 0)) == [1, 2, 3, 4]
    kept.expire(NOW + LIFE + 1)
    assert offsets(kept.since("room", 0)) == [3, 4]
    kept.expire(NOW + LIFE + 2.999)
    assert offsets(kept.since("room", 0)) == [4]
    kept.expire(NOW + LIFE + 3)
    assert kept.since("room", 0) == []


def test_an_idle_stream_is_forgotten_and_begins_anew_in_the_same_era() -> None:
    """After ten lives of a message, counted from the last one: its offsets are those of other messages then."""
    kept = filled(41)
    last = NOW + 100
    kept.add("room", b"42", last)
    kept.expire(last + 10 * LIFE)
    assert kept.add("room", b"43", last + 10 * LIFE) == at(43)
    kept.expire(last + 20 * LIFE)
    kept.expire(last + 20 * LIFE + 1)
    assert kept.add("room", b"1", last + 20 * LIFE + 1) == at(1)


def test_it_is_only_forgotten_when_somebody_looks() -> None:
    """A look is taken each second; until then all is there, however old."""
    kept = filled(3)
    assert offsets(kept.after("room", at(1))) == [2, 3]
    assert kept.add("room", b"4", NOW + 100 * LIFE) == at(4)
    assert offsets(kept.since("room", NOW)) == [1, 2, 3, 4]


# Asking by a place ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("position", "found"),
    [
        (at(3), [4, 5, 6]),
        (at(5), [6]),
        (at(6), []),
        (at(2), None),
        (at(1), None),
        (at(0), None),
        (at(7), None),
        (at(4, "Zd8q"), None),
        (at(4, ""), None),
        (at(6, "q8zd"), None),
    ],
    ids=lambda value: f"{value.epoch}:{value.offset}" if isinstance(value, Position) else None,
)
def test_what_came_after_a_place_that_is_kept(position: Position, found: list[int] | None) -> None:
    """Of six messages four are left. Right before the oldest nothing is missing, and it is refused all the same."""
    kept = filled(6, limit=4)
    if found is None:
        with pytest.raises(OutOfReach):
            kept.after("room", position)
    else:
        assert offsets(kept.after("room", position)) == found


def test_from_the_very_beginning_is_refused() -> None:
    """Though all is there: nobody has seen a message with offset 0."""
    assert not reaches(filled(3), at(0))
    assert reaches(filled(3), at(1))


def test_a_stream_that_nobody_published_to_is_refused() -> None:
    """By its place; it may have been another server that knew it."""
    assert not reaches(filled(3), at(1), "another")


def test_who_has_seen_all_is_refused_once_all_has_grown_too_old() -> None:
    """Nothing is missing, and nobody can tell; with the next message its own place can be asked from again."""
    kept = filled(3)
    kept.expire(NOW + LIFE)
    assert reaches(kept, at(3))
    kept.expire(NOW + LIFE + 1)
    assert not reaches(kept, at(3))
    kept.add("room", b"4", NOW + LIFE + 2)
    assert [reaches(kept, at(offset)) for offset in (3, 4, 5)] == [False, True, False]


# Asking by a time ----------------------------------------------------------------------------------------------------


def test_a_second_counts_in_whole() -> None:
    """What was published in it is told, also what the asker may have seen."""
    kept = broker()
    for second in (10, 11.001, 11.999, 12):
        kept.add("room", b"1", NOW + second)
    assert offsets(kept.since("room", NOW + 11)) == [2, 3, 4]
    assert offsets(kept.since("room", NOW + 12)) == [4]
    assert kept.since("room", NOW + 13) == []


def test_a_time_is_never_out_of_reach() -> None:
    """A stream that is not known has brought nothing, and one that has lost some tells what it has."""
    kept = filled(6, limit=4)
    assert offsets(kept.since("room", 1)) == [3, 4, 5, 6]
    assert kept.since("another", 1) == []


# Asking for several streams ------------------------------------------------------------------------------------------


def several() -> MemoryBroker:
    """Keep three messages of each of two streams."""
    kept = broker()
    for number in range(3):
        for name in ("a", "b"):
            kept.add(name, b"1", NOW + number)
    return kept


def test_streams_are_told_by_their_places_and_the_rest_by_the_time() -> None:
    """A place counts before the time; without either a stream is left out."""
    kept = several()
    found = kept.recall(("a", "b"), HistoryQuery({"a": at(2)}, since=NOW + 1))
    assert [(one.stream, one.position.offset) for one in found] == [("a", 3), ("b", 2), ("b", 3)]
    assert [one.stream for one in kept.recall(("a", "b"), HistoryQuery({"b": at(1)}))] == ["b", "b"]


def test_streams_of_others_are_not_told() -> None:
    """A subscription learns only of its own; what is asked beyond that is neither told nor refused."""
    kept = several()
    query = HistoryQuery({"a": at(1), "b": at(99), "nobody's": at(7)}, since=NOW)
    assert {one.stream for one in kept.recall(("a",), query)} == {"a"}
    assert kept.recall((), query) == []


def test_one_stream_out_of_reach_is_enough() -> None:
    """All or nothing."""
    for bad in (at(9), at(0), at(2, "else")):
        with pytest.raises(OutOfReach):
            several().recall(("a", "b"), HistoryQuery({"a": at(1), "b": bad}, since=NOW))


# Any run -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_in_any_run_the_rules_hold(seed: int) -> None:
    """Against the rules written once more, without any state but the list of all that was published."""
    random = Random(seed)
    limit, life, now = random.randint(1, 6), random.randint(1, 8), float(NOW)
    kept = broker(limit=limit, life=life)
    published: list[tuple[int, int]] = []
    floor = last = 0
    for _ in range(400):
        now += random.choice((0, 0.3, 1, 3, 12 * life)) * (random.random() < 0.5)
        if random.random() < 0.6:
            last += 1
            assert kept.add("room", b"1", now) == at(last)
            published.append((last, int(now)))
            floor = max(floor, last - limit)
        else:
            kept.expire(now)
            second = int(now)
            floor = max([floor, *(offset for offset, then in published if then < second - life)])
            if published and published[-1][1] + 10 * life < second:
                published, floor, last = [], 0, 0
        there = [offset for offset, _ in published if offset > floor]
        for offset in range(last + 2):
            known = bool(there) and there[0] <= offset <= last
            assert reaches(kept, at(offset)) == known
        assert offsets(kept.since("room", NOW)) == there


def test_what_is_kept_by_default_is_what_anycable_keeps() -> None:
    """A hundred messages for five minutes, sessions as long, and presence for a quarter of a minute."""
    options = GatewayOptions()
    assert (options.history_limit, options.history_ttl) == (100, 300)
    assert (options.sessions_ttl, options.presence_ttl) == (300, 15)
