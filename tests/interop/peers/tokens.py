"""What is tried with tokens against each real server: lines that are cut, and tokens that are renewed meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from itertools import count, pairwise
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from cableway import (
    Cable,
    CallableToken,
    Disconnected,
    HandedOver,
    Subscription,
    SubscriptionState,
    TokenRenewal,
    TokenRenewalFailed,
    TokenRenewed,
    Unauthorized,
    WebSocketTransport,
)
from cableway.auth.minting import mint_token
from tests.interop.peers.waiting import LIMIT, in_thread, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from cableway import TokenCarriage
    from cableway.events import Event
    from tests.interop.peers.relay import Relay

LIFE = 4.0
"""Seconds that a token lives; its times are whole, so it is up to one less."""

BETWEEN = 1.4
"""Seconds at least from one renewal to the next: 0.95 of 0.8 of the life, whose end is known to a second or two, and
a little for a busy machine."""

FIRST = 1.0
"""Likewise to the first renewal, which is drawn from half the life on."""

CUT_EVERY = 2.5
FOR = 12.0

AT_ONCE = 0.02
"""Seconds between two messages."""


class Issuer:
    """A source of tokens that notes when it was asked, and may have other things to give first."""

    def __init__(self, secret: str, *first: str, life: float = LIFE) -> None:
        self.secret = secret
        self.asked: list[float] = []
        """On the machine's monotonic clock."""
        self._first = list(first)
        self._life = life

    def __call__(self) -> str:
        """Give a token."""
        self.asked.append(time.monotonic())
        return self._first.pop(0) if self._first else mint_token({"user": "7"}, secret=self.secret, life=self._life)

    def check_asked_as_planned(self) -> None:
        """It was asked ahead of time, and not more often than the life of its tokens demands."""
        waits = [later - earlier for earlier, later in pairwise(self.asked)]
        assert waits, "it was asked but once"
        assert waits[0] >= FIRST, waits
        assert min(waits[1:], default=BETWEEN) >= BETWEEN, waits
        # Had it been asked for a dial alone, after the end of the last one, there were longer ones.
        assert max(waits) < LIFE, waits


@frozen
class Place:
    """A server that demands tokens, and one stream of it."""

    url: str
    way: TokenCarriage
    """How its tokens usually travel."""
    secret: str = field(repr=False)
    listen: Callable[[Cable], Subscription[Any]]
    """Subscribes to the stream."""
    publish: Callable[[Any], None]
    """Publishes to it; blocks."""
    refusals: Callable[[], list[str]]
    """Tells what the server's log says of lines that it did not let in."""


async def come_back_each_time(place: Place, relay: Relay, ways: Sequence[TokenCarriage]) -> None:
    """Cut the lines every few seconds, for several lives of a token; each comes back, and is never refused.

    There is a cable for each of *ways*, and they share one source.
    """
    issuer, lost = Issuer(place.secret), list[Disconnected]()
    source = CallableToken(issuer)
    async with AsyncExitStack() as stack:
        lines = []
        for way in ways:
            # What is cut young again and again is left for another transport, if there is one.
            cable = Cable(place.url, token=source, token_as=way, transports=[WebSocketTransport()])
            await stack.enter_async_context(cable)
            cable.on(Disconnected, lost.append)
            lines.append(await stack.enter_async_context(place.listen(cable)))
        cuts, end = 0, time.monotonic() + FOR
        while time.monotonic() < end:
            await asyncio.sleep(CUT_EVERY)
            cuts += 1
            await cut_once(relay, lines, lost)
            await in_thread(place.publish, cuts)
            assert [(await line.receive(timeout=LIMIT)).data for line in lines] == [cuts] * len(lines)
    assert cuts >= 3
    assert len(lost) == cuts * len(ways)
    assert not any(isinstance(event.error, Unauthorized) for event in lost)
    assert place.refusals() == []
    issuer.check_asked_as_planned()


async def cut_once(relay: Relay, lines: Sequence[Subscription[Any]], lost: list[Disconnected]) -> None:
    """Cut all *lines*, and wait until they are back."""
    before = len(lost)
    relay.cut()
    await until(lambda: len(lost) - before >= len(lines), "all lines are lost")
    await until(lambda: all(line.state is SubscriptionState.SUBSCRIBED for line in lines), "all are back")


@frozen
class Heard:
    """What one listener was told while messages came all the time."""

    numbers: list[int]
    """Of the messages, in the order in which they came."""
    sent: int
    """How many were published while it listened."""
    events: list[Event]
    """Those of the cable."""
    issuer: Issuer

    def times(self, kind: type[Event]) -> int:
        """Tell how many events of *kind* there were."""
        return sum(isinstance(event, kind) for event in self.events)

    @property
    def missing(self) -> list[int]:
        """Those that never came."""
        return sorted(set(range(self.sent)) - set(self.numbers))

    @property
    def doubled(self) -> list[int]:
        """Those that came more than once."""
        return [number for number, times in Counter(self.numbers).items() if times > 1]


async def hear_across_renewals(place: Place, renewal: TokenRenewal, renewals: int) -> Heard:
    """Listen to numbered messages until the token was renewed *renewals* times, and whatever follows is over."""
    issuer, events, numbers = Issuer(place.secret), list[Any](), list[int]()
    cable = Cable(place.url, token=issuer, token_as=place.way, renewal=renewal)
    for kind in (Disconnected, HandedOver, TokenRenewed, TokenRenewalFailed):
        cable.on(kind, events.append)
    async with cable, place.listen(cable) as line:
        reading = asyncio.create_task(_collect(line, numbers))
        async with published(place) as sent:
            await until(lambda: _renewed(events) >= renewals, f"{renewals} renewals", (renewals + 1) * LIFE)
            await asyncio.sleep(0.7)
            await until(lambda: line.state is SubscriptionState.SUBSCRIBED, "it listens")
            before = len(numbers)
            await until(lambda: len(numbers) >= before + 10, "messages go on")
        await until(lambda: numbers[-1] == sent[-1], "the last one")
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading
    return Heard(numbers, sent[-1] + 1, events, issuer)


def _renewed(events: list[Any]) -> int:
    return sum(isinstance(event, TokenRenewed) and not event.first for event in events)


async def _collect(line: Subscription[Any], numbers: list[int]) -> None:
    async for message in line:
        # One by one: the test looks on.
        numbers.append(message.data)  # noqa: PERF401


@asynccontextmanager
async def published(place: Place) -> AsyncIterator[list[int]]:
    """Publish the numbers from 0 on during the block; the list has those that were."""
    sent: list[int] = []

    async def go_on() -> None:
        for number in count():
            await in_thread(place.publish, number)
            sent.append(number)
            if ended.is_set():
                return
            await asyncio.sleep(AT_ONCE)

    ended = asyncio.Event()
    publishing = asyncio.create_task(go_on())
    try:
        yield sent
    finally:
        ended.set()
        await publishing
