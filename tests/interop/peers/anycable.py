"""The real AnyCable server, whose program is named by ``CABLEWAY_ANYCABLE_BIN``."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tests.interop.peers import http
from tests.interop.peers.process import Server, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class AnyCable:
    """The server, open to anybody: public streams, no application behind it."""

    def __init__(self, program: str, folder: Path) -> None:
        self.port = free_port()
        self.broadcast_port = free_port()
        self.url = f"ws://127.0.0.1:{self.port}/cable"
        self.broadcast_url = f"http://127.0.0.1:{self.broadcast_port}/_broadcast"
        self.server = Server(
            [
                program,
                "--ignore-config-path",
                "--public",
                "--norpc",
                "--broker=memory",
                f"--port={self.port}",
                "--broadcast_adapter=http",
                f"--http_broadcast_port={self.broadcast_port}",
            ],
            log=folder / "anycable.log",
            env={"ANYCABLE_DISABLE_TELEMETRY": "true"},
        )

    def start(self) -> None:
        """Start the server and wait until it is up."""
        if not self.server.running:
            self.server.start(lambda: http.answers(f"http://127.0.0.1:{self.port}/health"))

    def restart(self) -> None:
        """Kill the server and start it on the same ports."""
        self.server.kill()
        self.start()

    def publish(self, stream: str, value: Any) -> None:
        """Publish *value* to the clients of *stream*."""
        http.request(self.broadcast_url, {"stream": stream, "data": json.dumps(value)})


def running(folder: Path) -> Iterator[AnyCable]:
    """Give a running server, and end it. No package brings this program, so a missing one is skipped everywhere."""
    program = os.environ.get("CABLEWAY_ANYCABLE_BIN")
    if not program:
        pytest.skip("CABLEWAY_ANYCABLE_BIN names no AnyCable server")
    if shutil.which(program) is None:
        pytest.fail(f"CABLEWAY_ANYCABLE_BIN={program} is no program", pytrace=False)
    anycable = AnyCable(program, folder)
    try:
        anycable.start()
        yield anycable
    finally:
        anycable.server.kill()
