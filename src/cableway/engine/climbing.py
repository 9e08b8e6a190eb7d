"""The way back to a better transport, while the line stands on a lesser one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cableway.events import TransportChanged
from cableway.states import State

if TYPE_CHECKING:
    from cableway.engine.core import Engine


class Climbing:
    """Has a better transport tried beside the line when it is time, and tells which one carries it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        # The transport that was last told of, or that was to be the first.
        self._told = 0

    @property
    def deadline(self) -> float | None:
        """When :meth:`tick` has something to do."""
        engine = self._engine
        free = engine.line.state is State.CONNECTED and not engine.handover.busy
        return engine.dials.ladder.probe_at if free else None

    def tick(self) -> None:
        """Try a better transport, if it is time."""
        engine, now = self._engine, self._engine.home.now()
        due = self.deadline
        if due is None or now < due:
            return
        rung = engine.dials.ladder.probe(now)
        if rung is not None:
            engine.handover.climb(rung)

    def stands(self, rung: int) -> None:
        """The line is up on the transport *rung*."""
        before, self._told = self._told, rung
        if rung != before:
            ladder = self._engine.dials.ladder
            previous, reason = ladder.names[before], ladder.why
            if "; " not in reason:
                # The one that failed is named beside it already.
                reason = reason.removeprefix(f"{previous}: ")
            self._engine.feed.emit(TransportChanged(previous, ladder.names[rung], reason))
