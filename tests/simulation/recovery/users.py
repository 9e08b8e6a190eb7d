"""Programs that use a cable: they subscribe, read at their own pace, and keep account of what they saw."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from cableway import (
    CableError,
    Connected,
    Gap,
    HandedOver,
    MailboxOverflow,
    MessagesDropped,
    Recovered,
    SubscriptionOptions,
)
from cableway.states import Recovery, SubscriptionState
from tests.simulation.recovery.oracle import Account, Hole, Seen, Unknown

if TYPE_CHECKING:
    from random import Random

    from cableway import Cable, Subscription
    from tests.simulation.recovery.schedule import Schedule

PACES = ("fast", "fast", "slow", "pausing", "taking")


class Reader:
    """One handle on a subscription, and the task that reads it."""

    def __init__(self, schedule: Schedule, identifier: str, account: Account, *, calm: bool) -> None:
        self.schedule = schedule
        self.identifier = identifier
        self.account = account
        self.hurried = False
        """Whether it is to read as fast as it can."""
        self.subscription: Subscription[Any]
        self._random: Random = schedule.random
        self._pace = "fast" if calm else self._random.choice(PACES)
        self._options = self._chosen_options()
        self._task: asyncio.Task[None] | None = None
        self._dropped_before = 0
        self._resyncing = False
        self._unacknowledged = 0
        self._recovering: float | None = None
        # Since when, over several lines perhaps, it has not been told what it missed.
        self._unfinished: float | None = None
        """When it was last confirmed, until the outcome is told."""

    def _chosen_options(self) -> SubscriptionOptions:
        more = self._recovery_options()
        if self._pace in ("fast", "slow"):
            return SubscriptionOptions(**more)
        policies = ["drop_oldest", "drop_newest", "error", "disconnect"]
        if self.schedule.alone:
            policies.append("pause")
        policy: Any = self._random.choice(policies)
        return SubscriptionOptions(overflow=policy, max_messages=self._random.choice((5, 30, 100)), **more)

    @property
    def drops_the_line(self) -> bool:
        """Whether it has the line dropped where it cannot keep up, also with what is replayed on the next one."""
        return self._options.overflow == "disconnect"

    def _recovery_options(self) -> dict[str, Any]:
        plan = self.schedule.plan
        return {
            "gaps": plan.gaps,
            "on_resync": self._resync if plan.resync else None,
            "commit": plan.commit or "receipt",
            "history_life": float(plan.server.history_ttl),
        }

    async def _resync(self, _: Any) -> None:
        """Bring itself up to date by its own means, which takes a while."""
        self._resyncing = True
        try:
            await asyncio.sleep(self._random.choice((0.0, 0.5, 4.0)))
        finally:
            # A process that dies in the midst of it does not go on with it.
            self._resyncing = False

    def subscribe(self, cable: Cable) -> None:
        """Subscribe on *cable*, and begin to read."""
        self.subscription = subscription = cable.subscribe_raw(self.identifier, options=self._options)
        subscription.on(Connected, lambda event: self._confirmed(again=event.reconnected))
        subscription.on(MessagesDropped, lambda _: self._dropped())
        subscription.on(Recovered, self._recovered)
        subscription.on(HandedOver, self._handed_over)
        subscription.on(Gap, self._gap)
        self._fresh = True
        if subscription.state is SubscriptionState.SUBSCRIBED:
            self._confirmed(again=False)
        self._task = asyncio.get_running_loop().create_task(self._read(subscription))

    def _confirmed(self, *, again: bool) -> None:
        now = self.schedule.loop.time()
        account = self.account
        if account.begins is None:
            account.begins = now
        elif self._fresh:
            known = {one.key[0] for one in account.seen if one.offset is not None}
            account.renewed.update((stream, now) for stream in account.streams if stream not in known)
        elif again and self._unfinished is None:
            self._unfinished = now
        self._fresh = False
        self._recovering = now

    def _recovered(self, event: Recovered) -> None:
        self.schedule.tell(f"{self.account.name}: {event}")
        if event.recovery is Recovery.UNKNOWN:
            # A line may have gone before its own question was answered: that is answered now, too.
            begins = self._recovering if self._unfinished is None else self._unfinished
            self.account.unknown.append(Unknown(self.schedule.loop.time(), begins))
        self._recovering = self._unfinished = None

    def _handed_over(self, event: HandedOver) -> None:
        if event.recovery is Recovery.UNKNOWN:
            self.account.unknown.append(Unknown(self.schedule.loop.time()))

    def _gap(self, event: Gap) -> None:
        self.schedule.tell(f"{self.account.name}: {event}")
        if not event.healed:
            now = self.schedule.loop.time()
            self.account.holes.append(Hole(now, event.stream, event.epoch, event.first, event.last))

    def _dropped(self) -> None:
        self.account.told_of_drops = True

    # Reading

    async def _read(self, subscription: Subscription[Any]) -> None:
        while True:
            try:
                if self._pace == "taking" and not self.hurried:
                    await self._take(subscription)
                else:
                    self._note(await anext(subscription))
                    await self._acknowledge(self._last)
                    await self._linger()
            except MailboxOverflow:
                self.account.told_of_drops = True
            except (StopAsyncIteration, CableError):
                return

    async def _take(self, subscription: Subscription[Any]) -> None:
        await asyncio.sleep(self._random.uniform(0.1, 3.0))
        taken = subscription.take(20)
        for message in taken:
            self._note(message)
        for message in taken:
            await self._acknowledge(message)
        if not taken and subscription.state in (SubscriptionState.CLOSED, SubscriptionState.REJECTED):
            raise StopAsyncIteration
        if not taken and self._options.overflow == "error":
            # Only who iterates is told.
            with suppress(TimeoutError):
                async with asyncio.timeout(0.01):
                    self._note(await anext(subscription))
                    await self._acknowledge(self._last)

    def _note(self, message: Any) -> None:
        stream, number = message.data
        self._last = message
        self._unacknowledged += 1
        if self._resyncing:
            self.account.faults.append(f"{stream} {number} came while it was bringing itself up to date")
        self.account.seen.append(Seen((stream, number), self.schedule.loop.time(), message.offset, message.replayed))

    async def _acknowledge(self, message: Any) -> None:
        if self.schedule.acknowledges:
            await message.ack()
            self._unacknowledged -= 1

    async def _linger(self) -> None:
        if self.hurried:
            return
        if self._pace == "slow":
            await asyncio.sleep(self._random.uniform(0.0, 0.05))
        elif self._pace == "pausing" and self._random.random() < 0.05:
            await asyncio.sleep(self._random.uniform(1.0, 8.0))

    def hurry(self) -> None:
        """Read as fast as it can from now on."""
        self.hurried = True

    # The end

    async def leave(self) -> None:
        """Unsubscribe."""
        self.account.ends = self.schedule.loop.time()
        if self._unfinished is not None:
            # It goes before it could be told what it missed: it knows that it was about to be.
            self.account.unknown.append(Unknown(self.account.ends, self._unfinished))
        await self.subscription.unsubscribe()

    def count(self) -> None:
        """Take down what the mailbox has lost."""
        self.account.dropped = self._dropped_before + self.subscription.stats().dropped

    async def die(self) -> None:
        """Be gone in the middle of what it does, with all that is unread."""
        stats = self.subscription.stats()
        self._dropped_before += stats.dropped
        if self.schedule.acknowledges:
            self.account.repeats += self._unacknowledged
            self.account.reborn.add(len(self.account.seen))
            self._unacknowledged = 0
        elif stats.unread:
            self._dropped_before += stats.unread
            self.account.told_of_drops = True
        await self.stop()
        self._resyncing = False

    async def look_back(self) -> None:
        """Look at the past by itself, apart from what is delivered."""
        begins = self.schedule.loop.time()
        # With a wrong clock some of that is delivered, though the line breaks before the answer.
        self.account.looked_back = True
        seconds = self._random.choice((2, 10, 60))
        try:
            messages = await self.subscription.history(since=timedelta(seconds=seconds))
        except CableError as error:
            self.schedule.tell(f"{self.account.name}: {error!r}")
            return
        self.schedule.tell(f"{self.account.name} has looked back: {len(messages)} messages")
        last: dict[str, int] = {}
        for message in messages:
            stream, number = message.data
            if number <= last.get(stream, 0) or stream not in self.account.streams:
                self.account.faults.append(f"{stream} {number} after {last.get(stream, 0)} in the past of {begins:.2f}")
            last[stream] = number
            self.account.listed.add((stream, number))

    async def stop(self) -> None:
        """Read no more."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None
