"""Days in the life of two cables on one host: what breaks, and by when all must be well again."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from random import Random
from typing import TYPE_CHECKING, Any

import attrs
from attrs import define

from cableway import (
    Cable,
    ConnectTimeout,
    Disconnected,
    Event,
    ExponentialBackoff,
    OnDemandMonitor,
    PersistentMonitor,
)
from cableway.host.clocks import Clocks
from cableway.host.network import WayOut
from cableway.host.watch import HostWatch
from cableway.states import State, SubscriptionState
from tests.simulation.network import FaultyTransport, ServerLine, Weather

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.simulation.clock import VirtualLoop

URL = "ws://cable.example/cable"

BEATS = (3.0, 3.0, 3.0, 10.0, 30.0)
DIAL = 20.0 + 2.0
"""Seconds that a dial may hang in a network that is gone, and then take in one that is well."""
NETWORK_WAIT = 45.0
OVERLOAD_WAIT = 180.0
LOOK = 5.0
"""Seconds until the host's own changes are noticed."""
HASTE = 2.0
SUSPICION = 6.0
"""Seconds that a line without a beat that is known has to prove itself."""
UNKNOWN_BEAT = 48.0
PROBE = 5.0
GRACE = 3.0
LINGER = 5.0


@define
class Host:
    """The machine: its clocks, and its way out."""

    slept: float = 0.0
    address: int = 1
    online: bool = True

    def way(self) -> WayOut:
        """Tell the way out."""
        return WayOut(f"10.0.0.{self.address}" if self.online else None)


