"""The watch over the host."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import sys
import threading
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from cableway.host.clocks import Clocks
from cableway.host.network import WayOut, netlink_socket
from cableway.host.watch import LOOK_EVERY, SETTLE_AFTER, HostChange, HostWatch, Watch, WatchFactory, host_watch

if TYPE_CHECKING:
    from collections.abc import Iterator

DAY = 86_400.0
WIFI, LTE, NOWHERE = WayOut("192.168.1.7"), WayOut("10.32.0.9"), WayOut()
MOVED = HostChange(network=True)


class Host:
    """A host that does what a test wants, and the watch over it."""

    def __init__(self, *, boot: bool = True, netlink: bool = False) -> None:
        self.loop = asyncio.get_running_loop()
        self.monotonic, self.boot, self.wall = 5000.0, 9000.0, 1.8e9
        self.runs = self.loop.time()
        self.way: WayOut | OSError = WIFI
        self.ways_asked = 0
        self.netlink = netlink
        self.kernel: socket.socket | None = None
        self.kernels: list[socket.socket] = []
        self.ours: socket.socket | None = None
        reading = (lambda: self.boot + self.loop.time() - self.runs) if boot else None
        self.watch = HostWatch(
            self.loop,
            clocks=Clocks(lambda: self.monotonic + self.loop.time() - self.runs, reading, self.read_wall),
            way=self.ask,
            netlink=self.open,
        )
        self.told: list[HostChange] = []

    def read_wall(self) -> float:
        return self.wall + self.loop.time() - self.runs

    def ask(self) -> WayOut:
        self.ways_asked += 1
        if isinstance(self.way, OSError):
            raise self.way
        return self.way

    def open(self) -> socket.socket | None:
        if not self.netlink:
            return None
        self.ours, self.kernel = socket.socketpair(type=socket.SOCK_DGRAM)
        self.ours.setblocking(False)
        self.kernels.append(self.kernel)
        return self.ours

    def close(self) -> None:
        for kernel in self.kernels:
            kernel.close()

    def sleep(self, seconds: float) -> None:
        self.boot += seconds
        self.wall += seconds

    def block(self, seconds: float) -> None:
        self.monotonic += seconds
        self.sleep(seconds)

    def stir(self, way: WayOut | OSError | None = None) -> None:
        self.way = way or self.way
        assert self.kernel is not None
        self.kernel.send(b"changed")

    def listen(self) -> None:
        self.watch.listen(self.hear)

    def hear(self, change: HostChange) -> None:
        self.told.append(HostChange(round(change.slept, 6), change.network))

    def take_told(self) -> list[HostChange]:
        told, self.told = self.told, []
        return told


@contextmanager
def listening(*, boot: bool = True, netlink: bool = False) -> Iterator[Host]:
    """Make a host whose watch has a listener."""
    host = Host(boot=boot, netlink=netlink)
    host.listen()
    try:
        yield host
    finally:
        host.watch.ignore(host.hear)
        host.close()


def held(loop: asyncio.AbstractEventLoop) -> tuple[int, int]:
    """Count the timers that wait and the descriptors that are read."""
    inside: Any = loop
    timers = [timer for timer in inside._scheduled if not timer.cancelled()]
    return len(timers), len(inside._selector.get_map())


@pytest.mark.looptime
async def test_a_night_is_told_with_its_length() -> None:
    """At the next look, once."""
    with listening() as host:
        await asyncio.sleep(12)
        host.sleep(8 * 3600)
        await asyncio.sleep(LOOK_EVERY)
        assert host.take_told() == [HostChange(8 * 3600)]
        await asyncio.sleep(100)
        assert host.told == []


@pytest.mark.looptime
async def test_a_host_that_wakes_elsewhere_tells_both() -> None:
    """Closed in the office, opened at home: one change says that it slept and that the way out is another."""
    with listening() as host:
        host.sleep(1800)
        host.way = LTE
        await asyncio.sleep(LOOK_EVERY)
        assert host.told == [HostChange(1800, network=True)]


@pytest.mark.looptime
async def test_waking_is_told_as_soon_as_the_network_stirs() -> None:
    """Not at the next look only: a host that wakes brings its network up first of all."""
    with listening(netlink=True) as host:
        await asyncio.sleep(0.5)
        host.sleep(3600)
        host.stir(NOWHERE)
        await asyncio.sleep(0.01)
        assert host.take_told() == [HostChange(3600)]
        await asyncio.sleep(SETTLE_AFTER)
        assert host.take_told() == [MOVED]


@pytest.mark.looptime
@pytest.mark.parametrize("boot", [True, False])
async def test_a_blocked_loop_is_not_taken_for_sleep(*, boot: bool) -> None:
    """Twenty seconds of user code in the loop, and a whole minute: all clocks went on."""
    with listening(boot=boot) as host:
        for seconds in (20, 60):
            await asyncio.sleep(7)
            host.block(seconds)
        await asyncio.sleep(20)
        assert host.told == []


@pytest.mark.looptime
@pytest.mark.parametrize("days", [-3650, -1, 1, 3650])
async def test_a_jumping_wall_clock_is_nothing_beside_a_boot_clock(days: int) -> None:
    """A day or ten years, forth or back: no listener hears of it."""
    with listening() as host:
        await asyncio.sleep(7)
        host.wall += days * DAY
        await asyncio.sleep(60)
        assert host.told == []


@pytest.mark.looptime
@pytest.mark.parametrize("days", [-3650, 1])
async def test_without_a_boot_clock_a_jump_is_told_as_doubt(days: int) -> None:
    """Neither sleep nor another network is claimed: enough for a probe, not for a drop."""
    with listening(boot=False) as host:
        await asyncio.sleep(7)
        host.wall += days * DAY
        await asyncio.sleep(60)
        assert host.told == [HostChange(slept=0.0, network=False)]


@pytest.mark.looptime
async def test_virtual_time_is_no_sleep() -> None:
    """A loop that runs through ten days while the real clocks hardly move tells nothing, and sees to its looks only."""
    loop = asyncio.get_running_loop()
    ways: list[WayOut] = []

    def way() -> WayOut:
        ways.append(WIFI)
        return WIFI

    told: list[HostChange] = []
    watch = HostWatch(loop, way=way, netlink=lambda: None)
    watch.listen(told.append)
    await asyncio.sleep(DAY / 10)
    watch.ignore(told.append)
    assert told == []
    assert len(ways) == pytest.approx(1 + DAY / 10 / LOOK_EVERY, abs=1)


@pytest.mark.looptime
async def test_where_nobody_tells_the_way_out_is_looked_at() -> None:
    """Another address at the next look; none; the first one again. Each is told once."""
    with listening() as host:
        for way in (LTE, NOWHERE, WIFI):
            host.way = way
            await asyncio.sleep(4 * LOOK_EVERY)
            assert host.take_told() == [MOVED]


@pytest.mark.looptime
async def test_netlink_tells_within_a_second() -> None:
    """Wi-Fi to LTE is known half a second after the kernel said that something changed."""
    with listening(netlink=True) as host:
        await asyncio.sleep(0.2)
        host.stir(LTE)
        await asyncio.sleep(SETTLE_AFTER + 0.01)
        assert host.told == [MOVED]


@pytest.mark.looptime
async def test_a_change_that_does_not_alter_the_way_out_is_not_told() -> None:
    """A container starts, loopback gets an address: no line of ours cares."""
    with listening(netlink=True) as host:
        for _ in range(20):
            host.stir()
            await asyncio.sleep(1)
        assert host.ways_asked >= 20
        assert host.told == []


@pytest.mark.looptime
async def test_a_burst_is_one_change() -> None:
    """An address goes and comes again while a lease is renewed; only what is there in the end counts."""
    with listening(netlink=True) as host:
        await asyncio.sleep(LOOK_EVERY - 0.1)
        for way in (NOWHERE, LTE, NOWHERE):
            host.stir(way)
            # Past the look, which must not take a passing state for the outcome.
            await asyncio.sleep(0.1)
        host.stir(WIFI)
        await asyncio.sleep(1)
        assert host.told == []
        for way in (NOWHERE, LTE, NOWHERE, LTE):
            host.stir(way)
            await asyncio.sleep(0.01)
        await asyncio.sleep(1)
        assert host.told == [MOVED]


@pytest.mark.looptime
async def test_endless_changes_do_not_keep_the_loop_busy() -> None:
    """On a router something changes all the time: that is two comparisons a second, not one for each change."""
    with listening(netlink=True) as host:
        for _ in range(1000):
            host.stir()
            await asyncio.sleep(0.01)
        assert host.ways_asked <= 10 / SETTLE_AFTER + 2
        host.stir(LTE)
        await asyncio.sleep(1.1)
        assert host.told == [MOVED]


@pytest.mark.looptime
async def test_a_change_that_netlink_missed_is_found_by_the_next_look() -> None:
    """The kernel does not tell of everything: rules of routing change in silence."""
    with listening(netlink=True) as host:
        host.way = LTE
        await asyncio.sleep(LOOK_EVERY)
        assert host.told == [MOVED]


@pytest.mark.looptime
async def test_a_shortage_of_descriptors_is_no_change() -> None:
    """A process that can open no socket just then learns nothing, and asks again; a real change is told afterwards."""
    with listening(netlink=True) as host:
        host.stir(OSError(24, "Too many open files"))
        await asyncio.sleep(3 * LOOK_EVERY)
        assert host.told == []
        host.way = WIFI
        await asyncio.sleep(3 * LOOK_EVERY)
        assert host.told == []
        host.way = LTE
        await asyncio.sleep(LOOK_EVERY)
        assert host.told == [MOVED]


@pytest.mark.looptime
async def test_the_first_answer_after_a_shortage_is_no_change() -> None:
    """A watch that could not ask at its start has nothing to compare with."""
    host = Host()
    for way in (WIFI, LTE):
        host.way = OSError(24, "Too many open files")
        host.listen()
        await asyncio.sleep(LOOK_EVERY)
        host.way = way
        await asyncio.sleep(3 * LOOK_EVERY)
        assert host.told == []
        host.watch.ignore(host.hear)


@pytest.mark.looptime
@pytest.mark.parametrize("error", [NotImplementedError, PermissionError])
async def test_a_loop_without_readers_looks_instead(monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    """The proactor loop of Windows has none, and a selector may refuse: the socket is not kept."""

    def refuse(*args: object) -> None:
        raise error

    monkeypatch.setattr(asyncio.get_running_loop(), "add_reader", refuse)
    with listening(netlink=True) as host:
        assert host.ours is not None
        assert host.ours.fileno() == -1
        host.way = LTE
        await asyncio.sleep(LOOK_EVERY)
        assert host.told == [MOVED]


@pytest.mark.looptime
async def test_without_listeners_it_holds_nothing() -> None:
    """No timer, no socket, no reader: before the first listener, after the last, and again."""
    loop = asyncio.get_running_loop()
    before = held(loop)
    host = Host(netlink=True)
    assert host.ours is None
    for _ in range(3):
        host.listen()
        host.watch.listen(print)
        assert held(loop) == (before[0] + 1, before[1] + 1)
        host.stir()
        await asyncio.sleep(0.01)
        host.watch.ignore(host.hear)
        assert host.ours is not None
        assert host.ours.fileno() != -1
        host.watch.ignore(print)
        assert held(loop) == before
        assert host.ours.fileno() == -1
    host.close()


@pytest.mark.looptime
async def test_what_happened_before_listening_is_not_told() -> None:
    """A watch that rests remembers nothing: who listens next hears of what comes, not of what was."""
    host = Host()
    host.listen()
    host.watch.ignore(host.hear)
    host.sleep(DAY)
    host.way = LTE
    host.listen()
    await asyncio.sleep(3 * LOOK_EVERY)
    assert host.told == []
    host.watch.ignore(host.hear)


@pytest.mark.looptime
async def test_listening_twice_is_listening_once() -> None:
    """One change is told once, and ignoring once is enough; ignoring a stranger is nothing."""
    with listening() as host:
        host.listen()
        host.watch.ignore(print)
        host.way = LTE
        await asyncio.sleep(LOOK_EVERY)
        assert host.told == [MOVED]
        before = held(host.loop)
        host.watch.ignore(host.hear)
        assert held(host.loop) == (before[0] - 1, before[1])


@pytest.mark.looptime
@pytest.mark.parametrize("error", [ValueError, asyncio.CancelledError])
async def test_a_listener_that_raises_stops_no_other(error: type[BaseException]) -> None:
    """The others are told, now and later; the error goes where asyncio sends such errors."""
    with listening() as host:
        problems: list[dict[str, Any]] = []
        host.loop.set_exception_handler(lambda loop, context: problems.append(context))
        host.watch.ignore(host.hear)

        def fail(change: HostChange) -> None:
            raise error(change.slept)

        host.watch.listen(fail)
        host.listen()
        for way in (LTE, WIFI):
            host.way = way
            await asyncio.sleep(LOOK_EVERY)
        host.watch.ignore(fail)
        assert host.told == [MOVED, MOVED]
        assert [type(problem["exception"]) for problem in problems] == [error, error]
        assert "listener of the host watch" in problems[0]["message"]


def test_an_interrupt_is_not_swallowed() -> None:
    """Ctrl-C while a listener runs ends the program as it does elsewhere."""

    async def run() -> None:
        host = Host()

        def interrupt(change: HostChange) -> None:
            raise KeyboardInterrupt

        host.watch.listen(interrupt)
        try:
            host.watch._tell(MOVED)
        finally:
            host.watch.ignore(interrupt)

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(run())


@pytest.mark.looptime
@pytest.mark.parametrize("netlink", [True, False])
async def test_a_listener_may_leave_while_it_is_told(*, netlink: bool) -> None:
    """The last one to leave switches the watch off, from within; it may come back at once, too."""
    host = Host(netlink=netlink)
    before = held(host.loop)

    def once(change: HostChange) -> None:
        host.told.append(change)
        host.watch.ignore(once)

    def again(change: HostChange) -> None:
        once(change)
        host.watch.ignore(again)
        host.watch.listen(again)

    for listener in (once, again):
        host.way = WIFI
        host.watch.listen(listener)
        host.sleep(60)
        host.way = LTE
        if netlink:
            host.stir()
        await asyncio.sleep(3 * LOOK_EVERY)
        assert [change.slept for change in host.take_told()] == [pytest.approx(60)]
        host.watch.ignore(listener)
        assert held(host.loop) == before
    host.close()


@pytest.mark.looptime
async def test_who_left_is_not_told_any_more() -> None:
    """A listener that takes another one with it: even of the change that is being told."""
    with listening() as host:
        told: list[str] = []

        def first(change: HostChange) -> None:
            told.append("first")
            host.watch.ignore(second)

        def second(change: HostChange) -> None:
            told.append("second")

        host.watch.listen(first)
        host.watch.listen(second)
        host.way = LTE
        await asyncio.sleep(LOOK_EVERY)
        host.watch.ignore(first)
        assert told == ["first"]
        assert host.told == [MOVED]


@pytest.mark.looptime
async def test_a_newcomer_hears_of_the_next_change() -> None:
    """Who begins to listen while something is told has not missed it: it was before."""
    with listening() as host:
        told: list[HostChange] = []

        def invite(change: HostChange) -> None:
            host.watch.listen(told.append)

        host.watch.listen(invite)
        host.way = LTE
        await asyncio.sleep(LOOK_EVERY)
        assert told == []
        host.way = WIFI
        await asyncio.sleep(LOOK_EVERY)
        assert told == [MOVED]
        host.watch.ignore(invite)
        host.watch.ignore(told.append)


async def test_there_is_one_watch_for_each_loop() -> None:
    """All cables of a loop share it; another loop has its own."""
    loop = asyncio.get_running_loop()
    other = asyncio.new_event_loop()
    try:
        watch = host_watch(loop)
        assert host_watch(loop) is watch
        assert host_watch(other) is not watch
    finally:
        other.close()


def test_loops_in_many_threads_have_a_watch_each() -> None:
    """None of them sees another's."""
    watches: list[HostWatch] = []
    barrier = threading.Barrier(8)

    async def watch() -> None:
        barrier.wait(10)
        mine = host_watch(asyncio.get_running_loop())
        assert host_watch(asyncio.get_running_loop()) is mine
        watches.append(mine)

    threads = [threading.Thread(target=lambda: asyncio.run(watch())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(mine) for mine in watches}) == 8


