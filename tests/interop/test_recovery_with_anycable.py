"""The past of a real AnyCable: what it is asked for, what it gives back, and what it does not keep."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from cableway import (
    Cable,
    Disconnected,
    ExponentialBackoff,
    Gap,
    HistoryRejected,
    Position,
    Recovered,
    Recovery,
    SQLitePositions,
    State,
    SubscriptionOptions,
)
from cableway.policies import vigil
from tests.interop.peers import anycable as anycable_peer
from tests.interop.peers.rough import RoughRelay
from tests.interop.peers.waiting import LIMIT, in_thread, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from cableway import Subscription
    from tests.interop.peers.anycable import AnyCable
    from tests.interop.peers.rails import Rails

SCALE = float(os.environ.get("CABLEWAY_SOAK_SCALE", "0.1"))
SOON = ExponentialBackoff(minimum=0.05, maximum=0.5)


async def publish(server: AnyCable, stream: str, *values: Any, **meta: Any) -> None:
    """Publish without holding up the client."""
    for value in values:
        await in_thread(lambda value=value: server.publish(stream, value, **meta))


async def hear(subscription: Subscription[Any], count: int) -> list[Any]:
    """Return the data of the next *count* messages."""
    return [(await subscription.receive(timeout=LIMIT)).data for _ in range(count)]


@asynccontextmanager
async def away(relay: RoughRelay, cable: Cable) -> AsyncIterator[None]:
    """Have the line cut, and nobody let in, during the block."""
    relay.unavailable = True
    await relay.reset()
    await until(lambda: cable.state is not State.CONNECTED, "the loss is noticed")
    yield
    relay.unavailable = False
    await until(lambda: cable.state is State.CONNECTED, "it is back")


async def test_history_is_shown_beside_the_iteration(anycable: AnyCable) -> None:
    """Asked for since a time or after a position it tells what the server has, and delivers nothing of it."""
    async with Cable(anycable.url) as cable, cable.stream("shown") as shown:
        began = datetime.now(UTC)
        await publish(anycable, "shown", 0, "", False, 3)
        first, *rest = [await shown.receive(timeout=LIMIT) for _ in range(4)]
        assert [message.data for message in await shown.history(since=began - timedelta(seconds=2))] == [
            0,
            "",
            False,
            3,
        ]
        assert first.epoch is not None
        assert first.offset is not None
        after = {"shown": Position(first.epoch, first.offset)}
        told = await shown.history(after=after)
        assert [message.data for message in told] == ["", False, 3]
        assert [message.offset for message in told] == [message.offset for message in rest]
        with pytest.raises(HistoryRejected):
            await shown.history(after={"shown": Position("none", 1)})
        await publish(anycable, "shown", "live")
        assert await hear(shown, 1) == ["live"]
        assert shown.stats().unread == 0


async def test_since_reaches_back_before_the_subscription(anycable: AnyCable) -> None:
    """With ``since`` what was published before is delivered as replayed, then what is live, once."""
    await publish(anycable, "before", *range(5))
    options = SubscriptionOptions(since=timedelta(seconds=60))
    async with Cable(anycable.url) as cable, cable.stream("before", options=options) as before:
        await publish(anycable, "before", 5)
        messages = [await before.receive(timeout=LIMIT) for _ in range(6)]
        assert [message.data for message in messages] == list(range(6))
        assert all(message.replayed for message in messages[:5])


async def test_an_idle_stream_is_recovered_by_the_time(remembering: AnyCable) -> None:
    """A stream by which nothing has come has no position: what it missed is asked for by the server's time."""
    async with RoughRelay(remembering.port, 1) as relay:
        cable, told = Cable(relay.url, backoff=SOON), list[Recovered]()
        async with cable, cable.stream("idle") as idle:
            idle.on(Recovered, told.append)
            await asyncio.sleep(1.5)
            async with away(relay, cable):
                await publish(remembering, "idle", *range(10))
            assert await hear(idle, 10) == list(range(10))
            await until(lambda: bool(told), "it is told")
            assert [event.recovery for event in told] == [Recovery.COMPLETE]
            assert idle.stats().unread == 0


