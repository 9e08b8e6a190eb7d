"""The private thread behind the client for threads and scripts."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING

import pytest

from cableway.errors import WrongLoop
from cableway.portal import Portal

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def portal() -> Iterator[Portal]:
    """A portal that is stopped in the end."""
    portal = Portal("test portal")
    yield portal
    portal.release()


def names() -> set[str]:
    """The threads that are alive."""
    return {thread.name for thread in threading.enumerate()}


async def whoami() -> str:
    """The name of the thread that runs this."""
    return threading.current_thread().name


def test_there_is_no_thread_before_the_first_call(portal: Portal) -> None:
    """Making one costs nothing."""
    assert not portal.started
    assert "test portal" not in names()


def test_coroutines_run_on_one_thread_of_its_own(portal: Portal) -> None:
    """Every call ends up on the same private thread."""
    assert {portal.call(whoami), portal.call(whoami)} == {"test portal"}


def test_plain_functions_run_on_the_loop(portal: Portal) -> None:
    """A plain function finds a running loop, the same one as long as the thread is held."""
    portal.hold()
    assert portal.run(asyncio.get_running_loop) is portal.run(asyncio.get_running_loop)


def test_errors_come_back_to_the_caller(portal: Portal) -> None:
    """What a coroutine raises is raised by the call."""

    async def fail() -> None:
        msg = "gone"
        raise LookupError(msg)

    with pytest.raises(LookupError, match="gone"):
        portal.call(fail)


def test_the_thread_lives_while_it_is_held_or_used(portal: Portal) -> None:
    """Not held, it ends with the call; held, it stays until it is released; and then it can be used again."""
    portal.call(whoami)
    assert "test portal" not in names()

    portal.hold()
    portal.call(whoami)
    assert portal.started
    assert "test portal" in names()

    portal.release()
    assert not portal.started
    assert "test portal" not in names()
    assert portal.call(whoami) == "test portal"


def test_a_release_waits_for_the_calls_under_way(portal: Portal) -> None:
    """The last call to end takes the thread along, whoever released it."""
    entered, go = threading.Event(), threading.Event()

    async def linger() -> str:
        entered.set()
        await asyncio.get_running_loop().run_in_executor(None, go.wait)
        return "done"

    results: list[str] = []
    portal.hold()
    caller = threading.Thread(target=lambda: results.append(portal.call(linger)))
    caller.start()
    assert entered.wait(5)

    portal.release()
    assert portal.started
    go.set()
    caller.join(5)

    assert results == ["done"]
    assert not portal.started


def test_a_call_from_its_own_thread_is_refused(portal: Portal) -> None:
    """It would wait for itself for ever."""

    async def inside() -> None:
        portal.run(int)

    with pytest.raises(WrongLoop, match="own thread"):
        portal.call(inside)


def test_many_threads_share_it(portal: Portal) -> None:
    """Calls from many threads all get their own answer."""
    results: list[int] = []

    async def echo(number: int) -> int:
        await asyncio.sleep(0)
        return number

    threads = [threading.Thread(target=lambda n=n: results.append(portal.call(echo, n))) for n in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(results) == list(range(50))


def test_callbacks_run_one_after_another_on_a_worker(portal: Portal) -> None:
    """They keep their order, and are off the loop."""
    portal.hold()
    seen: list[tuple[int, str]] = []
    done = threading.Event()

    def callback(number: int) -> None:
        seen.append((number, threading.current_thread().name))
        if number == 9:
            done.set()

    for number in range(10):
        portal.later(callback, number, failed=lambda _: None)

    assert done.wait(5)
    assert [number for number, _ in seen] == list(range(10))
    assert "test portal" not in {name for _, name in seen}


def test_a_failing_callback_is_told_on_the_loop(portal: Portal) -> None:
    """What it raised arrives on the private thread."""
    told: list[tuple[BaseException, str]] = []
    done = threading.Event()
    error = ValueError("no")

    def callback() -> None:
        raise error

    def failed(failure: BaseException) -> None:
        told.append((failure, threading.current_thread().name))
        done.set()

    portal.later(callback, failed=failed)

    assert done.wait(5)
    assert told == [(error, "test portal")]


def test_a_callback_may_release_the_portal(portal: Portal) -> None:
    """Releasing it from its own worker does not wait for that worker."""
    released = threading.Event()
    portal.hold()

    def callback() -> None:
        portal.release()
        released.set()

    portal.later(callback, failed=lambda _: None)

    assert released.wait(5)
    for thread in threading.enumerate():
        if thread.name == "test portal":
            thread.join(5)
    assert not portal.started


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_is_told_so(portal: Portal) -> None:
    """The thread has stayed behind in the parent: the child gets a clear error, not a hang."""
    portal.hold()
    portal.call(whoami)
    read, write = os.pipe()

    child = os.fork()
    if child == 0:
        try:
            portal.call(whoami)
        except WrongLoop as error:
            os.write(write, str(error).encode())
        finally:
            os._exit(0)
    os.close(write)
    os.waitpid(child, 0)

    with os.fdopen(read) as pipe:
        assert "forked" in pipe.read()