def test_a_watch_does_not_keep_its_loop() -> None:
    """A program that runs loop after loop collects neither loops nor watches."""
    loop = asyncio.new_event_loop()
    watch = HostWatch(loop, way=lambda: WIFI, netlink=lambda: None)
    shared = host_watch(loop)
    for each in (watch, shared):
        loop.call_soon(each.listen if each is watch else each.ignore, print)
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    gone = weakref.ref(loop), weakref.ref(watch), weakref.ref(shared)
    del loop, watch, shared, each
    gc.collect()
    assert [reference() for reference in gone] == [None] * 3


@pytest.mark.parametrize("stir", [True, False])
def test_a_loop_closed_while_somebody_listens_leaves_nothing_open(*, stir: bool) -> None:
    """Ignoring works afterwards and closes the socket; the closed loop takes no new listener, and says so."""

    async def start() -> Host:
        host = Host(netlink=True)
        host.listen()
        if stir:
            host.stir()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        return host

    host = asyncio.run(start())
    assert host.ours is not None
    assert (host.watch._settling is not None) == stir
    host.watch.ignore(host.hear)
    assert host.ours.fileno() == -1
    host.close()
    with pytest.raises(RuntimeError, match="closed"):
        host.listen()
    assert host.watch._listeners == []
    assert host.watch._timer is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.looptime
