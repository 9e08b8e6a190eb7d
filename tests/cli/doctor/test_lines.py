"""Each transport from the opening to the beat."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from cableway.cli.doctor.findings import Part, Record, Result, Step
from cableway.cli.doctor.lines import cookies_of
from cableway.cli.doctor.symptoms import Symptom
from cableway.gateway import Connection, Gateway
from tests.cli.doctor.house import examined, found, results, served
from tests.transports.websocket.peers import Peer, answering, serving

if TYPE_CHECKING:
    from cableway.cli.doctor.findings import Finding
    from tests.transports.websocket.peers import Script

pytestmark = pytest.mark.looptime

WELCOME = b'\x81\x12{"type":"welcome"}'
BASE = "Sec-WebSocket-Protocol: actioncable-v1-json"


async def tried(script: Script, part: Part = Part.WEBSOCKET, **options: Any) -> Record:
    """Examine *part* of a server that does what *script* says."""
    async with serving(served(script)) as port:
        return await examined(f"ws://127.0.0.1:{port}/cable", transports=(part,), **options)


def step(record: Record, which: Step, part: Part = Part.WEBSOCKET) -> Finding:
    """Return what was found at one step."""
    return found(record, part, which)


@pytest.mark.parametrize("part", [Part.WEBSOCKET, Part.EVENTS])
async def test_a_line_is_opened_welcomed_and_beats(part: Part) -> None:
    """The interval between two beats is measured; the extended protocol is offered first."""
    async with Gateway(public=True, sse=True, ping_interval=1.5) as gateway:
        record = await examined(gateway.url, transports=(part,))
        opened = record.of(part)[0]

        assert results(record, part) == ["ok"] * 3
        assert opened.facts["protocol"] == "actioncable-v1-ext-json"
        assert step(record, Step.WELCOME, part).facts["restorable"] is True
        assert step(record, Step.PING, part).facts["interval"] == pytest.approx(1.5, abs=0.1)
        await asyncio.sleep(2)
        assert gateway.stats().connections == 0


async def test_a_server_that_selects_no_protocol_speaks_the_base_one() -> None:
    """In the same dial, as with a cable."""

    async def script(peer: Peer) -> None:
        await peer.upgrade(after=WELCOME)
        await peer.silence()

    record = await tried(script)

    assert step(record, Step.UPGRADE).facts["protocol"] == "actioncable-v1-json"
    assert step(record, Step.WELCOME).facts["restorable"] is False
    assert (step(record, Step.PING).result, step(record, Step.PING).symptom) == (Result.NOTE, Symptom.NO_BEAT)


@pytest.mark.parametrize("selects", [False, True])
async def test_a_server_without_the_extended_protocol_is_asked_again(selects: bool) -> None:  # noqa: FBT001
    """It refuses the upgrade, or selects the base one all the same; the next dial offers that."""
    offers: list[str] = []

    async def script(peer: Peer) -> None:
        if not offers and not selects:
            headers = await peer.read_request()
            await peer.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        else:
            headers = await peer.upgrade(BASE, after=WELCOME)
        offers.append(headers["sec-websocket-protocol"])
        await peer.silence()

    record = await tried(script)

    assert offers == ["actioncable-v1-ext-json", "actioncable-v1-json, actioncable-unsupported"]
    assert step(record, Step.WELCOME).result is Result.OK


async def swallow(peer: Peer) -> None:
    """Take the request, and say nothing."""
    await peer.silence()


async def cut(peer: Peer) -> None:
    """Take the request, and be gone."""
    await peer.read_request()


REFUSALS: list[tuple[Script, Symptom]] = [
    (swallow, Symptom.UPGRADE_SWALLOWED),
    (cut, Symptom.UPGRADE_CUT),
    (answering("200 OK", b"<html>log in</html>", "Content-Type: text/html"), Symptom.SOMETHING_ELSE),
    (answering("302 Found", b"", "Location: http://portal.example/?t=s3cret"), Symptom.REDIRECT),
    (answering("400 Bad Request"), Symptom.UPGRADE_DROPPED),
    (answering("401 Unauthorized"), Symptom.NOT_AUTHENTICATED),
    (answering("404 Not Found", b"Page not found"), Symptom.ORIGIN_OR_UPGRADE),
]


@pytest.mark.parametrize(("script", "symptom"), REFUSALS, ids=lambda value: getattr(value, "value", ""))
async def test_an_upgrade_that_comes_to_nothing_is_told(script: Script, symptom: Symptom) -> None:
    """Within its time; what would come after it is not tried."""
    record = await tried(script)

    assert results(record, Part.WEBSOCKET) == ["failed", "not tried", "not tried"]
    assert step(record, Step.UPGRADE).symptom is symptom
    assert "s3cret" not in repr(step(record, Step.UPGRADE))


async def test_a_line_without_a_welcome_is_told() -> None:
    """Something accepts WebSockets, and is no Action Cable server."""

    async def script(peer: Peer) -> None:
        await peer.upgrade()
        await peer.silence()

    record = await tried(script)

    assert results(record, Part.WEBSOCKET) == ["ok", "failed", "not tried"]
    assert step(record, Step.WELCOME).symptom is Symptom.NO_WELCOME


async def test_a_line_that_is_cut_after_the_welcome_is_told() -> None:
    """Some middleboxes let a line open, and nothing pass."""

    async def script(peer: Peer) -> None:
        await peer.upgrade(after=WELCOME)

    record = await tried(script)

    assert results(record, Part.WEBSOCKET) == ["ok", "ok", "failed"]
    assert step(record, Step.PING).symptom is Symptom.LINE_LOST


class _Members(Connection):
    async def connect(self) -> None:
        self.reject()


@pytest.mark.parametrize(
    ("part", "which"), [(Part.WEBSOCKET, Step.WELCOME), (Part.POLLING, Step.OPEN), (Part.EVENTS, Step.OPEN)]
)
async def test_a_server_that_lets_us_not_in_is_told(part: Part, which: Step) -> None:
    """By each transport in its own way."""
    async with Gateway(sse=True, poll=True, connection=_Members) as gateway:
        record = await examined(gateway.url, transports=(part,))

    assert step(record, which, part).symptom in {Symptom.REJECTED, Symptom.NOT_AUTHENTICATED}


async def test_an_event_stream_that_is_held_back_is_told() -> None:
    """The head of the answer passes, and nothing of its body."""

    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        await peer.silence()

    record = await tried(script, Part.EVENTS)

    assert step(record, Step.WELCOME, Part.EVENTS).symptom is Symptom.STREAM_HELD_BACK


@pytest.mark.parametrize("part", [Part.POLLING, Part.EVENTS])
async def test_a_request_that_is_swallowed_ends_in_time(part: Part) -> None:
    """After the time of one step."""
    loop = asyncio.get_running_loop()
    began = loop.time()

    record = await tried(swallow, part, timeout=3.0)

    assert step(record, Step.OPEN, part).symptom is Symptom.REQUEST_SILENT
    assert loop.time() - began < 4


def test_cookies_are_told_by_their_names() -> None:
    """What is in them is nobody's business."""
    header = "node=seven; Path=/, _session=s3cret; Expires=Thu, 01 Jan 2030 00:00:00 GMT; HttpOnly"

    assert cookies_of({"set-cookie": header}) == ["node", "_session"]
    assert cookies_of({}) == []
