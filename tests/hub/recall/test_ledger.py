"""The short way for messages that simply follow on each other."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cableway.hub.recall.book import Book
from cableway.hub.recall.ledger import MOST_TAILS, Ledger
from cableway.wire.positions import Position
from tests.hub.desk import frame
from tests.hub.recall.archive import message, placed

NOW = 5.0


def learned(last: int = 1, *, epoch: str = "e", stream: str = "s", ledger: Ledger | None = None) -> Ledger:
    """Return a ledger that has read a frame of the stream in full, its last one so far."""
    ledger = ledger or Ledger()
    ledger.begin(ledger.open(stream), epoch, last)
    assert ledger.learn(placed(last, epoch=epoch, stream=stream), message(last, epoch=epoch, stream=stream)) is not None
    return ledger


def run(*offsets: int, **place: str) -> list[bytes]:
    """Write frames."""
    return [placed(offset, **place) for offset in offsets]


def test_each_stream_has_one_book() -> None:
    """Opened again it is the same one, with all that is known."""
    ledger = Ledger()
    book = ledger.open("s")
    assert ledger.open("s") is book
    assert ledger.open("t") is not book
    assert list(ledger.books) == ["s", "t"]


def test_to_begin_forgets_what_was_of_another_run() -> None:
    """Old replays, the place where it had begun, and the floor mean nothing after it."""
    ledger = learned(9)
    book = ledger.books["s"]
    book.replays.add(3)
    book.first = book.floor = 3
    ledger.begin(book, "e", 0)
    assert (book.position, book.replays, book.first, book.floor) == (Position("e", 0), set(), 0, 0)
    assert ledger.advance(run(1), NOW) == 1


def test_what_follows_counts() -> None:
    """Frames in their turn are delivered unread, and the place moves with them."""
    ledger = learned()
    assert ledger.advance(run(2, 3, 4), NOW) == 3
    assert ledger.books["s"].position == Position("e", 4)
    assert ledger.books["s"].heard == NOW


@pytest.mark.parametrize("offset", [1, 2, 4, 5, 0, -1])
def test_what_does_not_follow_has_to_be_read(offset: int) -> None:
    """A double, a hole and a number begun anew end the count, with all that comes after them."""
    ledger = learned()
    assert ledger.advance(run(2, 3, offset + (offset > 3), 4), NOW) == 2
    assert ledger.books["s"].position == Position("e", 3)


def test_an_unchanged_place_was_not_heard_of() -> None:
    """A stream by which nothing came is as idle as before."""
    ledger = learned()
    heard = ledger.books["s"].heard
    ledger.advance([*run(1), *run(2)], NOW)
    assert ledger.books["s"].heard == heard


def test_streams_may_take_turns() -> None:
    """Each goes on from its own place; another era's frames have to be read."""
    ledger = learned(7, stream="t", ledger=learned(1))
    frames = [placed(2), placed(8, stream="t"), placed(3), placed(4), placed(9, stream="t"), placed(5, epoch="f")]
    assert ledger.advance(frames, NOW) == 5
    assert {name: book.position for name, book in ledger.books.items()} == {
        "s": Position("e", 4),
        "t": Position("e", 9),
    }


def test_frames_without_a_place_pass_in_between() -> None:
    """Whispers and what the server did not keep have none, and move none."""
    ledger = learned()
    assert ledger.advance([frame("A", 1), placed(2), frame("A", {"a": [1]}), placed(3)], NOW) == 4
    assert ledger.books["s"].position == Position("e", 3)
    assert Ledger().advance([frame("A", 1)], NOW) == 1


def test_an_unknown_ending_has_to_be_read() -> None:
    """Also where the stream is known, but not how its frames end."""
    ledger = Ledger()
    assert ledger.advance(run(1), NOW) == 0
    ledger.begin(ledger.open("s"), "e", 1)
    assert ledger.advance(run(2), NOW) == 0
    assert ledger.books["s"].position == Position("e", 1)


def test_what_is_held_has_its_turn_first() -> None:
    """The short way would pass it over."""
    ledger = learned()
    ledger.books["s"].held["e", 3] = (message(3), 10)
    assert ledger.advance(run(2), NOW) == 0


def test_a_forgotten_place_has_to_be_found_anew() -> None:
    """The ending is still known, and says nothing of what comes next."""
    ledger = learned()
    ledger.books["s"].forget(refused=True)
    assert ledger.advance(run(2), NOW) == 0


@pytest.mark.parametrize(
    "data",
    [
        {"stream_id": "s", "epoch": "e", "offset": 2},
        {"a": 1, "stream_id": "s", "epoch": "e", "offset": 2},
        ',"stream_id":"s","epoch":"e","offset":2}',
        'x","stream_id":"s","epoch":"e","offset":2',
        '\\,"stream_id":"s","epoch":"e","offset":2',
    ],
)
def test_a_message_cannot_pretend_to_have_a_place(data: Any) -> None:
    """What reads like an ending inside of a message moves nothing: it is read in full, or passes as one without."""
    ledger = learned()
    ledger.advance([frame("A", data)], NOW)
    assert ledger.books["s"].position == Position("e", 1)


