"""The fleet's gateway as a program."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE


async def test_it_does_not_outlive_whoever_started_it() -> None:
    """When its stdin ends, it ends: also when the demo was killed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cableway.cli.fleet.server", "0", stdin=PIPE, stdout=PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    async with asyncio.timeout(20):
        told = json.loads(await process.stdout.readline())
        process.stdin.close()
        await process.communicate()

    assert told["url"] == f"ws://127.0.0.1:{told['port']}/cable"
    assert process.returncode == 0
