"""The model of the server does what the protocol's notes say, word by word, for a client without any wit."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from cableway import HostUnreachable
from cableway.transports.base import DialRequest
from tests.simulation.clock import VirtualLoop, run
from tests.simulation.recovery.server import BASE, EXTENDED, Server, ServerOptions
from tests.simulation.recovery.wires import BrokenTransport, Wire

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

FEED = '{"channel":"Feed","of":"a"}'
BOTH = '{"channel":"Feed","of":"a b"}'


class Client:
    """Says what it is told to, and keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.end: tuple[int | None, str, BaseException | None] | None = None
        self.wire: Wire

    def frames(self, batch: list[bytes]) -> None:
        self.heard += [json.loads(frame) for frame in batch]

    def lost(self, code: int | None, reason: str, error: BaseException | None) -> None:
        self.end = (code, reason, error)

    def say(self, command: str, identifier: str | None = None, **more: Any) -> None:
        """Send a command."""
        frame = {"command": command} | ({} if identifier is None else {"identifier": identifier}) | more
        self.wire.send(json.dumps(frame).encode())

    def take(self, *, pings: bool = False) -> list[dict[str, Any]]:
        """Return what was heard since the last time."""
        heard, self.heard = self.heard, []
        return [frame for frame in heard if pings or frame.get("type") != "ping"]

    @property
    def types(self) -> list[Any]:
        """Take what was heard, in short: types, and numbers of messages."""
        return [frame.get("type", frame.get("message", (0, 0))[1]) for frame in self.take()]


class Stage:
    """A server, its network, and those who dial it."""

    def __init__(self, seed: int = 1, **options: Any) -> None:
        self.server = Server(Random(seed), ServerOptions(**options))
        self.server.start()
        self.transport = BrokenTransport(Random(seed), self.server)

    async def dial(self, *offered: str, restore: str | None = None) -> Client:
        """Dial, and wait for the welcome."""
        client = Client()
        headers = {} if restore is None else {"X-ANYCABLE-RESTORE-SID": restore}
        request = DialRequest("ws://cable.example/cable", offered or (EXTENDED,), headers)
        client.wire = await self.transport.open(request, client)
        client.wire.latency = 0.002
        client.wire.resume()
        await asyncio.sleep(0.4)
        return client

    async def subscribed(self, identifier: str = FEED, **more: Any) -> Client:
        """Dial and subscribe."""
        client = await self.dial()
        client.say("subscribe", identifier, **more)
        await asyncio.sleep(0.5)
        return client


@pytest.fixture
def play() -> Any:
    """Run a scene in virtual time."""

    def begin(scene: Callable[[], Awaitable[None]]) -> None:
        loop = VirtualLoop()

        async def main() -> None:
            await scene()
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        run(main(), loop)
        assert not loop.faults

    return begin


def test_who_offers_both_gets_base(play: Any) -> None:
    """The server's list counts, and base is the first of it; Rails knows no other."""

    async def scene() -> None:
        stage = Stage()
        assert (await stage.dial(EXTENDED, BASE)).wire.subprotocol == BASE
        assert (await stage.dial(EXTENDED)).wire.subprotocol == EXTENDED
        assert (await Stage(flavour="rails").dial(EXTENDED)).wire.subprotocol is None

    play(scene)


def test_subscribing_brings_the_past_between_two_words(play: Any) -> None:
    """Confirmation, backlog, end of history; then live messages with their places."""

    async def scene() -> None:
        stage = Stage()
        for _ in range(3):
            stage.server.publish("a")
        client = await stage.subscribed(history={"since": stage.server.second - 5})
        assert client.types == ["welcome", "confirm_subscription", 1, 2, 3, "confirm_history"]
        stage.server.publish("a")
        await asyncio.sleep(0.1)
        (frame,) = client.take()
        assert (frame["stream_id"], frame["offset"], frame["message"]) == ("a", 4, ["a", 4])
        assert frame["epoch"] == stage.server.broker.epoch  # type: ignore[union-attr]

    play(scene)


