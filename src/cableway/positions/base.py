"""What keeps positions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from cableway.wire.positions import Bookmark


class PositionStore(Protocol):
    """Keeps where each subscription left off, so that a program started again goes on from there.

    Its methods are plain functions that the event loop calls, and a message is handed to your code only after
    :meth:`save` has returned: that is why a program killed in between does not see a message twice. The price is that
    the loop stands still for as long as a call takes. :class:`~cableway.SQLitePositions` takes about 11 microseconds a
    save; a store of your own that asks a server each time delays all messages by that way.

    A *subscription* is named by its identifier, the JSON text that goes on the wire. Two cables that subscribe to the
    same need a store each, or a scope each: they would move each other's place.

    A call that fails raises, best of all :exc:`~cableway.errors.PositionsFailed`. What it could not keep should go with
    the next save, so that a failure makes a restart less exact and nothing else.
    """

    def load(self, subscription: str) -> Bookmark:
        """Return what was saved for *subscription*, an empty :class:`~cableway.Bookmark` if nothing was."""
        ...

    def save(self, subscription: str, bookmark: Bookmark) -> None:
        """Keep *bookmark*: its streams replace those saved, others stay; its ``since`` replaces, unless ``None``.

        What is saved outlives the end of the process from when this returns, or as the store says.
        """
        ...

    def forget(self, subscription: str) -> None:
        """Drop all that was saved for *subscription*: its next one starts without a past."""
        ...

    def close(self) -> None:
        """Let go of files and the like. Closing twice does nothing."""
        ...
