"""Brings subscriptions to the shards that they belong to, and tries again where that fails."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from cableway.errors import UsageError
from cableway.events import MoveFailed
from cableway.policies.backoff import ExponentialBackoff
from cableway.runtime import new_random, until_done

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cableway.sharding.legs import Legs
    from cableway.sharding.shard import Shard

RETRY = ExponentialBackoff(minimum=1, maximum=30)
"""Waits between tries to move one subscription."""


@frozen
class Pace:
    """How long a move may take, in seconds."""

    patience: float = field(default=10.0)
    """Longest wait for the new shard's confirmation before the move is tried again later."""
    overlap: float = field(default=1.0)
    """How long both shards deliver."""


class Moves:
    """The moves that are under way, at most one a subscription."""

    def __init__(self, place: Callable[[str], Shard], pace: Pace) -> None:
        self._place = place
        self._pace = pace
        self._random = new_random()
        self._tasks: dict[Legs[Any], asyncio.Task[None]] = {}
        # Set, and replaced, when the shards have changed: a try that waits need not wait any longer.
        self._changed = asyncio.Event()

    def begin(self, everybody: Iterable[Legs[Any]]) -> None:
        """Start to move those that are not where they belong."""
        self._changed.set()
        self._changed = asyncio.Event()
        for legs in list(everybody):
            if legs not in self._tasks and not legs.refused and self._misplaced(legs):
                task = asyncio.get_running_loop().create_task(self._bring(legs), name="cableway-move")
                self._tasks[legs] = task
                task.add_done_callback(partial(self._ended, legs))

    async def wait(self, whose: Iterable[Legs[Any]], timeout: float | None) -> int:
        """Wait for the moves of *whose*, and return how many have not ended within *timeout* seconds."""
        tasks = [task for task in map(self._tasks.get, whose) if task is not None]
        if not tasks:
            return 0
        _, late = await asyncio.wait(tasks, timeout=timeout)
        return len(late)

    def stop(self, legs: Legs[Any]) -> None:
        """End the move of one; it leaves the shard that it does not stand on."""
        task = self._tasks.get(legs)
        if task is not None:
            task.cancel()

    async def stop_all(self) -> None:
        """End all moves."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await until_done(tasks)

    def _ended(self, legs: Legs[Any], _: asyncio.Task[None]) -> None:
        del self._tasks[legs]

    def bound_for(self, shard: Shard, everybody: Iterable[Legs[Any]]) -> list[Legs[Any]]:
        """Return those that belong to *shard*, whether they are there or not."""
        return [legs for legs in everybody if self._target(legs) is shard]

    def _misplaced(self, legs: Legs[Any]) -> bool:
        return self._target(legs) is not legs.shard

    def _target(self, legs: Legs[Any]) -> Shard | None:
        try:
            return self._place(legs.topic)
        except UsageError:
            return None

    async def _bring(self, legs: Legs[Any]) -> None:
        failures = 0
        while self._misplaced(legs) and not legs.left and not legs.refused:
            target = ""
            try:
                shard = self._place(legs.topic)
                target = shard.name
                shard.need(again=True)
                await legs.move(shard, patience=self._pace.patience, overlap=self._pace.overlap)
            except Exception as error:  # noqa: BLE001 - whatever it was, it is told, and tried again
                delay = RETRY.delay(failures, self._random)
                failures += 1
                legs.on_event(MoveFailed(legs.current.identifier, legs.shard.name, target, error, delay))
                await self._pause(delay)

    async def _pause(self, delay: float) -> None:
        waiter = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait([waiter], timeout=delay)
        finally:
            waiter.cancel()
