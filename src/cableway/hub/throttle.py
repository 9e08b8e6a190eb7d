"""At most one thing per so many seconds, the latest wins."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class Throttle(Generic[T]):
    """Lets one thing pass at once, and of what comes too soon after it the last one, when the time has come."""

    def __init__(self, every: float) -> None:
        self.replaced: int = 0
        """Things that a newer one took the place of."""
        self._every = every
        self._next = float("-inf")
        self._held: list[T] = []

    @property
    def deadline(self) -> float | None:
        """When what is held may pass."""
        return self._next if self._held else None

    def offer(self, thing: T, now: float) -> tuple[T | None, T | None]:
        """Take *thing*; return what may pass at once, and what it took the place of."""
        if not self._held and now >= self._next:
            self._next = now + self._every
            return thing, None
        old, self._held = (self._held[0] if self._held else None), [thing]
        self.replaced += old is not None
        return None, old

    def due(self, now: float) -> T | None:
        """Return what was held, if its time has come."""
        if not self._held or now < self._next:
            return None
        self._next = now + self._every
        return self._held.pop()

    def withdraw(self, thing: T) -> bool:
        """Let *thing* not pass after all; tell whether it was held."""
        if not any(held is thing for held in self._held):
            return False
        self._held.clear()
        return True
