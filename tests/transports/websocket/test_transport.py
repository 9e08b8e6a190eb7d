"""Opening a line: what a dial sends, and what each kind of answer becomes."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from websockets.asyncio.server import serve

from cableway.errors import (
    CableError,
    ConnectError,
    InvalidHeader,
    InvalidURL,
)
from cableway.transports.base import DialRequest
from cableway.transports.websocket import WebSocketTransport
from tests.transports.websocket.peers import (
    ConnectProxy,
    Peer,
    Recorder,
    answering,
    client_tls,
    dial,
    eventually,
    frame,
    server_tls,
    serving,
)

if TYPE_CHECKING:
    import trustme
    from websockets.asyncio.server import ServerConnection


# A line that opens ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", [True, False])
async def test_talks_with_a_server_of_another_make(sink: Recorder, *, compression: bool) -> None:
    """Messages both ways, a message in fragments, and compression where both want it."""

    async def echo(ws: ServerConnection) -> None:
        async for text in ws:
            await ws.send(text)
            await ws.send(["in ", "three ", "parts"])

    async with serve(echo, "127.0.0.1", 0, subprotocols=["a", "b"]) as server:  # type: ignore[list-item]
        port = next(iter(server.sockets)).getsockname()[1]
        request = dial(port, "http", subprotocols=["a", "b"])
        connection = await WebSocketTransport(compression=compression).open(request, sink)
        connection.resume()
        connection.send(b"hello " * 100)
        await sink.until(lambda: len(sink.messages) == 2)
        await connection.close(1000, "bye")

    assert sink.messages == [b"hello " * 100, b"in three parts"]
    assert sink.losses == [(1000, "bye", None)]
    assert connection.subprotocol == "a"
    assert ("sec-websocket-extensions" in connection.response_headers) is compression


async def test_the_request_carries_what_was_asked_for(sink: Recorder) -> None:
    """Path, query, origin, headers, subprotocols and user."""
    seen: dict[str, str] = {}

    async def script(peer: Peer) -> None:
        seen.update(await peer.upgrade("X-AnyCable-Version: 1.6", "Set-Cookie: a", "Set-Cookie: b"), line=peer.request)

    async with serving(script) as port:
        request = DialRequest(
            f"ws://u:p@127.0.0.1:{port}/cable?room=1",
            subprotocols=["actioncable-v1-json", "actioncable-unsupported"],
            headers={"Cookie": "session=1", "X-Jid": "abc"},
            origin="http://example.com",
            proxy=False,
        )
        connection = await WebSocketTransport().open(request, sink)
        connection.abort()

    assert seen["line"] == "GET /cable?room=1 HTTP/1.1"
    assert seen["host"] == f"127.0.0.1:{port}"
    assert seen["origin"] == "http://example.com"
    assert seen["sec-websocket-protocol"] == "actioncable-v1-json, actioncable-unsupported"
    assert (seen["cookie"], seen["x-jid"], seen["authorization"]) == ("session=1", "abc", "Basic dTpw")
    assert "sec-websocket-extensions" not in seen
    assert connection.subprotocol is None
    assert connection.response_headers["x-anycable-version"] == "1.6"
    assert connection.response_headers["set-cookie"] == "a, b"


async def test_one_transport_opens_many_lines_at_once(ca: trustme.CA) -> None:
    """They share nothing but the options."""

    async def script(peer: Peer) -> None:
        await peer.upgrade()
        _, payload = await peer.read_frame()
        await peer.send(frame(payload) * 100)
        await peer.silence()

    transport = WebSocketTransport()
    sinks = [Recorder() for _ in range(20)]
    async with serving(script, tls=server_tls(ca)) as port:
        request = dial(port, "https", ssl=client_tls(ca))
        lines = await asyncio.gather(*(transport.open(request, sink) for sink in sinks))
        for number, line in enumerate(lines):
            line.resume()
            line.send(b"%d" % number)
        for number, sink in enumerate(sinks):
            await sink.until(lambda sink=sink: len(sink.messages) == 100)  # type: ignore[misc]
            assert set(sink.messages) == {b"%d" % number}
        for line in lines:
            line.abort()


# Before anything is sent ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"headers": {"X\r\nEvil": "1"}}, InvalidHeader),
        ({"headers": {"X": "a\nb"}}, InvalidHeader),
        ({"origin": "http://a\r\nX: y"}, InvalidHeader),
        ({"subprotocols": ["a b"]}, InvalidHeader),
        ({"proxy": "ftp://127.0.0.1"}, InvalidURL),
    ],
)
async def test_what_must_not_be_sent_is_refused_before_dialling(
    options: dict[str, Any], error: type[CableError]
) -> None:
    """No connection is made."""
    lines = []

    async def script(peer: Peer) -> None:
        lines.append(peer)

    async with serving(script) as port:
        with pytest.raises(error):
            await WebSocketTransport().open(dial(port, **options), Recorder())

    assert lines == []


@pytest.mark.parametrize("options", [{"max_message_size": 0}, {"write_limit": 0}])
def test_options_are_checked(options: dict[str, int]) -> None:
    """A limit of nothing is a mistake."""
    with pytest.raises(ValueError, match="at least 1"):
        WebSocketTransport(**options)  # type: ignore[arg-type]


# Secrets -------------------------------------------------------------------------------------------------------------


async def test_secrets_are_in_no_log_text_or_repr(sink: Recorder, caplog: pytest.LogCaptureFixture) -> None:
    """Not even with all logs at their loudest."""
    canary = "hunter2"
    caplog.set_level(logging.DEBUG)
    logging.getLogger("websockets").setLevel(logging.DEBUG)
    url = "ws://user:{0}@127.0.0.1:{1}/cable?jid={0}"
    secrets = {"headers": {"X-Jid": canary, "Cookie": canary}, "proxy": None}
    texts = []

    async with serving(Peer.upgrade) as port:
        request = DialRequest(url.format(canary, port), **secrets)
        connection = await WebSocketTransport().open(request, sink)
        connection.send(canary.encode())
        texts += [repr(request), repr(connection)]
        await connection.close()
    for script in (answering("401 No"), answering("302 Found"), answering("200 OK"), Peer.silence):
        async with serving(script) as port:
            with pytest.raises(ConnectError) as caught:
                await WebSocketTransport().open(
                    DialRequest(url.format(canary, port), timeout=0.2, **secrets), Recorder()
                )
        texts += [str(caught.value), repr(caught.value), repr(caught.value.__cause__)]

    assert canary not in "".join(texts) + caplog.text


# Cancelled -----------------------------------------------------------------------------------------------------------


async def turns(count: int) -> None:
    """Let the loop go round."""
    for _ in range(count):
        await asyncio.sleep(0)


_FILES = Path("/dev/fd")


def open_files() -> int:
    """A socket that is leaked keeps its number, or is an error (ResourceWarning) when it is collected."""
    return len(list(_FILES.iterdir()))


@pytest.mark.skipif(not _FILES.is_dir(), reason="open files cannot be counted here")
@pytest.mark.parametrize("way", ["plain", "name", "tls", "proxy", "proxy-tls"])
async def test_a_dial_cancelled_at_any_step_leaves_nothing(way: str, ca: trustme.CA) -> None:
    """Neither a socket nor a task, wherever it was: each turn of the loop is tried."""
    secure = way.endswith("tls")

    async def script(peer: Peer) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await peer.upgrade()
            await peer.silence()

    async def forgiving(peer: Peer) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await ConnectProxy()(peer)

    options: dict[str, Any] = {"ssl": client_tls(ca)} if secure else {}
    async with serving(script, tls=server_tls(ca) if secure else None) as port, serving(forgiving) as proxy:
        if way.startswith("proxy"):
            options["proxy"] = f"http://127.0.0.1:{proxy}"
        url = f"{'wss' if secure else 'ws'}://{'localhost' if way == 'name' else '127.0.0.1'}:{port}/cable"
        request = DialRequest(url, **{"proxy": None, **options})
        for step in range(400):
            tasks, files = len(asyncio.all_tasks()), open_files()
            opening = asyncio.create_task(WebSocketTransport().open(request, Recorder()))
            await turns(step)
            if opening.done():
                break
            opening.cancel()
            with pytest.raises(asyncio.CancelledError):
                await opening
            await eventually(lambda: len(asyncio.all_tasks()) <= tasks and open_files() <= files)  # noqa: B023 - used at once
        assert opening.done()
        assert step > 3
        opening.result().abort()
        await turns(5)
