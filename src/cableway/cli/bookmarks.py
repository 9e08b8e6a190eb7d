"""Up to where a command has written the messages, kept in a file: started again, it goes on from there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cableway import SQLitePositions
from cableway.errors import PositionsFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from cableway import Message

NO_PLACE = (
    "a message came that has no place in a stream, and cannot be gone on from: whispers have none, nor has anything of "
    "Rails, or of AnyCable without a broker"
)


class BookmarkFile:
    """The file, and what it was told of.

    Raises:
        PositionsFailed: The file cannot be used.
        UsageError: *path* is no path.
    """

    def __init__(self, path: str, tell: Callable[[str], None] | None = None) -> None:
        self.store: SQLitePositions = SQLitePositions(path)
        """For the cable."""
        # Found out now, because a cable would go on without the past.
        self.store.load("")
        self._tell = tell
        self._told: set[str] = set()

    async def done(self, message: Message[Any]) -> None:
        """Keep that *message* was written. A failure is told once until it is over; the next one makes up for it."""
        if message.offset is None:
            self._tell_once(NO_PLACE, NO_PLACE)
            return
        try:
            await message.ack()
        except PositionsFailed as error:
            self._tell_once("failing", str(error))
        else:
            self._told.discard("failing")

    def _tell_once(self, what: str, text: str) -> None:
        if what not in self._told and self._tell is not None:
            self._tell(f"warning: {text}")
        self._told.add(what)
