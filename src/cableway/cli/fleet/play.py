"""The story: the fleet drives, the gateway is killed on the way and comes back, and every position arrives."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from attrs import frozen

from cableway.cli.fleet.actors import Dispatcher, Tracker
from cableway.cli.fleet.process import GatewayProcess

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from cableway.cli.fleet.board import Board
    from cableway.cli.fleet.route import Point

KILL_AT = 1 / 3
"""Share of the positions that have arrived when the gateway is killed."""


@frozen
class Plan:
    """What the fleet is to do."""

    routes: dict[str, list[Point]]
    """The route of each vehicle."""
    interval: float = 0.3
    """Seconds between two positions of a vehicle."""
    down: float = 2.5
    """Seconds that the gateway is gone."""

    @property
    def positions(self) -> int:
        """How many positions there will be."""
        return sum(map(len, self.routes.values()))


def worst_moment(board: Board) -> bool:
    """Tell whether it hurts most now: well on the way, and positions are in flight."""
    return board.arrived >= board.expected * KILL_AT and any(tracker.in_flight for tracker in board.trackers)


class Play:
    """One performance."""

    def __init__(self, plan: Plan, board: Board) -> None:
        self._plan = plan
        self._board = board
        self._gateway = GatewayProcess()
        self._dispatcher = Dispatcher(board)

    async def run(self) -> None:
        """Play it from beginning to end. Returns when each tracker knows that all of its positions arrived.

        Raises:
            Failure: The gateway does not start.
        """
        try:
            await self._start_gateway()
            listening = asyncio.create_task(self._dispatcher.run(self._gateway.url), name="dispatcher")
            try:
                await _first(listening, self._dispatcher.ready.wait())
                await _first(listening, self._drive())
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)
        finally:
            await self._gateway.stop()
            self._board.gateway = "stopped"

    async def _drive(self) -> None:
        plan, board = self._plan, self._board
        try:
            async with asyncio.TaskGroup() as group:
                for actor in board.trackers:
                    tracker = Tracker(board, actor, plan.routes[actor.name], plan.interval)
                    group.create_task(tracker.run(self._gateway.url), name=actor.name)
                group.create_task(self._accident(), name="accident")
        except ExceptionGroup as failures:
            # One failure tells the user enough, and has an exit code.
            raise failures.exceptions[0] from None

    async def _accident(self) -> None:
        board = self._board
        await board.until(worst_moment)
        await self._gateway.kill()
        board.gateway = "killed"
        board.note("gateway", "killed", "killed (kill -9): every line drops without a word")
        await asyncio.sleep(self._plan.down)
        board.gateway = "starting again"
        await self._start_gateway()

    async def _start_gateway(self) -> None:
        again = bool(self._gateway.url)
        await self._gateway.start()
        self._board.gateway = f"listening at {self._gateway.url}"
        text = f"{'started again' if again else 'started'}, at {self._gateway.url}"
        self._board.note("gateway", "started", text, url=self._gateway.url, again=again)


async def _first(watched: asyncio.Task[None], work: Coroutine[Any, Any, object]) -> None:
    """Do *work*; fail at once if the *watched* task fails meanwhile."""
    task = asyncio.create_task(work)
    try:
        await asyncio.wait({watched, task}, return_when=asyncio.FIRST_COMPLETED)
        if watched.done():
            watched.result()
        await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
