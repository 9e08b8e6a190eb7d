"""What all sessions of a gateway share: who is in, what is kept of what was published, and what grows too old."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from cableway.gateway import Connection, GatewayOptions
from cableway.gateway.broker import OutOfReach
from cableway.gateway.cache import KeptSession
from cableway.gateway.house import EPOCH_ALPHABET, House
from cableway.gateway.stats import Counters
from cableway.gateway.streams import Broadcast, Streams, broadcast_value
from cableway.wire.codecs.json import JSONCodec
from cableway.wire.positions import HistoryQuery, Member, Position

if TYPE_CHECKING:
    from cableway.wire.expulsions import Expulsion

pytestmark = pytest.mark.looptime

NOW = 1_790_000_000


def house(**options: Any) -> House:
    """Build one that nobody is in."""
    return House(GatewayOptions(**options), connection=Connection, channels={}, streams=Streams(), counters=Counters())


class Guest:
    """A session that keeps what is said to it."""

    identifiers = ""
    subscriptions = 0

    def __init__(self) -> None:
        self.said: list[Expulsion] = []

    def expel(self, expulsion: Expulsion) -> None:
        """Keep it."""
        self.said.append(expulsion)

    def drop(self) -> None:
        """Nobody does that here."""
        raise AssertionError


class Ear:
    """Keeps the frames that it hears."""

    def __init__(self, shared: House, stream: str = "room") -> None:
        self.frames: list[dict[str, Any]] = []
        shared.streams.attach(stream, self)

    def hear(self, stream: str, broadcast: Broadcast) -> None:
        """Keep it."""
        self.frames.append(json.loads(broadcast.frame_for("A", JSONCodec())))


class Clock:
    """Wall time that goes with the loop's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._start = asyncio.get_running_loop().time()
        monkeypatch.setattr("cableway.gateway.house.time", SimpleNamespace(time=self.time))

    def time(self) -> float:
        """Tell the Unix time."""
        return NOW + asyncio.get_running_loop().time() - self._start