@pytest.mark.parametrize(
    "written",
    [
        b'{"identifier":"I","message":2,"stream_id":"s","epoch":"e","offset":2,"more":2}',
        b'{"identifier":"I","message":2,"stream_id":"s","offset":2,"epoch":"e"}',
        b'{"identifier":"I","message":2,"epoch":"e","offset":2,"stream_id":"s"}',
        b'{"identifier":"I","message":2,"stream_id":"s","epoch":"e","offset": 2}',
        b'{"identifier":"I","message":2,"stream_id":"s","epoch":"e","offset":3}',
        b'{"identifier":"I","message":2,"stream_id":"t","epoch":"e","offset":2}',
        b'{"identifier":"I","message":2,"stream_id":"s","x":0,"epoch":"e","offset":2}',
    ],
)
def test_only_a_plain_ending_is_learned(written: bytes) -> None:
    """Stream, era and offset, in this order, and nothing else; all others are read in full each time."""
    ledger = Ledger()
    ledger.begin(ledger.open("s"), "e", 2)
    assert ledger.learn(written, message(2)) is None
    assert ledger.advance(run(3), NOW) == 0


def test_an_ending_is_learned_once() -> None:
    """It is told to who decodes by it; of an unknown stream or another era there is nothing to learn."""
    ledger = learned()
    assert ledger.learn(placed(2), message(2)) is None
    assert ledger.learn(placed(1, stream="t"), message(1, stream="t")) is None
    other = Ledger()
    other.begin(other.open("s"), "f", 1)
    assert other.learn(placed(1), message(1)) is None
    assert other.learn(placed(1, epoch="f"), message(1, epoch="f")) == b',"stream_id":"s","epoch":"f","offset":'


def test_a_new_era_has_another_ending() -> None:
    """The old one counts no more, in whatever order its frames come."""
    ledger = learned(5)
    ledger.begin(ledger.books["s"], "f", 0)
    assert ledger.advance(run(1), NOW) == 0
    learned(0, epoch="f", ledger=ledger)
    assert ledger.advance(run(1, 2, epoch="f"), NOW) == 2
    assert ledger.advance(run(6), NOW) == 0


def test_the_next_line_may_write_them_otherwise() -> None:
    """Places stay, endings are learned anew."""
    ledger = learned()
    ledger.forget_endings()
    assert ledger.advance(run(2), NOW) == 0
    assert ledger.books["s"].position == Position("e", 1)
    assert ledger.advance(run(2), NOW) == 0
    learned(1, ledger=ledger)
    assert ledger.advance(run(2), NOW) == 1


def test_a_server_with_ever_new_streams_fills_no_memory() -> None:
    """After so many endings all are learned anew; each stream keeps its place, and soon has its short way again."""
    ledger = learned()
    for number in range(MOST_TAILS + 5):
        learned(1, stream=f"other {number}", ledger=ledger)
        assert len(ledger._by_tail) <= MOST_TAILS
    assert ledger.advance(run(2, stream=f"other {MOST_TAILS + 4}"), NOW) == 1
    assert ledger.books["s"].position == Position("e", 1)


names = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(
    ['"', "\\", ',"stream_id":', "}"]
)
placing = st.tuples(st.integers(0, 1), st.integers(0, 1), st.integers(1, 6))


@given(streams=st.tuples(names, names), frames=st.lists(st.none() | placing, max_size=25), data=st.data())
def test_the_short_way_is_no_other_way(
    streams: tuple[str, str], frames: list[tuple[int, int, int] | None], data: st.DataObject
) -> None:
    """Places move as if each frame were read in full, whatever names, messages and orders there are."""
    ledger, plain = Ledger(), dict[str, tuple[str, int]]()
    for placing in frames:
        text = data.draw(names)
        if placing is None:
            assert ledger.advance([frame("A", text)], NOW) in (0, 1)
            continue
        stream, epoch, offset = streams[placing[0]], "ef"[placing[1]], placing[2]
        raw = json.dumps(
            {"identifier": "I", "message": text, "stream_id": stream, "epoch": epoch, "offset": offset},
            separators=(",", ":"),
        ).encode()
        if ledger.advance([raw], NOW):
            assert plain[stream] == (epoch, offset - 1)
        else:
            ledger.begin(ledger.open(stream), epoch, offset)
            ledger.learn(raw, message(offset, epoch=epoch, stream=stream))
        plain[stream] = (epoch, offset)
        assert {name: (book.epoch, book.last) for name, book in ledger.books.items()} == plain


def test_a_new_book_has_no_place() -> None:
    """It waits for its first message."""
    assert Ledger().open("s").position is Book("s").position is None
