"""Where one subscription stands: on one shard, and during a move with one foot on the next.

Messages are read shard by shard: first what the old one delivered, to its end, then what the new one did. The old one
is left only after the new one has confirmed and both have delivered for a while, since a message may be slower on one
way than on the other: in that time it comes by both.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from attrs import evolve

from cableway.errors import CableError
from cableway.events import Connected, Event, Rejected, SubscriptionMoved
from cableway.states import SubscriptionState
from cableway.stats import SubscriptionStats

if TYPE_CHECKING:
    from collections.abc import Callable

    from cableway.cable import Cable
    from cableway.hub.options import SubscriptionOptions
    from cableway.sharding.shard import Shard
    from cableway.subscription import Subscription

T = TypeVar("T")

OVER = (SubscriptionState.CLOSED, SubscriptionState.REJECTED)

NOTHING = SubscriptionStats(unread=0, unread_bytes=0, received=0, dropped=0, replaced=0, high_water=0)


class Legs(Generic[T]):
    """The subscriptions that one handle of a sharded cable stands on, oldest first; the last one carries commands."""

    def __init__(
        self,
        topic: str,
        shard: Shard,
        make: Callable[[Cable], Subscription[T]],
        options: SubscriptionOptions,
    ) -> None:
        self.topic: str = topic
        self.shard: Shard = shard
        """Where it is."""
        self.left: bool = False
        """Whether the user has unsubscribed it."""
        self.on_event: Callable[[Event], None] = lambda _: None
        """Hears what happens to the subscription that carries commands, and of moves."""
        self._make = make
        self._retries = options.retry_rejected
        self._was_connected = False
        self._owner: Any = None
        self._candidate: tuple[Shard, Subscription[T]] | None = None
        self._past = NOTHING
        self._line: deque[Subscription[T]] = deque()
        self._stand_on(self._join(shard))

    # What it is

    @property
    def current(self) -> Subscription[T]:
        """The subscription that carries commands."""
        return self._line[-1]

    @property
    def first(self) -> Subscription[T]:
        """The subscription whose messages are the next to be read."""
        return self._line[0]

    @property
    def refused(self) -> bool:
        """Whether the server refused it for good."""
        return self.current.state is SubscriptionState.REJECTED and not self._retries

    @property
    def over(self) -> bool:
        """Whether nothing more comes of it, as things stand."""
        ended = self.current.state is SubscriptionState.CLOSED or self.refused
        return self.left or (ended and self._candidate is None)

    def stats(self) -> SubscriptionStats:
        """Add up the figures of all shards that it was on."""
        return _total(self._past, *(leg.stats() for leg in self._line))

    def belong_to(self, owner: Any) -> None:
        """Have the actions of the channel, where there is one, go by *owner*."""
        self._owner = owner
        self._bind(self.current)

    # Reading on, and standing on the right one

    def advance(self, leg: Subscription[T]) -> bool:
        """Tell whether there is another one to read from than *leg*, which gave no message; then it is the first."""
        if self.first is not leg:
            return True
        if not _is_spent(leg):
            return False
        if len(self._line) == 1 and not self.adopt():
            return False
        self._sweep()
        return True

    def superseded(self, leg: Subscription[T]) -> bool:
        """Tell whether another subscription than *leg*, which failed, carries commands by now."""
        return leg is not self.current or (leg.state in OVER and self.adopt())

    def adopt(self) -> bool:
        """Go over to the subscription on the new shard, where there is one."""
        if self._candidate is None or self.left:
            return False
        (target, leg), self._candidate = self._candidate, None
        source, self.shard = self.shard, target
        self._stand_on(leg)
        self._sweep()
        self.on_event(SubscriptionMoved(leg.identifier, source.name, target.name))
        return True

    def _sweep(self) -> None:
        """Let go of what has ended and was read: nobody may ever ask for it."""
        done = [leg for leg in self._line if leg is not self.current and _is_spent(leg)]
        for leg in done:
            self._line.remove(leg)
            self._past = _total(self._past, leg.stats())

    def _stand_on(self, leg: Subscription[T]) -> None:
        self._line.append(leg)
        leg.on(Event, partial(self._hear, leg))

    def _hear(self, leg: Subscription[T], event: Event) -> None:
        if leg is not self.current:
            return
        if isinstance(event, Connected):
            event = evolve(event, reconnected=event.reconnected or self._was_connected)
            self._was_connected = True
        self.on_event(event)
        if isinstance(event, Rejected) and self.refused:
            self.shard.release(leg)

    # Moving, leaving

    async def move(self, target: Shard, *, patience: float, overlap: float) -> None:
        """Subscribe on *target*, and leave the present shard once that is confirmed and *overlap* seconds have passed.

        Raised or cancelled before the confirmation, it stays where it is. After it, the old shard is left at once.

        Raises:
            TimeoutError: No confirmation came within *patience* seconds.
            CableError: The new shard does not take it.
        """
        source, old = self.shard, self.current
        try:
            async with target.turns:
                await self._step_to(target, patience)
            # Where the old line is down, nothing comes by it that could be waited for.
            if old.state is SubscriptionState.SUBSCRIBED and not self.left:
                await asyncio.sleep(overlap)
        finally:
            if self.current is not old:
                await self._leave(source, old, flush=True)

    async def unsubscribe(self, *, flush: bool) -> None:
        """Leave; whoever moves it is to be cancelled and then leaves the other shard."""
        self.left = True
        await self._leave(self.shard, self.current, flush=flush)

    async def _step_to(self, target: Shard, patience: float) -> None:
        source, old = self.shard, self.current
        leg = self._join(target)
        self._candidate = (target, leg)
        try:
            # Where the old line is dormant, or ended, there is nothing to break.
            if target.is_open and old.state not in OVER and not source.is_dormant:
                await self._confirmed(target, leg, patience)
            self.adopt()
            self._was_connected = self._was_connected or leg.state is SubscriptionState.SUBSCRIBED
        finally:
            self._candidate = None
            if self.current is not leg:
                await self._leave(target, leg, flush=False)

    def _join(self, shard: Shard) -> Subscription[T]:
        leg = self._make(shard.cable)
        shard.join(leg, self)
        self._bind(leg)
        return leg

    def _bind(self, leg: Subscription[T]) -> None:
        # The cable has bound the channel to its own subscription, which the handle outlives.
        if self._owner is not None and leg.channel is not None:
            leg.channel.bind(self._owner)

    async def _confirmed(self, target: Shard, leg: Subscription[T], patience: float) -> None:
        clock = asyncio.timeout(patience)
        old = self.current
        try:
            async with clock, target.awake("a subscription moves here"):
                await leg
        except (CableError, TimeoutError):
            if leg is self.current or (old.state in OVER and leg.state not in OVER):
                # It has nothing to go back to: the new shard is as good a place to wait.
                return
            if clock.expired():
                msg = f"the shard {target.name!r} did not confirm the subscription within {patience:g} s"
                raise TimeoutError(msg) from target.cable.error
            raise

    async def _leave(self, shard: Shard, leg: Subscription[Any], *, flush: bool) -> None:
        try:
            await leg.unsubscribe(flush=flush)
        finally:
            shard.release(leg)


def _is_spent(leg: Subscription[Any]) -> bool:
    return leg.state in OVER and not leg.stats().unread


def _total(*parts: SubscriptionStats) -> SubscriptionStats:
    return SubscriptionStats(
        unread=sum(part.unread for part in parts),
        unread_bytes=sum(part.unread_bytes for part in parts),
        received=sum(part.received for part in parts),
        dropped=sum(part.dropped for part in parts),
        replaced=sum(part.replaced for part in parts),
        high_water=max(part.high_water for part in parts),
    )
