"""A second line beside the one that counts, until it has all that is heard on that one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cableway.engine.seam import Seam
from cableway.errors import CableError, ConnectTimeout, LineLost
from cableway.policies.monitors.base import LineFacts
from cableway.wire.commands import Subscribe
from cableway.wire.frames import Confirm, Reject, Welcome

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Mapping

    from cableway.engine.carrier import Carrier, Noted
    from cableway.engine.core import Engine
    from cableway.engine.seam import Arrival, Place
    from cableway.hub.hub import Answer, Hub
    from cableway.wire.frames import Data

AT_ONCE = 16
"""Subscriptions asked for without an answer, at most."""

FURTHEST = 10_000
"""Messages of a subscription by which the lines may differ."""

PATIENCE = 10.0
"""Seconds without any news after which it is given up."""


class Sieve:
    """Has a say in each message before the hub, and hands all else on."""

    def __init__(self, hub: Hub, take: Callable[[Data, bytes, float, float], None]) -> None:
        self._hub = hub
        self._take = take

    @property
    def router(self) -> Sieve:
        """Stands in for the hub's."""
        return self

    def route(self, batch: list[bytes], at: float, now: float, slow: Callable[[bytes], None]) -> None:  # noqa: ARG002 - the interface
        """Have each frame read: whose it is decides what becomes of it."""
        for frame in batch:
            slow(frame)

    def deliver(self, data: Data, raw: bytes, at: float, now: float) -> None:
        """Take a message."""
        self._take(data, raw, at, now)

    def hear(self, frame: Answer, now: float) -> None:
        """Hand an answer on."""
        self._hub.hear(frame, now)


class Elder(Sieve):
    """The line that counts, for as long as another one is beside it."""

    def __init__(
        self, hub: Hub, take: Callable[[Data, bytes, float, float], None], begin: Callable[[str], None]
    ) -> None:
        super().__init__(hub, take)
        self._begin = begin

    def hear(self, frame: Answer, now: float) -> None:
        """Hand an answer on, and note where a subscription begins."""
        if isinstance(frame, Confirm):
            self._begin(frame.identifier)
        super().hear(frame, now)


class Trailing(Sieve):
    """The line that took over, for as long as it may still bring what the one before had brought already."""

    def __init__(self, hub: Hub, late: Mapping[str, Counter[bytes]], until: float, over: Callable[[], None]) -> None:
        super().__init__(hub, self._once)
        self._late = late
        self._until = until
        self._over = over

    def route(self, batch: list[bytes], at: float, now: float, slow: Callable[[bytes], None]) -> None:
        """Have each frame read, until it is over."""
        if now <= self._until:
            super().route(batch, at, now, slow)
        else:
            self._over()
            self._hub.router.route(batch, at, now, slow)

    def _once(self, data: Data, raw: bytes, at: float, now: float) -> None:
        late = self._late.get(data.identifier)
        if late is not None and late[raw] > 0:
            late[raw] -= 1
        else:
            self._hub.router.deliver(data, raw, at, now)


