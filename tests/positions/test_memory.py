"""Positions in memory; what they share with all stores is in the contract's tests."""

from __future__ import annotations

from cableway import Bookmark, MemoryPositions, Position

CHAT = '{"channel":"ChatChannel"}'


def test_they_outlive_the_cable_that_closes_them() -> None:
    """The next cable with the same store goes on where the last one stopped."""
    store = MemoryPositions()
    store.save(CHAT, Bookmark({"a": Position("e", 5)}))
    store.close()

    assert store.load(CHAT) == Bookmark({"a": Position("e", 5)})


def test_the_caller_may_go_on_with_what_it_gave() -> None:
    """A dict that is changed after the save does not change what was saved."""
    store, streams = MemoryPositions(), {"a": Position("e", 5)}
    store.save(CHAT, Bookmark(streams))
    streams["a"] = Position("e", 6)

    assert store.load(CHAT) == Bookmark({"a": Position("e", 5)})


def test_its_repr_names_no_subscription() -> None:
    """The name of a signed stream is for nobody's log."""
    store = MemoryPositions()
    store.save('{"signed_stream_name":"sesame"}', Bookmark(since=1))

    assert repr(store) == "<MemoryPositions of 1 subscriptions>"
