"""What servers do to a line, and to a crowd of them."""

from __future__ import annotations

import asyncio
import gc
import heapq
import logging
import sys
from random import Random
from statistics import median, quantiles
from typing import Any

import pytest

from cableway import ExponentialBackoff, HandshakeRefused, LineStale, ServerDisconnect, State, SubscriptionState
from cableway.errors import ServerSilent
from cableway.policies.line import Dial, Happening, Line, Wait
from tests.faults.rig import dials, now, rig, up
from tests.simulation.network import Weather


class Crowd:
    """Many lines, as the policies drive them, without any network: a server that takes all who come while it is up."""

    def __init__(self, size: int, seed: int) -> None:
        self.random = Random(seed)
        self.lines = [Line(ExponentialBackoff(), Random(self.random.random())) for _ in range(size)]
        self.dials: list[float] = []
        self.attempts = [0] * size
        self.back: dict[int, float] = {}
        self._due: list[tuple[float, int]] = []
        for line in self.lines:
            line.happen(Happening.OPEN, -60.0)
            line.happen(Happening.WANTED, -60.0)
            line.happen(Happening.WELCOMED, -60.0)
            line.beaten()

    def lose(self, at: float, retry_after: float | None = None) -> None:
        """Have the server go down with a notice; those who dial just then are too late."""
        error = ServerDisconnect("server_restart", reconnect=True, retry_after=retry_after)
        for index, line in enumerate(self.lines):
            if line.state is State.CONNECTED:
                self._wait(index, line.failed(error, at), at)

    def _wait(self, index: int, effects: list[Any], at: float) -> None:
        for effect in effects:
            if isinstance(effect, Wait):
                heapq.heappush(self._due, (at + effect.delay, index))

    def run(self, until: float, up_from: float) -> None:
        """Let those who are due dial until *until*; the server takes them in from *up_from* on."""
        while self._due and self._due[0][0] <= until:
            at, index = heapq.heappop(self._due)
            line = self.lines[index]
            (effect,) = [one for one in line.happen(Happening.RETRY_DUE, at) if isinstance(one, Dial)]
            assert effect is not None
            self.dials.append(at)
            self.attempts[index] += 1
            if at >= up_from:
                line.happen(Happening.WELCOMED, at)
                line.beaten()
                self.back[index] = at
            else:
                self._wait(index, line.failed(HandshakeRefused("ws://x", 502, {}), at), at)

    def peak(self) -> int:
        """Most dials in any second."""
        times, first, most = sorted(self.dials), 0, 0
        for index, at in enumerate(times):
            while times[first] < at - 1.0:
                first += 1
            most = max(most, index - first + 1)
        return most


@pytest.mark.parametrize(("size", "window"), [(1000, 5), (20_000, 10), (20_000, 30)])
def test_a_gateway_that_restarts_under_a_crowd(size: int, window: int) -> None:
    """With notice: they come back spread over the window that it names, never more than 1.3 times as fast as even."""
    crowd = Crowd(size, seed=window)
    crowd.lose(0.0, retry_after=window)
    crowd.run(600.0, up_from=0.0)
    assert len(crowd.back) == size
    assert crowd.peak() <= size / window * 1.3
    assert max(crowd.back.values()) <= window


def test_restarts_one_after_the_other() -> None:
    """Ten in five minutes, ten seconds each: at most 40 dials a client, and all are back after the last one."""
    crowd = Crowd(500, seed=10)
    for restart in range(10):
        at = 30.0 * restart
        crowd.lose(at)
        crowd.run(at + 30.0, up_from=at + 10.0)
    crowd.run(1000.0, up_from=280.0)
    assert all(line.state is State.CONNECTED for line in crowd.lines)
    assert max(crowd.attempts) <= 40
    assert max(crowd.back.values()) <= 280 + 45


@pytest.mark.parametrize(("hint", "window"), [(None, 5.0), (2.0, 2.0), (60.0, 60.0)])
def test_a_notice_with_and_without_a_time(hint: float | None, window: float) -> None:
    """The first dials are spread evenly (Kolmogorov-Smirnov) over the time it names, or over five seconds."""
    crowd = Crowd(2000, seed=3)
    crowd.lose(0.0, retry_after=hint)
    crowd.run(600.0, up_from=0.0)
    times = sorted(crowd.dials)
    distance = max(abs(at / window - (rank + 0.5) / len(times)) for rank, at in enumerate(times))
    assert distance < 1.63 / len(times) ** 0.5
    assert times[-1] <= window


def test_who_is_back_after_an_outage_without_notice() -> None:
    """A minute down: half of them are back within 20 s of its return, and all but a hundredth within 45 s."""
    crowd = Crowd(1000, seed=4)
    crowd.lose(0.0)
    crowd.run(600.0, up_from=60.0)
    late = [at - 60 for at in crowd.back.values()]
    assert quantiles(late, n=100)[-1] <= 45
    assert median(late) <= 20


@pytest.mark.looptime
async def test_everything_is_down_for_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    """At most 130 dials as a rule, and nothing is gathered meanwhile."""
    # The log of an hour, which the test framework keeps, would look like a leak.
    monkeypatch.setattr(logging.getLogger("cableway"), "disabled", True)
    async with up() as made:
        chat = made.cable.subscribe("Chat")
        await chat
        made.weather = Weather("unreachable")
        made.break_lines()
        await asyncio.sleep(600)
        made.events.clear()
        gc.collect()
        blocks = sys.getallocatedblocks()
        began = dials(made)
        await asyncio.sleep(3000)
        tries = dials(made) - began
        made.events.clear()
        gc.collect()
        assert sys.getallocatedblocks() - blocks < 500
        assert tries <= 120
        made.weather = Weather()
        assert await made.until(lambda: chat.state is SubscriptionState.SUBSCRIBED) <= 46