class Beside(Sieve):
    """The second line: who owns it until it counts, and what it has by then."""

    def __init__(self, engine: Engine, old: Carrier, rung: int | None = None) -> None:
        super().__init__(engine.hub, self._from_new)
        self.facts: LineFacts = LineFacts()
        self.welcome: Welcome = Welcome()
        self.placeless: bool = False
        """Whether it brought messages that cannot be told apart by their places."""
        self.moved: set[str] = set()
        """Identifiers that the server has confirmed here."""
        self.carrier: Carrier = engine.dials.carrier(self, self, rung)
        self._engine = engine
        self._old = old
        self._news = asyncio.Event()
        self._welcomed = False
        self._error: CableError | None = None
        self._waiting: list[str] = []
        self._refused: set[str] = set()
        self._asked: set[str] = set()
        self._seams: dict[str, Seam] = {}
        old.hub = Elder(engine.hub, self._from_old, self._begins_anew)

    @property
    def ready(self) -> bool:
        """Whether the server has answered for all that it was asked for."""
        return self._welcomed and self._error is None and not self._waiting and not self._asked

    async def until_ready(self) -> None:
        """Wait until it is ready, with all that is live on the old line by now. Cancelling it has no effect but that.

        Raises:
            ConnectTimeout: Nothing came for too long.
            CableError: It broke.
        """
        if self._welcomed:
            self._ask()
        while not self.ready:
            if self._error is not None:
                raise self._error
            self._news.clear()
            try:
                async with asyncio.timeout(PATIENCE + self.carrier.command_latency):
                    await self._news.wait()
            except TimeoutError:
                if self._engine.hub.router.paused:
                    # The answers may be among what is not read at the moment.
                    continue
                what = "the second line did not have all subscriptions"
                raise ConnectTimeout(self._engine.dials.dialer.address, PATIENCE, what) from None

    @property
    def ahead(self) -> list[Arrival]:
        """What only this line has brought so far."""
        return [arrival for identifier in self.moved for arrival in self._seams[identifier].left()]

    def late(self, since: float) -> dict[str, Counter[bytes]]:
        """What only the old line has brought after *since*, of each subscription: this one may still bring it."""
        late = {identifier: self._seams[identifier].late(since) for identifier in self.moved}
        return {identifier: frames for identifier, frames in late.items() if frames}

    def hold(self, *, paused: bool) -> None:
        """Stop reading, or read on, as the old line does. Nothing is read before the welcome that fills a mailbox."""
        if not paused:
            self.carrier.resume()
            # The wait for answers begins anew.
            self._news.set()
        elif self._welcomed:
            self.carrier.pause()

    def end(self) -> None:
        """Give it up: the line is dropped, and the old one is heard in full again."""
        self._old.hub = self._engine.hub
        self.carrier.drop()

    # What the line reports

    def welcomed(self, facts: LineFacts, welcome: Welcome) -> None:
        """The server welcomed us once more: ask for what is live on the old line."""
        self.facts, self.welcome = facts, welcome
        self._welcomed = True
        self._ask()
        if self._engine.hub.router.paused:
            self.carrier.pause()

    def broke(self, carrier: Carrier, error: CableError) -> None:  # noqa: ARG002 - the interface
        """It is of no use."""
        self._error = error
        self._news.set()

    def noted(self, news: Noted) -> None:
        """Nothing of this counts yet."""

    def settle(self) -> None:
        """Something was read: what passed may have woken somebody."""
        self._engine.settle()

    def hear(self, frame: Answer, now: float) -> None:  # noqa: ARG002 - the interface
        """A subscription is live here, too; or was refused, or taken back."""
        identifier = frame.identifier
        if isinstance(frame, Confirm) and identifier in self._asked:
            self.moved.add(frame.identifier)
            self._answered(frame.identifier)
        elif isinstance(frame, Reject) and identifier is not None and identifier in self._asked | self.moved:
            # It is asked for again once the line counts.
            self.moved.discard(identifier)
            self._seams.pop(identifier, None)
            self._refused.add(identifier)
            self._answered(identifier)

    def _begins_anew(self, identifier: str) -> None:
        """It was given up on the old line, and is live there again: what the new one brought meanwhile is nobody's."""
        if identifier in self._seams:
            self._seams[identifier] = Seam()

    def _from_old(self, data: Data, raw: bytes, at: float, now: float) -> None:
        seam = self._seams.get(data.identifier)
        if seam is not None:
            seam.from_old(self._place(data), raw, now)
        self._hub.router.deliver(data, raw, at, now)

    def _from_new(self, data: Data, raw: bytes, at: float, now: float) -> None:  # noqa: ARG002 - the interface
        seam = self._seams.get(data.identifier)
        if seam is None:
            return
        place = self._place(data)
        self.placeless = self.placeless or place is None
        seam.from_new(place, (data, raw, at))
        if seam.size > FURTHEST:
            # It would cost too much memory, and who is that far behind has other troubles.
            self.broke(self.carrier, LineLost(f"the second line is {seam.size} messages away from the first"))

    def _place(self, data: Data) -> Place | None:
        if self._old.speech.dialect.extended and data.stream and data.epoch and data.offset:
            return data.stream, data.epoch, data.offset
        return None

    def _answered(self, identifier: str) -> None:
        self._asked.discard(identifier)
        self._ask()

    def _ask(self) -> None:
        if not self._waiting and not self._asked:
            # The oldest is the last: it is taken from the end.
            live = self._engine.hub.live
            self._waiting = [one for one in reversed(live) if one not in self.moved and one not in self._refused]
        while self._waiting and len(self._asked) < AT_ONCE:
            identifier = self._waiting.pop()
            self._asked.add(identifier)
            self._seams[identifier] = Seam()
            self.carrier.send(Subscribe(identifier))
        self._news.set()
