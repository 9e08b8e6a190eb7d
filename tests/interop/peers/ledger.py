"""What a client of ours heard and was told, in order, held against what a server had accepted."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from attrs import Factory, define, frozen

from cableway import Gap, Recovered, SubscriptionOptions
from tests.interop.peers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from cableway import Cable, Message


@frozen
class Heard:
    """A message that was handed over."""

    number: int
    epoch: str
    offset: int
    replayed: bool


@frozen
class Resync:
    """Its holder was told to bring itself up to date: what came before may be incomplete.

    Unlike the events, which are told beside the messages, this comes between two of them.
    """


@define
class Ledger:
    """One stream of growing numbers: messages and warnings in the order in which the program had them."""

    entries: list[Heard | Resync] = Factory(list)
    events: list[Recovered | Gap] = Factory(list)

    @asynccontextmanager
    async def kept(self, cable: Cable, stream: str) -> AsyncIterator[None]:
        """Write down all that comes by *stream* during the block."""
        async with cable.stream(stream, options=SubscriptionOptions(on_resync=self._resync)) as subscription:
            subscription.on(Recovered, self.events.append)
            subscription.on(Gap, self.events.append)
            reading = asyncio.create_task(self._read(subscription))
            try:
                yield
            finally:
                reading.cancel()
                with suppress(asyncio.CancelledError):
                    await reading

    async def _read(self, subscription: Any) -> None:
        async for message in subscription:
            self.hear(message)

    async def _resync(self, _: object) -> None:
        self.entries.append(Resync())

    def hear(self, message: Message[Any]) -> None:
        """Write a message down."""
        # The base protocol knows no places: there the numbers must do.
        offset = message.data if message.offset is None else message.offset
        self.entries.append(Heard(message.data, message.epoch or "", offset, message.replayed))

    @property
    def heard(self) -> list[Heard]:
        """The messages."""
        return [entry for entry in self.entries if isinstance(entry, Heard)]

    @property
    def recoveries(self) -> list[Recovered]:
        """What was told of each recovery."""
        return [event for event in self.events if isinstance(event, Recovered)]

    async def live(self, after: int) -> None:
        """Wait for a message that is not given back, beyond the first *after*: no recovery is under way then."""
        await until(lambda: len(heard := self.heard) > after and not heard[-1].replayed, "messages come again")

    def check_order(self) -> None:
        """Nothing comes twice, an era is over once the next one has begun, and within it each place is after the last.

        Numbers grow as they are published: so they must as they are heard.
        """
        heard = self.heard
        for before, after in pairwise(heard):
            assert before.number < after.number, (before, after)
            assert before.epoch != after.epoch or before.offset < after.offset, (before, after)
        eras = [entry.epoch for entry in heard]
        changes = sum(before != after for before, after in pairwise(eras))
        assert changes == len(set(eras)) - 1, "an era came back"

    def check_eras(self) -> int:
        """Each new era of the server is told as unknown; return how many were heard of."""
        last, eras = "", 0
        for place, entry in enumerate(self.entries):
            if isinstance(entry, Heard) and entry.epoch != last:
                assert not last or self._told(place), f"{entry} begins an era, and nothing told"
                last, eras = entry.epoch, eras + 1
        return eras

    def losses(self, accepted: Sequence[int], unsure: Iterable[int] = ()) -> list[list[int]]:
        """Return what was accepted and not heard, run by run; fail where one is not told.

        What came before the first message, and after the last one, is left out.
        """
        heard = [entry.number for entry in self.heard]
        assert set(heard) <= {*accepted, *unsure}, "what was never published"
        missing = sorted(set(accepted) - set(heard))
        runs: list[list[int]] = []
        before: int | None = None
        for place, entry in enumerate(self.entries):
            if not isinstance(entry, Heard):
                continue
            run = [] if before is None else [number for number in missing if before < number < entry.number]
            assert not run or self._told(place), f"{run} was lost before {entry}, and nothing told"
            runs += [run] if run else []
            before = entry.number
        return runs

    def _told(self, place: int) -> bool:
        """Whether a loss before the message at *place* was told.

        The outcome of a recovery is told after what that gave back, and before the next live message.
        """
        if isinstance(self.entries[place - 1], Resync):
            return True
        for entry in self.entries[place:]:
            if isinstance(entry, Resync):
                return True
            if not entry.replayed:
                return False
        return False
