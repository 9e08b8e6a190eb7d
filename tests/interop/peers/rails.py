"""A real Action Cable server, in puma, with a Redis of its own."""

from __future__ import annotations

import json
import secrets
import shutil
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.interop.peers import http
from tests.interop.peers.process import Server, free_port, lacking

if TYPE_CHECKING:
    from collections.abc import Iterator

MEMBERS = "/members"
"""Where it lets nobody in without a token, in ``Authorization: Bearer`` or in the parameter ``jwt``."""

APPLICATION = Path(__file__).resolve().parent.parent / "rails" / "config.ru"


def demand_rails() -> None:
    """Skip or fail where Action Cable, puma or Redis is missing."""
    for program in ("ruby", "puma", "redis-server"):
        if shutil.which(program) is None:
            lacking(f"{program} is not installed")
    probe = ["ruby", "-e", 'require "action_cable"; require "redis"']
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        lacking("Ruby has no Action Cable or no Redis client: ruby-actioncable and ruby-redis on Debian")


class Rails:
    """The server. It can be killed and comes back on the same port, and tells what it saw."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"ws://127.0.0.1:{self.port}/cable"
        self.http_url = f"http://127.0.0.1:{self.port}"
        self.secret = secrets.token_hex(32)
        """What the tokens are signed with that are demanded at :data:`MEMBERS`."""
        redis_port = free_port()
        self._redis_port = redis_port
        self._redis = Server(
            ["redis-server", "--port", str(redis_port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)],
            log=folder / "redis.log",
        )
        self.server = Server(
            ["puma", "--bind", f"tcp://127.0.0.1:{self.port}", "--threads", "1:8", str(APPLICATION)],
            log=folder / "puma.log",
            env={"REDIS_URL": f"redis://127.0.0.1:{redis_port}", "RACK_ENV": "production", "JWT_SECRET": self.secret},
        )

    def start(self) -> None:
        """Start what does not run, and wait until it is up."""
        if not self._redis.running:
            self._redis.start(self._redis_listens)
        if not self.server.running:
            self.server.start(lambda: http.answers(f"{self.http_url}/up"))

    def kill(self) -> None:
        """End the server with SIGKILL: no goodbye on any line."""
        self.server.kill()

    def restart(self) -> None:
        """Kill the server and start it on the same port. What it knew is gone."""
        self.kill()
        self.start()

    def stop(self) -> None:
        """End the server and its Redis."""
        self.server.kill()
        self._redis.kill()

    def performed(self, run: str) -> list[int]:
        """Tell the numbers that ``CounterChannel#count`` was called with, in order."""
        return list(http.request(f"{self.http_url}/performed", run=run))

    def identifiers(self) -> list[dict[str, Any]]:
        """Tell what is subscribed now, on all lines."""
        return [json.loads(text) for text in http.request(f"{self.http_url}/identifiers")]

    def broadcast(self, stream: str, value: Any) -> None:
        """Broadcast from within the server."""
        http.request(f"{self.http_url}/broadcast", value, stream=stream)

    def disconnect(self, user: str) -> None:
        """Disconnect the lines of *user* from within the server."""
        http.request(f"{self.http_url}/disconnect", {}, user=user)

    def _redis_listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._redis_port)) == 0


def running(folder: Path) -> Iterator[Rails]:
    """Give a running server, and end it."""
    demand_rails()
    rails = Rails(folder)
    try:
        rails.start()
        yield rails
    finally:
        rails.stop()
