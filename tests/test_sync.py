"""The client for threads and scripts, against the gateway on a thread of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import contextmanager, suppress
from queue import Queue
from typing import TYPE_CHECKING, Any, Self

import pytest

from cableway import (
    CallbackFailed,
    Closed,
    Connected,
    ConnectTimeout,
    Event,
    ExponentialBackoff,
    ManualMonitor,
    NotConnected,
    OnDemandMonitor,
    PersistentMonitor,
    State,
    SubscriptionRejected,
    SubscriptionState,
    UsageError,
)
from cableway.gateway import Channel, Gateway, action
from cableway.portal import Portal
from cableway.sync import Cable

if TYPE_CHECKING:
    from collections.abc import Iterator


class EchoChannel(Channel):
    """Sends back what it gets."""

    @action
    async def echo(self, data: dict[str, Any]) -> None:
        self.transmit(data["text"])

    @action
    async def count(self, data: dict[str, Any]) -> None:
        for number in range(data["to"]):
            self.transmit(number)


class DoorChannel(Channel):
    """Lets nobody in."""

    async def subscribed(self) -> None:
        self.reject()


class Served:
    """A gateway on a thread of its own."""

    def __init__(self) -> None:
        self._portal = Portal("test gateway")
        self._portal.hold()
        self._gateway = self._portal.run(Gateway, [EchoChannel, DoorChannel], public=True)
        self.start()

    def start(self) -> None:
        """Serve."""
        self._portal.call(self._gateway.start)
        self.url = self._gateway.url

    def kill(self) -> None:
        """Be gone without a word."""
        self._portal.run(self._gateway.kill)

    def stop(self) -> None:
        """Be gone, and end the thread."""
        self._portal.call(self._gateway.stop)
        self._portal.release()


@pytest.fixture
def served() -> Iterator[Served]:
    """A gateway that serves."""
    served = Served()
    yield served
    served.stop()


@contextmanager
def no_thread_left() -> Iterator[None]:
    """Check that the block leaves no thread behind."""
    before = set(threading.enumerate())
    yield
    left = set(threading.enumerate()) - before
    assert left == set()


def test_a_script_subscribes_performs_and_receives(served: Served) -> None:
    """The example of the README, without asyncio, leaves no thread behind."""
    with no_thread_left(), Cable(served.url) as cable:
        assert cable.state is State.CONNECTED
        with cable.subscribe("EchoChannel", room=42) as echo:
            echo.perform("echo", text="hi")
            assert echo.receive(timeout=5).data == "hi"
            echo.send({"action": "echo", "text": "again"})
            assert next(iter(echo)).data == "again"
        assert echo.state is SubscriptionState.CLOSED


def test_iteration_has_time_outs_and_goes_on_after_them(served: Served) -> None:
    """Silence raises TimeoutError, and the same iterator finds the next message."""
    with Cable(served.url) as cable, cable.subscribe("EchoChannel") as echo:
        messages = echo.messages(timeout=0.05)
        with pytest.raises(TimeoutError, match=r"within 0\.05 s"):
            next(messages)

        echo.perform("echo", text="late")

        assert echo.receive(timeout=5).data == "late"


def test_receive_skips_what_does_not_match(served: Served) -> None:
    """Messages before the awaited one are read and gone, those after it stay."""
    with Cable(served.url) as cable, cable.subscribe("EchoChannel") as echo:
        echo.perform("count", to=10)

        assert echo.receive(lambda message: message.data == 7, timeout=5).data == 7
        assert [echo.receive(timeout=5).data for _ in range(2)] == [8, 9]


def test_threads_share_a_cable_and_a_subscription(served: Served) -> None:
    """Each message goes to one of the threads that iterate, none is lost and none comes twice."""
    got: Queue[int] = Queue()
    with Cable(served.url) as cable, cable.subscribe("EchoChannel") as echo:

        def consume() -> None:
            for message in echo:
                got.put(message.data)

        threads = [threading.Thread(target=consume) for _ in range(4)]
        for thread in threads:
            thread.start()
        echo.perform("count", to=1000)
        numbers = [got.get(timeout=10) for _ in range(1000)]
        echo.unsubscribe()
        for thread in threads:
            thread.join(10)

    assert sorted(numbers) == list(range(1000))
    assert not any(thread.is_alive() for thread in threads)


def test_errors_are_the_ones_of_the_async_client(served: Served) -> None:
    """A rejection, a line that is down and an address where nobody listens."""
    with Cable(served.url) as cable:
        door = cable.subscribe("DoorChannel")
        with pytest.raises(SubscriptionRejected):
            door.wait(timeout=5)
        with pytest.raises(SubscriptionRejected), cable.subscribe("DoorChannel"):
            pytest.fail("nobody is let in")
    with no_thread_left():
        idle = Cable(served.url)
        with pytest.raises(NotConnected):
            idle.subscribe("EchoChannel").perform("echo", text="hi")
        idle.close()
    with no_thread_left(), pytest.raises(ConnectTimeout):
        Cable("ws://127.0.0.1:1/cable", open_timeout=0.2).open()


def test_a_confirmation_that_does_not_come_times_out() -> None:
    """Waiting has an end, and the cable lives on."""
    with Portalled() as transport, Cable("ws://test/cable", transports=[transport.memory]) as cable:
        with pytest.raises(TimeoutError):
            cable.subscribe("Silent").wait(timeout=0.05)
        assert cable.state is State.CONNECTED


def test_it_comes_back_after_the_server_was_killed(served: Served) -> None:
    """Iteration goes on over a killed server, with no action by the user."""
    with Cable(served.url) as cable, cable.subscribe("EchoChannel") as echo:
        events = echo.events(timeout=10) if hasattr(echo, "events") else cable.events(timeout=10)
        served.kill()
        served.start()
        back = next(event for event in events if isinstance(event, Connected))
        assert back.reconnected
        echo.wait(timeout=10)
        echo.perform("echo", text="still here")
        assert echo.receive(timeout=5).data == "still here"


def test_callbacks_run_off_the_private_thread_and_may_use_the_cable(served: Served) -> None:
    """A callback may wait for the line it hears of, and one that fails is told of."""
    said: Queue[Any] = Queue()
    cable = Cable(served.url)

    def on_connected(event: Connected) -> None:
        with cable.subscribe("EchoChannel") as echo:
            echo.perform("echo", text="from a callback")
            said.put(echo.receive(timeout=5).data)
        msg = "and failed"
        raise RuntimeError(msg)

    cable.on(Connected, on_connected)
    cable.on(CallbackFailed, said.put)
    with no_thread_left(), cable:
        assert said.get(timeout=10) == "from a callback"
        failure = said.get(timeout=10)
        assert isinstance(failure.error, RuntimeError)


def test_events_end_with_the_cable(served: Served) -> None:
    """The iterator delivers Closed, and then ends quietly."""
    cable = Cable(served.url)
    events = cable.events(timeout=5)
    heard: list[Event] = []
    listener = threading.Thread(target=lambda: heard.extend(events))
    listener.start()
    with cable:
        pass
    listener.join(10)

    assert not listener.is_alive()
    assert isinstance(heard[-1], Closed)


def test_iterating_after_the_end_starts_no_thread_that_stays(served: Served) -> None:
    """What was received can still be read after closing, and reading on ends at once."""
    with no_thread_left():
        cable = Cable(served.url)
        with cable:
            echo = cable.subscribe("EchoChannel").wait(timeout=5)
            echo.perform("count", to=3)
            assert echo.receive(timeout=5).data == 0
            echo.receive(lambda message: message.data == 1, timeout=5)
            while echo.stats().received < 3:
                cable.stats()
        assert [message.data for message in echo] == [2]


def test_it_can_be_opened_again(served: Served) -> None:
    """One object, several lines, and its subscriptions come back."""
    cable = Cable(served.url)
    echo = cable.subscribe("EchoChannel")
    for word in ("one", "two"):
        with no_thread_left_after(cable), cable:
            echo.wait(timeout=5)
            echo.perform("echo", text=word)
            assert echo.receive(timeout=5).data == word


@contextmanager
def no_thread_left_after(cable: Cable) -> Iterator[None]:
    """Check that *cable* has ended its thread by the end of the block."""
    yield
    assert "cableway cable" not in {thread.name for thread in threading.enumerate()}
    assert cable.state is State.CLOSED


SCRIPT = """
    import sys
    from cableway.sync import Cable
    try:
        with Cable(sys.argv[1]) as cable:
            with cable.subscribe("EchoChannel") as echo:
                print("waiting", flush=True)
                for message in echo:
                    pass
    except KeyboardInterrupt:
        print("interrupted", cable.state.name, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT is sent differently there")
def test_ctrl_c_interrupts_a_script_that_waits(served: Served) -> None:
    """The interrupt comes out of the iteration, the cable closes, the script ends."""
    script = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(SCRIPT), served.url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert script.stdout is not None
    assert script.stdout.readline() == "waiting\n"

    os.kill(script.pid, signal.SIGINT)
    output, errors = script.communicate(timeout=20)

    assert (output, errors, script.returncode) == ("interrupted CLOSED\n", "", 0)


class Portalled:
    """A memory transport whose server welcomes, and says nothing more."""

    def __init__(self) -> None:
        from cableway import MemoryTransport

        self.memory = MemoryTransport()
        self._open = self.memory.open

    def __enter__(self) -> Self:
        import asyncio

        async def open_and_welcome(request: Any, sink: Any) -> Any:
            opening = asyncio.ensure_future(self._open(request, sink))
            server = await self.memory.accept()
            server.welcome()
            return await opening

        self.memory.open = open_and_welcome  # type: ignore[method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        self.memory.open = self._open  # type: ignore[method-assign]


def test_no_wait_at_all_still_gives_what_is_there(served: Served) -> None:
    """A time-out of zero is a look, not a refusal."""
    with Cable(served.url) as cable, cable.subscribe("EchoChannel") as echo:
        echo.perform("count", to=20)
        while echo.stats().received < 20:
            cable.stats()

        got = [next(echo.messages(timeout=0)).data for _ in range(20)]

        assert got == list(range(20))
        with pytest.raises(TimeoutError):
            next(echo.messages(timeout=0))


def test_the_parts_need_no_import_of_their_own() -> None:
    """``cableway.sync.Cable`` just works after ``import cableway``."""
    script = "import cableway; print(cableway.sync.Cable.__name__, cableway.gateway.Gateway.__name__)"

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout == "Cable Gateway\n"


# A line on demand ----------------------------------------------------------------------------------------------------


def becomes(cable: Cable, state: State) -> bool:
    """Wait until the cable stands so; it is another thread that takes it there."""
    deadline = time.monotonic() + 10
    while cable.state is not state and time.monotonic() < deadline:
        with suppress(TimeoutError):
            next(cable.events(timeout=0.02))
    return cable.state is state


def test_a_command_wakes_a_dormant_line(served: Served) -> None:
    """open() returns at once; the command is sent, and the line let go after it."""
    with no_thread_left(), Cable(served.url, monitor=OnDemandMonitor(linger=0)) as cable:
        assert cable.state is State.DORMANT
        echo = cable.subscribe("EchoChannel")
        for text in ("one", "two"):
            with cable.awake("an echo"):
                echo.perform("echo", text=text)
                assert echo.receive(timeout=5).data == text
            assert becomes(cable, State.DORMANT)
        echo.perform("echo", text="three")
        assert becomes(cable, State.DORMANT)


def test_blocks_of_two_threads_share_the_line(served: Served) -> None:
    """It is held until the last of them is left."""
    first, second = threading.Event(), threading.Event()
    with Cable(served.url, monitor=OnDemandMonitor(linger=0)) as cable:

        def use() -> None:
            with cable.awake("the other thread"):
                first.set()
                second.wait(5)

        thread = threading.Thread(target=use)
        thread.start()
        first.wait(5)
        with cable.awake():
            assert cable.state is State.CONNECTED
        assert cable.state is State.CONNECTED
        second.set()
        thread.join(5)
        assert becomes(cable, State.DORMANT)


def test_a_failing_block_lets_the_line_go(served: Served) -> None:
    """Its error comes out; so does the wait's, and nothing is held after either."""
    with Cable(served.url, monitor=OnDemandMonitor(linger=0), open_timeout=0.2) as cable:
        with pytest.raises(LookupError, match="mine"), cable.awake():
            raise LookupError("mine")  # noqa: EM101 - of the test
        assert becomes(cable, State.DORMANT)
        cable.pause()
        with pytest.raises(ConnectTimeout, match="paused"), cable.awake():
            pytest.fail("there is no line")
        assert cable._cable._engine.overseer.oversight.holds == 0


def test_wake_rest_pause_and_resume(served: Served) -> None:
    """As with asyncio."""
    with Cable(served.url, monitor=ManualMonitor()) as cable:
        cable.wake("a look")
        assert becomes(cable, State.CONNECTED)
        cable.rest()
        assert becomes(cable, State.DORMANT)
        cable.wake()
        assert becomes(cable, State.CONNECTED)
        cable.pause()
        assert becomes(cable, State.DORMANT)
        with pytest.raises(NotConnected, match="paused"):
            cable.subscribe("EchoChannel").perform("echo", text="hi")
        cable.resume()
        assert becomes(cable, State.CONNECTED)


def test_configure_changes_the_monitor_and_the_backoff(served: Served) -> None:
    """At once, from any thread; what is none is refused."""
    slow = ExponentialBackoff(minimum=30, maximum=30, factor=1, jitter=0)
    with Cable(served.url, backoff=slow) as cable:
        cable.configure(monitor=OnDemandMonitor())
        assert becomes(cable, State.DORMANT)
        cable.configure(monitor=PersistentMonitor())
        assert becomes(cable, State.CONNECTED)
        with pytest.raises(UsageError, match="backoff="):
            cable.configure(backoff=5)  # type: ignore[arg-type]
        served.kill()
        for _ in cable.events(timeout=10):
            if cable.stats().failures >= 2:
                break
        served.start()
        cable.configure(backoff=ExponentialBackoff(minimum=0.05, maximum=0.1))
        assert becomes(cable, State.CONNECTED)


def test_what_needs_an_open_cable_says_so_and_leaves_no_thread(served: Served) -> None:
    """Before it is opened, and after it was closed."""
    with no_thread_left():
        cable = Cable(served.url)
        for _ in range(2):
            for call in (cable.wake, cable.rest):
                with pytest.raises(NotConnected, match="open it"):
                    call()
            with pytest.raises(NotConnected, match="open it"), cable.awake():
                pytest.fail("there is no line")
            cable.pause()
            cable.resume()
            cable.configure(backoff=ExponentialBackoff(minimum=0.1), monitor=PersistentMonitor())
            with cable:
                assert cable.state is State.CONNECTED


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="this system has no alarms")
def test_an_interrupt_on_the_way_into_awake_holds_nothing(served: Served) -> None:
    """The line is not held for a block that was never entered."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with Cable(served.url, monitor=OnDemandMonitor(linger=0)) as cable:
        cable.pause()
        before = signal.signal(signal.SIGALRM, interrupt)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            with pytest.raises(KeyboardInterrupt), cable.awake():
                pytest.fail("there is no line")
        finally:
            signal.signal(signal.SIGALRM, before)
        cable.resume()
        assert becomes(cable, State.DORMANT)
        assert cable._cable._engine.overseer.oversight.holds == 0
