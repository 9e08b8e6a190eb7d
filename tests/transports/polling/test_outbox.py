"""Commands on their way out."""

from __future__ import annotations

from cableway.transports.polling.outbox import Outbox


def filled(*frames: bytes, limit: int = 10) -> Outbox:
    """Make one that holds *frames*."""
    outbox = Outbox(limit)
    for frame in frames:
        outbox.add(frame, 0.0)
    return outbox


def test_a_request_takes_as_many_as_fit() -> None:
    """In order, each with its line end, up to the very last byte."""
    outbox = filled(b"1234", b"5678", b"9")
    assert outbox.load(0.0) == b"1234\n5678\n"
    assert (outbox.in_request, outbox.waiting, len(outbox), outbox.size) == (2, True, 3, 12)
    assert outbox.taken() == 2
    assert outbox.load(0.0) == b"9\n"
    assert not outbox.waiting


def test_what_was_not_taken_goes_again_before_the_rest() -> None:
    """Also what came meanwhile stands behind it."""
    outbox = filled(b"one", b"two")
    outbox.load(0.0)
    outbox.add(b"three", 0.0)
    outbox.returned()
    assert outbox.load(0.0) == b"one\ntwo\n"


def test_one_that_is_too_large_goes_alone() -> None:
    """The server has the last word on it, and the others are not held up."""
    outbox = filled(b"a", b"x" * 50, b"b")
    bodies = []
    while outbox:
        bodies.append(outbox.load(0.0))
        outbox.taken()
    assert bodies == [b"a\n", b"x" * 50 + b"\n", b"b\n"]
    assert outbox.size == 0


def test_an_empty_one_gives_an_empty_body() -> None:
    """A poll without commands."""
    outbox = filled()
    assert outbox.load(0.0) == b""
    assert outbox.taken() == 0


def test_it_knows_how_long_commands_have_waited_for_a_request() -> None:
    """The oldest of those that are in none; what comes back waits since it came."""
    outbox = filled()
    assert outbox.waiting_since is None
    for number, frame in enumerate([b"1234", b"5678", b"9"]):
        outbox.add(frame, float(number))
    assert outbox.waiting_since == 0.0
    outbox.load(0.0)
    assert (outbox.waiting_since, outbox.loaded) == (2.0, 10)
    outbox.returned()
    assert outbox.waiting_since == 0.0
    outbox.load(0.0)
    outbox.taken()
    outbox.load(0.0)
    assert outbox.waiting_since is None
    assert outbox.loaded == 22


def test_it_tells_when_commands_are_kept_for_longer_than_usual() -> None:
    """And for a while after they have gone, since their answers have had no time yet."""
    outbox = filled(limit=4)
    outbox.add(b"one", 0.0)
    outbox.add(b"two", 1.0)
    outbox.load(0.0)
    assert not outbox.is_late(11.0, usual=10)
    assert outbox.is_late(11.5, usual=10)
    outbox.taken()
    outbox.load(15.0)
    assert outbox.is_late(25.0, usual=10)
    assert not outbox.is_late(25.5, usual=10)


def test_cleared_it_forgets_all() -> None:
    """Nobody waits for room any more."""
    outbox = filled(b"one")
    outbox.load(0.0)
    outbox.clear()
    assert (len(outbox), outbox.size, outbox.in_request) == (0, 0, 0)
