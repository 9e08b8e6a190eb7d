"""The servers that the cases run against: Cableway's gateway, and a real AnyCable where there is one."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol

import httpx2
import pytest

from cableway.gateway import Gateway
from cableway.server import broadcast_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

BINARY = "CABLEWAY_ANYCABLE_BIN"
REQUIRED = "CABLEWAY_REQUIRE_ANYCABLE"

SECRET = "k3y-demo"


class Server(Protocol):
    """What a case may do with a server."""

    url: str
    http_url: str
    broadcast_url: str
    key: str | None
    """The broadcast key, where one is needed."""

    async def pause(self) -> None:
        """Wait until everything published has been delivered, as far as one can tell."""

    async def shut_down(self) -> None:
        """Shut down as on SIGTERM."""


class GatewayServer:
    """Cableway's gateway, in this process."""

    def __init__(self, gateway: Gateway, key: str | None) -> None:
        self.url = gateway.url
        self.http_url = gateway.http_url
        self.broadcast_url = f"{gateway.http_url}/_broadcast"
        self.key = key
        self._gateway = gateway

    async def pause(self) -> None:
        """Do nothing: a publication is answered after its delivery."""

    async def shut_down(self) -> None:
        """Stop it."""
        await self._gateway.stop()


class AnyCableServer:
    """A real AnyCable, in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process, *, port: int, broadcast_port: int, key: str | None) -> None:
        self.url = f"ws://127.0.0.1:{port}/cable"
        self.http_url = f"http://127.0.0.1:{port}"
        self.broadcast_url = f"http://127.0.0.1:{broadcast_port}/_broadcast"
        self.key = key
        self._broadcast_port = broadcast_port
        self._process = process
        self._unfinished: asyncio.StreamWriter | None = None

    async def pause(self) -> None:
        """Give it half a second: it delivers in the background."""
        await asyncio.sleep(0.5)

    async def shut_down(self) -> None:
        """Send SIGTERM, and see to it that the process lives long enough to say goodbye to its clients.

        With nothing else to do it is often gone before its writers have run. After its clients, it waits for what is
        being published: a request that is not complete keeps it waiting. It answers 100 once it reads the body.
        """
        reader, self._unfinished = await asyncio.open_connection("127.0.0.1", self._broadcast_port)
        head = "POST /_broadcast HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nExpect: 100-continue\r\n"
        self._unfinished.write(f"{head}Authorization: Bearer {self.key}\r\n\r\n".encode())
        assert b" 100 " in await reader.readline()
        self._process.terminate()

    async def end(self) -> None:
        """Make sure it is gone."""
        if self._unfinished is not None:
            self._unfinished.close()
            await self._unfinished.wait_closed()
        with suppress(ProcessLookupError):
            self._process.terminate()
        await self._process.wait()


def public_server(kind: str) -> AbstractAsyncContextManager[Server]:
    """Start a server of public streams, with no key for publications."""
    if kind == "gateway":
        return _gateway(None, public=True, ping_interval=0.05)
    return _anycable(None, "--public")


def locked_server(kind: str) -> AbstractAsyncContextManager[Server]:
    """Start a server of public streams that takes publications only with the key."""
    key = broadcast_key(SECRET)
    if kind == "gateway":
        return _gateway(key, secret=SECRET, noauth=True, public_streams=True)
    return _anycable(key, f"--secret={SECRET}", "--noauth", "--public_streams")


def token_server(kind: str, *options: str, **more: Any) -> AbstractAsyncContextManager[Server]:
    """Start a server that knows clients by their tokens alone, and streams by their signed names."""
    key = broadcast_key(SECRET)
    if kind == "gateway":
        return _gateway(key, secret=SECRET, norpc=True, ping_interval=0.05, **more)
    return _anycable(key, f"--secret={SECRET}", *options)


@asynccontextmanager
async def _gateway(key: str | None, **options: Any) -> AsyncIterator[Server]:
    async with Gateway(**options) as gateway:
        yield GatewayServer(gateway, key)


@asynccontextmanager
async def _anycable(key: str | None, *options: str) -> AsyncIterator[Server]:
    binary, port, broadcast_port = anycable_binary(), _free_port(), _free_port()
    process = await asyncio.create_subprocess_exec(
        binary,
        "--host=127.0.0.1",
        f"--port={port}",
        "--ignore-config-path",
        "--norpc",
        "--broker=memory",
        "--broadcast_adapter=http",
        f"--http_broadcast_port={broadcast_port}",
        "--ping_interval=1",
        "--log_level=error",
        *options,
        env={**os.environ, "ANYCABLE_DISABLE_TELEMETRY": "true"},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    server = AnyCableServer(process, port=port, broadcast_port=broadcast_port, key=key)
    try:
        await _answers(f"{server.http_url}/health", 200)
        await _answers(server.broadcast_url, 422)
        yield server
    finally:
        await server.end()


def anycable_binary() -> str:
    """Tell where AnyCable is; skip the test where it is not, or fail it where it must be."""
    binary = os.environ.get(BINARY, "")
    if binary:
        return binary
    reason = f"no AnyCable here: set {BINARY} to the path of anycable-go to run this case against it"
    if os.environ.get(REQUIRED) == "1":
        pytest.fail(reason)
    pytest.skip(reason)


async def _answers(url: str, status: int) -> None:
    async with httpx2.AsyncClient(trust_env=False) as client, asyncio.timeout(10):
        while True:
            with suppress(httpx2.TransportError):
                if (await client.get(url)).status_code == status:
                    return
            await asyncio.sleep(0.02)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def post(server: Server, body: Any, *, key: str | None = None, method: str = "POST") -> int:
    """Post to the server's broadcast path, JSON or bytes as they are, and return the status."""
    given = key or server.key
    headers = {"Authorization": f"Bearer {given}"} if given else {}
    content = {"content": body} if isinstance(body, bytes) else {"json": body}
    async with httpx2.AsyncClient(trust_env=False) as client:
        response = await client.request(method, server.broadcast_url, headers=headers, **content)
    return response.status_code
