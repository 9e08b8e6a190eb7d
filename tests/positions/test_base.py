"""The contract of all stores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cableway import Bookmark, MemoryPositions, Position, SQLitePositions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cableway import PositionStore

CHAT = '{"channel":"ChatChannel","room":42}'
NEWS = '{"channel":"NewsChannel"}'


@pytest.fixture(params=["memory", "sqlite", "sqlite in memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[PositionStore]:
    """One store of each kind."""
    made: dict[str, PositionStore] = {
        "memory": MemoryPositions(),
        "sqlite": SQLitePositions(tmp_path / "positions.db"),
        "sqlite in memory": SQLitePositions(":memory:"),
    }
    yield made[request.param]
    made[request.param].close()


def test_an_unknown_subscription_has_no_past(store: PositionStore) -> None:
    """It is an empty bookmark, not an error."""
    assert store.load(CHAT) == Bookmark()


def test_what_was_saved_is_loaded(store: PositionStore) -> None:
    """Each subscription has its own."""
    store.save(CHAT, Bookmark({"a": Position("e", 1), "b": Position("f", 0)}, 1_700_000_000))
    store.save(NEWS, Bookmark({"a": Position("g", 7)}))

    assert store.load(CHAT) == Bookmark({"a": Position("e", 1), "b": Position("f", 0)}, 1_700_000_000)
    assert store.load(NEWS) == Bookmark({"a": Position("g", 7)})


def test_a_save_adds_to_what_was_saved(store: PositionStore) -> None:
    """Streams named are replaced, also by an earlier position; others stay, and the time as well."""
    store.save(CHAT, Bookmark({"a": Position("e", 5), "b": Position("e", 5)}, 100))
    store.save(CHAT, Bookmark({"a": Position("f", 1)}))
    assert store.load(CHAT) == Bookmark({"a": Position("f", 1), "b": Position("e", 5)}, 100)

    store.save(CHAT, Bookmark(since=90))
    assert store.load(CHAT) == Bookmark({"a": Position("f", 1), "b": Position("e", 5)}, 90)


def test_an_empty_save_changes_nothing(store: PositionStore) -> None:
    """Nothing to say, nothing to keep."""
    store.save(CHAT, Bookmark({"a": Position("e", 5)}, 100))
    store.save(CHAT, Bookmark())

    assert store.load(CHAT) == Bookmark({"a": Position("e", 5)}, 100)


def test_what_is_forgotten_is_gone(store: PositionStore) -> None:
    """The subscription has no past then; others keep theirs; forgetting what is not known does nothing."""
    store.save(CHAT, Bookmark({"a": Position("e", 5)}, 100))
    store.save(NEWS, Bookmark({"a": Position("e", 5)}, 100))
    store.forget(CHAT)
    store.forget("unknown")

    assert store.load(CHAT) == Bookmark()
    assert store.load(NEWS) == Bookmark({"a": Position("e", 5)}, 100)


def test_the_largest_numbers_are_kept(store: PositionStore) -> None:
    """Whatever a position and a time may hold."""
    largest = Bookmark({"": Position("", 2**63 - 1)}, 2**63 - 1)
    store.save("", largest)

    assert store.load("") == largest


@pytest.mark.parametrize(
    "name", ["straße/日本/🚠", "a\0b", "a\nb", "'; DROP TABLE positions; --", "NULL", "x" * 100_000]
)
def test_any_text_is_a_name(store: PositionStore, name: str) -> None:
    """Identifiers, streams and epochs are kept to the letter."""
    store.save(name, Bookmark({name: Position(name, 1)}))
    store.save(name + "x", Bookmark({name: Position("e", 2)}))

    assert store.load(name) == Bookmark({name: Position(name, 1)})


def test_closing_twice_does_nothing(store: PositionStore) -> None:
    """As for files."""
    store.save(CHAT, Bookmark({"a": Position("e", 5)}))
    store.close()
    store.close()
