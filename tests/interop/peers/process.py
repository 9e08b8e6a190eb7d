"""A server program that a test starts, kills and starts again on the same port."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

BOOT_SECONDS = 60.0


def lacking(reason: str) -> None:
    """Skip the test, or fail it where ``CABLEWAY_REQUIRE_PEERS`` promises that all peers are here."""
    if os.environ.get("CABLEWAY_REQUIRE_PEERS"):
        pytest.fail(f"{reason}, and CABLEWAY_REQUIRE_PEERS is set", pytrace=False)
    pytest.skip(reason)


def free_port() -> int:
    """Tell a port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """One server program and its log."""

    def __init__(self, command: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None) -> None:
        self.command = list(command)
        self.env = {**os.environ, **(env or {})}
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether the program runs."""
        return self.process is not None and self.process.poll() is None

    def start(self, healthy: Callable[[], bool]) -> None:
        """Start the program and wait until *healthy*."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        with ExitStack() as on_failure:
            on_failure.callback(self.kill)
            wait_until(healthy, BOOT_SECONDS, lambda: f"{self.command[0]} is up", alive=lambda: self.running)
            on_failure.pop_all()

    def kill(self) -> None:
        """End the program the hard way (SIGKILL), with all that it started."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)

    def freeze(self) -> None:
        """Stop it where it is (SIGSTOP): its lines look open, and nothing answers on them."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on (SIGCONT)."""
        self._signal(signal.SIGCONT)

    def _signal(self, what: signal.Signals) -> None:
        if self.process is not None and self.running:
            os.killpg(self.process.pid, what)

    def stop(self) -> None:
        """Ask the program to end (SIGTERM); end it the hard way if it takes longer than 10 s."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()

    def logged(self, since: int = 0) -> str:
        """Tell what the program wrote, from byte *since* on."""
        return self.log.read_bytes()[since:].decode(errors="replace") if self.log.exists() else ""


def wait_until(
    condition: Callable[[], bool],
    seconds: float,
    what: Callable[[], str],
    alive: Callable[[], bool] = lambda: True,
) -> None:
    """Wait until *condition* holds; fail with *what* did not happen once *seconds* have passed or *alive* ends."""
    end = time.monotonic() + seconds
    while not condition():
        if not alive() or time.monotonic() > end:
            msg = f"waited for up to {seconds:g} s, and never happened: {what()}"
            raise AssertionError(msg)
        time.sleep(0.02)
