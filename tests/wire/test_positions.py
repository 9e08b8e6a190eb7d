"""Places in streams: what is refused before a server could choke on it, and how bookmarks add up."""

from __future__ import annotations

from typing import Any

import pytest

from cableway import Bookmark, HistoryQuery, Position

HERE = Position("e", 3)


@pytest.mark.parametrize("offset", [-1, 2**63, True, 1.0, "1", None])
def test_offsets_are_whole_numbers(offset: Any) -> None:
    """A server would stop reading the line at anything else."""
    with pytest.raises(ValueError, match=r"^offset=.* is not a whole number"):
        Position("e", offset)


@pytest.mark.parametrize("epoch", [None, 1, b"e"])
def test_epochs_are_text(epoch: Any) -> None:
    """A server would stop reading the line at anything else."""
    with pytest.raises(TypeError, match=r"^epoch=.* is not a string"):
        Position(epoch, 1)


@pytest.mark.parametrize("kind", [HistoryQuery, Bookmark])
@pytest.mark.parametrize("since", [0, -1, 2**63, True, 1.5, "1"])
def test_times_are_whole_seconds(kind: Any, since: Any) -> None:
    """Unix seconds, whole, after the beginning; both for what is asked and for what is kept."""
    with pytest.raises(ValueError, match=r"^since=.* is not a time: give whole Unix seconds"):
        kind({"s": HERE}, since)


@pytest.mark.parametrize("kind", [HistoryQuery, Bookmark])
@pytest.mark.parametrize("streams", [{"s": 3}, {1: HERE}, {"s": None}])
def test_streams_lead_to_positions(kind: Any, streams: Any) -> None:
    """A name on one side, a position on the other."""
    with pytest.raises(TypeError, match=r"^streams\[.*\] is not a Position of a stream"):
        kind(streams)


@pytest.mark.parametrize("kind", [HistoryQuery, Bookmark])
def test_names_of_streams_can_be_written(kind: Any) -> None:
    """Half a character is in no file and on no wire."""
    with pytest.raises(ValueError, match="surrogates not allowed"):
        kind({"\ud800": HERE})


def test_a_query_asks_for_something() -> None:
    """Servers leave an empty one unanswered."""
    with pytest.raises(ValueError, match="needs a position or a time"):
        HistoryQuery()


def test_an_empty_bookmark_has_no_past() -> None:
    """It is what a store gives for a subscription that it does not know."""
    assert (Bookmark().streams, Bookmark().since) == ({}, None)


def test_a_newer_bookmark_replaces_what_it_names() -> None:
    """Other streams stay, and so does the time where the newer one has none; the older one is not changed."""
    old = Bookmark({"a": Position("e", 9), "b": HERE}, 100)

    assert old.updated(Bookmark({"a": Position("f", 1)})) == Bookmark({"a": Position("f", 1), "b": HERE}, 100)
    assert old.updated(Bookmark(since=50)) == Bookmark(old.streams, 50)
    assert old == Bookmark({"a": Position("e", 9), "b": HERE}, 100)