def test_one_bad_stream_spoils_the_answer(play: Any) -> None:
    """All or nothing."""

    async def scene() -> None:
        stage = Stage()
        stage.server.publish("a")
        stage.server.publish("b")
        epoch = stage.server.broker.epoch  # type: ignore[union-attr]
        client = await stage.subscribed(BOTH)
        client.take()
        good, bad = {"epoch": epoch, "offset": 1}, {"epoch": "none", "offset": 1}
        client.say("history", BOTH, history={"streams": {"a": good, "b": bad}})
        await asyncio.sleep(0.2)
        assert client.types == ["reject_history"]
        client.say("history", BOTH, history={"streams": {"a": good, "foreign": bad}, "since": 1})
        await asyncio.sleep(0.2)
        assert client.types == [1, "confirm_history"]

    play(scene)


def test_a_second_subscribe_and_an_unsubscribe_are_not_answered(play: Any) -> None:
    """Nothing is said, and one message comes once; after the unsubscribe none does."""

    async def scene() -> None:
        stage = Stage()
        client = await stage.subscribed()
        client.take()
        client.say("subscribe", FEED)
        await asyncio.sleep(0.2)
        stage.server.publish("a")
        await asyncio.sleep(0.2)
        assert client.types == [1]
        client.say("unsubscribe", FEED)
        client.say("unsubscribe", FEED)
        await asyncio.sleep(0.2)
        stage.server.publish("a")
        await asyncio.sleep(0.2)
        assert client.types == []
        assert stage.server.faults == []

    play(scene)


def test_a_session_is_restored_with_its_streams(play: Any) -> None:
    """Live messages flow without a subscribe; a base session and one whose time is over are not restored."""

    async def scene() -> None:
        stage = Stage(sessions_ttl=5.0)
        first = await stage.subscribed()
        sid = first.take()[0]["sid"]
        first.wire.cut(0)
        second = await stage.dial(restore=sid)
        (welcome,) = second.take()
        assert welcome == {"type": "welcome", "sid": welcome["sid"], "restored": True, "restored_ids": [FEED]}
        assert welcome["sid"] != sid
        stage.server.publish("a")
        await asyncio.sleep(0.2)
        assert second.types == [1]
        base = await stage.dial(BASE, restore=sid)
        assert "restored" not in base.take()[0]
        await asyncio.sleep(7.0)
        late = await stage.dial(restore=sid)
        assert "restored" not in late.take()[0]
        stage.server.stop(notice=False)

    play(scene)


def test_an_empty_session_is_restored_without_a_list(play: Any) -> None:
    """What is empty is left out."""

    async def scene() -> None:
        stage = Stage()
        sid = (await stage.dial()).take()[0]["sid"]
        (welcome,) = (await stage.dial(restore=sid)).take()
        assert sorted(welcome) == ["restored", "sid", "type"]

    play(scene)


def test_a_restart_forgets_sessions_and_begins_an_epoch(play: Any) -> None:
    """With a notice everybody is told; the dial meanwhile fails."""

    async def scene() -> None:
        stage = Stage()
        client = await stage.subscribed()
        sid = client.take()[0]["sid"]
        stage.server.publish("a")
        epoch = stage.server.broker.epoch  # type: ignore[union-attr]
        await asyncio.sleep(0.1)
        client.take()
        stage.server.stop(notice=True)
        await asyncio.sleep(0.1)
        assert client.take() == [{"type": "disconnect", "reason": "server_restart", "reconnect": True}]
        assert client.end is not None
        assert client.end[0] == 1001
        assert stage.server.publish("a") is None
        with pytest.raises(HostUnreachable):
            await stage.dial()
        stage.server.start()
        again = await stage.dial(restore=sid)
        assert "restored" not in again.take()[0]
        assert stage.server.broker.epoch != epoch  # type: ignore[union-attr]
        publication = stage.server.publish("a")
        assert publication is not None
        assert (publication.number, publication.offset) == (2, 1)

    play(scene)


def test_a_zombie_pings_on_and_reads_nothing(play: Any) -> None:
    """So does a line on which one frame could not be decoded, which the server holds against the client."""

    async def scene() -> None:
        stage = Stage()
        client = await stage.subscribed()
        client.take()
        client.say("history", FEED, history={"since": False})
        client.say("ping")
        await asyncio.sleep(10.0)
        stage.server.publish("a")
        await asyncio.sleep(0.1)
        heard = client.take(pings=True)
        assert {frame["type"] for frame in heard if "type" in frame} == {"ping"}
        assert heard[-1]["message"] == ["a", 1]
        assert len(stage.server.faults) == 1

    play(scene)