class World:
    """Breaks things, and knows by when they must be well again."""

    def __init__(self, loop: VirtualLoop, seed: int) -> None:
        self.loop = loop
        self.random = Random(seed)
        self.host = Host()
        self.weather = Weather()
        self.due = 0.0
        """From when on all must be well, if nothing else breaks."""
        self.story: deque[str] = deque(maxlen=60)
        self.counts: Counter[str] = Counter()
        self.worst: dict[str, float] = {}
        clocks = Clocks(loop.time, lambda: loop.time() + self.host.slept, lambda: 0.0)
        self._watch = HostWatch(loop, clocks=clocks, way=self.host.way, netlink=lambda: None)
        self.wires = {name: self._transport() for name in ("always", "sometimes")}
        self.always = self._cable("always")
        self.sometimes = self._cable("sometimes", monitor=OnDemandMonitor(linger=LINGER, every=900), gate=self._online)
        self.always.on(Event, lambda event: self._note("always", event))
        self.sometimes.on(Event, lambda event: self._note("sometimes", event))
        self.troubled = 0.0
        """When something last broke."""
        self.closed = False
        """Whether the user has closed the cable that is always up."""

    def _transport(self) -> FaultyTransport:
        return FaultyTransport(Random(self.random.random()), lambda: self.weather, lambda: self.random.choice(BEATS))

    def _cable(self, name: str, **options: Any) -> Cable:
        cable = Cable(URL, transports=[self.wires[name]], **options)
        engine = cable._engine
        engine.settings = attrs.evolve(engine.settings, watch=lambda _: self._watch)
        return cable

    def _online(self) -> bool:
        return self.host.online

    @property
    def calm(self) -> bool:
        """Whether all must be well by now."""
        return not self.closed and self.loop.time() >= self.due

    def tell(self, text: str) -> None:
        """Add to the story that a failure shows."""
        self.story.append(f"{self.loop.time():12.2f} {text}")

    def _note(self, name: str, event: Event) -> None:
        self.tell(f"{name}: {event}")
        if name != "always":
            return
        if isinstance(event, Disconnected) and self.calm:
            # Raised here it would be the callback's own affair.
            told = f"a line was lost while nothing was wrong: {event.error}"
            self.loop.faults.append({"message": told, "story": list(self.story)[-20:]})

    # What breaks. Each returns when all must be well again, in seconds.

    def lines(self) -> list[ServerLine]:
        """Lines that are open, dead ones among them."""
        return sorted((line for wire in self.wires.values() for line in wire.lines), key=lambda line: line._latency)

    async def break_something(self) -> None:
        """Have the next fault begin and end."""
        await self._have(
            {
                self.cut: 4,
                self.say_goodbye: 4,
                self.die: 4,
                self.stall: 3,
                self.jam: 2,
                self.restart: 3,
                self.outage: 6,
                self.lose_wifi: 4,
                self.nothing: 2,
            }
        )

    async def interfere(self) -> None:
        """Have the host, or its user, do something, whatever else is going on."""
        await self._have(
            {
                self.move: 4,
                self.sleep: 4,
                self.die: 1,
                self.cut: 1,
                self.pause: 1,
                self.reopen: 1,
                self.configure: 1,
                self.churn: 2,
            }
        )

    async def _have(self, faults: dict[Callable[[], Awaitable[None]], int]) -> None:
        (fault,) = self.random.choices(list(faults), list(faults.values()))
        name = getattr(fault, "__name__", "")
        self.counts[name] += 1
        self.tell(f"-- {name}")
        await fault()

    def until(self, seconds: float) -> float:
        """All must be well in *seconds*."""
        self.troubled = self.loop.time()
        self.due = max(self.due, self.troubled + seconds)
        return self.due

    def sooner(self, seconds: float, due: float) -> None:
        """All must be well in *seconds*, unless more than what was to be well by *due* has broken meanwhile."""
        self.troubled = self.loop.time()
        if self.due == due:
            self.due = self.loop.time() + seconds

    async def nothing(self) -> None:
        """Rest."""

    def _silence(self, line: ServerLine) -> float:
        return max(UNKNOWN_BEAT, 2 * line.longest_gap + GRACE) + PROBE

    def _worst_silence(self) -> float:
        return max((self._silence(line) for line in self.lines()), default=0.0)

    async def cut(self) -> None:
        """Lines are cut without a close frame."""
        self.until(NETWORK_WAIT + DIAL)
        for line in self.lines():
            line.finish(None)

    async def say_goodbye(self) -> None:
        """The server closes lines, for all kinds of reasons."""
        code = self.random.choice([None, 1000, 1001, 1006, 1011, 1012, 1013, 1002, 1009, 4000])
        reason = self.random.choice([None, "server_restart", "too_slow", "remote", "idle_timeout", "no_pong", "odd"])
        frame = [] if reason is None else [{"type": "disconnect", "reason": reason, "reconnect": True}]
        hint = self.random.choice([None, 2, 60])
        if frame and hint:
            frame[0]["retry_after_ms"] = hint * 1000
        self.tell(f"code {code}, {frame}")
        heavy = code == 1013 or reason in ("too_slow", "idle_timeout")
        self.until(max(OVERLOAD_WAIT if heavy else NETWORK_WAIT, 1.2 * (hint or 0)) + DIAL)
        for line in self.lines():
            line.finish(code, *frame)

    async def die(self) -> None:
        """Lines die silently."""
        self.until(self._worst_silence() + NETWORK_WAIT + DIAL)
        for line in self.lines():
            line.wire.dead = True

    async def stall(self) -> None:
        """Nothing comes through for a while, then all of it."""
        seconds = self.random.choice([2, 5, 8, 20, 40, 90])
        lines = self.lines()
        for line in lines:
            line.wire.stall()
        began = self.loop.time()
        self.until(seconds + self._worst_silence() + NETWORK_WAIT + DIAL)
        await asyncio.sleep(seconds)
        for line in lines:
            line.longest_gap = max(line.longest_gap, self.loop.time() - began + line.beat)
            line.wire.flow()
        self.until(NETWORK_WAIT + DIAL)

    async def jam(self) -> None:
        """The network takes no data for a while."""
        seconds = self.random.choice([2, 8, 15, 30])
        lines = self.lines()
        self.until(seconds + NETWORK_WAIT + DIAL)
        for line in lines:
            line.wire.writable.clear()
        await asyncio.sleep(seconds)
        for line in lines:
            line.wire.writable.set()

    async def restart(self) -> None:
        """The server goes down with a notice, and comes back after a while."""
        frame: dict[str, Any] = {"type": "disconnect", "reason": "server_restart", "reconnect": True}
        hint = self.random.choice([None, 5, 30, 1000])
        if hint:
            frame["retry_after_ms"] = hint * 1000
        self.until(max(NETWORK_WAIT, 1.2 * min(hint or 0, 600)) + DIAL)
        for line in self.lines():
            line.finish(1001, frame)
        await self._bad_weather(Weather("unreachable"), self.random.choice([0.5, 5, 20]), NETWORK_WAIT)

    async def outage(self) -> None:
        """No line can be made for a while; those that are there may go, or stay."""
        kind = self.random.choice(["unreachable", "black hole", "refusing", "refusing", "mute", "dropping"])
        status = self.random.choice([429, 500, 502, 503, 504, 302, 511])
        value = self.random.choice([None, "7", "120", "1000000000", "-5", "soon", "Wed, 21 Oct 2015 07:28:00 GMT"])
        headers = {} if value is None or kind != "refusing" else {"Retry-After": value}
        hint = 1.2 * min(float(value), 600) if value is not None and value.isdigit() and headers else 0.0
        heavy = kind == "mute" or (kind == "refusing" and status in (429, 503, 504))
        going = self.random.random() < 0.8
        seconds = self.random.choice([3, 20, 100, 600, 1800])
        self.tell(f"{kind} {status if kind == 'refusing' else ''} {headers} for {seconds} s, lines go: {going}")
        if going:
            for line in self.lines():
                line.finish(None)
        wait = max(OVERLOAD_WAIT if heavy else NETWORK_WAIT, hint)
        await self._bad_weather(Weather(kind, status, headers), seconds, wait)

    async def _bad_weather(self, weather: Weather, seconds: float, wait: float) -> None:
        self.weather = weather
        self.until(seconds + wait + DIAL)
        await asyncio.sleep(seconds)
        self.weather = Weather()
        # A dial that ends well only now may still be dropped, or be without a welcome.
        self.until(wait + DIAL)

    async def lose_wifi(self) -> None:
        """The host has no way out for a while, and knows it."""
        was_calm = self.calm
        for line in self.lines():
            line.wire.dead = True
        self.host.online = False
        self.weather = Weather(self.random.choice(["unreachable", "black hole"]))
        seconds = self.random.choice([1, 12, 60, 900, 3600])
        due = self.until(seconds + 2 * LOOK + DIAL + NETWORK_WAIT)
        await asyncio.sleep(seconds)
        self.host.online = True
        if self.random.random() < 0.3:
            self.host.address += 1
        self.weather = Weather()
        if was_calm and seconds > LOOK + UNKNOWN_BEAT + 2 * GRACE:
            # The host's own news cuts the wait short. A line that was quicker than the news is suspected by it.
            self.sooner(LOOK + SUSPICION + HASTE + 2.0, due)
        else:
            self.until(self._worst_silence() + LOOK + HASTE + DIAL + NETWORK_WAIT)

    async def move(self) -> None:
        """The host changes its network; its lines die, or survive (as behind a VPN)."""
        self.host.address = self.host.address % 200 + 1
        if self.random.random() < 0.7:
            for line in self.lines():
                line.wire.dead = True
        self.until(LOOK + max(self._worst_silence() - UNKNOWN_BEAT, 60.0) + NETWORK_WAIT + DIAL)

    async def sleep(self) -> None:
        """The host sleeps; for its own clock no time passes."""
        seconds = self.random.choice([15, 60, 900, 8 * 3600])
        was_calm = self.calm
        self.host.slept += seconds
        for line in self.lines():
            if seconds < 60:
                continue
            if self.random.random() < 0.5:
                line.wire.dead = True
            else:
                line.finish(None)
        # Nobody tells the cables: from the next look on they know.
        due = self.until(LOOK + self._worst_silence() + NETWORK_WAIT + DIAL)
        if was_calm and seconds > 600:
            # Nobody waits out a backoff after a night's sleep.
            self.sooner(LOOK + HASTE + 2.0, due)

    async def pause(self) -> None:
        """The user pauses the cable for a while."""
        seconds = self.random.choice([0.1, 5, 100])
        self.until(seconds + 5.0)
        self.always.pause()
        await asyncio.sleep(seconds)
        self.always.resume()
        self.until(NETWORK_WAIT + DIAL)

    async def reopen(self) -> None:
        """The user closes the cable, whatever it is doing, and opens it again."""
        began = self.loop.time()
        self.closed = True
        await self.always.close(flush=self.random.random() < 0.5)
        took = self.loop.time() - began
        assert took <= 6.6, f"close() took {took:g} s"
        await asyncio.sleep(self.random.choice([0.0, 0.0, 1.0, 20.0]))
        while self.closed:
            began = self.loop.time()
            try:
                await self.always.open()
            except ConnectTimeout:
                bad = self.weather.kind != "fine" or not self.host.online or self.troubled > began - 60
                assert bad, "no line in time, though nothing was wrong"
            else:
                self.closed = False
                self.until(DIAL)

    async def configure(self) -> None:
        """The user changes the backoff and the monitor while all runs."""
        self.until(DIAL)
        if self.random.random() < 0.5:
            self.always.configure(backoff=ExponentialBackoff(maximum=self.random.choice([10, 30])))
        if self.random.random() < 0.5:
            self.always.configure(monitor=PersistentMonitor())

    async def churn(self) -> None:
        """The user changes their mind about a second subscription."""
        self.until(DIAL)
        for _ in range(self.random.randint(1, 5)):
            second = self.always.subscribe("Second")
            await asyncio.sleep(self.random.choice([0.0, 0.01, 0.3, 6.0]))
            await second.unsubscribe()

    # What must hold

    def check(self, subscription: Any) -> None:
        """All is well: one line, which lives, with the subscription on it."""
        transport = self.wires["always"]
        assert self.always.state is State.CONNECTED, f"{self.always.state} though all has been well for long"
        assert subscription.state is SubscriptionState.SUBSCRIBED, subscription.state
        assert transport.sockets == 1, f"{transport.sockets} sockets"
        (line,) = transport.lines
        assert line.alive, "the line is dead, and nobody has noticed"
        assert line.subscribed == {subscription.identifier}
        assert not self.loop.faults, self.loop.faults


FAULTS = (
    *("cut", "say_goodbye", "die", "stall", "jam", "restart", "outage", "lose_wifi", "nothing"),
    *("move", "sleep", "pause", "reopen", "configure", "churn"),
)
"""All that happens, by name."""
