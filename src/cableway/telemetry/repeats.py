"""Which of many dials that fail are worth a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cableway.events import RetryScheduled

EACH = 8
"""Up to this dial each is told."""
REASONS = 32
"""How many are kept apart."""


class Repeats:
    """Tells news from repeats, so that an outage of hours is told in some lines, not in hundreds."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def is_news(self, event: RetryScheduled) -> bool:
        """Tell whether *event* is one of the first dials, has another reason, or comes as their number has doubled."""
        attempt, reason = event.attempt, str(event.error)
        known = reason in self._told
        if not known and len(self._told) < REASONS:
            self._told.add(reason)
            return True
        return attempt <= EACH or attempt & (attempt - 1) == 0

    def over(self) -> None:
        """The line is up: what fails from now on is another outage."""
        self._told.clear()