def test_pings_carry_the_server_s_second(play: Any) -> None:
    """The first one takes half to one and a half intervals, and the others one each."""

    async def scene() -> None:
        stage = Stage(ping_interval=4.0, clock=1000.5)
        client = await stage.dial()
        began = asyncio.get_running_loop().time() - 0.4
        while not client.heard or client.heard[-1]["type"] != "ping":  # noqa: ASYNC110 - it is time that passes
            await asyncio.sleep(0.1)
        first = asyncio.get_running_loop().time() - began
        assert 1.9 <= first <= 6.5
        assert client.heard[-1]["message"] == int(1000.5 + asyncio.get_running_loop().time())

    play(scene)


def test_who_asks_for_pongs_drops_a_client_without(play: Any) -> None:
    """Any command counts; without one the session ends with a word."""

    async def scene() -> None:
        stage = Stage(pong_timeout=1.0)
        client = await stage.dial()
        for _ in range(200):
            await asyncio.sleep(0.1)
            client.say("pong")
        assert client.end is None
        await asyncio.sleep(9.0)
        assert client.take()[-1] == {"type": "disconnect", "reason": "no_pong", "reconnect": True}

    play(scene)


def test_an_excluded_session_finds_a_hole_that_history_fills(play: Any) -> None:
    """What was kept away from the sender is in the history all the same; a transient message is not."""

    async def scene() -> None:
        stage = Stage()
        client = await stage.subscribed()
        sid = client.take()[0]["sid"]
        stage.server.publish("a", excluded=sid)
        stage.server.publish("a", transient=True)
        stage.server.publish("a")
        await asyncio.sleep(0.1)
        heard = client.take()
        assert [frame.get("offset") for frame in heard] == [None, 2]
        client.say("history", FEED, history={"since": 1})
        await asyncio.sleep(0.1)
        assert client.types == [1, 3, "confirm_history"]

    play(scene)


def test_without_a_broker_each_history_is_refused(play: Any) -> None:
    """Neither places nor a past nor sessions."""

    async def scene() -> None:
        stage = Stage(broker=False)
        client = await stage.subscribed(history={"since": 5})
        heard = client.take()
        assert [frame["type"] for frame in heard] == ["welcome", "confirm_subscription", "reject_history"]
        stage.server.publish("a")
        await asyncio.sleep(0.1)
        assert client.take() == [{"identifier": FEED, "message": ["a", 1]}]
        assert "restored" not in (await stage.dial(restore=heard[0]["sid"])).take()[0]

    play(scene)


def test_a_slow_reader_is_cut_off(play: Any) -> None:
    """What waits at the server is lost, and the last that comes is the reason."""

    async def scene() -> None:
        stage = Stage(pending=60)
        client = await stage.subscribed()
        client.take()
        client.wire.stall()
        for _ in range(100):
            stage.server.publish("a")
        await asyncio.sleep(0.1)
        client.wire.flow()
        await asyncio.sleep(1.0)
        assert client.types == [*range(1, 51), "disconnect"]
        assert client.end is not None
        assert client.end[0] == 1000

    play(scene)


def races(types: list[Any]) -> set[str]:
    """Tell which of a real server's races a client has met."""
    confirmed, done = types.index("confirm_subscription"), types.index("confirm_history")
    before, within, after = types[:confirmed], types[confirmed + 1 : done], types[done + 1 :]
    found = {
        "live before the confirmation": bool(before),
        "live before the replay": within[:1] not in ([], [1]),
        "both in one replay": len(set(within)) < len(within),
        "replayed, then live": bool(set(after) & set(within)),
        "out of turn": after != sorted(after),
    }
    return {race for race, met in found.items() if met}


def test_live_messages_overtake_the_replay_and_come_again(play: Any) -> None:
    """Over some seeds each of the races of a real server is seen: before it, in it, after it, and out of turn."""
    seen: set[str] = set()

    async def scene(seed: int) -> None:
        stage = Stage(seed, disorder=0.2)
        for _ in range(5):
            stage.server.publish("a")
        client = await stage.dial()
        client.take()
        client.say("subscribe", FEED, history={"since": 1})
        for _ in range(100):
            await asyncio.sleep(0.001)
            stage.server.publish("a")
        await asyncio.sleep(0.5)
        types = client.types
        assert set(types) >= set(range(1, 106))
        seen.update(races(types))

    for seed in range(60):
        play(partial(scene, seed))
    assert len(seen) == 5, seen
