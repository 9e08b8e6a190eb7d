"""One seeded schedule: a server, a network, users and publishers for a minute of virtual time, and the verdict."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from contextlib import ExitStack
from random import Random
from typing import TYPE_CHECKING, Any, Literal
from unittest.mock import patch

import attrs
from attrs import frozen

from cableway import Cable, Fallback, MemoryPositions, OnDemandMonitor, PersistentMonitor, events
from cableway.errors import ConnectTimeout
from cableway.host.clocks import Clocks
from cableway.host.network import WayOut
from cableway.host.watch import HostWatch
from cableway.states import State, SubscriptionState
from tests.simulation.clock import VirtualLoop, run
from tests.simulation.recovery.oracle import Account, Rules, Verdict, judge
from tests.simulation.recovery.server import YEAR_2026, Server, ServerOptions, streams_of
from tests.simulation.recovery.users import Reader
from tests.simulation.recovery.ways import OBSTACLES, ways_to
from tests.simulation.recovery.wires import BrokenTransport

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cableway import Bookmark

URL = "ws://cable.example/cable"
PUBLICATIONS = 300
"""Most messages in a schedule, about."""
PATIENCE = 240.0
"""Seconds after the last fault by which all must be well."""

Dialect = Literal["extended", "forgetful", "base", "rails"]
"""``forgetful`` is the extended dialect on a server without a broker."""


@frozen(kw_only=True)
class Plan:
    """What a seed stands for."""

    seed: int
    dialect: Dialect
    life: float
    server: ServerOptions
    lossless: bool
    calm: bool
    on_demand: bool
    faults: int
    streams: tuple[str, ...]
    identifiers: tuple[str, ...]
    handles: int
    transient: float
    excluded: float
    gaps: Literal["heal", "announce"] = "heal"
    resync: bool = False
    """Whether users bring themselves up to date where nobody can tell what was missed."""
    listing: bool = False
    """Whether users look at the past by themselves."""
    commit: Literal["receipt", "ack"] | None = None
    """When positions are kept for the next process; ``None``: there is no next process."""
    ways: int = 1
    """Transports that lead to the server. All but the last one are blocked now and then."""


def draw(seed: int) -> Plan:
    """Draw what *seed* stands for."""
    random = Random(seed)
    dialect = random.choices(("extended", "forgetful", "base", "rails"), (70, 6, 10, 14))[0]
    extended = dialect == "extended"
    calm = random.random() < 0.06
    lossless = extended and random.random() < 0.3
    streams = tuple(f"s{index}" for index in range(random.choice((1, 1, 2, 3))))
    commit: Any = random.choice((None, None, None, "receipt", "ack")) if extended and not calm else None
    return Plan(
        seed=seed,
        dialect=dialect,
        life=random.choice((15.0, 30.0, 60.0) if random.random() < 0.95 else (200.0,)),
        server=_server(random, dialect, lossless=lossless, calm=calm),
        lossless=lossless,
        calm=calm,
        on_demand=not calm and random.random() < 0.15,
        faults=0 if calm else random.choice((1, 2, 3, 6)),
        streams=streams,
        identifiers=_identifiers(random, streams),
        handles=1 if commit else random.choice((1, 1, 2, 3)),
        transient=random.choice((0.0, 0.0, 0.1)) if extended else 0.0,
        excluded=random.choice((0.0, 0.0, 0.1)) if extended and not calm else 0.0,
        gaps="announce" if random.random() < 0.15 else "heal",
        resync=random.random() < 0.2,
        listing=extended and random.random() < 0.15,
        commit=commit,
    )


def _server(random: Random, dialect: Dialect, *, lossless: bool, calm: bool) -> ServerOptions:
    placed = dialect == "extended"
    roomy = lossless or calm or random.random() < 0.3
    return ServerOptions(
        flavour="rails" if dialect == "rails" else "anycable",
        broker=dialect != "forgetful",
        history_limit=10_000 if roomy else random.choice((3, 20, 100)),
        history_ttl=300 if roomy else random.choice((1, 2, 5, 30, 300)),
        sessions_ttl=random.choice((0.0, 2.0, 300.0)),
        ping_interval=random.choice((3.0, 3.0, 1.0, 10.0)),
        pong_timeout=random.choice((None, None, 2.0)) if placed else None,
        disorder=random.choice((0.0, 0.0, 0.1)) if placed else 0.0,
        clock=YEAR_2026 + random.choice((0.0, 0.0, -30.0, 2.5, 90.0)) + random.random(),
    )


def _identifiers(random: Random, streams: tuple[str, ...]) -> tuple[str, ...]:
    out = []
    for _ in range(random.choice((1, 1, 2))):
        chosen = random.sample(streams, random.randint(1, min(2, len(streams))))
        out.append(json.dumps({"channel": "Feed", "of": " ".join(sorted(chosen))}, separators=(",", ":")))
    return tuple(dict.fromkeys(out))


class Positions(MemoryPositions):
    """What one process knows of the positions that outlive it: a dead one saves nothing."""

    def __init__(self, kept: MemoryPositions) -> None:
        super().__init__()
        self._all = kept
        self.dead = False

    def load(self, subscription: str) -> Bookmark:
        return self._all.load(subscription)

    def save(self, subscription: str, bookmark: Bookmark) -> None:
        if not self.dead:
            self._all.save(subscription, bookmark)

    def forget(self, subscription: str) -> None:
        if not self.dead:
            self._all.forget(subscription)


class Schedule:
    """One life."""

    def __init__(self, plan: Plan, loop: VirtualLoop) -> None:
        self.plan = plan
        self.loop = loop
        self.random = Random(plan.seed + 1)
        self.story: list[str] = []
        self.counts: Counter[str] = Counter()
        self.verdicts: list[Verdict] = []
        self.readers: list[Reader] = []
        self.finished: list[Reader] = []
        self.acknowledges = plan.commit == "ack"
        self.kept = MemoryPositions()
        self.positions: Positions | None = None
        self.alone = plan.handles == 1 and len(plan.identifiers) == 1
        self._names = iter(range(10**6))
        self._identifiers_used: set[str] = set()
        self._opening: list[asyncio.Task[Any]] = []

    def tell(self, text: str) -> None:
        """Add to the story that a failure shows."""
        self.story.append(f"{self.loop.time():8.3f} {text}")

    # The whole

    async def main(self) -> None:
        """Live."""
        plan = self.plan
        self.server = Server(Random(plan.seed + 2), plan.server)
        self.server.start()
        self.transport = BrokenTransport(Random(plan.seed + 3), self.server)
        self.ways = ways_to(self.transport, plan.ways)
        self.cable = self._cable()
        publishing = [self.loop.create_task(self._publish(stream)) for stream in plan.streams]
        await self.cable.open()
        for _ in range(plan.handles):
            self._join()
        obstructing = self.loop.create_task(self._obstruct())
        working = [*publishing, obstructing, self.loop.create_task(self._interfere())]
        try:
            await self._break()
            obstructing.cancel()
            for way in self.ways:
                way.block("")
            await self._settle()
        finally:
            for task in working:
                task.cancel()
            await asyncio.gather(*working, return_exceptions=True)
        await self._finish()
        self._judge()

    def _cable(self) -> Cable:
        monitor = OnDemandMonitor(linger=2.0, every=20.0) if self.plan.on_demand else PersistentMonitor()
        protocol: Any = "actioncable-v1-json" if self.plan.dialect == "base" else "auto"
        self.positions = None if self.plan.commit is None else Positions(self.kept)
        cable = Cable(
            URL,
            transports=Fallback(self.ways, step_timeout=1.0, probe_after=2.0, probe_limit=6.0, remember=20.0),
            protocol=protocol,
            monitor=monitor,
            dial_gate=None,
            positions=self.positions,
        )
        engine = cable._engine
        clocks = Clocks(self.loop.time, self.loop.time, lambda: YEAR_2026 + self.loop.time())
        watch = HostWatch(self.loop, clocks=clocks, way=lambda: WayOut("10.0.0.1"), netlink=lambda: None)
        engine.settings = attrs.evolve(engine.settings, watch=lambda _: watch)
        changes = (events.TransportChanged, events.HandedOver)
        for kind in (events.Connected, events.Disconnected, events.ServerMisbehaved, *changes):
            cable.on(kind, lambda event: self.tell(str(event)))
        cable.on(events.HandedOver, lambda _: self.counts.update({"handed over": 1}))
        return cable

    # Users

    def _join(self) -> None:
        identifier = self.random.choice(self.plan.identifiers)
        streams = streams_of(identifier)
        assert streams is not None
        account = Account(f"handle {next(self._names)}", streams, resumes=identifier in self._identifiers_used)
        self._identifiers_used.add(identifier)
        reader = Reader(self, identifier, account, calm=self.plan.calm)
        reader.subscribe(self.cable)
        self.readers.append(reader)
        self.tell(f"{account.name} subscribes to {identifier}, {reader._pace}, {reader._options.overflow}")

    async def _leave(self) -> None:
        reader = self.readers.pop(self.random.randrange(len(self.readers)))
        self.tell(f"{reader.account.name} unsubscribes")
        reader.hurry()
        await reader.leave()
        self.finished.append(reader)

    async def _interfere(self) -> None:
        """Change one's mind now and then."""
        while True:
            await asyncio.sleep(self.random.uniform(2.0, 40.0))
            if self.random.random() < 0.4 and len(self.readers) < 4 and self.plan.commit is None:
                self._join()
            elif self.random.random() < 0.3 and self.readers:
                await self._leave()
                if self.random.random() < 0.7:
                    await asyncio.sleep(self.random.choice((0.0, 0.05, 1.0)))
                    self._join()
            if self.plan.listing and self.readers:
                await self.random.choice(self.readers).look_back()
            if self.plan.on_demand and self.random.random() < 0.5:
                self.cable.wake()

    async def _obstruct(self) -> None:
        """Block transports, and clear them again; a blocked one may lose the lines that it carries, or keep them."""
        random = Random(self.plan.seed + 4)
        while True:
            await asyncio.sleep(random.uniform(1.0, 8.0))
            for way in self.ways[:-1]:
                way.block(random.choice(OBSTACLES))
                if way.blocked and random.random() < 0.5:
                    for wire in way.lines:
                        wire.cut(random.choice((0, 1, 5, 10**6)))
            blocked = [way.name for way in self.ways if way.blocked]
            self.counts["blocked"] += len(blocked)
            if self.plan.ways > 1:
                self.tell(f"-- blocked: {blocked}")

    # Publishers

    async def _publish(self, stream: str) -> None:
        plan, random = self.plan, self.random
        budget = PUBLICATIONS // len(plan.streams)
        pattern = random.choice(("rare", "steady", "steady", "busy", "bursts"))
        while budget > 0:
            match pattern:
                case "rare":
                    pause, many = random.uniform(5.0, 60.0), 1
                case "steady":
                    pause, many = random.expovariate(2.0), 1
                case "busy":
                    pause, many = random.choice((0.003, 0.01, 0.01, 0.01, 3.0)), random.randint(1, 3)
                case _:
                    pause, many = random.uniform(3.0, 12.0), random.choice((5, 30, 120))
            await asyncio.sleep(pause)
            for _ in range(many):
                self._publish_one(stream)
                if many > 3 and random.random() < 0.3:
                    await asyncio.sleep(0.005)
            budget -= many

    def _publish_one(self, stream: str) -> None:
        plan, random = self.plan, self.random
        transient = plan.transient > 0 and random.random() < plan.transient
        excluded = None
        if plan.excluded and self.server.sessions and random.random() < plan.excluded:
            excluded = random.choice(list(self.server.sessions))
        self.server.publish(stream, transient=transient, excluded=excluded)

    # What breaks

    async def _break(self) -> None:
        plan, random = self.plan, self.random
        times = sorted(random.uniform(0.0, plan.life) for _ in range(plan.faults))
        if times and random.random() < 0.4:
            # Troubles come together.
            first = times[0]
            times = [first + (one - first) * 0.1 for one in times]
        for when in times:
            await asyncio.sleep(max(0.0, when - self.loop.time()))
            fault = self._fault()
            name = fault.__name__.strip("_")
            self.counts[name] += 1
            self.tell(f"-- {name}")
            await fault()
        await asyncio.sleep(max(0.0, plan.life - self.loop.time()))

    def _fault(self) -> Callable[[], Awaitable[None]]:
        faults: dict[Callable[[], Awaitable[None]], int] = {
            self._cut: 6,
            self._die: 4,
            self._stall: 4,
            self._jam: 1,
            self._goodbye: 4,
            self._outage: 4,
            self._zombify: 2,
        }
        if not self.plan.lossless:
            faults[self._restart] = 5
        if self.plan.commit is not None:
            faults[self._kill] = 6
        (fault,) = self.random.choices(list(faults), list(faults.values()))
        return fault

    def _anywhere(self) -> int:
        """Tell how many of the frames under way still arrive."""
        return self.random.choice((0, 1, 2, 5, 20, 10**6))

    async def _cut(self) -> None:
        for wire in list(self.transport.lines):
            wire.cut(self._anywhere())

    async def _die(self) -> None:
        for wire in list(self.transport.lines):
            wire.die(self._anywhere())

    async def _stall(self) -> None:
        lines = list(self.transport.lines)
        for wire in lines:
            wire.stall()
        await asyncio.sleep(self.random.choice((0.5, 2.0, 5.0, 12.0)))
        cut = self.random.random() < 0.3
        for wire in lines:
            if cut:
                wire.cut(self._anywhere())
            else:
                wire.flow()

    async def _jam(self) -> None:
        lines = list(self.transport.lines)
        for wire in lines:
            wire.writable.clear()
        await asyncio.sleep(self.random.choice((1.0, 5.0, 12.0)))
        for wire in lines:
            wire.writable.set()

    async def _goodbye(self) -> None:
        reason = self.random.choice(("server_restart", "too_slow", "remote", "no_pong", None))
        code = self.random.choice((1000, 1001, 1006, 1011, 1012))
        for session in list(self.server.sessions.values()):
            if reason is None:
                session.line.close(code)
                session.end()
            else:
                session.disconnect(reason, code, reconnect=True)

    async def _outage(self) -> None:
        self.transport.weather = self.random.choice(("unreachable", "black hole", "refusing", "mute", "dropping"))
        if self.random.random() < 0.9:
            await self._cut()
        await asyncio.sleep(self.random.choice((0.5, 3.0, 12.0)))
        self.transport.weather = "fine"

    async def _zombify(self) -> None:
        for session in list(self.server.sessions.values()):
            session.zombie = True

    async def _restart(self) -> None:
        self.server.stop(notice=self.random.random() < 0.5)
        await asyncio.sleep(self.random.choice((0.05, 1.0, 6.0)))
        self.server.start()

    async def _kill(self) -> None:
        """The process is killed, and started again after a while."""
        assert self.positions is not None
        self.positions.dead = True
        for reader in self.readers:
            await reader.die()
        for wire in list(self.transport.lines):
            wire.cut(self._anywhere())
        # Its sockets are gone; what is left of it here must only get out of the way.
        await self.cable.close(flush=False)
        await asyncio.sleep(self.random.choice((0.1, 1.0, 8.0)))
        self.cable = self._cable()
        opening = self.loop.create_task(self.cable.open())
        for reader in self.readers:
            reader.subscribe(self.cable)
        self._opening.append(opening)

    # The end

    def _well(self) -> bool:
        if any(wire.dead for wire in self.transport.lines) or self.cable.state is not State.CONNECTED:
            return False
        return all(reader.subscription.state is SubscriptionState.SUBSCRIBED for reader in self.readers)

    async def _settle(self) -> None:
        """Wait until all is well, publish once more on each stream, and have everything arrive."""
        due = self.loop.time() + PATIENCE
        for reader in self.readers:
            reader.hurry()
        while not self._well():
            if self.loop.time() > due:
                states = [reader.subscription.state.value for reader in self.readers]
                msg = f"not well {PATIENCE:g} s after the last fault: {self.cable.state}, {states}"
                raise AssertionError(msg)
            if self.plan.on_demand and self.cable.state is State.DORMANT:
                self.cable.wake()
            await asyncio.sleep(1.0)
            for reader in self.readers:
                reader.hurry()
        self.tell("all is well")
        await asyncio.sleep(2.0)
        for _ in range(2):
            for stream in self.plan.streams:
                self.server.publish(stream)
            await asyncio.sleep(1.5)

    async def _finish(self) -> None:
        if self.plan.on_demand:
            # What was published while the line slept is brought by the next one.
            await self._wake_at_last()
        else:
            await asyncio.sleep(15.0)
        for reader in self.readers:
            reader.account.ends = None
        self._until = len(self.server.published)
        await self.cable.close()
        await asyncio.gather(*self._opening, return_exceptions=True)
        await asyncio.sleep(0.1)
        for reader in (*self.readers, *self.finished):
            await reader.stop()
            reader.count()
        self.server.stop(notice=False)
        await asyncio.sleep(0.1)

    async def _wake_at_last(self) -> None:
        while True:
            try:
                async with self.cable.awake():
                    await asyncio.sleep(15.0)
            except ConnectTimeout:
                # Whoever has the line dropped takes a backlog in as many lines as it fills mailboxes.
                if not any(reader.drops_the_line for reader in self.readers):
                    raise
            else:
                return

    def _judge(self) -> None:
        plan = self.plan
        rules = Rules(
            ordered=plan.server.disorder == 0,
            # A server that has stopped reading cannot be asked.
            lossless=plan.lossless and plan.gaps == "heal" and not self.counts["zombify"],
            calm=plan.calm and not (plan.gaps == "announce" and plan.server.disorder > 0),
            placed=plan.dialect == "extended",
            settled=not any(reader.drops_the_line for reader in self.readers),
            late=plan.gaps == "announce",
        )
        own = frozenset(self.server.known_sids)
        faults = list(dict.fromkeys(self.server.faults))
        for reader in (*self.readers, *self.finished):
            reader.account.own = own
            verdict = judge(reader.account, self.server.published[: self._until], rules)
            self.verdicts.append(verdict)
            faults += verdict.faults
        if self.loop.faults:
            faults.append(f"nobody caught {self.loop.faults}")
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        if left:
            faults.append(f"left over: {left}")
        assert not faults, "\n".join(faults)


def live(seed: int, plan: Plan | None = None) -> Schedule:
    """Live through the schedule of *seed*; a failure shows it."""
    plan = plan or draw(seed)
    loop = VirtualLoop()
    schedule = Schedule(plan, loop)
    source = Random(seed)
    with ExitStack() as patches:
        patches.enter_context(patch.object(logging.getLogger("cableway"), "disabled", new=True))
        patches.enter_context(patch("cableway.engine.core.new_random", lambda: Random(source.random())))
        for module in ("carrier", "core", "history"):
            patches.enter_context(patch(f"cableway.engine.{module}.wall_clock", lambda: YEAR_2026 + loop.time()))
        try:
            run(schedule.main(), loop)
        except BaseException as error:
            error.add_note(f"seed {seed}: {plan}\n" + "\n".join(schedule.story[-80:]))
            raise
    return schedule
