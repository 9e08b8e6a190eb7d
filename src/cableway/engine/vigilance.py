"""Asks the server now and then whether it still reads, and drops the line of one that does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cableway.errors import LineStale
from cableway.policies.vigil import PATIENCE, Vigil
from cableway.states import State
from cableway.wire.commands import Probe

if TYPE_CHECKING:
    from cableway.engine.core import Engine
    from cableway.policies.monitors.base import LineFacts


class Vigilance:
    """Carries out the vigil over the line of one cable."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._vigil = Vigil()

    @property
    def deadline(self) -> float | None:
        """When :meth:`tick` has something to do."""
        return self._vigil.deadline if self._engine.line.state is State.CONNECTED else None

    def line_up(self, facts: LineFacts) -> None:
        """The server has welcomed us."""
        self._vigil.line_up(asks=facts.probes, slack=facts.slack)

    def said(self) -> None:
        """A command was written."""
        self._vigil.said(self._engine.home.now())

    def doubt(self) -> None:
        """Something was not answered."""
        self._vigil.doubt(self._engine.home.now())

    def answered(self) -> None:
        """The server gave the sign of life that it was asked for."""
        self._vigil.answered()

    def tick(self) -> None:
        """Do what is due."""
        engine, vigil, now = self._engine, self._vigil, self._engine.home.now()
        if engine.line.state is not State.CONNECTED:
            return
        if engine.hub.router.held_up:
            vigil.excuse(now)
        elif vigil.is_deaf(now):
            engine.failed(LineStale(PATIENCE, "the server beats, but has read no command"))
        elif vigil.ask(now):
            engine.overseer.vitals.asked(now)
            engine.up.send(Probe())