async def test_a_forked_child_leaves_its_parent_s_watch_alone() -> None:
    """Whatever the child does with what it inherited, the parent hears of the next change by netlink."""
    loop = asyncio.get_running_loop()
    parents = host_watch(loop)
    with listening(netlink=True) as host:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                assert host_watch(loop) is not parents
                host.watch.ignore(host.hear)
                assert host.ours is not None
                assert host.ours.fileno() == -1
                code = 0
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0  # noqa: ASYNC222 - it ends at once
        host.stir(LTE)
        await asyncio.sleep(SETTLE_AFTER + 0.01)
        assert host.told == [MOVED]


@pytest.mark.skipif(sys.platform != "linux", reason="netlink is Linux's")
async def test_the_real_netlink_socket_is_read_and_let_go() -> None:
    """On this very host: a reader and a timer while somebody listens, nothing afterwards."""
    loop = asyncio.get_running_loop()
    opened: list[socket.socket] = []

    def netlink() -> socket.socket | None:
        sock = netlink_socket()
        if sock is not None:
            opened.append(sock)
        return sock

    before = held(loop)
    watch = HostWatch(loop, way=lambda: WIFI, netlink=netlink)
    watch.listen(print)
    if not opened:
        watch.ignore(print)
        pytest.skip("this sandbox lets nobody have a netlink socket")
    assert held(loop) == (before[0] + 1, before[1] + 1)
    watch.ignore(print)
    assert held(loop) == before
    assert opened[0].fileno() == -1


def test_tests_may_bring_their_own_watch() -> None:
    """What a cable takes is a function from a loop to something with ``listen`` and ``ignore``."""

    class Quiet:
        def listen(self, listener: Any) -> None:
            """Never tell."""

        def ignore(self, listener: Any) -> None:
            """Go on saying nothing."""

    watch: Watch = Quiet()
    factories: list[WatchFactory] = [host_watch, lambda loop: watch]
    assert len(factories) == 2
