"""Up to where messages were written is kept, and what stands in the way is told once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cableway import PositionsFailed
from cableway.cli.bookmarks import NO_PLACE, BookmarkFile
from cableway.wire.message import Message

if TYPE_CHECKING:
    from pathlib import Path


def placed(on_ack: Any) -> Message[Any]:
    """Make a message that has a place, and calls *on_ack* once it is done with."""
    message: Message[Any] = Message(1, 0.0, stream="s", epoch="e", offset=1)
    message.on_ack = on_ack
    return message


def full() -> None:
    """Fail as a full disk does."""
    path, what = "p.db", "the disk is full"
    raise PositionsFailed(path, "save", what)


async def test_a_message_that_was_written_is_acknowledged(tmp_path: Path) -> None:
    """Once, and without a word."""
    told: list[str] = []
    acked: list[int] = []
    file = BookmarkFile(str(tmp_path / "p.db"), told.append)

    await file.done(placed(lambda: acked.append(1)))

    assert (acked, told) == ([1], [])


async def test_a_failure_is_told_once_until_it_is_over(tmp_path: Path) -> None:
    """The next message makes up for it, so that it is no reason to stop."""
    told: list[str] = []
    file = BookmarkFile(str(tmp_path / "p.db"), told.append)

    for on_ack in (full, full, lambda: None, full):
        await file.done(placed(on_ack))

    assert told == ["warning: cannot save positions in p.db: the disk is full"] * 2


async def test_what_has_no_place_cannot_be_kept(tmp_path: Path) -> None:
    """A script that is to go on from it must know; one line is enough."""
    told: list[str] = []
    file = BookmarkFile(str(tmp_path / "p.db"), told.append)
    quiet = BookmarkFile(str(tmp_path / "p.db"))

    for _ in range(2):
        await file.done(Message(1, 0.0))
        await quiet.done(Message(1, 0.0))

    assert told == [f"warning: {NO_PLACE}"]


def test_a_file_that_cannot_be_used_is_an_error_at_once(tmp_path: Path) -> None:
    """Not when the first message comes."""
    with pytest.raises(PositionsFailed, match="folder does not exist"):
        BookmarkFile(str(tmp_path / "nowhere" / "p.db"))
