"""A hub on a line of the extended protocol: the test is the server, and tells messages by their places."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cableway.events import Gap, Recovered
from cableway.hub.effects import Send
from cableway.hub.recall.limits import ANSWER
from cableway.hub.recall.listings import Listing
from cableway.states import Recovery
from cableway.wire.commands import History, Subscribe
from cableway.wire.frames import ConfirmHistory, Data, Ping, RejectHistory
from cableway.wire.message import Message
from cableway.wire.positions import HistoryQuery, Position
from tests.hub.desk import Desk, identifier, unread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cableway.hub.wish import Handle

SERVER = 1_790_000_000
"""The server's time when ours is 0."""

ONE_STREAM = "$pubsub"
"""A channel that listens to one stream, and never to another."""


def message(offset: int, *, epoch: str = "e", stream: str = "s") -> Message[Any]:
    """Return a message with a place."""
    return Message(offset, 0.0, stream=stream, epoch=epoch, offset=offset)


def placed(offset: int, *, epoch: str = "e", stream: str = "s", name: str = "A") -> bytes:
    """Write a data frame with a place, as servers do."""
    fields = {"identifier": identifier(name), "message": offset, "stream_id": stream, "epoch": epoch, "offset": offset}
    return json.dumps(fields, separators=(",", ":")).encode()


def after(offset: int, *, epoch: str = "e", stream: str = "s", since: int | None = None) -> HistoryQuery:
    """Return the question for what came after a place."""
    return HistoryQuery({stream: Position(epoch, offset)}, since)


def offsets(handle: Handle) -> list[int]:
    """Read a mailbox to its end; the data of each message is its offset."""
    return unread(handle)


class Archive(Desk):
    """Drives the recalls of a hub: what they ask, what they are told, what they tell."""

    def __init__(self, *, up: bool = True, extended: bool = True) -> None:
        super().__init__(up=up, extended=extended)

    # The server

    def tell(self, *numbers: int, epoch: str = "e", stream: str = "s", name: str = "A") -> None:
        """Send messages with these offsets, by the way of frames that were read in full."""
        for offset in numbers:
            raw = placed(offset, epoch=epoch, stream=stream, name=name)
            data = Data(identifier(name), offset, stream, epoch, offset)
            self.hub.router.deliver(data, raw, 0.0, self.now)

    def answer(self, name: str = "A", *, confirmed: bool = True) -> None:
        """Say that the past has been told, or refuse to tell it."""
        self.hub.hear((ConfirmHistory if confirmed else RejectHistory)(identifier(name)), self.now)

    def ping(self, stamp: Any) -> None:
        """Beat."""
        self.hub.hear(Ping(stamp), self.now)

    def beat(self) -> None:
        """Beat, and tell the server's time."""
        self.ping(SERVER + int(self.now))

    def fall(self, name: str = "A", *, restored: Sequence[str] | None = None, away: float = 0.0) -> None:
        """Lose the line, and have the next one up and *name* confirmed on it after *away* seconds."""
        self.line_down()
        self.wait(away)
        self.hub.line_up("memory", self.now, protocol=self.hub.historian.protocol, restored=restored)
        if identifier(name) not in (restored or ()):
            self.confirm(name)

    def ignore(self) -> None:
        """Leave the open question unanswered, and beat meanwhile."""
        self.wait(ANSWER - 1)
        self.beat()
        self.wait(1)

    # What came out

    def asked(self) -> list[HistoryQuery]:
        """Take the questions for the past that were put, with a subscribe command or by themselves."""
        queries = []
        for effect in self.effects():
            if isinstance(effect, Send) and isinstance(effect.command, Subscribe | History):
                command = effect.command
                queries.append(command.history if isinstance(command, Subscribe) else command.query)
        return [query for query in queries if query is not None]

    def outcomes(self, handle: Handle) -> list[Recovered]:
        """Return the accounts that were given."""
        return [event for event in self.events(handle) if isinstance(event, Recovered)]

    def gaps(self, handle: Handle) -> list[tuple[int, int, bool]]:
        """Return the first and last offset of each gap that was told, and whether it was healed."""
        return [(event.first, event.last, event.healed) for event in self.events(handle) if isinstance(event, Gap)]


def begun(last: int = 1, *, name: str = "A", timed: bool = True, **options: Any) -> tuple[Archive, Handle]:
    """Have a subscription that is live, and was told the messages up to *last*; they are read.

    With *timed* the server's time is known.
    """
    archive = Archive()
    if timed:
        archive.beat()
    handle = archive.live(name, **options)
    archive.tell(*range(1, last + 1), name=name)
    unread(handle)
    archive.effects()
    return archive, handle


def ask(archive: Archive, handle: Handle, query: HistoryQuery) -> list[Any]:
    """Have the holder ask to see the past; return where the answer will be."""
    answers: list[Any] = []
    handle.wish.recall.lookback.add(Listing(query, answers.append, SERVER), archive.now)
    return answers


def outcome(archive: Archive, handle: Handle) -> tuple[bool, int, str]:
    """Return the last account: whether it is complete, how many were replayed, and why it is not."""
    told = archive.outcomes(handle)[-1]
    return told.recovery is Recovery.COMPLETE, told.replayed, told.reason


def unknown(archive: Archive, handle: Any) -> bool:
    """Tell whether the last account says that something may be missing."""
    return archive.outcomes(handle)[-1].recovery is Recovery.UNKNOWN
