"""Keeps how far each subscription has come, for the next line and for the next process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol
from weakref import WeakKeyDictionary

from cableway.events import PositionsNotSaved
from cableway.hub.acks import lowest
from cableway.wire.positions import Bookmark

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cableway.hub.wish import Handle, Wish
    from cableway.wire.positions import Position


class Keeper(Protocol):
    """What this needs of a ``PositionStore``."""

    def load(self, subscription: str) -> Bookmark:
        """Return what was saved of *subscription*, an empty bookmark if nothing was."""
        ...

    def save(self, subscription: str, bookmark: Bookmark) -> None:
        """Keep *bookmark*; streams that it does not name stay as they are."""
        ...

    def close(self) -> None:
        """Let go of files and the like."""
        ...


EVERY = 30
"""Seconds between two times that are saved for a subscription by which nothing comes."""


class Places:
    """Saves what was delivered before anybody sees it, or what was acknowledged once it was."""

    def __init__(self, store: Keeper | None) -> None:
        self._store = store
        self._failing = False
        self._unread: WeakKeyDictionary[Wish, Exception] = WeakKeyDictionary()
        self._kept: WeakKeyDictionary[Wish, int] = WeakKeyDictionary()

    def load(self, wish: Wish) -> None:
        """Have *wish* go on from where it left off."""
        if self._store is None or wish.identifier is None:
            return
        try:
            bookmark = self._store.load(wish.identifier)
        except Exception as error:  # noqa: BLE001 - a store of the user's own; the subscription begins anew then
            # Whoever comes first is told, if nobody holds it yet.
            self._unread[wish] = error
            for handle in list(wish.handles):
                self.introduce(handle)
            return
        wish.recall.resume(bookmark)

    def introduce(self, handle: Handle) -> None:
        """Tell a new *handle* that where its subscription left off could not be read, if nobody was told so far."""
        error = self._unread.pop(handle.wish, None)
        if error is not None:
            handle.tell(PositionsNotSaved(error))

    def keep(self, wishes: Iterable[Wish]) -> None:
        """Save how far *wishes* have come, except where that is for their holders to say."""
        if self._store is None:
            return
        for wish in wishes:
            bookmark = wish.recall.bookmark
            receipt = all(handle.options.commit == "receipt" for handle in wish.handles)
            if receipt and (bookmark.streams or bookmark.since is not None):
                self._save(wish, bookmark)

    def keep_time(self, wishes: Iterable[Wish]) -> None:
        """Save now and then up to when *wishes* have heard all, where no message has given them a place yet."""
        if self._store is None:
            return
        for wish in wishes:
            since = wish.recall.heard_until
            if since is not None and wish.identifier is not None and since >= self._kept.get(wish, 0) + EVERY:
                self._kept[wish] = since
                self._save(wish, Bookmark(since=since))

    def acknowledge(self, handle: Handle, stream: str, position: Position) -> None:
        """Take the word of *handle* that it is done with a message, and with all before it in its stream.

        Raises:
            CableError: It could not be saved.
        """
        wish = handle.wish
        done = handle.acks.ack(stream, position)
        if not done:
            return
        handle.done.update(done)
        others = [other.done.get(stream) for other in wish.handles if other.options.commit == "ack"]
        together = lowest(others)
        if self._store is not None and wish.identifier is not None and together is not None:
            # A stream of which nothing was acknowledged yet is asked for by the time: that must not pass its messages.
            marked = wish.recall.bookmark
            since = marked.since if all(marked.streams.keys() <= other.done.keys() for other in wish.handles) else None
            self._store.save(wish.identifier, Bookmark({stream: together}, since))

    def close(self, wishes: Iterable[Wish]) -> None:
        """The cable was closed. A store opens again by itself when it is used again."""
        if self._store is not None:
            try:
                self._store.close()
            except Exception as error:  # noqa: BLE001 - what it could not write is told
                for handle in [handle for wish in wishes for handle in wish.handles]:
                    handle.tell(PositionsNotSaved(error))

    def _save(self, wish: Wish, bookmark: Bookmark) -> None:
        assert self._store is not None  # noqa: S101 - asked before
        try:
            self._store.save(wish.identifier or "", bookmark)
        except Exception as error:  # noqa: BLE001 - a full disk must not stop the messages
            self._tell(wish, error)
        else:
            self._failing = False

    def _tell(self, wish: Wish, error: BaseException) -> None:
        begins, self._failing = not self._failing, True
        if begins:
            for handle in list(wish.handles):
                handle.tell(PositionsNotSaved(error))