# What is kept --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flavour", ["strict", "anycable"])
async def test_what_is_published_is_kept_and_told_with_its_place(flavour: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In either flavour: heard as it can be asked for later."""
    Clock(monkeypatch)
    shared = house(flavour=flavour)
    ear = Ear(shared)
    for value in ({"t": "x"}, None):
        await shared.publish("room", broadcast_value(value))
    await shared.publish("other", broadcast_value(3))
    assert shared.broker is not None
    epoch = shared.broker.epoch
    assert ear.frames == [
        {"identifier": "A", "message": {"t": "x"}, "stream_id": "room", "epoch": epoch, "offset": 1},
        {"identifier": "A", "message": None, "stream_id": "room", "epoch": epoch, "offset": 2},
    ]
    found = shared.broker.recall(("room", "other"), HistoryQuery({"room": Position(epoch, 1)}, since=NOW))
    assert [(kept.stream, kept.position.offset, kept.text) for kept in found] == [
        ("room", 2, b"null"),
        ("other", 1, b"3"),
    ]
    assert shared.counters["broadcasts"] == 3


@pytest.mark.parametrize("options", [{"broker": "none"}, {"flavour": "rails"}])
async def test_without_a_broker_nothing_has_a_place_and_no_session_is_kept(options: dict[str, str]) -> None:
    """Rails has none, whatever is asked for."""
    shared = house(**options)
    ear = Ear(shared)
    await shared.publish("room", broadcast_value(1))
    assert ear.frames == [{"identifier": "A", "message": 1}]
    assert shared.broker is None
    shared.cache.begin("s1", lambda: KeptSession("", None, {}))
    assert shared.cache.find("s1", 0) is None


async def test_what_is_for_the_moment_is_told_and_not_kept() -> None:
    """Neither a transient message nor who came and went has a place, and the count goes on without them."""
    shared = house()
    ear = Ear(shared)
    shared.deliver("room", broadcast_value("gone", transient=True))
    shared.tell_presence("room", "join", Member("ann", {"n": 1}))
    shared.tell_presence("room", "leave", Member("ann"))
    shared.deliver("room", broadcast_value("kept"))
    assert ear.frames[:3] == [
        {"identifier": "A", "message": "gone"},
        {"type": "presence", "identifier": "A", "message": {"type": "join", "info": {"n": 1}, "id": "ann"}},
        {"type": "presence", "identifier": "A", "message": {"type": "leave", "id": "ann"}},
    ]
    assert ear.frames[3]["offset"] == 1


async def test_each_house_is_an_era_of_its_own() -> None:
    """Four letters or digits, drawn anew with each start: places of the one before are out of reach."""
    houses = [house() for _ in range(50)]
    epochs = {shared.broker.epoch for shared in houses if shared.broker is not None}
    assert len(epochs) > 45
    assert all(len(epoch) == 4 and set(epoch) <= set(EPOCH_ALPHABET) for epoch in epochs)


async def test_the_options_limit_what_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages by number and age, sessions and people by the time since they went; a look is taken each second."""
    clock = Clock(monkeypatch)
    shared = house(history_limit=2, history_ttl=5, sessions_ttl=7, presence_ttl=3)
    broker = shared.broker
    assert broker is not None
    ear = Ear(shared)
    shared.open()
    loop = asyncio.get_running_loop()
    for number in range(3):
        shared.deliver("room", broadcast_value(number))
    ear.frames.clear()
    assert [kept.position.offset for kept in broker.since("room", 0)] == [2, 3]
    shared.cache.begin("s1", lambda: KeptSession("ann", None, {}))
    shared.cache.end("s1", loop.time())
    shared.attendance.join("room", "s1", Member("ann"), loop.time(), kept=True)
    shared.attendance.disconnected("s1", loop.time())
    await asyncio.sleep(3.5)
    assert ear.frames == []
    await asyncio.sleep(1)
    assert [frame["message"] for frame in ear.frames] == [{"type": "leave", "id": "ann"}]
    await asyncio.sleep(1)
    assert broker.after("room", Position(broker.epoch, 3)) == []
    await asyncio.sleep(1)
    assert int(clock.time()) == NOW + 6
    with pytest.raises(OutOfReach):
        broker.after("room", Position(broker.epoch, 3))
    assert shared.cache._entries
    await asyncio.sleep(2)
    assert not shared.cache._entries
    shared.close()


async def test_sessions_may_be_kept_for_no_time() -> None:
    """That alone turns them off; messages are kept all the same."""
    shared = house(sessions_ttl=0)
    shared.cache.begin("s1", lambda: KeptSession("", None, {}))
    assert shared.cache.find("s1", 0) is None
    assert shared.broker is not None


async def test_once_closed_nothing_is_looked_at_any_more() -> None:
    """No timer stays behind, nor does one that was never opened matter."""
    shared = house(presence_ttl=1)
    shared.close()
    shared.open()
    ear = Ear(shared)
    shared.attendance.join("room", "s1", Member("ann"), 0, kept=False)
    shared.close()
    await asyncio.sleep(10)
    assert ear.frames == []
    assert shared._alarm is None


# Who publishes, and who listens --------------------------------------------------------------------------------------


async def test_a_publisher_in_a_loop_lets_others_have_their_turn() -> None:
    """Or good readers would look slow; what is delivered at once takes none."""
    shared, turns = house(), 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    busy = asyncio.ensure_future(other())
    for _ in range(10):
        await shared.publish("room", broadcast_value(1))
    assert turns >= 9
    before = turns
    shared.deliver("room", broadcast_value(1))
    assert turns == before
    busy.cancel()


# Who is in -----------------------------------------------------------------------------------------------------------


async def test_it_is_empty_when_the_last_one_has_left() -> None:
    """Who waits for that is told at once, or after the time that they have."""
    shared, one, two = house(), Guest(), Guest()
    loop = asyncio.get_running_loop()
    await shared.wait_until_empty(100)
    shared.enter(one)
    shared.enter(two)
    started = loop.time()
    await shared.wait_until_empty(7)
    assert loop.time() - started == pytest.approx(7)
    loop.call_later(1, shared.leave, one)
    loop.call_later(2, shared.leave, two)
    await shared.wait_until_empty(100)
    assert loop.time() - started == pytest.approx(9)
    shared.leave(two)
    shared.enter(one)
    await shared.wait_until_empty(1)
    assert loop.time() - started == pytest.approx(10)


async def test_who_asked_for_it_is_told_first_that_it_closes() -> None:
    """With the words of the farewell known already, and with nobody sent away yet."""
    shared, inside, told = house(), Guest(), list[object]()
    shared.enter(inside)
    shared.closers.append(lambda: told.append((shared.farewell, list(inside.said))))
    assert told == []
    farewell = shared.close()
    assert told == [(farewell, [])]


async def test_who_enters_a_closed_house_is_sent_away_with_the_others_words() -> None:
    """Upgraded in the very moment it closed; those who are in are told by the one who closes it."""
    shared, inside, late = house(), Guest(), Guest()
    shared.enter(inside)
    farewell = shared.close()
    shared.enter(late)
    assert (inside.said, late.said) == ([], [farewell])
    assert (farewell.reason, farewell.reconnect, farewell.code) == ("server_restart", True, 1001)
    assert late in shared.sessions


@pytest.mark.parametrize(("rate", "guests", "over"), [(0, 8, None), (4, 8, 2.0), (4, 0, 0.0)])
async def test_a_crowd_is_asked_to_come_back_at_the_pace_of_the_door(
    rate: int, guests: int, over: float | None
) -> None:
    """Counted when it closes first: by the second time, most have gone."""
    shared = house(accept_rate=rate)
    crowd = [Guest() for _ in range(guests)]
    for guest in crowd:
        shared.enter(guest)
    assert shared.close().retry_after == over
    for guest in crowd:
        shared.leave(guest)
    assert shared.close().retry_after == over


async def test_who_still_waits_at_the_door_belongs_to_the_crowd() -> None:
    """And is sent away."""
    shared = house(accept_rate=1, accept_wait=5)
    waiting = [asyncio.ensure_future(shared.entrance.turn(lambda: True)) for _ in range(4)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert [call.done() for call in waiting] == [True, False, False, False]
    assert shared.close().retry_after == 3.0
    assert len(await asyncio.wait_for(asyncio.gather(*waiting), 0.1)) == 4
