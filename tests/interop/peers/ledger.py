"""What a client of ours heard and was told, in order, held against what a server had accepted."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

from attrs import Factory, define, frozen

from cableway import Gap, Recovered, Recovery

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from cableway import Cable, Event, Message


@frozen
class Heard:
    """A message that was handed over."""

    number: int
    epoch: str
    offset: int
    replayed: bool


@define
class Ledger:
    """One stream of growing numbers: messages and events, as the program saw them."""

    entries: list[Heard | Event] = Factory(list)

    @asynccontextmanager
    async def kept(self, cable: Cable, stream: str, **more: Any) -> AsyncIterator[None]:
        """Write down all that comes by *stream* during the block."""
        async with cable.stream(stream, **more) as subscription:
            subscription.on(Recovered, self.entries.append)
            subscription.on(Gap, self.entries.append)
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

    def hear(self, message: Message[Any]) -> None:
        """Write a message down."""
        epoch, offset = cast("str", message.epoch), cast("int", message.offset)
        self.entries.append(Heard(message.data, epoch, offset, message.replayed))

    @property
    def heard(self) -> list[Heard]:
        """The messages."""
        return [entry for entry in self.entries if isinstance(entry, Heard)]

    @property
    def recoveries(self) -> list[Recovered]:
        """What was told of each recovery."""
        return [entry for entry in self.entries if isinstance(entry, Recovered)]

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
        """Whether a loss before the message at *place* was told before it was heard.

        The outcome of a recovery is told after what that gave back: then it must be told before the next live message.
        """
        for entry in reversed(self.entries[:place]):
            if isinstance(entry, Heard):
                break
            if announces(entry):
                return True
        for entry in self.entries[place:]:
            if isinstance(entry, Heard):
                if not entry.replayed:
                    return False
            elif announces(entry):
                return True
        return False


def announces(event: Event) -> bool:
    """Whether an event says that something may be missing."""
    if isinstance(event, Recovered):
        return event.recovery is Recovery.UNKNOWN
    return isinstance(event, Gap) and not event.healed
