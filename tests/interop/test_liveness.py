"""Whether a line is alive: asking real servers for a sign of life, and finding out when they are frozen."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from cableway import Cable, Disconnected, LineStale, PersistentMonitor, State
from cableway.policies.monitors import Check, LineFacts, Look
from tests.interop.peers.recording import Recording
from tests.interop.peers.waiting import in_thread, until

if TYPE_CHECKING:
    from cableway import Subscription
    from tests.interop.peers.anycable import AnyCable
    from tests.interop.peers.process import Server
    from tests.interop.peers.rails import Rails

PROBE = b'{"command":"ping"}'

# Both servers beat every 3 s: two beats may be missing, and 3 s are granted on top.
DOUBT_AFTER = 2 * 3 + 3
ANSWER_WITHIN = 5
# A busy machine, and a server that beats when it gets around to it.
SLACK = 3.0


class Telling(PersistentMonitor):
    """Is what a cable has by default, and tells what it learns of each line."""

    def __init__(self, *, beat: float | None = None) -> None:
        super().__init__(beat=beat)
        self.facts: list[LineFacts] = []
        self.pings: list[float] = []

    def line_up(self, facts: LineFacts, now: float) -> None:
        """Take note of the line."""
        self.facts.append(facts)
        super().line_up(facts, now)

    def pinged(self, now: float) -> None:
        """Take note of a beat."""
        self.pings.append(now)
        super().pinged(now)


class Curious(Telling):
    """Asks the server for a sign of life all the time, where it can be asked."""

    asked_at = float("-inf")

    def look(self, now: float) -> Look:
        """Ask every tenth of a second."""
        if not self.facts or not self.facts[-1].probes or now < self.asked_at + 0.1:
            return Look(up=True, again=now + 0.1)
        self.asked_at = now
        return Look(up=True, check=Check.PROBE, again=now + 0.1)


async def test_anycable_answers_a_probe(anycable: AnyCable) -> None:
    """AnyCable is known by its answer to the upgrade, and answers each of our pings; that gives a round trip."""
    monitor, record = Curious(), Recording()
    async with Cable(anycable.url, monitor=monitor, transports=[record]) as cable:
        assert cable.stats().round_trip is None
        await until(lambda: len(record.written) >= 10, "ten probes are written")
        assert {frame for _, frame in record.written} == {PROBE}
        await until(lambda: cable.stats().round_trip is not None, "one is answered")
        assert 0 < (cable.stats().round_trip or 0.0) < 1
        assert monitor.facts == [LineFacts(probes=True)]
        assert "x-anycable-version" in record.headers[0]
        stats = cable.stats()
        assert (stats.unknown, stats.malformed, cable.state) == (0, 0, State.CONNECTED)


async def test_rails_is_never_probed(rails: Rails) -> None:
    """Rails answers no ping of ours: it is known for that, and has no round trip."""
    monitor, record = Curious(), Recording()
    async with Cable(rails.url, monitor=monitor, transports=[record]) as cable:
        await until(lambda: len(monitor.pings) >= 2, "two beats came")
        assert monitor.facts == [LineFacts(probes=False)]
        assert (record.written, cable.stats().round_trip) == ([], None)


async def test_anycable_beats_as_asked(anycable: AnyCable) -> None:
    """Asked for a beat of ten seconds, AnyCable beats by it, and the line is not taken for dead meanwhile."""
    monitor, record = Telling(beat=10), Recording()
    lost: list[Disconnected] = []
    async with Cable(anycable.url, params={"room": "1"}, monitor=monitor, transports=[record]) as cable:
        cable.on(Disconnected, lost.append)
        assert parse_qs(urlsplit(record.urls[0]).query) == {"room": ["1"], "pi": ["10"]}
        await until(lambda: len(monitor.pings) >= 2, "two beats came", 15 + 10 + SLACK)
        assert monitor.beat == pytest.approx(10, abs=1)
        assert lost == []


@pytest.mark.parametrize("way", ["thawed", "restarted"])
async def test_a_frozen_anycable_is_found_out(anycable: AnyCable, way: str) -> None:
    """A frozen server is asked once, taken for dead when it does not answer, and back when it is."""
    monitor, record = Telling(), Recording()
    async with Cable(anycable.url, monitor=monitor, transports=[record]) as cable, cable.stream("frozen") as stream:
        await until(lambda: len(monitor.pings) >= 2, "its beat is known")
        frozen_at = await frozen(anycable.server, cable, DOUBT_AFTER + ANSWER_WITHIN)
        probes = [at for at, frame in record.written if frame == PROBE]
        assert len(probes) == 1
        assert DOUBT_AFTER - 3 <= probes[0] - frozen_at <= DOUBT_AFTER + SLACK
        assert ANSWER_WITHIN - 0.1 <= time.monotonic() - probes[0] <= ANSWER_WITHIN + SLACK
        await awakened(anycable.server, way)
        await in_thread(anycable.start)
        await until(lambda: cable.state is State.CONNECTED, "the line is back")
        await stream
        await in_thread(anycable.publish, "frozen", "thawed")
        await heard(stream, "thawed")


@pytest.mark.parametrize("way", ["thawed", "restarted"])
async def test_a_frozen_rails_is_found_out(rails: Rails, way: str) -> None:
    """A frozen server that cannot be asked is taken for dead after the beats that may be missing."""
    monitor, record = Telling(), Recording()
    async with Cable(rails.url, monitor=monitor, transports=[record]) as cable:
        room = cable.subscribe("RoomChannel", room="frozen")
        await room
        await until(lambda: len(monitor.pings) >= 2, "its beat is known")
        await frozen(rails.server, cable, DOUBT_AFTER)
        assert PROBE not in [frame for _, frame in record.written]
        await awakened(rails.server, way)
        await in_thread(rails.start)
        await until(lambda: cable.state is State.CONNECTED, "the line is back")
        await room
        await in_thread(rails.broadcast, "room:frozen", "thawed")
        await heard(room, "thawed")


async def frozen(server: Server, cable: Cable, verdict_after: float) -> float:
    """Freeze *server*; see the line taken for dead, and not before its time; return when it was frozen."""
    lost: list[Disconnected] = []
    ended = cable.on(Disconnected, lost.append)
    server.freeze()
    frozen_at = time.monotonic()
    took = await until(lambda: bool(lost), "it is taken for dead", verdict_after + SLACK)
    ended()
    print(f"frozen, and taken for dead {took:.1f} s later: {lost[0].error}")  # noqa: T201
    assert isinstance(lost[0].error, LineStale)
    # The last beat came up to 3 s before the server was frozen.
    assert took >= verdict_after - 3 - 0.5
    return frozen_at


async def awakened(server: Server, way: str) -> None:
    """Let the frozen *server* go on, or end it the hard way."""
    if way == "thawed":
        server.thaw()
    else:
        await in_thread(server.kill)


async def heard(subscription: Subscription[object], what: str) -> None:
    """Receive *what*, and nothing else."""
    assert (await subscription.receive(timeout=SLACK)).data == what
    assert subscription.stats().unread == 0