@pytest.mark.looptime
async def test_a_night_without_a_server() -> None:
    """Twelve hours and more than a thousand failures in a row: it still dials, and is back when the server is."""
    async with up() as made:
        made.weather = Weather("unreachable")
        made.break_lines()
        await asyncio.sleep(12 * 3600)
        assert dials(made) > 1200
        made.events.clear()
        made.weather = Weather()
        assert await made.until(lambda: made.cable.state is State.CONNECTED) <= 46


@pytest.mark.looptime
@pytest.mark.parametrize("reason", ["too_slow", "idle_timeout"])
async def test_a_server_that_finds_us_too_slow(reason: str) -> None:
    """It has too much to do, so nobody comes back at once; and it is no reason to stay away."""
    async with up() as made:
        made.line.finish(None, {"type": "disconnect", "reason": reason, "reconnect": reason == "too_slow"})
        await made.until(lambda: made.cable.state is State.DISCONNECTED)
        assert made.retry.delay >= 0.2
        assert await made.until(lambda: made.cable.state is State.CONNECTED) <= 2


@pytest.mark.looptime
async def test_a_server_that_takes_nothing_any_more() -> None:
    """Writers wait, then are told; the line is replaced, and what they wrote is not kept for ever."""
    async with up() as made:
        chat = await made.cable.subscribe("Chat")
        made.line.wire.writable.clear()
        began = now()
        calls = [asyncio.ensure_future(chat.perform("note", number=number)) for number in range(100)]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(outcome, LineStale) for outcome in outcomes), {type(one) for one in outcomes}
        assert now() - began <= 10.1
        assert await made.until(lambda: chat.state is SubscriptionState.SUBSCRIBED) < 2
        await chat.perform("note", number=1000)


@pytest.mark.looptime
@pytest.mark.parametrize("seed", range(6))
async def test_half_of_the_servers_are_of_yesterday(seed: int) -> None:
    """Some addresses answer 404: it is on a good one within five tries, each time."""
    urls = [f"ws://cable{number}.example/cable" for number in range(6)]
    old = set(Random(seed).sample(urls, 3))
    made = rig(url=urls, seed=seed)
    reach = made.net._reach

    async def some(request: Any, sink: Any) -> Any:
        if request.url in old:
            raise HandshakeRefused(request.url, 404, {})
        return await reach(request, sink)

    made.net._reach = some  # type: ignore[method-assign]
    await made.cable.open()
    for _ in range(10):
        await asyncio.sleep(60)
        assert made.cable.state is State.CONNECTED
        assert dials(made) <= 5
        made.events.clear()
        made.break_lines()
    await made.cable.close(flush=False)


@pytest.mark.looptime
@pytest.mark.parametrize("reason", ["unauthorized", "remote", None])
async def test_a_server_that_wants_us_gone_for_good(reason: str | None) -> None:
    """It is obeyed, and what was wished for is kept for the day on which somebody opens the cable again."""
    async with up() as made:
        chat = await made.cable.subscribe("Chat")
        made.line.finish(None, {"type": "disconnect", "reason": reason, "reconnect": False})
        await asyncio.sleep(3600)
        assert made.cable.state is State.CLOSED
        assert isinstance(made.cable.error, ServerDisconnect)
        assert dials(made) == 0
        assert made.net.sockets == 0
        await made.cable.open()
        await asyncio.sleep(1)
        again = made.cable.subscribe("Chat")
        await again
        assert made.line.subscribed == {chat.identifier}


@pytest.mark.looptime
async def test_a_gateway_without_the_application_behind_it() -> None:
    """It welcomes and beats, and no subscription is ever answered: that is no reason for a loop of dials."""
    async with up() as made:
        made.line._obey = lambda command: None  # type: ignore[method-assign]
        waiting = made.cable.subscribe("Chat")
        await asyncio.sleep(600)
        assert dials(made) <= 3
        await waiting.unsubscribe(flush=False)


@pytest.mark.looptime
async def test_a_server_that_accepts_and_says_nothing() -> None:
    """After ten seconds without a welcome the dial has failed, as for one that has too much to do."""
    made = rig(open_timeout=None)
    made.weather = Weather("mute")
    opening = asyncio.ensure_future(made.cable.open())
    await asyncio.sleep(600)
    assert isinstance(made.cable.error, ServerSilent)
    assert dials(made) <= 30
    assert made.net.sockets <= 1
    made.weather = Weather()
    await opening
    await made.cable.close(flush=False)


@pytest.mark.looptime
@pytest.mark.parametrize("reason", ["remote", "odd", None])
async def test_a_server_that_wants_us_gone_for_now(reason: str | None) -> None:
    """It comes back by itself, though not at once."""
    async with up() as made:
        made.line.finish(None, {"type": "disconnect", "reason": reason})
        await made.until(lambda: made.cable.state is not State.CONNECTED)
        assert await made.until(lambda: made.cable.state is State.CONNECTED) <= 3
        assert dials(made) == 1