async def test_messages_kept_away_are_healed_gaps(anycable: AnyCable) -> None:
    """Our own message, excluded by our socket, leaves a hole: it is fetched as replayed, or dropped as our own."""
    cable = Cable(anycable.url, headers={"X-Request-ID": "an-id-of-the-tests-1"})
    gaps: list[Gap] = []
    own = SubscriptionOptions(is_own=lambda message: message.data == "mine")
    async with cable, cable.stream("kept") as kept, cable.stream("own", options=own) as others:
        kept.on(Gap, gaps.append)
        for stream in ("kept", "own"):
            await publish(anycable, stream, 1)
            await publish(anycable, stream, "mine", exclude_socket="an-id-of-the-tests-1")
            await publish(anycable, stream, 3)
        messages = [await kept.receive(timeout=LIMIT) for _ in range(3)]
        assert [message.data for message in messages] == [1, "mine", 3]
        assert [message.replayed for message in messages][1]
        await until(lambda: [gap.healed for gap in gaps] == [True], "it is told")
        assert await hear(others, 2) == [1, 3]


async def test_announced_gaps_do_not_wait(anycable: AnyCable) -> None:
    """Where gaps are to be announced only, the next message comes at once."""
    cable, gaps = Cable(anycable.url, headers={"X-Request-ID": "an-id-of-the-tests-2"}), list[Gap]()
    async with cable, cable.stream("gaps", options=SubscriptionOptions(gaps="announce")) as stream:
        stream.on(Gap, gaps.append)
        await publish(anycable, "gaps", 1)
        await publish(anycable, "gaps", "mine", exclude_socket="an-id-of-the-tests-2")
        await publish(anycable, "gaps", 3)
        assert await hear(stream, 2) == [1, 3]
        assert [gap.healed for gap in gaps] == [False]


async def test_transient_messages_have_no_place(remembering: AnyCable) -> None:
    """Not stored, they come live and without a position, disturb no order, and are not brought back."""
    async with RoughRelay(remembering.port, 1) as relay:
        cable, told = Cable(relay.url, backoff=SOON), list[Recovered]()
        async with cable, cable.stream("passing") as passing:
            passing.on(Recovered, told.append)
            await publish(remembering, "passing", 1)
            await publish(remembering, "passing", "gone soon", transient=True)
            await publish(remembering, "passing", 2)
            messages = [await passing.receive(timeout=LIMIT) for _ in range(3)]
            assert [(message.data, message.offset is None) for message in messages] == [
                (1, False),
                ("gone soon", True),
                (2, False),
            ]
            async with away(relay, cable):
                await publish(remembering, "passing", 3)
                await publish(remembering, "passing", "never seen", transient=True)
                await publish(remembering, "passing", 4)
            assert await hear(passing, 2) == [3, 4]
            await until(lambda: bool(told), "it is told")
            assert [event.recovery for event in told] == [Recovery.COMPLETE]


DISK = "kept on disk"
CHILD = """
import asyncio, json, sys
from cableway import Cable, SQLitePositions
async def main():
    cable = Cable(sys.argv[1], positions=SQLitePositions(sys.argv[2]))
    async with cable, cable.stream("kept on disk") as stream:
        print(json.dumps([(await stream.receive(timeout=15)).data for _ in range(int(sys.argv[3]))]))
asyncio.run(main())
"""


async def test_positions_outlive_cables_and_processes(anycable: AnyCable, tmp_path: Path) -> None:
    """Another cable goes on where one left off, and another process where that one did."""
    path = tmp_path / "positions.db"
    async with Cable(anycable.url, positions=SQLitePositions(path)) as cable, cable.stream(DISK) as stream:
        await publish(anycable, DISK, 1, 2)
        assert await hear(stream, 2) == [1, 2]
    await publish(anycable, DISK, 3, 4)
    async with Cable(anycable.url, positions=SQLitePositions(path)) as cable, cable.stream(DISK) as stream:
        assert await hear(stream, 2) == [3, 4]
    await publish(anycable, DISK, 5, 0)
    command = [sys.executable, "-c", CHILD, anycable.url, str(path), "2"]
    done = await in_thread(lambda: subprocess.run(command, capture_output=True, check=True, timeout=30))
    assert json.loads(done.stdout) == [5, 0]


