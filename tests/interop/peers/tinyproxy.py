"""A real HTTP proxy, as stands between offices and the rest of the world: tinyproxy."""

from __future__ import annotations

import shutil
import signal
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

from tests.interop.peers.process import Server, free_port, lacking, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOST = "127.0.0.1"

CONFIG = """
Listen {host}
Port {port}
Allow {host}
Timeout 600
MaxClients 100
LogLevel Info
ConnectPort 443
{more}
"""


class Tinyproxy:
    """The proxy: plain requests pass to anywhere, tunnels to port 443 alone."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        self._config = folder / f"tinyproxy-{self.port}.conf"
        self.server = Server(["tinyproxy", "-d", "-c", str(self._config)], log=folder / "tinyproxy.log")
        self._write()

    def start(self) -> None:
        """Start it, and wait until it is up."""
        self.server.start(self._runs)

    def allow(self, port: int) -> None:
        """Allow tunnels to *port*, too, from now on; what passes already goes on (SIGUSR1)."""
        assert self.server.process is not None
        self._write(f"ConnectPort {port}")
        self.server.process.send_signal(signal.SIGUSR1)
        target = f"{HOST}:{port}"
        wait_until(lambda: self._tunnels(target), 10, lambda: f"tunnels to {target} pass", lambda: self.server.running)

    def _tunnels(self, target: str) -> bool:
        # While it reads its configuration it may drop who comes.
        with suppress(OSError), socket.create_connection((HOST, self.port), 10) as probe:
            probe.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
            return b" 200 " in probe.recv(1000).split(b"\r\n")[0]
        return False

    def _runs(self) -> bool:
        # It listens before it knows its signals.
        return "Accepting connections" in self.server.logged()

    def _write(self, more: str = "") -> None:
        self._config.write_text(CONFIG.format(host=HOST, port=self.port, more=more))


def running(folder: Path) -> Iterator[Tinyproxy]:
    """Give a running proxy, and end it; skip or fail where there is none."""
    if shutil.which("tinyproxy") is None:
        lacking("tinyproxy is not installed")
    proxy = Tinyproxy(folder)
    try:
        proxy.start()
        yield proxy
    finally:
        proxy.server.kill()
