"""Starts the command as users do: as a program of its own."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen

from cableway.gateway import Channel, action

if TYPE_CHECKING:
    import signal
    from collections.abc import AsyncIterator, Callable

COMMAND = (sys.executable, "-m", "cableway")
LIMIT = 20.0
"""Seconds that anything may take on a busy machine."""


class RoomChannel(Channel):
    """A room; one of them is closed."""

    async def subscribed(self) -> None:
        """Listen to the room."""
        if self.params.get("room") == "closed":
            self.reject()
        self.stream_from(f"room/{self.params.get('room')}")

    @action
    async def speak(self, data: dict[str, Any]) -> None:
        """Tell everybody in the room."""
        await self.broadcast(f"room/{self.params['room']}", data)


@frozen
class Ended:
    """How a program ended, and what it wrote."""

    code: int
    stdout: str
    stderr: str


@define(eq=False)
class Program:
    """A running program."""

    process: asyncio.subprocess.Process
    _told: list[str] = field(factory=list)

    async def tells(self, text: str) -> None:
        """Wait until a line with *text* comes on stderr."""
        assert self.process.stderr is not None
        async with asyncio.timeout(LIMIT):
            while not self._told or text not in self._told[-1]:
                line = await self.process.stderr.readline()
                assert line, f"{text!r} never came: {self._told}"
                self._told.append(line.decode())

    async def prints(self) -> str:
        """Wait for the next line on stdout."""
        assert self.process.stdout is not None
        async with asyncio.timeout(LIMIT):
            return (await self.process.stdout.readline()).decode()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    async def ends(self, stdin: bytes | None = None) -> Ended:
        """Wait for the end."""
        async with asyncio.timeout(LIMIT):
            stdout, stderr = await self.process.communicate(stdin)
        assert self.process.returncode is not None
        return Ended(self.process.returncode, stdout.decode(), "".join(self._told) + stderr.decode())


async def until(condition: Callable[[], bool]) -> None:
    """Wait until *condition* holds, which nothing tells."""
    async with asyncio.timeout(LIMIT):
        while not condition():  # noqa: ASYNC110 - as said
            await asyncio.sleep(0.01)


@asynccontextmanager
async def started(*arguments: str, stdin: int | None = None, **environment: str) -> AsyncIterator[Program]:
    """Start ``cableway`` with *arguments*, and end it after the block if it is still there."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *arguments, stdin=stdin, stdout=PIPE, stderr=PIPE, env={**os.environ, **environment}
    )
    try:
        yield Program(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def ran(*arguments: str, stdin: bytes | None = None, **environment: str) -> Ended:
    """Run ``cableway`` with *arguments* to its end."""
    async with started(*arguments, stdin=None if stdin is None else PIPE, **environment) as program:
        return await program.ends(stdin)
