"""A real nginx in front of servers of this machine, configured as people do it: right, wrong, or with cookies."""

from __future__ import annotations

import os
import shutil
import signal
from typing import TYPE_CHECKING

from attrs import frozen

from tests.interop.peers import http
from tests.interop.peers.process import Server, free_port, lacking, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOST = "127.0.0.1"
COOKIE = "route"
"""By what the balancer knows where a client has been."""

WRONG = ""
"""The classic mistake: nginx speaks HTTP/1.0 to the server, and keeps ``Upgrade`` and ``Connection`` to itself."""

RIGHT = """
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
"""

ONE = """
    upstream cable {{ server {host}:{port}; }}
"""

# What is done without nginx Plus: a group for each server, with the other one for the case that it is gone, and the
# group by a cookie, which tells who has answered last.
STICKY = """
    upstream either {{ server {host}:{one}; server {host}:{two}; }}
    upstream one {{ server {host}:{one}; server {host}:{two} backup; }}
    upstream two {{ server {host}:{two}; server {host}:{one} backup; }}
    map $cookie_{cookie} $group {{ default either; one one; two two; }}
    map $upstream_addr $answered {{ ~:{one}$ one; ~:{two}$ two; }}
    map $answered $stick {{ "" ""; default "{cookie}=$answered; Path=/; HttpOnly"; }}
"""

WHOLE = """
{user}daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log info;
events {{ worker_connections 256; }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    log_format told "$request_method $request_uri $status $upstream_addr";
    access_log {folder}/access.log told;
    map $http_upgrade $connection_upgrade {{ default upgrade; "" close; }}
{servers}
    server {{
        listen {host}:{port};
        location = /generation {{ access_log off; return 200 "{generation}"; }}
        location / {{
            proxy_pass http://{group};
            proxy_set_header Host $http_host;{how}{cookies}        }}
    }}
}}
"""


@frozen
class Passed:
    """A request that nginx has answered."""

    method: str
    path: str
    status: int
    by: str
    """Which server answered, the last one if several were asked."""


class Nginx:
    """The program, in front of the server at port *first*, or with sticky cookies in front of that and of *second*."""

    def __init__(self, folder: Path, program: str, first: int, second: int | None = None, *, how: str = RIGHT) -> None:
        self.port = free_port()
        self.url = f"ws://{HOST}:{self.port}/cable"
        self._ports = (first, second)
        self._folder = folder / f"nginx-{self.port}"
        self._folder.mkdir()
        self._config = self._folder / "nginx.conf"
        self._generation = 0
        command = [program, "-p", str(self._folder), "-e", str(self._folder / "nginx.log"), "-c", str(self._config)]
        self.server = Server(command, log=self._folder / "said.log")
        self._write(how)

    def start(self) -> None:
        """Start it, and wait until it is up."""
        self.server.start(self._serves)

    def reload(self, how: str) -> None:
        """Pass requests on by other rules from now on (SIGHUP); what is under way goes on by those from before."""
        assert self.server.process is not None
        self._write(how)
        self.server.process.send_signal(signal.SIGHUP)
        wait_until(self._serves, 10, lambda: "nginx has read its configuration again", lambda: self.server.running)

    def restart(self, how: str) -> None:
        """Cut all lines, and pass requests on by other rules."""
        self.server.kill()
        self._write(how)
        self.start()

    def passed(self) -> list[Passed]:
        """Tell each request that was answered, in the order of the answers."""
        log = self._folder / "access.log"
        # "a, b": b was asked because a could not be reached.
        lines = [line.split(maxsplit=3) for line in log.read_text().splitlines()] if log.exists() else []
        return [Passed(method, path, int(status), by.split(", ")[-1]) for method, path, status, by in lines]

    def logged(self) -> str:
        """Tell what it complained of."""
        return (self._folder / "nginx.log").read_text() + self.server.logged()

    def _serves(self) -> bool:
        try:
            return http.request(f"http://{HOST}:{self.port}/generation") == self._generation
        except OSError:
            return False

    def _write(self, how: str) -> None:
        first, second = self._ports
        sticky = second is not None
        self._generation += 1
        self._config.write_text(
            WHOLE.format(
                # Its workers are to read and write where only we may.
                user="user root;\n" if os.geteuid() == 0 else "",
                folder=self._folder,
                host=HOST,
                port=self.port,
                generation=self._generation,
                servers=STICKY.format(host=HOST, one=first, two=second, cookie=COOKIE)
                if sticky
                else ONE.format(host=HOST, port=first),
                group="$group" if sticky else "cable",
                how=how or "\n",
                cookies="            add_header Set-Cookie $stick always;\n" if sticky else "",
            )
        )


def running(folder: Path, first: int, second: int | None = None, *, how: str = RIGHT) -> Iterator[Nginx]:
    """Give a running nginx, and end it; skip or fail where there is none."""
    # Debian has it where only root looks.
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")
    if program is None:
        lacking("nginx is not installed")
        return
    nginx = Nginx(folder, program, first, second, how=how)
    try:
        nginx.start()
        yield nginx
    finally:
        nginx.server.kill()
