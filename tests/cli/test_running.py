"""A run ends when it is done, stopped, late or unread, and says so by its code."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from cableway.cli.running import ReaderGone, Run

FOR_EVER = 3600


async def _nothing(_: Run) -> None:
    return


def test_work_that_ends_is_done() -> None:
    """The usual case."""
    assert Run().run(_nothing) == 0


def test_a_failure_comes_out_as_it_is() -> None:
    """What went wrong is for the caller to explain."""

    async def fail(_: Run) -> None:
        msg = "as it is"
        raise ValueError(msg)

    with pytest.raises(ValueError, match="as it is"):
        Run().run(fail)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_lets_the_work_close_well(number: signal.Signals, code: int) -> None:
    """The work is cancelled, may finish what it must, and the shell learns which signal it was."""
    closed = []

    async def wait(_: Run) -> None:
        os.kill(os.getpid(), number)
        try:
            await asyncio.sleep(FOR_EVER)
        finally:
            await asyncio.sleep(0)
            closed.append(True)

    assert Run().run(wait) == code
    assert closed == [True]


def test_a_signal_after_the_job_is_done_is_success() -> None:
    """A server, or a subscriber without an end, is always ended that way."""

    async def serve(run: Run) -> None:
        run.satisfied = True
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(FOR_EVER)

    assert Run().run(serve) == 0


def test_a_second_signal_ends_the_process_at_once() -> None:
    """Closing well may hang; the user has the last word."""
    program = (
        "import asyncio, os, signal\n"
        "from cableway.cli.running import Run\n"
        "async def stuck(run):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    try:\n"
        "        await asyncio.sleep(3600)\n"
        "    finally:\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "        await asyncio.sleep(3600)\n"
        "Run().run(stuck)\n"
    )

    done = subprocess.run([sys.executable, "-c", program], timeout=20, check=False, capture_output=True)

    assert done.returncode == -signal.SIGINT


def test_time_that_runs_out_is_told_with_what_was_in_the_way() -> None:
    """The text says how far it got and why no further."""

    async def wait(run: Run) -> None:
        run.progress = lambda: "1 of 2 messages came"
        run.trouble = ConnectionError("refused")
        await asyncio.sleep(FOR_EVER)

    with pytest.raises(TimeoutError, match=r"not done within 0\.05 s; 1 of 2 messages came; refused"):
        Run(0.05).run(wait)


def test_time_that_runs_out_after_the_job_is_done_is_success() -> None:
    """Listening for a while is a job, too."""

    async def listen(run: Run) -> None:
        run.satisfied = True
        await asyncio.sleep(FOR_EVER)

    assert Run(0.05).run(listen) == 0


def test_a_timeout_of_the_work_itself_is_no_timeout_of_the_run() -> None:
    """What the library says about its own limits reaches the user."""

    async def late(_: Run) -> None:
        msg = "no answer within 5 s"
        raise TimeoutError(msg)

    with pytest.raises(TimeoutError, match="no answer within 5 s"):
        Run(60).run(late)


def test_a_reader_that_left_is_success() -> None:
    """``| head -1`` has what it wanted, whether a write finds out or a look."""

    async def write(_: Run) -> None:
        raise ReaderGone

    async def wait(run: Run) -> None:
        run.reader_gone()
        await asyncio.sleep(FOR_EVER)

    assert Run().run(write) == 0
    assert Run().run(wait) == 0
