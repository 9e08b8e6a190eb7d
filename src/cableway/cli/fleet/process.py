"""Starts, kills and stops the fleet's gateway, which is a process of its own."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from contextlib import suppress

from attrs import define, field

from cableway.cli.exits import Failure
from cableway.redact import printable

START_SECONDS = 20.0
STOP_SECONDS = 3.0


@define(eq=False)
class GatewayProcess:
    """The gateway's process. Started again, it has the same address."""

    url: str = ""
    _port: int = field(default=0, init=False)
    _process: asyncio.subprocess.Process | None = field(default=None, init=False)

    async def start(self) -> None:
        """Start it, and return when it listens.

        Raises:
            Failure: It does not come up.
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "cableway.cli.fleet.server", str(self._port),
            stdin=PIPE, stdout=PIPE, stderr=PIPE,
            # Ctrl-C goes to the whole group of a terminal: the demo ends its gateway itself, in its own order.
            start_new_session=True,
        )  # fmt: skip
        self._process = process
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        try:
            async with asyncio.timeout(START_SECONDS):
                line = await process.stdout.readline()
        except TimeoutError:
            line = b""
        if not line:
            raise await self._stillborn(process)
        told = json.loads(line)
        self.url, self._port = told["url"], told["port"]

    async def kill(self) -> None:
        """End it as ``kill -9`` does: sockets drop without a word."""
        process = self._process
        if process is not None and process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.communicate()

    async def stop(self) -> None:
        """Let it end well; kill it if that takes too long."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        assert process.stdin is not None  # noqa: S101 - it is a pipe
        process.stdin.close()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.communicate()
        except TimeoutError:
            pass
        finally:
            await self.kill()

    async def _stillborn(self, process: asyncio.subprocess.Process) -> Failure:
        with suppress(ProcessLookupError):
            process.kill()
        _, errors = await process.communicate()
        lines = errors.decode(errors="replace").strip().splitlines()
        return Failure(f"the gateway does not start: {printable(lines[-1]) if lines else 'it says nothing'}")
