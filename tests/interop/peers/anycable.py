"""The real AnyCable server, whose program is named by ``CABLEWAY_ANYCABLE_BIN``, and our gateway in its place."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import shutil
import socket
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from tests.interop.peers import http
from tests.interop.peers.process import Server, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


UNFINISHED = b"POST /_broadcast HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n"


BROADCASTS = "broadcast-cable"
"""What the key for broadcasts is derived from, with the secret."""


class AnyCable:
    """The server: public streams, no application behind it. With a *secret* it demands tokens signed with that."""

    program: ClassVar[Sequence[str]] = ()
    """How to start it, where the environment does not tell."""

    def __init__(self, folder: Path, *options: str, program: str = "", secret: str = "") -> None:
        self.port = free_port()
        self.broadcast_port = self.port if self.program else free_port()
        self.url = f"ws://127.0.0.1:{self.port}/cable"
        self.broadcast_url = f"http://127.0.0.1:{self.broadcast_port}/_broadcast"
        self.server = Server(
            [
                *(self.program or [program]),
                "--ignore-config-path",
                *(["--enforce_jwt", "--public_streams"] if secret else ["--public"]),
                "--norpc",
                "--broker=memory",
                f"--port={self.port}",
                "--broadcast_adapter=http",
                f"--http_broadcast_port={self.broadcast_port}",
                *options,
            ],
            log=folder / "anycable.log",
            env={"ANYCABLE_DISABLE_TELEMETRY": "true"},
        )
        self.secret = secret

    @property
    def secret(self) -> str:
        """What tokens are signed with. Another one counts from the next start on, and no token from before then."""
        return self.server.env.get("ANYCABLE_SECRET", "")

    @secret.setter
    def secret(self, secret: str) -> None:
        if secret:
            self.server.env["ANYCABLE_SECRET"] = secret

    def start(self) -> None:
        """Start the server and wait until it is up."""
        if not self.server.running:
            self.server.start(lambda: http.answers(f"http://127.0.0.1:{self.port}/health"))

    def restart(self) -> None:
        """Kill the server and start it on the same ports."""
        self.server.kill()
        self.start()

    @contextmanager
    def going_down(self) -> Iterator[None]:
        """Have it say goodbye to its clients (SIGTERM), and keep it from ending before the end of the block.

        With nothing else to do it is often gone before its writers have run. What is being published it waits for: a
        request that is not complete. It answers 100 once it reads the body.
        """
        assert self.server.process is not None
        with socket.create_connection(("127.0.0.1", self.broadcast_port), 10) as unfinished:
            unfinished.sendall(UNFINISHED)
            assert b" 100 " in unfinished.recv(1000)
            self.server.process.terminate()
            yield
        self.server.process.wait(10)

    def broadcast_headers(self) -> dict[str, str]:
        """Tell what lets a publication in."""
        key = hmac.new(self.secret.encode(), BROADCASTS.encode(), hashlib.sha256).hexdigest()
        return {"Authorization": f"Bearer {key}"} if self.secret else {}

    def publish(self, stream: str, value: Any, **meta: Any) -> None:
        """Publish *value* to the clients of *stream*, with what *meta* says of it."""
        publication = {"stream": stream, "data": json.dumps(value), **({"meta": meta} if meta else {})}
        http.request(self.broadcast_url, publication, self.broadcast_headers())

    def refusals(self) -> list[str]:
        """Tell each line that it would not let in, from its log; it must run with ``--debug``."""
        signs = ("response.status=failure", "WebSocket session failed")
        return [line for line in self.server.logged().splitlines() if any(sign in line for sign in signs)]


class GatewayProcess(AnyCable):
    """Our gateway in a process of its own, told the same; publications are posted to the port of the clients."""

    program = (sys.executable, "-m", "cableway", "gateway")


def gateway_running(folder: Path, *options: str, secret: str = "") -> Iterator[AnyCable]:
    """Give a running gateway, and end it."""
    yield from _until_done(GatewayProcess(folder, *options, secret=secret))


def running(folder: Path, *options: str, secret: str = "") -> Iterator[AnyCable]:
    """Give a running server, and end it.

    No package brings this program: without it the test is skipped, unless ``CABLEWAY_REQUIRE_ANYCABLE`` is set.
    """
    program = os.environ.get("CABLEWAY_ANYCABLE_BIN")
    if not program:
        missing = "CABLEWAY_ANYCABLE_BIN names no AnyCable server"
        if os.environ.get("CABLEWAY_REQUIRE_ANYCABLE"):
            pytest.fail(f"{missing}, and CABLEWAY_REQUIRE_ANYCABLE is set", pytrace=False)
        pytest.skip(missing)
    if shutil.which(program) is None:
        pytest.fail(f"CABLEWAY_ANYCABLE_BIN={program} is no program", pytrace=False)
    yield from _until_done(AnyCable(folder, *options, program=program, secret=secret))


def _until_done(anycable: AnyCable) -> Iterator[AnyCable]:
    try:
        anycable.start()
        yield anycable
    finally:
        anycable.server.kill()
