"""What the page on guarantees says of the bundled gateway, row by row; and that all proofs are there."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cableway import Cable, Event, Gap, MemoryPositions, MessagesDropped, Recovered, Recovery, SubscriptionOptions
from cableway.gateway import Channel, Gateway, action
from tests.interop.peers.waiting import LIMIT, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cableway import Subscription

TESTS = Path(__file__).resolve().parent
DOCS = TESTS.parent / "docs"
BASE = "actioncable-v1-json"


@pytest.mark.parametrize(("page", "least"), [("guarantees.md", 20), ("positions.md", 2)])
def test_each_proof_is_there(page: str, least: int) -> None:
    """Each test that a page names is one of ours."""
    named = set(re.findall(r"\btest_\w+", (DOCS / page).read_text(encoding="utf-8")))
    ours = {
        name
        for path in TESTS.rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)\(", path.read_text(encoding="utf-8"), re.MULTILINE)
    }

    assert len(named) >= least
    assert named <= ours


class Room(Channel):
    """A channel whose clients do not hear what they say themselves."""

    async def subscribed(self) -> None:
        self.stream_from("room")

    @action
    async def speak(self, data: dict[str, Any]) -> None:
        await self.broadcast("room", data["text"], to_others=True)


@asynccontextmanager
async def away(cable: Cable, subscription: Subscription[Any]) -> AsyncIterator[None]:
    """Have no line inside of the block, and the subscription confirmed anew after it."""
    cable.pause()
    yield
    cable.resume()
    await subscription


async def hear(subscription: Subscription[Any], count: int) -> list[Any]:
    """Return the data of the next *count* messages."""
    return [(await subscription.receive(timeout=LIMIT)).data for _ in range(count)]


async def told(events: list[Event], kind: type[Event]) -> Any:
    """Wait until an event of *kind* was told; return it."""
    await until(lambda: any(isinstance(event, kind) for event in events), f"{kind.__name__} is told")
    return next(event for event in events if isinstance(event, kind))


def watch(subscription: Subscription[Any]) -> list[Event]:
    """Return a list that fills with what happens to *subscription*."""
    events: list[Event] = []
    subscription.on(Event, events.append)
    return events


@pytest.mark.parametrize("commit", ["receipt", "ack"])
@pytest.mark.parametrize("sessions_ttl", [0, 300])
async def test_the_gateway_gives_back_what_a_break_took(commit: Any, sessions_ttl: int) -> None:
    """With its broker on, all comes once and in order, whether it gives back the session or not."""
    options = SubscriptionOptions(commit=commit)
    async with (
        Gateway(public=True, sessions_ttl=sessions_ttl) as gateway,
        Cable(gateway.url) as cable,
        cable.stream("news", options=options) as news,
    ):
        events = watch(news)
        await gateway.broadcast("news", 0)
        assert await hear(news, 1) == [0]
        async with away(cable, news):
            for number in range(1, 50):
                await gateway.broadcast("news", number)
        await gateway.broadcast("news", 50)
        assert await hear(news, 50) == list(range(1, 51))
        assert (await told(events, Recovered)).recovery is Recovery.COMPLETE
        assert news.stats().unread == news.stats().gaps == 0
        assert gateway.stats().restored == (sessions_ttl > 0)


async def test_the_gateway_s_short_history_is_told() -> None:
    """What the broker keeps no more is a gap that was not healed, and a recovery that is unknown."""
    async with (
        Gateway(public=True, history_limit=2, ping_interval=0.1) as gateway,
        Cable(gateway.url) as cable,
        cable.stream("news") as news,
    ):
        events = watch(news)
        await gateway.broadcast("news", 1)
        assert await hear(news, 1) == [1]
        historian = news._handle.wish.recall.historian
        await until(lambda: historian.pinged is not None, "the server's time is known")
        async with away(cable, news):
            for number in (2, 3, 4):
                await gateway.broadcast("news", number)
        assert await hear(news, 2) == [3, 4]
        gap = await told(events, Gap)
        assert (gap.first, gap.last, gap.healed) == (2, 2, False)
        assert (await told(events, Recovered)).recovery is Recovery.UNKNOWN


async def test_a_restarted_gateway_is_told_and_resynced() -> None:
    """It begins a new era: that is unknown, and what comes meanwhile waits for the function that catches up."""
    order: list[Any] = []

    async def catch_up(news: Subscription[Any]) -> None:
        order.append("begin")
        await gateway.broadcast("news", "during")
        await until(lambda: news.stats().unread > 0, "it has come, and waits")
        order.append("end")

    options = SubscriptionOptions(on_resync=catch_up)
    async with (
        Gateway(public=True) as gateway,
        Cable(gateway.url) as cable,
        cable.stream("news", options=options) as news,
    ):
        events = watch(news)
        await gateway.broadcast("news", "before")
        first = await news.receive(timeout=LIMIT)
        gateway.kill()
        await gateway.stop()
        await gateway.start()
        second = await news.receive(timeout=LIMIT)
        assert [*order, second.data] == ["begin", "end", "during"]
        assert first.epoch != second.epoch
        assert (await told(events, Recovered)).recovery is Recovery.UNKNOWN


@pytest.mark.parametrize(
    ("server", "protocol"),
    [({"flavour": "rails"}, "auto"), ({}, BASE), ({"broker": "none"}, "auto"), ({"broker": "none"}, BASE)],
    ids=["rails", "base", "without a broker", "base without a broker"],
)
async def test_without_a_past_a_loss_is_told(server: dict[str, Any], protocol: str) -> None:
    """Where the server can tell nothing of the past, what was missed is missing, and that is told."""
    async with (
        Gateway(public=True, **server) as gateway,
        Cable(gateway.url, protocol=protocol) as cable,
        cable.stream("news") as news,
    ):
        events = watch(news)
        await gateway.broadcast("news", 1)
        assert await hear(news, 1) == [1]
        async with away(cable, news):
            await gateway.broadcast("news", 2)
        await told(events, Recovered)
        await gateway.broadcast("news", 3)
        assert await hear(news, 1) == [3]
        recovered = await told(events, Recovered)
        assert recovered.recovery is Recovery.UNKNOWN
        assert recovered.reason


@pytest.mark.parametrize(("commit", "again"), [("receipt", []), ("ack", [2, 3])])
async def test_the_next_cable_goes_on_after_the_gateway_s_positions(commit: Any, again: list[int]) -> None:
    """It begins after what came, or after what was acknowledged; nothing else is lost, and nothing else comes again."""
    kept, options = MemoryPositions(), SubscriptionOptions(commit=commit)
    async with Gateway(public=True) as gateway:
        async with Cable(gateway.url, positions=kept) as cable, cable.stream("news", options=options) as news:
            for number in (1, 2, 3):
                await gateway.broadcast("news", number)
            first, *_ = [await news.receive(timeout=LIMIT) for _ in range(3)]
            if commit == "ack":
                await first.ack()
        await gateway.broadcast("news", 4)
        async with Cable(gateway.url, positions=kept) as cable, cable.stream("news", options=options) as news:
            assert await hear(news, len(again) + 1) == [*again, 4]


async def test_what_a_full_mailbox_refused_does_not_come_again() -> None:
    """``disconnect`` drops the line, and what did not fit stays lost: it is counted, and told."""
    options = SubscriptionOptions(overflow="disconnect", max_messages=2)
    async with (
        Gateway(public=True) as gateway,
        Cable(gateway.url) as cable,
        cable.stream("news", options=options) as news,
    ):
        events = watch(news)
        await gateway.broadcast("news", 0)
        assert await hear(news, 1) == [0]
        for number in (1, 2, 3):
            await gateway.broadcast("news", number)
        await told(events, MessagesDropped)
        await told(events, Recovered)
        assert await hear(news, 2) == [1, 2]
        await gateway.broadcast("news", 4)
        assert await hear(news, 1) == [4]
        assert news.stats().dropped == 1


async def test_what_was_kept_away_looks_like_a_gap() -> None:
    """A message of our own that others get alone is fetched, then told as a healed gap; ``is_own`` leaves it out."""
    mine = SubscriptionOptions(is_own=lambda message: message.data == "mine")
    async with (
        Gateway([Room], public=True) as gateway,
        Cable(gateway.url) as cable,
        cable.subscribe("Room") as room,
        cable.subscribe("Room", options=mine) as others,
    ):
        events = watch(room)
        await gateway.broadcast("room", "before")
        assert await hear(room, 1) == ["before"]
        await room.perform("speak", text="mine")
        await until(lambda: gateway.stats().broadcasts > 1, "it is published")
        await gateway.broadcast("room", "after")
        assert await hear(room, 2) == ["mine", "after"]
        gap = await told(events, Gap)
        assert (gap.first, gap.last, gap.healed) == (2, 2, True)
        assert await hear(others, 2) == ["before", "after"]


async def test_what_is_not_kept_is_outside_of_the_account() -> None:
    """A transient message that is published without a line is gone, and the recovery is complete all the same."""
    async with Gateway(public=True) as gateway, Cable(gateway.url) as cable, cable.stream("news") as news:
        events = watch(news)
        await gateway.broadcast("news", 1)
        assert await hear(news, 1) == [1]
        async with away(cable, news):
            await gateway.broadcast("news", "gone", transient=True)
            await gateway.broadcast("news", 2)
        assert await hear(news, 1) == [2]
        assert (await told(events, Recovered)).recovery is Recovery.COMPLETE


@pytest.mark.parametrize("since", [None, timedelta(seconds=1)])
async def test_a_line_that_breaks_at_once_leaves_nothing_to_ask_from(since: timedelta | None) -> None:
    """Before a message or a ping there is neither a place nor a time, unless one was given: that is told."""
    options = SubscriptionOptions(since=since)
    async with (
        Gateway(public=True) as gateway,
        Cable(gateway.url) as cable,
        cable.stream("news", options=options) as news,
    ):
        events = watch(news)
        async with away(cable, news):
            await gateway.broadcast("news", 1)
        known = (await told(events, Recovered)).recovery is Recovery.COMPLETE
        await gateway.broadcast("news", 2)
        assert known == (since is not None)
        assert await hear(news, 1 + known) == [1, 2][-1 - known :]
