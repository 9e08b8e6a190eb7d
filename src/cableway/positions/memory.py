"""Positions for as long as the process lives."""

from __future__ import annotations

from typing import Final

from cableway.wire.positions import Bookmark

_NONE: Final = Bookmark()


class MemoryPositions:
    """Keeps positions in memory: they outlive a cable that is closed, not the process.

    Give the same one to the next cable, and its subscriptions go on where those of the last one stopped. There is no
    limit: it grows by one entry for each stream that was ever heard, until :meth:`forget`.
    """

    def __init__(self) -> None:
        self._kept: dict[str, Bookmark] = {}

    def __repr__(self) -> str:
        return f"<MemoryPositions of {len(self._kept)} subscriptions>"

    def load(self, subscription: str) -> Bookmark:
        """Return what was saved for *subscription*, an empty bookmark if nothing was."""
        return self._kept.get(subscription, _NONE)

    def save(self, subscription: str, bookmark: Bookmark) -> None:
        """Keep *bookmark*: its streams replace those saved, others stay; its ``since`` replaces, unless ``None``."""
        self._kept[subscription] = self.load(subscription).updated(bookmark)

    def forget(self, subscription: str) -> None:
        """Drop all that was saved for *subscription*."""
        self._kept.pop(subscription, None)

    def close(self) -> None:
        """Do nothing: what was saved is there for the next cable."""
