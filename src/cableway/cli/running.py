"""Runs a command's coroutine until it is done, stopped by a signal, out of time, or without a reader."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

from attrs import define, field

from cableway.cli.exits import ExitCode

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class ReaderGone(BrokenPipeError):
    """Nobody reads our stdout any more."""


@define(eq=False)
class Run:
    """One run of a command."""

    timeout: float | None = None
    """Seconds for the whole run."""
    satisfied: bool = False
    """Whether the command has done its job and may be ended from outside at any time: then that is success."""
    progress: Callable[[], str] = field(default=lambda: "")
    """Tells how far it got, for the text of a time-out."""
    trouble: BaseException | None = None
    """What is in the way at the moment, for the same."""
    _task: asyncio.Task[None] | None = field(default=None, init=False)
    _signal: int | None = field(default=None, init=False)
    _reader_gone: bool = field(default=False, init=False)

    def run(self, work: Callable[[Run], Awaitable[None]]) -> int:
        """Run *work* in an event loop of its own and return the exit code.

        SIGINT and SIGTERM cancel it once; it then has its time to close well. A second one ends the process at once.

        Raises:
            TimeoutError: ``timeout`` passed, and it is not satisfied.
            Exception: What *work* raises.
        """
        try:
            asyncio.run(self._guarded(work))
        except ReaderGone:
            return ExitCode.DONE
        except (asyncio.CancelledError, KeyboardInterrupt):
            return self._stopped()
        return ExitCode.DONE

    def reader_gone(self) -> None:
        """End the run, because nobody reads stdout any more."""
        self._reader_gone = True
        self._cancel()

    async def _guarded(self, work: Callable[[Run], Awaitable[None]]) -> None:
        self._task = asyncio.current_task()
        self._listen()
        limit = asyncio.timeout(self.timeout)
        try:
            async with limit:
                await work(self)
        except TimeoutError:
            if not limit.expired():
                raise
            if not self.satisfied:
                raise TimeoutError(self._late()) from None

    def _late(self) -> str:
        facts = (self.progress(), str(self.trouble or ""))
        return "; ".join((f"not done within {self.timeout:g} s", *filter(None, facts)))

    def _stopped(self) -> int:
        if self._reader_gone or self.satisfied:
            return ExitCode.DONE
        return 128 + (self._signal or signal.SIGINT)

    def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            # Windows knows no signal handlers of a loop: there Ctrl-C cancels the run by KeyboardInterrupt.
            with suppress(NotImplementedError):
                loop.add_signal_handler(number, self._signalled, number)

    def _signalled(self, number: int) -> None:
        if self._signal is not None:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        self._signal = number
        self._cancel()

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
