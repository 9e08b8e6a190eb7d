"""What a tracker has reported and nobody has acknowledged. Takes the time as an argument; knows no network."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PATIENCE = 1.5
"""Seconds without an acknowledgement after which a position is sent again."""


@define
class Kept:
    """Positions that may be lost still, oldest first."""

    sent_again: int = 0
    """How often something was sent that had been sent before."""
    _positions: dict[str, Mapping[str, Any]] = field(factory=dict, init=False)
    _sent_at: dict[str, float] = field(factory=dict, init=False)
    _tried: set[str] = field(factory=set, init=False)

    def __len__(self) -> int:
        return len(self._positions)

    @property
    def in_flight(self) -> int:
        """How many were handed to the network and may be lost on it."""
        return len(self._sent_at)

    def add(self, id_: str, position: Mapping[str, Any]) -> None:
        """Keep a new position."""
        self._positions[id_] = position

    def due(self, now: float) -> list[tuple[str, Mapping[str, Any]]]:
        """Return what should be sent now, oldest first."""
        return [(id_, position) for id_, position in self._positions.items() if self._due_at(id_) <= now]

    def next_due(self) -> float:
        """Return when something is due; infinite when nothing is kept."""
        return min(map(self._due_at, self._positions), default=math.inf)

    def sent(self, id_: str, now: float) -> None:
        """Take note that a position was handed to the network."""
        self.sent_again += id_ in self._tried
        self._tried.add(id_)
        if id_ in self._positions:
            self._sent_at[id_] = now

    def acknowledged(self, ids: Iterable[str]) -> None:
        """Let go of what arrived."""
        for id_ in ids:
            self._positions.pop(id_, None)
            self._sent_at.pop(id_, None)

    def line_lost(self) -> None:
        """What was under way may be gone: all of it is due."""
        self._sent_at.clear()

    def _due_at(self, id_: str) -> float:
        return self._sent_at.get(id_, -math.inf) + PATIENCE
