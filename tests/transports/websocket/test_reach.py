"""The way to the host: by name or address, in time, or told why not."""

from __future__ import annotations

import asyncio
import socket
import ssl

import pytest

from cableway.errors import ConnectTimeout, HostUnreachable, ServerSilent
from cableway.transports.base import DialRequest
from cableway.transports.websocket import WebSocketTransport
from tests.transports.websocket.peers import Peer, Recorder, dial, refused, serving, unused_port


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_refused_port_is_told(host: str) -> None:
    """By address and by name, which may have several addresses."""
    with pytest.raises(HostUnreachable, match="refused the connection") as caught:
        await WebSocketTransport().open(
            DialRequest(f"ws://{host}:{unused_port()}/cable?jid=hunter2", proxy=None), Recorder()
        )

    assert "hunter2" not in str(caught.value)
    assert isinstance(caught.value.__cause__, OSError)


async def test_a_name_that_is_not_found_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be misspelt."""

    def nothing(*args: object, **options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nothing)
    with pytest.raises(HostUnreachable, match=r"host name of nowhere.example:80 was not found"):
        await WebSocketTransport().open(DialRequest("ws://nowhere.example/cable", proxy=None), Recorder())


async def test_the_next_address_of_a_host_is_tried_when_the_first_fails(
    monkeypatch: pytest.MonkeyPatch, sink: Recorder
) -> None:
    """A broken IPv6 does not keep us from IPv4."""
    async with serving(Peer.upgrade) as port:
        addresses = [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", unused_port(), 0, 0)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: addresses)
        connection = await WebSocketTransport().open(DialRequest("ws://both.example/cable", proxy=None), sink)
        connection.abort()


@pytest.mark.looptime
async def test_a_server_that_does_not_answer_the_upgrade_times_out() -> None:
    """After the time allowed, with the phase in the text."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    error = await refused(Peer.silence, ServerSilent, timeout=7)

    assert error.phase == "the upgrade was not answered"
    assert 7 <= loop.time() - started < 7.5


@pytest.mark.looptime
async def test_an_answer_that_drips_times_out() -> None:
    """A byte now and then does not buy time."""

    async def script(peer: Peer) -> None:
        await peer.read_request()
        for byte in b"HTTP/1.1 101 Switching Protocols\r\n" * 100:
            try:
                await peer.send(bytes([byte]))
            except ConnectionError:
                return
            await asyncio.sleep(1)

    assert (await refused(script, ServerSilent, timeout=7)).seconds == 7


@pytest.mark.looptime
async def test_a_host_that_does_not_answer_times_out() -> None:
    """The same limit holds for reaching the host: TLS with a server that is silent."""
    async with serving(Peer.silence) as port:
        with pytest.raises(ConnectTimeout) as caught:
            await WebSocketTransport().open(dial(port, "wss", ssl=ssl.create_default_context(), timeout=4), Recorder())

    assert caught.value.phase == "the host was not reached"
