"""What programs do to a line of their own, and to many of them."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
import subprocess
import sys
import textwrap
from bisect import bisect_right
from typing import TYPE_CHECKING, Any

import pytest

from cableway import (
    CallbackFailed,
    Connected,
    Disconnected,
    Event,
    HostUnreachable,
    OnDemandMonitor,
    RetryScheduled,
    State,
    SubscriptionState,
)
from cableway.engine.gate import DialGate
from cableway.host.watch import HostWatch
from cableway.transports.websocket import race
from tests.faults.rig import Rig, dials, near, now, rig, serve, up
from tests.simulation.network import Weather
from tests.transports.websocket.peers import serving

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pytestmark = pytest.mark.looptime


@pytest.mark.parametrize("error", [ValueError("no"), asyncio.CancelledError(), BaseException("worse"), MemoryError()])
async def test_a_callback_that_raises(error: BaseException) -> None:
    """Whatever it raises, the line goes on, and the failure is told."""
    async with up() as made:

        def fail(event: Event) -> None:
            if not isinstance(event, CallbackFailed):
                raise error

        made.cable.on(Event, fail)
        chat = made.cable.subscribe("Chat")
        await chat
        made.break_lines()
        await made.until(lambda: dials(made) > 0 and chat.state is SubscriptionState.SUBSCRIBED)
        failures = made.told(CallbackFailed)
        assert failures
        assert all(failure.error is error for failure in failures)


def _close(made: Rig, chat: Any) -> Awaitable[Any]:
    return made.cable.close()


def _unsubscribe(made: Rig, chat: Any) -> Awaitable[Any]:
    return chat.unsubscribe()


async def _subscribe(made: Rig, chat: Any) -> None:
    await made.cable.subscribe("Another")


def _perform(made: Rig, chat: Any) -> Awaitable[Any]:
    return chat.perform("note", number=1)


@pytest.mark.parametrize("act", [_close, _unsubscribe, _subscribe, _perform])
@pytest.mark.parametrize("kind", [Connected, Disconnected])
async def test_a_callback_that_acts_on_its_cable(act: Callable[[Rig, Any], Awaitable[Any]], kind: type[Event]) -> None:
    """Closing, leaving, subscribing and sending from inside of a callback lock nothing up."""
    async with up() as made:
        chat = await made.cable.subscribe("Chat")
        done: list[BaseException | None] = []

        async def react(_: Event) -> None:
            if not done:
                done.append(None)
                try:
                    await act(made, chat)
                except Exception as error:  # noqa: BLE001 - what it is does not matter here
                    done.append(error)
                done.append(None)

        made.cable.on(kind, react)
        made.break_lines()
        await made.until(lambda: len(done) >= 2, limit=20)
        await asyncio.sleep(5)
        expected = State.CLOSED if act is _close else State.CONNECTED
        assert made.cable.state is expected
        assert made.net.sockets == (act is not _close)


@pytest.mark.parametrize("jammed", [False, True])
@pytest.mark.parametrize("kind", ["fine", "black hole", "mute", "unreachable", "dead"])
async def test_closing_whatever_it_is_doing(*, kind: str, jammed: bool) -> None:
    """Dialling, waiting for the welcome or for the next dial, connected, or half open: gone within five seconds."""
    for moment in (0.0, 0.05, 0.4, 3.0, 12.0):
        made = rig(open_timeout=None)
        made.weather = Weather("fine" if kind == "dead" else kind)
        opening = asyncio.ensure_future(made.cable.open())
        await asyncio.sleep(moment)
        for line in made.net.lines:
            line.wire.dead = kind == "dead"
            if jammed:
                line.wire.writable.clear()
        began = now()
        await made.cable.close(timeout=4)
        assert now() - began <= 5.01
        assert made.cable.state is State.CLOSED
        assert made.net.sockets == 0
        await asyncio.wait([opening], timeout=1)
        assert opening.done()
        opening.exception()
        left = [task for task in asyncio.all_tasks() if task.get_name().startswith("cableway")]
        assert left == []


async def test_a_hundred_opens_at_once() -> None:
    """One socket, and all are content."""
    made = rig()
    await asyncio.gather(*(made.cable.open() for _ in range(100)))
    assert made.net.dials == 1
    assert made.net.sockets == 1
    await made.cable.close(flush=False)


async def test_a_line_lost_with_subscriptions_on_their_way() -> None:
    """What was asked for and not yet confirmed is asked for again."""
    async with up() as made:
        for _ in range(20):
            chat = made.cable.subscribe("Chat")
            await asyncio.sleep(0)
            made.break_lines()
            await made.until(lambda: made.cable.state is State.CONNECTED)
            await asyncio.wait_for(chat._confirmed(), 5)
            assert made.line.subscribed == {chat.identifier}
            await chat.unsubscribe()
            await asyncio.sleep(60)


async def test_ten_thousand_subscriptions() -> None:
    """Never more than 16 wait for an answer at a time, and a new line has them all in a few round trips."""
    async with up() as made:
        pending = most = 0

        def watch(line: Any) -> None:
            took, send = line.took, line.send

            def asked(frame: bytes) -> None:
                nonlocal pending, most
                pending += b'"subscribe"' in frame
                most = max(most, pending)
                took(frame)

            def answered(*frames: dict[str, Any]) -> None:
                nonlocal pending
                pending -= sum(frame.get("type") == "confirm_subscription" for frame in frames)
                send(*frames)

            line.took, line.send, line._latency = asked, answered, 0.05

        watch(made.line)
        handles = [made.cable.subscribe("Chat", n=number) for number in range(10_000)]
        await made.until(lambda: all(handle.state is SubscriptionState.SUBSCRIBED for handle in handles[-1:]))
        made.break_lines()
        pending = 0
        await made.until(lambda: made.net.lines != set())
        watch(made.line)
        await made.until(lambda: made.cable.state is State.CONNECTED)
        took = await made.until(lambda: len(made.line.subscribed) == 10_000)
        assert most == 16
        assert took <= 1.2 * 10_000 / 16 * 0.05 + 1


async def test_two_thousand_cables() -> None:
    """Dropped at once they come back at the pace of the gate, and all of them do."""
    gate = DialGate(rate=100, burst=20)
    watch = HostWatch(asyncio.get_running_loop(), netlink=lambda: None)
    rigs = [rig(seed=number, beat=30, dial_gate=gate, watch=watch) for number in range(2000)]
    await asyncio.gather(*(made.cable.open() for made in rigs))
    await asyncio.sleep(70)
    for made in rigs:
        made.events.clear()
    times: list[float] = []
    for made in rigs:
        made.net._reach = _noting(made.net._reach, times)  # type: ignore[method-assign]
        made.break_lines()
    await asyncio.sleep(25)
    assert all(made.cable.state is State.CONNECTED for made in rigs)
    times.sort()
    for window in (1.0, 5.0, 20.0):
        most = max(bisect_right(times, at + window) - index for index, at in enumerate(times))
        # Reaching the server takes up to 0.3 s, by which dials may close up.
        assert most <= 20 + 100 * (window + 0.3) + 1
    await asyncio.gather(*(made.cable.close(flush=False) for made in rigs))


def _noting(reach: Any, times: list[float]) -> Any:
    async def noting(*args: Any) -> Any:
        times.append(now())
        return await reach(*args)

    return noting


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
async def test_no_file_descriptors_left(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """It is told, dialled again at a growing distance, and the line comes up once there are some."""

    class Short(socket.socket):
        def __init__(self, *args: Any, **options: Any) -> None:
            raise OSError(number, "no more")

    async with serving(serve) as port:
        cable = near(port, open_timeout=None)
        waits: list[float] = []
        cable.on(RetryScheduled, lambda event: waits.append(event.delay))
        with monkeypatch.context() as patch:
            patch.setattr(race.socket, "socket", Short)
            opening = asyncio.ensure_future(cable.open())
            await asyncio.sleep(120)
            assert isinstance(cable.error, HostUnreachable)
        assert 5 <= len(waits) <= 14
        await opening
        await cable.close(flush=False)


async def test_a_thousand_wakes() -> None:
    """Dormant and awake by turns: one socket at a time, and nothing gathers."""
    made = rig(monitor=OnDemandMonitor(linger=1))
    await made.cable.open()
    chat = made.cable.subscribe("Chat")
    for _ in range(1000):
        async with made.cable.awake("again"):
            assert made.net.sockets == 1
        made.cable.rest()
        await made.until(lambda: made.cable.state is State.DORMANT)
        made.events.clear()
    await asyncio.sleep(10)
    assert made.cable.state is State.DORMANT
    assert made.net.dials == 1000
    assert made.net.sockets == 0
    left = [task for task in asyncio.all_tasks() if task.get_name().startswith("cableway")]
    assert left == []
    assert chat.state is SubscriptionState.PENDING
    await made.cable.close(flush=False)


async def test_needed_again_while_it_says_goodbye() -> None:
    """To a server that does not answer, too: one socket at a time."""
    made = rig(monitor=OnDemandMonitor(linger=0.1))
    await made.cable.open()
    for dead in (False, True):
        async with made.cable.awake("once"):
            made.line.wire.dead = dead
        await made.until(lambda: made.cable.state is State.DORMANT)
        async with made.cable.awake("twice"):
            assert made.net.sockets == 1
        await asyncio.sleep(10)
    await made.cable.close(flush=False)


async def test_health_of_an_address_that_served_well_on_demand() -> None:
    """An address that failed once, and has served many short lines since, is as good as any other."""
    made = rig(
        url=["ws://a.example/cable", "ws://b.example/cable"],
        shuffle=False,
        monitor=OnDemandMonitor(linger=1),
        open_timeout=None,
    )
    await made.cable.open()
    made.weather = Weather("unreachable")
    made.cable.wake()
    await asyncio.sleep(30)
    made.weather = Weather()
    for _ in range(20):
        async with made.cable.awake("work"):
            await asyncio.sleep(40)
        await asyncio.sleep(600)
    endpoints = made.cable._engine.dials.dialer.endpoints
    assert endpoints is not None
    assert endpoints.health["ws://a.example/cable"] == 0
    await made.cable.close(flush=False)


async def test_a_program_that_blocks_and_then_acts() -> None:
    """Twenty seconds in which nobody read are no silence of the server's, whatever the program does next."""
    made = rig(monitor=OnDemandMonitor(linger=1))
    await made.cable.open()
    loop: Any = asyncio.get_running_loop()
    async with made.cable.awake("work"):
        await asyncio.sleep(60)
        made.line.send({"type": "ping"})
        loop.setup_looptime(start=loop.time() + 20)
        made.line.send({"type": "ping"})
        made.cable.wake("right after the block")
        assert made.cable.state is State.CONNECTED
        await asyncio.sleep(30)
        assert made.cable.state is State.CONNECTED
        assert made.net.dials == 1
    await made.cable.close(flush=False)


