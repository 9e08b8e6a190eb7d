"""The JavaScript clients, each in a Node process that takes commands and tells events as JSON lines."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.interop.peers.process import lacking

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

FOLDER = Path(__file__).resolve().parent.parent / "node"
INSTALL_SECONDS = 120
MAX_LINE = 16 * 1024 * 1024
EXTENDED = "actioncable-v1-ext-json"
"""The protocol of AnyCable's history, sessions and presence, as an argument of its client."""


def demand_node() -> None:
    """Install the clients that the lock file names; skip or fail where that cannot be done."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        lacking("node or npm is not installed")
    installed = FOLDER / "node_modules" / ".package-lock.json"
    if installed.exists() and installed.stat().st_mtime >= (FOLDER / "package-lock.json").stat().st_mtime:
        return
    command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=1", "--fetch-timeout=20000"]
    try:
        done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False, timeout=INSTALL_SECONDS)
    except subprocess.TimeoutExpired:
        lacking(f"npm did not install the JavaScript clients within {INSTALL_SECONDS} s")
    else:
        if done.returncode:
            lacking(f"npm could not install the JavaScript clients: {done.stderr.strip()[-500:]}")


class JavaScriptClient:
    """A running client."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._seen: list[dict[str, Any]] = []

    def tell(self, what: str, /, **more: Any) -> None:
        """Give a command: ``subscribe``, ``perform``, ``unsubscribe``; AnyCable's knows more."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": what, **more}).encode() + b"\n")

    def subscribe(self, id_: str, channel: str, **params: Any) -> None:
        """Subscribe to *channel*; its events carry *id_*."""
        self.tell("subscribe", id=id_, channel=channel, params=params)

    def stream(self, id_: str, stream: str) -> None:
        """Subscribe to a public stream by its name, with AnyCable's client."""
        self.tell("stream", id=id_, stream=stream)

    def perform(self, id_: str, action: str, **data: Any) -> None:
        """Call *action* on the subscription *id_*."""
        self.tell("perform", id=id_, action=action, data=data)

    def told(self, event: str) -> list[dict[str, Any]]:
        """Return each *event* that was waited for or passed over so far."""
        return [told for told in self._seen if told["event"] == event]

    async def heard(self, event: str, limit: float = 20, **facts: Any) -> dict[str, Any]:
        """Wait for the next *event* with these *facts*; other events before it are passed over."""
        wanted = {"event": event, **facts}
        try:
            async with asyncio.timeout(limit):
                while True:
                    told = await self._next()
                    if wanted.items() <= told.items():
                        return told
        except TimeoutError:
            msg = f"no {wanted} within {limit:g} s; heard so far: {self._seen}"
            raise AssertionError(msg) from None

    async def _next(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        assert line, f"the client ended; heard so far: {self._seen}"
        told: dict[str, Any] = json.loads(line)
        self._seen.append(told)
        assert told["event"] != "failed", told["text"]
        return told


@asynccontextmanager
async def javascript(library: str, *arguments: str) -> AsyncIterator[JavaScriptClient]:
    """Run the client *library* (``rails`` or ``anycable``) and end it after the block."""
    process = await asyncio.create_subprocess_exec(
        "node",
        str(FOLDER / f"{library}.mjs"),
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=MAX_LINE,
    )
    client = JavaScriptClient(process)
    try:
        await client.heard("ready")
        yield client
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        # The pipe ends a moment after the process; unread, it would be reported as left open.
        await process.communicate()