async def test_a_new_epoch_runs_the_resync(remembering: AnyCable) -> None:
    """Started anew, the server knows nothing: that is unknown, and the holder is brought up to date, once.

    The first message by the new numbering comes later, and says nothing that was not told.
    """
    told, order = list[Recovered](), list[Any]()

    async def resync(_: object) -> None:
        order.append("begin")
        await publish(remembering, "anew", "during")
        await asyncio.sleep(0.3)
        order.append("end")

    async with Cable(remembering.url, backoff=SOON) as cable:
        options = SubscriptionOptions(on_resync=resync)
        async with cable.stream("anew", options=options) as anew:
            anew.on(Recovered, told.append)
            await publish(remembering, "anew", 1)
            assert await hear(anew, 1) == [1]
            await in_thread(remembering.restart)
            order.extend(await hear(anew, 1))
            assert order == ["begin", "end", "during"]
            assert [event.recovery for event in told] == [Recovery.UNKNOWN]
            assert told[0].reason


async def test_pongs_keep_a_strict_server_content(tmp_path: Path) -> None:
    """A server that hangs up on clients that do not answer its beats keeps ours."""
    lost: list[Disconnected] = []
    for server in anycable_peer.running(tmp_path, "--ping_interval=1", "--pong_timeout=2"):
        async with Cable(server.url) as cable, cable.stream("pongs") as stream:
            cable.on(Disconnected, lost.append)
            await asyncio.sleep(5)
            await publish(server, "pongs", "still here")
            assert await hear(stream, 1) == ["still here"]
    assert lost == []


@pytest.mark.soak
async def test_a_deaf_server_is_found_out(remembering: AnyCable, monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame that makes no sense has it read no more, though it beats on: found out in a minute, and replaced.

    By default the time is a tenth.
    """
    monkeypatch.setattr(vigil, "PAUSE", 30 * SCALE)
    monkeypatch.setattr(vigil, "PATIENCE", 30 * SCALE)
    lost: list[Disconnected] = []
    async with Cable(remembering.url, backoff=SOON) as cable, cable.stream("deaf") as stream:
        cable.on(Disconnected, lost.append)
        await publish(remembering, "deaf", 1)
        up = cable._engine.up
        assert up is not None
        up.connection.send(b"{")
        # It beats on, and broadcasts: what is published still comes. Nothing is asked of it.
        took = await until(lambda: bool(lost), "it is found out", 60 * SCALE + 10)
        sys.stderr.write(f"deaf server found out after {took:.1f} s: {lost[0].error!r}\n")
        await publish(remembering, "deaf", 2)
        assert await hear(stream, 2) == [1, 2]


@pytest.fixture
def remembering(tmp_path: Path) -> Iterator[AnyCable]:
    """A server of the test's own, that beats each second."""
    yield from anycable_peer.running(tmp_path, "--ping_interval=1")


async def test_rails_is_spoken_to_in_one_dial(rails: Rails) -> None:
    """It does not know the extended protocol: the base one is spoken on the same line, and a drop is unknown."""
    async with RoughRelay(rails.port, 1) as relay:
        cable, told = Cable(relay.url, backoff=SOON), list[Recovered]()
        async with cable, cable.subscribe("EchoChannel") as echo:
            echo.on(Recovered, told.append)
            assert cable.stats().dials == 1
            await relay.reset()
            await until(lambda: bool(told), "it is told")
            assert [event.recovery for event in told] == [Recovery.UNKNOWN]
            assert told[0].reason
            assert cable.stats().dials == 2
            await echo.perform("echo", text="still here")
            assert await hear(echo, 1) == [{"text": "still here"}]