# Programs that end ---------------------------------------------------------------------------------------------------

SERVER = """
import asyncio, signal, sys
from cableway import Cable, MemoryTransport

async def main():
    transport = MemoryTransport()
    cable = Cable("ws://cable.example/cable", transports=[transport])
    opening = asyncio.ensure_future(cable.open())
    server = await transport.accept()
    server.welcome()
    await opening
    chat = cable.subscribe("Chat")
    print("up", flush=True)
"""


def program(rest: str, *, wait: bool = True) -> subprocess.Popen[str]:
    """Run a program with an open cable, every warning shown."""
    text = SERVER + textwrap.indent(textwrap.dedent(rest), "    ") + "\nasyncio.run(main())\n"
    return subprocess.Popen(
        [sys.executable, "-X", "dev", "-c", text], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("rest", ["return", "await asyncio.sleep(0.1)", "sys.exit(0)", "cable.wake(); del cable, chat"])
def test_a_program_that_ends_without_closing(rest: str) -> None:
    """No traceback, nothing left half done, no hanging."""
    out, err = program(rest).communicate(timeout=20)
    assert out == "up\n"
    assert "Traceback (most" not in err
    assert "never awaited" not in err
    assert "was destroyed" not in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_program_that_is_interrupted(number: signal.Signals) -> None:
    """It ends at once, as it would without a cable: signals are the program's own."""
    running = program(
        "before = signal.getsignal(signal.SIGTERM)\nassert before == signal.SIG_DFL\nawait asyncio.sleep(60)"
    )
    assert running.stdout is not None
    assert running.stdout.readline() == "up\n"
    running.send_signal(number)
    _, err = running.communicate(timeout=5)
    assert running.returncode in (-number, 130)
    if number is signal.SIGINT:
        assert "KeyboardInterrupt" in err
    assert "never awaited" not in err
    assert "was destroyed" not in err
