"""The shards that are in service, and who of them carries what."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from cableway.cable import Cable
from cableway.errors import UsageError
from cableway.events import Closed, Event, ShardEvent
from cableway.policies.topics import TopicRouter
from cableway.runtime import until_done
from cableway.sharding.shard import Shard
from cableway.states import State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cableway.errors import ConnectTimeout
    from cableway.sharding.options import CableOptions
    from cableway.sharding.shard import Address
    from cableway.telemetry.feed import EventFeed


class Fleet:
    """Shards by their names, each with its cable, and the router that names them."""

    def __init__(
        self,
        shards: Mapping[str, Address],
        router: TopicRouter | None,
        options: CableOptions,
        feed: EventFeed,
        on_ended: Callable[[Shard], None],
    ) -> None:
        self.router: TopicRouter = _checked_router(router, shards)
        self.is_open: bool = False
        """Whether lines may be brought up."""
        self._options = options
        self._feed = feed
        self._on_ended = on_ended
        self._retiring: set[asyncio.Task[None]] = set()
        self.shards: dict[str, Shard] = {}
        for name, url in shards.items():
            self.shards[name] = self._build(name, url)

    def place(self, topic: str) -> Shard:
        """Return the shard that carries *topic*.

        Raises:
            UsageError: There is none, or the router names one without an address.
        """
        try:
            name = self.router.shard_of(topic)
        except LookupError as error:
            raise UsageError(str(error)) from error
        shard = self.shards.get(name)
        if shard is None:
            msg = f"the router names the shard {name!r}, which has no address: await cable.add({name!r}, url)"
            raise UsageError(msg)
        return shard

    def launch(self) -> list[Shard]:
        """Begin to bring up the lines of the shards that have subscriptions, and return these shards."""
        self.is_open = True
        wanted = [shard for shard in self.shards.values() if shard.legs]
        for shard in self.shards.values():
            shard.launch()
        for shard in wanted:
            shard.need(again=True)
        return wanted

    async def close(self, *, flush: bool, timeout: float) -> None:
        """Take all lines down, side by side."""
        self.is_open = False
        await asyncio.gather(*(shard.close(flush=flush, timeout=timeout) for shard in self.shards.values()))
        await until_done(list(self._retiring), timeout)

    def withdraw(self, name: str) -> Shard:
        """Let the shard carry no topic any more; once nothing is on it, it goes.

        Raises:
            UsageError: There is no such shard, or it is the last one that shares the topics. Nothing has changed.
        """
        shard = self.shards.get(name)
        if shard is None:
            msg = f"there is no shard {name!r} to drain: the shards are {', '.join(sorted(self.shards))}"
            raise UsageError(msg)
        if not self.router.sharing - {name}:
            msg = f"cannot drain {name!r}: no other shard shares the topics; add one first"
            raise UsageError(msg)
        shard.draining = True
        self.router.remove(name)
        return shard

    def join(self, name: str, url: Address, replicas: int | None) -> Shard:
        """Let a shard carry its topics: a new one, or one that is being drained.

        Raises:
            UsageError: There is such a shard already.
            ValueError: The name is empty, or *replicas* is no number of points.
        """
        known = self.shards.get(name)
        if known is not None and not (known.draining and known.url == url):
            why = "is being drained, at another address" if known.draining else "is there already"
            msg = f"cannot add {name!r}: a shard of this name {why}"
            raise UsageError(msg)
        joining = known or self._build(name, url)
        self.router.add(name, replicas=replicas)
        joining.draining = False
        self.shards[name] = joining
        return joining

    def _build(self, name: str, url: Address) -> Shard:
        # No limit: a line that is opened for a subscription has nobody who could be told that it took too long.
        cable = Cable(url, open_timeout=None, **self._options.make())
        shard = Shard(name, url, cable, self._retire)
        shard.is_open = self.is_open
        shard.wake_timeout = self._options.open_timeout
        cable.on(Event, partial(self._hear, shard))
        return shard

    def _hear(self, shard: Shard, event: Event) -> None:
        self._feed.emit(ShardEvent(shard.name, event))
        if isinstance(event, Closed):
            self._on_ended(shard)

    def _retire(self, shard: Shard) -> None:
        if self.shards.get(shard.name) is not shard:
            return
        del self.shards[shard.name]
        shard.closing = task = asyncio.get_running_loop().create_task(shard.close(), name="cableway-retire")
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)


def no_line(wanted: list[Shard], seconds: float | None) -> ConnectTimeout:
    """Return the error that tells which of *wanted* did not come up within *seconds*."""
    late = next((shard for shard in wanted if shard.cable.state is not State.CONNECTED), wanted[0])
    return late.no_line(seconds)


def _checked_router(router: TopicRouter | None, shards: Mapping[str, Address]) -> TopicRouter:
    if not shards:
        msg = "shards={} leaves nobody to connect to: give at least one name with its address"
        raise UsageError(msg)
    if router is None:
        try:
            return TopicRouter(shards)
        except ValueError as error:
            raise UsageError(str(error)) from error
    if router.shards != shards.keys():
        odd = ", ".join(sorted(map(repr, router.shards ^ shards.keys())))
        msg = f"the router and the addresses name different shards: {odd}; give each shard to both"
        raise UsageError(msg)
    return router
