"""Event streams of the real AnyCable server and of our gateway, byte for byte.

What differs by its nature is put aside: ids of sessions, eras, pings, and headers that say who serves and which pages
may read. What differs on purpose is asked for elsewhere: the order of keys, and markup that AnyCable escapes.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance.event_client import EventClient
from tests.conformance.handmade import WHO, good
from tests.conformance.raw_client import stream
from tests.conformance.servers import Server, post, token_server

if TYPE_CHECKING:
    from collections.abc import Mapping

VALUES: list[Any] = [
    {"text": "hi", "to": ["all", None, True]},
    "hi",
    "one\ntwo\r\nthree\r",
    "",
    " led by a blank",
    "5",
    5,
    0.5,
    [],
    False,
    "caf\u00e9 \U0001f6b2",
    "data: not a field",
]

THEIRS = frozenset({"date", "server", "transfer-encoding", "content-length", "vary", "x-anycable-version"})

MINUTE = 60


class Asking:
    """One request."""

    def __init__(
        self,
        lines: list[dict[str, Any]] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        again: bool = False,
        **params: str,
    ) -> None:
        self.params = params
        self.lines = lines
        self.headers = headers or {}
        self.again = again


async def told(server: Server, ask: Asking) -> tuple[int, dict[str, str], str]:
    """Return what *server* answers to *ask*: status, headers, and all that it says until it is made to end."""
    await publish_all(server, "past", [1, {"n": 2}, "3"])
    params, headers = {"jid": good(), **ask.params}, dict(ask.headers)
    if "Last-Event-ID" in headers:
        headers["Last-Event-ID"] = headers["Last-Event-ID"].replace("ERA", await era(server))
    body = None if ask.lines is None else "\n".join(map(json.dumps, ask.lines))
    method = "GET" if body is None else "POST"
    async with EventClient(server.http_url, params, headers=headers, method=method, content=body) as client:
        if client.status == 200:
            await publish_all(server, "room/7", VALUES)
            await post(server, {"stream": "room/7", "data": '{"n":1}', "meta": {"broadcast_type": "notice"}})
            await server.pause()
            payload = {"identifier": WHO, "reconnect": ask.again}
            assert await post(server, {"command": "disconnect", "payload": payload}) == 201
        text = await client.rest()
        shown = {name.lower(): value for name, value in client.response.headers.items()}
        kept = {name: value for name, value in shown.items() if name not in THEIRS and not name.startswith("access-")}
        return client.status, kept, plain(text)


async def publish_all(server: Server, name: str, values: list[Any]) -> None:
    """Publish *values*, each written as AnyCable would write it."""
    for value in values:
        data = json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=True)
        assert await post(server, {"stream": name, "data": data}) == 201
    await server.pause()


async def era(server: Server) -> str:
    """Tell the server's."""
    async with EventClient(server.http_url, {"jid": good(), "stream": "past", "history_since": "1"}) as client:
        await client.begun()
        return (await client.expect("")).id.split("/")[1]


def plain(text: str) -> str:
    """Put aside what differs by its nature."""
    blocks = [block for block in text.split("\n\n") if not block.startswith("event: ping\n")]
    text = re.sub(r'"sid":"[^"]+"', '"sid":"SID"', "\n\n".join(blocks))
    return re.sub(r'(id: \d+/|"epoch":")[\w-]{4}(?=["/])', r"\1ERA", text)


def since() -> str:
    """Tell a time before all that these tests publish."""
    return str(int(time.time()) - MINUTE)


ROOM = {"identifier": stream("room/7")}
PAST = {"identifier": stream("past")}

ASKED: dict[str, Asking] = {
    "stream": Asking(stream="room/7"),
    "identifier": Asking(identifier=stream("room/7")),
    "to come back": Asking(stream="room/7", again=True),
    "raw": Asking(stream="room/7", raw="1"),
    "last event": Asking(stream="past", headers={"Last-Event-ID": "1/ERA/past"}),
    "last event, all seen": Asking(stream="past", headers={"Last-Event-ID": "3/ERA/past"}),
    "last event of elsewhere": Asking(stream="past", headers={"Last-Event-ID": "1/ERA/other"}),
    "last event of another era": Asking(stream="past", headers={"Last-Event-ID": "1/none/past"}),
    "last event out of reach": Asking(stream="past", headers={"Last-Event-ID": "9/ERA/past"}),
    "since": Asking(stream="past", history_since=since()),
    "raw since": Asking(stream="past", history_since=since(), raw="true"),
    "since a time to come": Asking(stream="past", history_since=str(2**31)),
    "post": Asking([ROOM]),
    "post of two": Asking([ROOM, {**PAST, "history": {"since": int(since())}}]),
    "post from a place": Asking([{**PAST, "history": {"streams": {"past": {"epoch": "none", "offset": 1}}}}]),
    "raw post": Asking([ROOM, {**PAST, "history": {"since": int(since())}}], raw="y"),
    "post of nothing": Asking([]),
    "no channel": Asking(),
    "rejected": Asking(channel="Nobody"),
    "no time": Asking(stream="past", history_since="x"),
    "no offset": Asking(stream="past", headers={"Last-Event-ID": "x/ERA/past"}),
    "no token": Asking(stream="past", jid=""),
    "a bad token": Asking(stream="past", jid="bad"),
    "a bad line": Asking([ROOM, {"identifier": 7}]),
    "a rejected line": Asking([ROOM, {"identifier": '{"channel":"Nobody"}'}]),
}


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
async def test_both_answer_byte_for_byte_alike(ask: Asking) -> None:
    """Status, headers, and each byte of the stream from its welcome to its end."""
    options: dict[str, Any] = {"sse": True, "public_streams": True, "ping_interval": MINUTE}
    async with token_server("gateway", **options) as ours, token_server("anycable", **options) as theirs:
        mine, real = await asyncio.gather(told(ours, ask), told(theirs, ask))
    assert mine[2].split("\n") == real[2].split("\n")
    assert mine == real
    assert bool(mine[2]) == (mine[0] == 200)
